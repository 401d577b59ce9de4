// Sliders that answer while they are moved: values go to Python at once, one request at a time, the newest first.
import { el } from "./dom.js";
import { mounting, Sayer } from "./saying.js";

let numberedKnobs = 0;

const rounded = (value) => Number(value.toPrecision(12));
const decimals = (value) => Math.min(8, (String(value).split(".")[1] ?? "").length);

/** A slider counts steps from its low end, so that both ends are reached exactly. */
function scaleOf({ low, high, step, logarithmic }) {
  const [way, back] = logarithmic ? [Math.log10, (x) => 10 ** x] : [Number, Number];
  const first = way(low);
  const last = Math.max(1, Math.ceil(rounded((way(high) - first) / step)));
  return {
    last,
    value: (place) => (place >= last ? high : Math.min(high, rounded(back(rounded(first + place * step))))),
    place: (value) => (value >= high ? last : Math.min(last, Math.max(0, Math.round((way(value) - first) / step)))),
  };
}

/** A value as people read it: as many decimals as its steps need, or three figures on a logarithmic slider. */
function told({ low, step, logarithmic, unit }, value) {
  const digits = Math.max(decimals(low), decimals(step));
  let text = value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (logarithmic) {
    const far = value < 0.001 || value >= 100000;
    const figures = { minimumSignificantDigits: 3, maximumSignificantDigits: 3 };
    text = far ? value.toExponential(2) : value.toLocaleString("en-US", figures);
  }
  return text.replaceAll("-", "\u2212") + (unit && `\u00a0${unit}`);
}

/** One slider with its label and its value. */
class KnobRow {
  constructor(rack, name) {
    this.name = name;
    numberedKnobs += 1;
    const id = `rv-knob-${numberedKnobs}`;
    this.label = el("label", { for: id });
    this.output = el("output", { for: id, "aria-live": "off" });
    this.slider = el("input", { type: "range", id, min: "0", step: "1", "aria-describedby": `${id}-help` });
    this.help = el("p", { className: "rv-knob-help", id: `${id}-help` });
    this.root = el("div", { className: "rv-knob" }, el("div", { className: "rv-knob-top" }, this.label, this.output), this.slider, this.help);
    this.slider.addEventListener("input", () => rack.move(this));
    const release = () => rack.release(this);
    this.slider.addEventListener("pointerdown", () => {
      rack.held = this;
      addEventListener("pointerup", release, { once: true });
    });
    for (const end of ["pointercancel", "change", "blur"]) this.slider.addEventListener(end, release);
  }

  /** Take in what Python says of this knob; it may have changed. */
  set(knob) {
    this.knob = knob;
    this.scale = scaleOf(knob);
    this.slider.max = String(this.scale.last);
    this.label.textContent = knob.label;
    this.help.textContent = knob.help;
    this.help.hidden = !knob.help;
  }

  tell(value) {
    const text = told(this.knob, value);
    if (this.output.textContent === text) return;
    this.output.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }

  show(value) {
    this.slider.value = String(this.scale.place(value));
    this.tell(value);
  }
}

/** All sliders of one mounted element, and what of them Python has heard. */
class Rack extends Sayer {
  constructor(root, data) {
    super(root, data);
    this.rows = new Map();
    this.values = {};
    this.held = null; // the row under the user's hand
    this.grid = el("div", { className: "rv-knobs-grid" });
    this.again = el("button", { type: "button", onclick: () => this.reset() }, "Reset");
    root.replaceChildren(this.grid, this.again);
  }

  /** Take in a rerun's data. Values older than the user's own are left alone. */
  take(data) {
    this.build();
    if (data.heard >= this.sent) this.answered();
    this.settle();
  }

  /** Make, change and remove rows where they stand: what has the focus keeps it. */
  build() {
    this.again.disabled = this.data.frozen;
    const names = new Set(this.data.knobs.map((knob) => knob.name));
    for (const [name, row] of this.rows) {
      if (names.has(name)) continue;
      row.root.remove();
      this.rows.delete(name);
      delete this.values[name];
    }
    this.data.knobs.forEach((knob, index) => {
      const row = this.rows.get(knob.name) ?? new KnobRow(this, knob.name);
      this.rows.set(knob.name, row);
      row.set(knob);
      row.slider.disabled = this.data.frozen;
      if (this.grid.children[index] !== row.root) this.grid.insertBefore(row.root, this.grid.children[index] ?? null);
      this.values[knob.name] ??= this.data.values[knob.name];
      if (row !== this.held) row.show(this.values[knob.name]);
    });
  }

  /** Show what Python holds, once it has heard all that the user said; never under the user's hand. */
  settle() {
    if (this.waiting || this.data.heard < this.sent) return;
    for (const [name, row] of this.rows) {
      if (row === this.held) continue;
      this.values[name] = this.data.values[name];
      row.show(this.values[name]);
    }
  }

  move(row) {
    this.values[row.name] = row.scale.value(row.slider.valueAsNumber);
    row.tell(this.values[row.name]);
    this.say();
  }

  release(row) {
    if (this.held !== row) return;
    this.held = null;
    this.settle();
  }

  reset() {
    for (const [name, row] of this.rows) {
      this.values[name] = row.knob.start;
      row.show(row.knob.start);
    }
    this.say();
  }

  said() {
    return ["moved", { values: { ...this.values } }];
  }
}

export default mounting(".rv-knobs", Rack);
