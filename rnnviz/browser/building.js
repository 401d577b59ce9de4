// The studio's controls and what they call.
import * as panels from "./panels.js";
import { HeatMap } from "./heat.js";
import { STATUS } from "./telling.js";
import { TextView } from "./text.js";
import { el, field, options } from "./dom.js";

const ORDERS = [
  ["index", "by index"],
  ["similarity", "alike side by side"],
  ["movement", "most moving first"],
  ["persistence", "swings widely and holds, first"],
  ["throughout", "on throughout the selection, first"],
  ["edges", "switch at the selection\u2019s edges, first"],
];

/** A part of `Studio`: its methods are put on the studio's prototype. */
export class Building {
  build() {
    const { data } = this;
    this.model = options(el("select"), data.models.map((one) => [one.name, one.label]), data.models[0].name);
    this.model.onchange = () => this.changeModel(this.model.value);
    this.variant = el("select");
    this.variant.onchange = () => this.change({ variant: this.variant.value });
    this.signal = el("select");
    this.signal.onchange = () => this.change({ signal: this.signal.value });
    this.layer = el("select");
    this.layer.onchange = () => this.change({ layer: Number(this.layer.value) });
    this.unit = el("input", { type: "number", min: "0", step: "1" });
    this.unit.onchange = () => this.pick(this.unit.value === "" ? NaN : this.unit.valueAsNumber);
    this.order = options(el("select"), ORDERS, "index");
    this.order.onchange = () => this.change({ order: this.order.value });
    this.guesses = el("input", { type: "checkbox", checked: true });
    this.guesses.onchange = () => this.change({ guesses: this.guesses.checked });
    this.status = el("p", { className: "rv-status", role: "status" }, STATUS.connecting);
    this.notice = el("p", { className: "rv-notice", role: "alert", hidden: true });
    this.headline = el("p", { className: "rv-note" });
    this.chips = el("div", { className: "rv-chips" });
    this.legend = el("div", { className: "rv-legend" });
    this.caret = el("div", { className: "rv-caret", role: "status" });
    this.read = el("p", { className: "rv-read", role: "status" });
    this.textTitle = el("h2");
    this.heatTitle = el("h2");
    const editor = el("div");
    const heat = el("div", { className: "rv-heatbox" });
    this.text = new TextView(editor, { editable: true, label: "Text" });
    this.box = this.text.box;
    this.heat = new HeatMap(heat, {
      palette: data.palette,
      say: (time, unit) => this.point(time, unit ?? this.state.unit),
      choose: (time, unit) => this.choose(time, unit),
    });
    this.makePanels();
    const zoom = (label, sign, run) => el("button", { type: "button", "aria-label": label, onclick: run }, sign);
    this.root.replaceChildren(
      el(
        "div",
        { className: "rv-row rv-bottom rv-controls" },
        field("Model", this.model),
        field("Network", this.variant),
        field("Signal", this.signal),
        field("Layer", this.layer),
        field("Unit", this.unit),
      ),
      this.headline,
      this.notice,
      el("div", { className: "rv-row rv-between" }, this.textTitle, this.status),
      this.legend,
      editor,
      this.caret,
      this.read,
      el("p", { className: "rv-note" }, "Look for a colour that changes where the text does: at a line\u2019s end, inside quotes, within a word."),
      el("div", { className: "rv-row rv-controls" }, el("label", { className: "rv-check" }, this.guesses, " guesses under each token"), this.chips),
      this.makeWriter(),
      el("div", { className: "rv-row rv-between rv-bottom" }, this.heatTitle,
        el("div", { className: "rv-row rv-bottom rv-controls" }, field("Order of units", this.order),
          zoom("Zoom in", "+", () => this.heat.zoom(1.5)),
          zoom("Zoom out", "\u2212", () => this.heat.zoom(1 / 1.5)),
          zoom("Show all", "all", () => { this.heat.fit(); this.heat.draw(); }))),
      heat,
      el("p", { className: "rv-note" },
        "Look for rows that keep one colour over a stretch of text: units that remember something. Click a cell for its arithmetic; drag to pan, Ctrl and wheel to zoom; with the keyboard: arrows, Enter, +, \u2212 and 0."),
      ...this.panels.map((panel) => panel.root),
      this.makeTake(),
    );
    this.listen();
  }

  makePanels() {
    this.cell = new panels.Panel(
      "Arithmetic of a cell", "Click a cell of the heatmap, or press Enter on it: every number behind it.", () => this.askArithmetic());
    this.selected = new panels.Panel(
      "Units of a selection", "Select a stretch of the text: which units are on throughout it, which switch at its edges?", () => this.askSelection());
    this.hold = new panels.Panel(
      "Hold or silence a unit", "Hold a unit at a value from a token on: what changes, and would any other unit do the same?", (body) => this.fillHold(body));
    this.saturated = new panels.Panel(
      "Gate saturation", "How much of the time is each gate nearly shut or nearly open?", () => this.askSaturation());
    this.panels = [this.cell, this.selected, this.hold, this.saturated];
  }

  makeWriter() {
    const number = (value, low, high, step) => el("input", { type: "number", value, min: low, max: high, step });
    this.temperature = number("0.7", "0", "2", "0.05");
    this.length = number("200", "1", "2000", "1");
    this.seed = number("0", "0", "4294967295", "1");
    this.stepButton = el("button", { type: "button", onclick: () => this.startFlow(1) }, "One character");
    this.flowButton = el("button", { type: "button", className: "rv-primary", onclick: () => this.toggleFlow() }, "Go on writing");
    this.writer = el("div", { className: "rv-row rv-bottom rv-controls" },
      field("Temperature", this.temperature), field("Characters", this.length), field("Seed", this.seed),
      this.flowButton, this.stepButton);
    return this.writer;
  }

  makeTake() {
    const button = (text, run) => el("button", { type: "button", onclick: () => run().catch((error) => this.stumble(error)) }, text);
    return el("section", { className: "rv-take rv-controls", "aria-label": "Take it away" },
      el("h2", {}, "Take it away"),
      el("div", { className: "rv-row" },
        button("Copy link", () => this.copyLink()),
        button("PNG", () => this.takePicture("png")),
        button("SVG", () => this.takePicture("svg")),
        button("CSV of what is in view", () => this.takeCsv()),
        button("Recording (NPZ)", () => this.take("npz", "npz", "application/zip")),
        button("Python script", () => this.take("script", "py", "text/x-python"))));
  }

  listen() {
    const { box } = this;
    // Streamlit's own one-letter shortcuts must not hear what is typed here.
    for (const name of ["keydown", "keypress", "keyup"]) this.root.addEventListener(name, (event) => event.stopPropagation());
    box.addEventListener("input", () => {
      if (!this.inserting) this.stopFlow();
      this.retext(box.value);
    });
    for (const name of ["selectionchange", "select", "keyup", "pointerup"]) box.addEventListener(name, (event) => this.selectionChanged(event));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.stopFlow();
      this.setStretch(null);
      this.text.paint(0);
      this.heat.draw();
    });
    const point = (event) => {
      const piece = this.text.at(event.clientX, event.clientY);
      const time = piece === null ? -1 : this.timeOf(piece);
      if (time >= 0) this.point(time, this.state.unit);
    };
    box.addEventListener("pointermove", point);
    box.addEventListener("pointerdown", point);
    this.onHide = () => this.keep();
    addEventListener("pagehide", this.onHide);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.onScheme = () => this.repaint();
    this.scheme.addEventListener("change", this.onScheme);
    this.paper = matchMedia("print");
    this.onPaper = () => {
      this.text.paint(0);
      this.heat.draw();
    };
    this.paper.addEventListener("change", this.onPaper);
  }

  /** Hold fast what a teacher's link holds fast: "text", "model". */
  freeze(parts) {
    const [text, model] = ["text", "model"].map((part) => parts.includes(part));
    this.box.readOnly = text;
    for (const button of [this.flowButton, this.stepButton]) button.disabled = text;
    for (const choice of [this.model, this.variant]) choice.disabled = model;
    if (text) this.stopFlow();
  }

  /** Paint everything anew: the colours of the page around have changed. */
  repaint() {
    setTimeout(() => this.onPaper(), 100);
  }

  /** Leave the page: close the connection and stop listening. */
  leave() {
    this.keep();
    this.left = true;
    this.wire.close();
    removeEventListener("pagehide", this.onHide);
    this.scheme.removeEventListener("change", this.onScheme);
    this.paper.removeEventListener("change", this.onPaper);
  }
}
