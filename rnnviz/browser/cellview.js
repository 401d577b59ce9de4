// Tables of numbers that are edited in place: they go to Python while they are typed, one request at a time.
import { el } from "./dom.js";

const SHEETS_WAIT = 1000; // ms without an answer after which newer numbers are sent all the same
const sheetBooks = new WeakMap();

const shortNumber = (value) => String(Number(value.toPrecision(10)));

/** All tables of one mounted element, and what of them Python has heard. */
class SheetBook {
  constructor(root, data) {
    this.root = root;
    this.sent = data.heard;
    this.busy = false;
    this.waiting = false;
    this.turn = 0;
    this.shape = "";
  }

  take(data, post) {
    this.data = data;
    this.post = post;
    this.turn += 1;
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

  say() {
    this.waiting = true;
    this.pump();
  }

  pump() {
    if (!this.waiting || this.busy) return;
    this.waiting = false;
    this.busy = true;
    this.sent = Math.max(this.sent + 1, Date.now()); // no other mount of these tables has used it
    this.timer = setTimeout(() => this.answered(), SHEETS_WAIT);
    this.post("edited", { count: this.sent, of: this.data.of, values: structuredClone(this.values) });
  }

  answered() {
    this.rest();
    this.pump();
  }

  rest() {
    clearTimeout(this.timer);
    this.busy = false;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".rv-sheets");
  if (!sheetBooks.has(root)) sheetBooks.set(root, new SheetBook(root, data));
  const book = sheetBooks.get(root);
  book.take(data, setStateValue);
  const { turn } = book;
  return () => {
    if (turn === book.turn) book.rest();
  };
}
