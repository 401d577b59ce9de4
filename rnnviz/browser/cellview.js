// Tables of numbers that are edited in place: they go to Python while they are typed, one request at a time.
import { el } from "./dom.js";
import { mounting, Sayer } from "./saying.js";

const shortNumber = (value) => String(Number(value.toPrecision(10)));

/** All tables of one mounted element, and what of them Python has heard. */
class SheetBook extends Sayer {
  constructor(root, data) {
    super(root, data);
    this.shape = "";
  }

  take(data) {
    const shape = JSON.stringify([data.of, data.frozen, data.sheets]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.waiting = false;
      this.build();
    }
    if (data.heard >= this.sent) this.answered();
    if (!this.waiting && data.heard >= this.sent) this.show();
  }

  build() {
    this.values = structuredClone(this.data.values);
    this.inputs = this.data.sheets.map((sheet, at) => sheet.rows.map((_, row) => sheet.columns.map((_, column) => this.input(sheet, at, row, column))));
    const parts = this.data.sheets.map((sheet, at) => this.table(sheet, this.inputs[at]));
    this.again = el("button", { type: "button", onclick: () => this.reset() }, "Reset to the preset");
    if (!this.data.frozen) parts.push(this.again);
    this.root.replaceChildren(...parts);
    this.show();
  }

  input(sheet, at, row, column) {
    if (sheet.fixed.some(([r, c]) => r === row && c === column)) return null;
    const label = `${sheet.caption}: row ${sheet.rows[row]}, column ${sheet.columns[column]}`;
    const node = el("input", { type: "number", step: "0.1", "aria-label": label, disabled: this.data.frozen });
    node.addEventListener("input", () => this.typed(node, at, row, column));
    node.addEventListener("blur", () => this.show());
    return node;
  }

  table(sheet, inputs) {
    const head = el("tr", {}, el("td"), ...sheet.columns.map((name) => el("th", { scope: "col" }, name)));
    const gate = (name) => name.replace(/\d+$/u, "");
    const body = sheet.rows.map((name, row) => {
      const next = row > 0 && gate(name) !== gate(sheet.rows[row - 1]);
      const cells = inputs[row].map((node) => el("td", {}, node ?? "\u2013"));
      return el("tr", { className: next ? "rv-next" : "" }, el("th", { scope: "row" }, name), ...cells);
    });
    const table = el("table", {}, el("caption", {}, sheet.caption), el("thead", {}, head), el("tbody", {}, ...body));
    const reach = this.data.frozen ? { tabIndex: 0, role: "region", "aria-label": sheet.caption } : {}; // a box that scrolls needs the focus
    return el("div", { className: "rv-sheet-box", ...reach }, table);
  }

  each(run) {
    this.inputs.forEach((rows, at) => rows.forEach((nodes, row) => nodes.forEach((node, column) => node && run(node, at, row, column))));
  }

  /** Show what Python holds once it has heard all; a number under the user's hand stays as it is typed. */
  show() {
    if (!this.waiting && this.data.heard >= this.sent) this.values = structuredClone(this.data.values);
    const root = this.root.getRootNode();
    let changed = false;
    this.each((node, at, row, column) => {
      const value = this.values[at][row][column];
      const other = value !== this.data.sheets[at].starts[row][column];
      changed ||= other;
      node.classList.toggle("rv-changed", other);
      if (root.activeElement === node) return;
      node.removeAttribute("aria-invalid");
      node.value = shortNumber(value);
    });
    this.again.disabled = !changed;
  }

  typed(node, at, row, column) {
    const value = node.valueAsNumber;
    if (!Number.isFinite(value)) {
      node.setAttribute("aria-invalid", "true");
      return;
    }
    node.removeAttribute("aria-invalid");
    this.values[at][row][column] = value;
    this.say();
  }

  reset() {
    this.values = this.data.sheets.map((sheet) => structuredClone(sheet.starts));
    this.say();
    this.show();
  }

  said() {
    return ["edited", { of: this.data.of, values: structuredClone(this.values) }];
  }
}

export default mounting(".rv-sheets", SheetBook);
