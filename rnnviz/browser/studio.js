// The live page: an editor whose letters are coloured by one unit, all units beneath, and what can be asked of them.
import { after, download, el, exact, field, options, signed, spaced } from "./dom.js";
import { HeatMap } from "./heat.js";
import { fromQuery, toQuery } from "./link.js";
import * as panels from "./panels.js";
import { pictureSvg, svgToPng } from "./take.js";
import { guessColour, TextView, visible } from "./text.js";
import { Wire } from "./wire.js";

const KEPT = "rnnviz.neurons"; // where this tab keeps the page's state
const QUIET = 500; // ms without a key after which the link and the lists are brought up to date
const LONG_WORD = 24; // letters of a word beyond which it may break over a line, and is painted by the letter
const BARE = 20; // ms that new letters wait for their colours
const GUESSES = 5;
const ORDERS = [
  ["index", "by index"],
  ["similarity", "alike side by side"],
  ["movement", "most moving first"],
  ["persistence", "swings widely and holds, first"],
  ["throughout", "on throughout the selection, first"],
  ["edges", "switch at the selection\u2019s edges, first"],
];
const STATUS = {
  connecting: "Connecting \u2026",
  live: "Live.",
  rerun: "The live connection cannot be reached: going the slower way, through the page itself.",
  lost: "The connection was lost. Your text is safe here; trying again \u2026",
};

export class Studio {
  constructor(root, data, setTrigger) {
    this.root = root;
    this.data = data;
    this.limit = data.longest;
    this.state = {
      model: data.models[0].name, variant: "model", signal: "hidden", layer: null, unit: null, order: "index",
      stretch: null, clamps: [], guesses: true, text: null,
    };
    this.about = null;
    this.tokens = { spans: [], names: [] };
    this.valid = 0;
    this.total = 0;
    this.flow = null;
    this.column = null;
    this.build();
    this.quiet = after(QUIET, () => this.settle());
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.wire = new Wire({
      url: `${scheme}//${location.host}${data.path}`,
      onReading: (answer, seq) => this.paintReading(answer, seq),
      onStatus: (mode, reason) => this.showStatus(mode, reason),
      rerun: (request) => setTrigger("ask", request),
    });
    this.start();
  }

  // ---- building -----------------------------------------------------------------------------------------------

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
    this.unit.onchange = () => this.pick(Number(this.unit.value));
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
        { className: "rv-row rv-bottom" },
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
      el("div", { className: "rv-row" }, el("label", { className: "rv-check" }, this.guesses, " guesses under each token"), this.chips),
      this.makeWriter(),
      el("div", { className: "rv-row rv-between rv-bottom" }, this.heatTitle, field("Order of units", this.order),
        el("div", { className: "rv-row" },
          zoom("Zoom in", "+", () => this.heat.zoom(1.5)),
          zoom("Zoom out", "\u2212", () => this.heat.zoom(1 / 1.5)),
          zoom("Show all", "all", () => { this.heat.fit(); this.heat.draw(); }))),
      heat,
      el("p", { className: "rv-note" },
        "Look for rows that keep one colour over a stretch of text: units that remember something. Click a cell for its arithmetic; drag to pan, Ctrl and wheel to zoom; with the keyboard: arrows, Enter, + and \u2212."),
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
    this.writer = el("div", { className: "rv-row rv-bottom" },
      field("Temperature", this.temperature), field("Characters", this.length), field("Seed", this.seed),
      this.flowButton, this.stepButton);
    return this.writer;
  }

  makeTake() {
    const button = (text, run) => el("button", { type: "button", onclick: () => run().catch((error) => this.tell(error.message)) }, text);
    return el("section", { className: "rv-take", "aria-label": "Take it away" },
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
    for (const name of ["selectionchange", "select", "keyup", "pointerup"]) box.addEventListener(name, () => this.selectionChanged());
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.stopFlow();
    });
    box.addEventListener("pointermove", (event) => {
      const piece = this.text.at(event.clientX, event.clientY);
      const time = piece === null ? -1 : this.timeOf(piece);
      if (time >= 0) this.point(time, this.state.unit);
    });
    this.onHide = () => this.keep();
    addEventListener("pagehide", this.onHide);
  }

  /** Leave the page: close the connection and stop listening. */
  leave() {
    this.keep();
    this.left = true;
    this.wire.close();
    removeEventListener("pagehide", this.onHide);
  }

  // ---- state --------------------------------------------------------------------------------------------------

  async start() {
    const mine = ["model", "text", "z", "unit", "signal", "layer"].some((name) => new URLSearchParams(location.search).has(name));
    const { state, broken } = await fromQuery(mine ? location.search : sessionStorage.getItem(KEPT) ?? "");
    if (state.model !== undefined && !this.data.models.some((one) => one.name === state.model)) {
      broken.push("model");
      delete state.model;
    }
    Object.assign(this.state, state);
    this.wanted = mine ? { ...state } : {};
    this.broken = broken;
    this.text.setGuesses(0);
    await this.changeModel(this.state.model, true);
  }

  async changeModel(name, first = false) {
    const { state } = this;
    this.stopFlow();
    if (!first) Object.assign(state, { model: name, variant: "model", clamps: [], stretch: null, order: "index", unit: null, layer: null });
    let answer;
    try {
      answer = await this.wire.ask("model", { model: state.model });
    } catch (error) {
      if (!this.left) this.tell(error.message);
      return;
    }
    this.about = answer.header;
    this.fitState(first ? this.broken : []);
    const examples = Object.values(this.data.examples);
    const example = this.data.models.find((one) => one.name === state.model).example;
    if (state.text === null || examples.includes(state.text)) state.text = example;
    this.box.value = state.text;
    this.fill();
    this.reread();
    if (first && this.broken.length) {
      this.tell(`The link\u2019s ${[...new Set(this.broken)].join(", ")} could not be read; the rest of it is open.`);
    }
  }

  /** Bring the state within what the model has; what a link asked for in vain is added to `broken`. */
  fitState(broken) {
    const { state, about } = this;
    const fits = (name, good, otherwise) => {
      if (state[name] !== null && state[name] !== undefined && !good(state[name])) broken.push(name);
      else if (state[name] !== null && state[name] !== undefined) return;
      state[name] = otherwise;
    };
    fits("signal", (signal) => about.signals.some((one) => one.name === signal), about.signals[0].name);
    fits("layer", (layer) => layer >= 0 && layer < about.layers, about.layers - 1);
    fits("unit", (unit) => unit >= 0 && unit < about.units, null);
    const good = (clamp) => about.signals.some((one) => one.name === clamp.signal)
      && clamp.layer >= 0 && clamp.layer < about.layers && Number.isFinite(clamp.value)
      && (clamp.unit === null || (clamp.unit >= 0 && clamp.unit < about.units));
    if (!state.clamps.every(good)) {
      broken.push("hold");
      state.clamps = [];
    }
    if (state.variant === "clamped" && !state.clamps.length) state.variant = "model";
  }

  fill() {
    const { state, about } = this;
    this.model.value = state.model;
    options(this.signal, about.signals.map((one) => [one.name, spaced(one.name)]), state.signal);
    options(this.layer, Array.from({ length: about.layers }, (_, i) => [i, `${i + 1} of ${about.layers}`]), state.layer);
    const variants = [["model", "trained"], ["twin", "its random twin"]];
    if (state.clamps.length) variants.push(["clamped", "with a unit held"]);
    options(this.variant, variants, state.variant);
    this.order.value = state.order;
    this.unit.max = String(about.units - 1);
    this.unit.value = String(state.unit ?? "");
    this.guesses.checked = state.guesses;
    this.writer.hidden = about.task !== "language_model" || !about.characters;
    this.headline.textContent = `${about.layers} \u00d7 ${about.units} ${about.cell_type} units. ${about.headline}`;
    this.showTitles();
  }

  scale() {
    return this.about.signals.find((one) => one.name === this.state.signal);
  }

  showTitles() {
    const { state, about } = this;
    const what = `${spaced(state.signal)} of layer ${state.layer + 1}`;
    const of = { model: state.model, twin: `a random twin of ${state.model}`, clamped: `${state.model}, ${this.heldText()}` }[state.variant];
    this.textTitle.textContent = state.unit === null ? "Text" : `Text, coloured by unit ${state.unit}: ${what}`;
    this.heatTitle.textContent = `All units by time: ${what} of ${of}`;
    this.heat.label(`All ${about.units} units by time, ${what} of ${of}. Arrow keys move, Enter opens a cell's arithmetic.`);
    this.showLegend();
  }

  showLegend() {
    const { state, about } = this;
    const { low, high, squashed } = this.scale();
    const tanh = squashed ? "tanh = " : "";
    const ramp = (colours) => {
      const bar = el("span", { className: "rv-bar" });
      bar.style.background = `linear-gradient(90deg, ${colours.join(",")})`;
      return bar;
    };
    const part = (...children) => el("span", { className: "rv-part" }, ...children);
    const parts = [part(el("b", {}, spaced(state.signal)), `${tanh}${low}`, ramp(this.data.stops), `${tanh}${high}`),
      part(squashed ? "colour: tanh of the value, which has no bound; numbers: the value itself" : "colour: the value, on its whole range")];
    if (about.task === "language_model") parts.push(part("bar above a character: its surprise, full height 10 bits"));
    if (state.guesses) {
      const what = about.task === "language_model" ? "beneath: the likeliest next ones, from 0 %" : "beneath: the answer so far, first letter and per cent, from 0 %";
      parts.push(part(what, ramp([guessColour(0), guessColour(1)]), "to 100 %"));
    }
    this.legend.replaceChildren(...parts);
  }

  heldText() {
    const [clamp] = this.state.clamps;
    if (!clamp) return "nothing held";
    return `${clamp.unit === null ? "every unit\u2019s" : `unit ${clamp.unit}\u2019s`} ${spaced(clamp.signal)} held at ${clamp.value} from token ${clamp.first} on`;
  }

  /** Change what is shown of the same text. */
  change(what) {
    const { state } = this;
    Object.assign(state, what);
    if (!this.about) return;
    this.fill();
    if ("order" in what) this.arrange();
    else if ("guesses" in what) this.showGuesses();
    else this.reread();
    this.quiet();
  }

  pick(unit) {
    const { state, about } = this;
    if (!Number.isInteger(unit) || unit < 0 || unit >= about.units) {
      this.tell(`The unit must be a whole number from 0 to ${about.units - 1}.`);
      this.unit.value = String(state.unit ?? "");
      return;
    }
    state.unit = unit;
    this.heat.unit = unit;
    this.unit.value = String(unit);
    this.showTitles();
    this.text.paint(0);
    this.heat.draw();
    this.refreshPanels();
    this.quiet();
  }

  choose(time, unit) {
    this.point(time, unit);
    this.cellAt = [time, unit];
    this.pick(unit);
    this.cell.open();
  }

  // ---- reading ------------------------------------------------------------------------------------------------

  /** Read everything anew: another model, layer, signal or variant. */
  reread() {
    const { state, about } = this;
    this.heat.reset(about.units);
    this.heat.unit = state.unit ?? 0;
    this.heat.stretch = state.stretch;
    this.valid = 0;
    this.column = null;
    this.store = {
      guesses: new Uint32Array(this.limit * GUESSES), chances: new Float32Array(this.limit * GUESSES),
      bits: new Float32Array(this.limit), unknown: new Uint8Array(this.limit),
    };
    this.tokens = { spans: [], names: [] };
    this.was = "";
    this.text.look = {
      colour: (t) => this.colourOf(t),
      guesses: (t) => this.guessesOf(t),
      bits: (t) => (about.task === "language_model" ? this.store.bits[this.timeOf(t)] : 0),
      unknown: (t) => this.store.unknown[this.timeOf(t)] === 1,
      chosen: (t) => {
        const time = this.token(t);
        return state.stretch !== null && time !== null && time >= state.stretch[0] && time < state.stretch[1];
      },
    };
    this.showGuesses();
    this.retext(state.text);
    this.arranging = state.order !== "index";
  }

  showGuesses() {
    this.text.setGuesses(this.state.guesses ? (this.about.task === "language_model" ? GUESSES : 1) : 0);
  }

  /** Take in a text as it stands after a key. */
  retext(text) {
    const { state } = this;
    const before = this.was;
    state.text = text;
    if (!this.about) return;
    let same = 0;
    const most = Math.min(text.length, before.length);
    while (same < most && text.charCodeAt(same) === before.charCodeAt(same)) same += 1;
    const { spans } = this.tokens;
    if (this.about.characters) {
      const names = Array.from(text);
      const next = new Array(Math.min(names.length, this.limit));
      let at = 0;
      for (let t = 0; t < next.length; t += 1) next[t] = [at, (at += names[t].length)];
      let kept = 0;
      const shared = Math.min(next.length, this.tokens.names.length);
      while (kept < shared && names[kept] === this.tokens.names[kept]) kept += 1;
      this.valid = Math.min(this.valid, kept);
      this.tokens = { spans: next, names: names.slice(0, this.limit) };
      this.tail = names.length - next.length;
      this.total = next.length;
    } else {
      let kept = 0;
      while (kept < spans.length && spans[kept][1] < same) kept += 1;
      this.valid = Math.min(this.valid, kept);
      this.tokens = { spans: spans.slice(0, kept), names: this.tokens.names.slice(0, kept) };
    }
    this.was = text;
    this.column = null;
    this.askReading();
    // The answer mostly comes before the next frame: the letters wait for their colours, but not for long.
    clearTimeout(this.bare);
    this.bare = setTimeout(() => this.paintBare(), BARE);
    this.quiet();
  }

  /** Paint a text whose answer is not here yet. */
  paintBare() {
    this.text.setText(this.was, this.plainSpans(this.was));
    this.text.paint(this.valid);
  }

  /** Spans of the tokens, with what stands between and behind them as tokens without a colour. */
  plainSpans(text) {
    const { spans } = this.tokens;
    if (this.about.characters) {
      if (!this.tail) return spans;
      const rest = [];
      let at = spans.length ? spans[spans.length - 1][1] : 0;
      for (const c of text.slice(at)) rest.push([at, (at += c.length)]);
      return spans.concat(rest);
    }
    this.tokenAt = [];
    const all = [];
    let at = 0;
    const between = (last) => {
      for (; at < last; at += 1) {
        all.push([at, at + 1]);
        this.tokenAt.push(null);
      }
    };
    spans.forEach(([first, last], t) => {
      if (last > text.length) return;
      between(first);
      const step = last - first > LONG_WORD ? 1 : last - first;
      for (; at < last; at += step) {
        all.push([at, at + step]);
        this.tokenAt.push(t);
      }
    });
    between(text.length);
    return all;
  }

  askReading(draw) {
    const request = () => ({ ...this.view(), have: this.valid, ...(draw ? { draw } : {}) });
    this.wire.read(request);
  }

  /** What every request says. */
  view() {
    const { state } = this;
    const clamps = state.variant === "clamped" ? state.clamps : [];
    return { model: state.model, variant: state.variant, clamps, signal: state.signal, layer: state.layer, text: state.text };
  }

  paintReading({ header, arrays }, seq) {
    clearTimeout(this.bare);
    if (header.error !== undefined) {
      this.paintBare();
      this.heat.cut(0);
      this.heat.draw();
      this.caret.textContent = header.error;
      this.stopFlow();
      return;
    }
    const { base } = header;
    if (header.tokens) this.takeWords(header);
    this.total = header.total;
    if (arrays.shades) {
      const columns = arrays.shades.length / this.about.units;
      const each = arrays.guesses.length / columns;
      this.each = each;
      this.store.guesses.set(arrays.guesses, base * each);
      this.store.chances.set(arrays.chances, base * each);
      this.store.unknown.set(arrays.unknown, base);
      if (arrays.bits) this.store.bits.set(arrays.bits, base);
      this.heat.put(base, arrays.shades);
      this.valid = base + columns;
    }
    if (header.done) {
      this.valid = this.total;
      this.heat.cut(this.total);
    }
    this.changed = Math.min(this.changed ?? base, base);
    const first = seq !== this.begun;
    if (first || header.done) this.paintNew();
    else this.frame ??= requestAnimationFrame(() => this.paintNew());
    if (first) this.announce("rnnviz:begun", seq);
    this.begun = seq;
    if (this.state.unit === null) this.firstUnit();
    if (header.done) {
      this.showCaret();
      if (this.arranging) this.arrange();
      this.announce("rnnviz:painted", seq);
      this.continueFlow(header.drawn);
    }
  }

  /** Paint what has come since the last time. */
  paintNew() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    this.text.setText(this.was, this.plainSpans(this.was));
    this.text.paint(this.about.characters ? this.changed : 0);
    this.changed = undefined;
    if (this.box.selectionEnd === this.was.length) this.heat.follow();
    this.heat.draw();
  }

  /** Tell whoever listens (benchmarks, tests) what has just been painted. */
  announce(name, seq) {
    this.root.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail: { seq, length: this.was.length } }));
  }

  /** Words come with their places in code points; the browser counts UTF-16 units. */
  takeWords({ tokens, spans }) {
    const units = [0];
    for (const c of this.was) units.push(units[units.length - 1] + c.length);
    const place = (i) => units[Math.min(i, units.length - 1)];
    this.tokens = { names: tokens, spans: spans.map(([first, last]) => [place(first), place(last)]) };
  }

  /** The time at which a piece of the shown text was read, or null for what is not read. */
  token(t) {
    return this.about.characters ? t : this.tokenAt[t] ?? null;
  }

  /** The same, -1 where its answer is not here yet. */
  timeOf(t) {
    const time = this.token(t);
    return time === null || time >= this.valid ? -1 : time;
  }

  colourOf(t) {
    const time = this.timeOf(t);
    if (this.state.unit === null || time < 0) return null;
    const shade = this.heat.shades[time * this.about.units + this.state.unit];
    return [this.data.hex[shade], this.data.ink[shade]];
  }

  guessesOf(t) {
    const time = this.timeOf(t);
    if (time < 0 || (t > 0 && !this.about.characters && this.tokenAt[t - 1] === time)) return null;
    const { each, store, about } = this;
    const found = [];
    for (let i = time * each; i < (time + 1) * each; i += 1) {
      const name = about.outputs[store.guesses[i]];
      const p = store.chances[i];
      found.push([about.task === "language_model" ? visible(name) : `${name[0]} ${Math.round(100 * p)}`, p]);
    }
    return found;
  }

  async firstUnit() {
    if (this.choosing) return;
    this.choosing = true;
    try {
      const units = await this.telling();
      if (this.state.unit === null) this.pick(units[0]);
    } catch {
      if (this.state.unit === null) this.pick(0);
    } finally {
      this.choosing = false;
    }
  }

  async telling() {
    const { arrays } = await this.wire.ask("order", { ...this.view(), order: "persistence" });
    const units = Array.from(arrays.units.subarray(0, 8));
    this.chips.replaceChildren("Units that swing widely and hold here: ",
      ...units.map((unit) => el("button", { type: "button", className: "rv-chip", onclick: () => this.pick(unit) }, String(unit))));
    return units;
  }

  async arrange() {
    const { state } = this;
    this.arranging = false;
    if (state.order === "index") {
      this.heat.arrange(null);
      return;
    }
    const needs = state.order === "throughout" || state.order === "edges";
    if (needs && !this.stretchFits()) {
      this.tell("Select a stretch of the text first; then the units can be ordered by it.");
      state.order = "index";
      this.order.value = "index";
      this.heat.arrange(null);
      return;
    }
    const [first, last] = state.stretch ?? [0, 1];
    try {
      const { arrays } = await this.wire.ask("order", { ...this.view(), order: state.order, first, last });
      if (arrays.units.length === this.heat.units) this.heat.arrange(arrays.units);
    } catch (error) {
      this.stumble(error);
    }
  }

  // ---- reading out --------------------------------------------------------------------------------------------

  stumble(error) {
    if (error.message !== "asked anew" && !this.left) this.tell(error.message);
  }

  tell(text) {
    this.notice.textContent = text;
    this.notice.hidden = !text;
  }

  showStatus(mode, reason) {
    this.status.textContent = reason && mode !== "live" ? `${STATUS[mode]} ${reason}` : STATUS[mode];
    this.status.dataset.mode = mode;
  }

  name(time) {
    return visible(this.tokens.names[time] ?? "");
  }

  /** Read out one cell: its exact value is fetched. */
  async point(time, unit) {
    if (time === null) {
      this.read.textContent = "";
      return;
    }
    const { state } = this;
    const show = (value) => {
      const bits = this.about.task === "language_model" && time > 0 ? `, surprise ${this.store.bits[time].toFixed(2)} bits` : "";
      const next = this.spelled(time);
      this.read.textContent = `unit ${unit}, time ${time}, after \u201c${this.name(time)}\u201d: ${spaced(state.signal)} ${value}${bits}; next ${next}`;
    };
    if (this.column?.time === time) {
      show(exact(this.column.values[unit]));
      return;
    }
    const { low, high, squashed } = this.scale();
    const shade = this.heat.shades[time * this.about.units + unit];
    show(squashed ? "\u2026" : `\u2248 ${signed(low + (shade / 255) * (high - low), 2)}`);
    try {
      const { arrays } = await this.wire.ask("column", { ...this.view(), time });
      this.column = { time, values: arrays.values };
      show(exact(arrays.values[unit]));
    } catch {
      // the pointer is elsewhere already
    }
  }

  spelled(time) {
    const { each, store, about } = this;
    return Array.from({ length: each }, (_, i) => {
      const at = time * each + i;
      return `${visible(about.outputs[store.guesses[at]])} ${(100 * store.chances[at]).toFixed(1)} %`;
    }).join(", ");
  }

  /** Tokens before the caret. */
  caretTime() {
    const end = this.box.selectionStart;
    const { spans } = this.tokens;
    let t = 0;
    while (t < spans.length && spans[t][1] <= end) t += 1;
    return t;
  }

  showCaret() {
    if (!this.about || !this.total) return;
    this.range = [this.box.selectionStart, this.box.selectionEnd];
    const time = this.caretTime();
    if (time > this.valid || !time) {
      this.caret.textContent = time ? "\u2026" : "At the start: nothing has been read yet.";
      return;
    }
    const { each, store, about } = this;
    const cells = Array.from({ length: each }, (_, i) => {
      const at = (time - 1) * each + i;
      const p = store.chances[at];
      const cell = el("span", { className: "rv-guess" }, `${visible(about.outputs[store.guesses[at]])} ${(100 * p).toFixed(0)} %`);
      cell.style.background = guessColour(p);
      return cell;
    });
    const beyond = this.tail > 0 || this.total >= this.limit ? ` The pictures show the first ${this.limit.toLocaleString("en")} tokens.` : "";
    this.caret.replaceChildren(about.task === "language_model" ? "Next, at the caret: " : "At the caret: ", ...cells, beyond);
  }

  stretchFits() {
    return this.state.stretch !== null && this.state.stretch[1] <= this.total;
  }

  selectionChanged() {
    const { box, state } = this;
    const { spans } = this.tokens;
    const [from, to] = [box.selectionStart, box.selectionEnd];
    if (!this.about || box.value !== this.was || (this.range?.[0] === from && this.range?.[1] === to)) return;
    this.range = [from, to];
    if (this.valid >= this.total) this.showCaret();
    if (from === to) return;
    const first = spans.findIndex(([, last]) => last > from);
    let last = spans.length;
    while (last > 0 && spans[last - 1][0] >= to) last -= 1;
    if (first < 0 || first >= last) return;
    if (state.stretch?.[0] === first && state.stretch?.[1] === last) return;
    state.stretch = [first, last];
    this.heat.stretch = state.stretch;
    this.text.paint(0);
    this.heat.draw();
    this.quiet();
  }

  // ---- panels -------------------------------------------------------------------------------------------------

  refreshPanels() {
    for (const panel of this.panels) panel.refresh();
  }

  async askArithmetic() {
    const [time, unit] = this.cellAt ?? [this.total - 1, this.state.unit];
    if (!this.total || unit === null) return;
    const at = Math.min(time, this.total - 1);
    try {
      const { header } = await this.wire.ask("arithmetic", { ...this.view(), time: at, unit });
      panels.arithmetic(this.cell.body, header, this.tokens.names[at]);
    } catch (error) {
      if (error.message !== "asked anew") this.cell.say(error.message);
    }
  }

  async askSelection() {
    if (!this.stretchFits()) {
      this.selected.say("Nothing is selected: mark some of the text above with the mouse, or with Shift and the arrow keys.");
      return;
    }
    const [first, last] = this.state.stretch;
    try {
      const { header } = await this.wire.ask("selection", { ...this.view(), first, last });
      const text = this.tokens.names.slice(first, last).slice(0, 60).map(visible).join(this.about.characters ? "" : " ");
      panels.selection(this.selected.body, header, text, (unit) => this.pick(unit), (order) => this.change({ order }));
    } catch (error) {
      if (error.message !== "asked anew") this.selected.say(error.message);
    }
  }

  fillHold(body) {
    if (this.about.bidirectional) {
      this.hold.say("Units can be held in networks that read forwards; this one reads both ways.");
      return;
    }
    const form = panels.holdForm(this.state, this.about, {
      hold: (clamp) => this.change({ clamps: [clamp], variant: "clamped" }),
      release: () => this.change({ clamps: [], variant: "model" }),
      compare: (clamp) => this.askExperiment(clamp),
    });
    this.found ??= el("div");
    body.replaceChildren(form, this.found);
  }

  async askExperiment(clamp) {
    this.found.replaceChildren(el("p", { className: "rv-note", role: "status" }, "Reading the text twelve times \u2026"));
    const wish = { seed: Number(this.seed.value), temperature: Number(this.temperature.value) };
    try {
      const { header } = await this.wire.ask("experiment", { ...this.view(), variant: "model", clamps: [clamp], ...wish });
      panels.outcomes(this.found, header);
    } catch (error) {
      if (error.message !== "asked anew") this.found.replaceChildren(el("p", { className: "rv-note" }, error.message));
    }
  }

  async askSaturation() {
    if (!this.total) return;
    try {
      const { header, arrays } = await this.wire.ask("saturation", this.view());
      panels.saturation(this.saturated.body, header, arrays, this.state.unit ?? 0, (unit) => this.pick(unit),
        "Look for dots far right or far up: gates that are always shut or always open; at the origin a unit is neither.");
    } catch (error) {
      if (error.message !== "asked anew") this.saturated.say(error.message);
    }
  }

  // ---- writing ------------------------------------------------------------------------------------------------

  toggleFlow() {
    if (this.flow) this.stopFlow();
    else this.startFlow(Number(this.length.value) || 1);
  }

  startFlow(count) {
    if (!this.total || !this.caretTime()) {
      this.tell("Type a character and put the caret behind it: the network goes on from there.");
      return;
    }
    const { box } = this;
    const end = box.selectionEnd;
    const key = `${this.state.model} ${this.state.variant} ${this.seed.value} ${this.temperature.value}`;
    // Single steps go on with the same sample as long as nothing else was typed or changed.
    const index = this.last?.key === key && this.last.text === box.value && this.last.end === end ? this.last.index : 0;
    box.focus({ preventScroll: true });
    box.setSelectionRange(end, end);
    this.flow = { index, left: count, key };
    this.flowButton.textContent = "Stop";
    this.tell("");
    this.drawNext();
  }

  drawNext() {
    const wish = { temperature: Number(this.temperature.value), seed: Number(this.seed.value), index: this.flow.index };
    this.askReading({ time: this.caretTime(), ...wish });
  }

  continueFlow(drawn) {
    const { flow, box } = this;
    if (!flow || drawn === undefined) return;
    if (this.total + 1 > this.limit) {
      this.stopFlow();
      return;
    }
    box.focus({ preventScroll: true });
    this.inserting = true;
    // execCommand keeps the browser's own undo history, which setting the value would wipe out.
    if (!document.execCommand("insertText", false, drawn)) {
      box.setRangeText(drawn, box.selectionStart, box.selectionEnd, "end");
      this.retext(box.value);
    }
    this.inserting = false;
    flow.index += 1;
    flow.left -= 1;
    this.last = { key: flow.key, text: box.value, end: box.selectionEnd, index: flow.index };
    this.follow();
    if (flow.left > 0) this.drawNext();
    else this.stopFlow();
  }

  /** Keep the caret's line in view while the network writes. */
  follow() {
    const { root } = this.text;
    if (this.box.selectionEnd === this.box.value.length) root.scrollTop = root.scrollHeight;
  }

  stopFlow() {
    this.flow = null;
    this.flowButton.textContent = "Go on writing";
  }

  // ---- keeping and taking away --------------------------------------------------------------------------------

  /** The user has paused: bring lists and link up to date. */
  settle() {
    if (this.left || !this.about) return;
    this.keep();
    if (this.total && this.valid >= this.total) {
      this.telling().catch(() => {});
      this.refreshPanels();
    }
  }

  async keep() {
    if (!this.about || this.state.unit === null) return;
    const query = String(await toQuery(this.state));
    try {
      sessionStorage.setItem(KEPT, query);
    } catch {
      // a browser that keeps nothing still has the link
    }
    if (!this.left && query.length < this.data.longest_link) {
      history.replaceState(history.state, "", `${location.pathname}?${query}`);
    }
  }

  async copyLink() {
    await this.keep();
    const query = String(await toQuery(this.state));
    if (query.length >= this.data.longest_link) {
      this.tell("The text is too long for a link; shorten it, or take the script instead.");
      return;
    }
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(location.href);
      this.tell("The link was copied: whoever opens it sees this picture.");
    } else this.tell(`Copy this link from here or from the address bar: ${location.href}`);
  }

  title() {
    return `${this.textTitle.textContent}, ${this.state.variant === "model" ? this.state.model : this.heatTitle.textContent}`;
  }

  async takePicture(kind) {
    const picture = pictureSvg(this);
    if (kind === "svg") download("neurons.svg", picture.text, "image/svg+xml");
    else download("neurons.png", await svgToPng(picture), "image/png");
  }

  async take(ask, ending, type, more = {}) {
    const { arrays } = await this.wire.ask(ask, { ...this.view(), unit: this.state.unit ?? 0, ...more });
    download(`${this.state.model}.${ending}`, arrays.file, type);
  }

  async takeCsv() {
    const [first, last] = this.heat.visibleTimes();
    await this.take("csv", "csv", "text/csv", { first, last, units: this.heat.visibleUnits() });
  }
}
