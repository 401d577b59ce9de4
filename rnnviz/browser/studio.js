// The live page: an editor whose letters are coloured by one unit, all units beneath, and what can be asked of them.
import { Building } from "./building.js";
import { Keeping } from "./keeping.js";
import { Reading } from "./reading.js";
import { Telling } from "./telling.js";
import { Wire } from "./wire.js";
import { Writing } from "./writing.js";
import { after, el, options, spaced } from "./dom.js";
import { fromQuery, goodClamp, PARTS } from "./link.js";
import { guessColour } from "./text.js";

const QUIET = 500; // ms without a key after which the link and the lists are brought up to date

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
    this.pointed = 0;
    this.column = null;
    this.build();
    this.freeze(data.frozen ?? []);
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

  async start() {
    const query = new URLSearchParams(location.search);
    const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload" && !Studio.started;
    Studio.started = true;
    const kept = this.kept();
    const mine = PARTS.some((name) => query.has(name)) && !(reloaded && kept);
    const { state, broken } = mine || !kept ? await fromQuery(location.search) : { state: kept, broken: [] };
    if (state.model !== undefined && !this.data.models.some((one) => one.name === state.model)) {
      broken.push("model");
      delete state.model;
    }
    Object.assign(this.state, state);
    this.broken = broken;
    this.text.setGuesses(0);
    await this.changeModel(this.state.model, true);
  }

  async changeModel(name, first = false) {
    const { state } = this;
    this.stopFlow();
    if (!first) Object.assign(state, { model: name, variant: "model", clamps: [], stretch: null, order: "index", unit: null, layer: null });
    this.cellAt = null;
    this.found = null;
    this.held = null;
    this.changing = true;
    let answer;
    try {
      answer = await this.wire.ask("model", { model: state.model });
    } catch (error) {
      this.stumble(error);
      return;
    }
    this.changing = false;
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
    if (!state.clamps.every((clamp) => goodClamp(clamp, about, this.limit))) {
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
    parts.push(part("dashed: outside the vocabulary"), part("underlined: selected"));
    if (state.guesses) {
      const what = about.task === "language_model" ? "beneath: the likeliest next ones, from 0 %" : "beneath: the answer so far, first letter and per cent, from 0 %";
      parts.push(part(what, ramp([guessColour(0), guessColour(1)]), "to 100 %"));
    }
    this.legend.replaceChildren(...parts);
  }

  heldText() {
    const [clamp] = this.state.clamps;
    if (!clamp) return "nothing held";
    return `${clamp.unit === null ? "every unit\u2019s" : `unit ${clamp.unit}\u2019s`} ${spaced(clamp.signal)} of layer ${clamp.layer + 1} held at ${clamp.value} from token ${clamp.first} on`;
  }

  /** Change what is shown of the same text. */
  change(what) {
    const { state } = this;
    Object.assign(state, what);
    if (!this.about) return;
    this.tell("");
    this.fill();
    if ("order" in what) this.arrange();
    else if ("guesses" in what) this.showGuesses();
    else {
      this.stopFlow();
      this.reread();
    }
    this.quiet();
  }

  pick(unit) {
    const { state, about } = this;
    if (unit === null) return;
    if (!Number.isInteger(unit) || unit < 0 || unit >= about.units) {
      this.tell(`The unit must be a whole number from 0 to ${about.units - 1}.`);
      this.unit.value = String(state.unit ?? "");
      return;
    }
    if (state.unit !== null) this.tell("");
    state.unit = unit;
    if (this.cellAt) this.cellAt = [this.cellAt[0], unit];
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
}

for (const part of [Building, Reading, Telling, Writing, Keeping]) {
  const { constructor, ...methods } = Object.getOwnPropertyDescriptors(part.prototype);
  Object.defineProperties(Studio.prototype, methods);
}
