// The studio's text: what is asked of the network as it changes, and how the answer is painted.
import { el } from "./dom.js";
import { visible } from "./text.js";

const LONG_WORD = 24; // letters of a word beyond which it may break over a line, and is painted by the letter
const BARE = 20; // ms that new letters wait for their colours
const GUESSES = 5;

/** A part of `Studio`: its methods are put on the studio's prototype. */
export class Reading {
  /** Read everything anew: another model, layer, signal or variant. */
  reread() {
    const { state, about } = this;
    this.heat.reset(about.units);
    this.overtake(0);
    this.heat.unit = state.unit ?? 0;
    this.heat.stretch = state.stretch;
    this.valid = 0;
    this.column = null;
    this.store = {
      guesses: new Uint32Array(this.limit * GUESSES), chances: new Float32Array(this.limit * GUESSES),
      bits: new Float32Array(this.limit), unknown: new Uint8Array(this.limit),
    };
    this.tokens = { spans: [], names: [] };
    this.tokenAt = [];
    this.was = "";
    this.text.setText("", []);
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
    if (!this.about || this.changing) return;
    this.pointed += 1;
    const names = Array.from(text);
    if (names.length > this.data.longest_text) {
      this.refuse(text, names.length);
      return;
    }
    const { spans } = this.tokens;
    if (this.about.characters) {
      const count = Math.min(names.length, this.limit);
      let kept = 0;
      const shared = Math.min(count, this.tokens.names.length);
      while (kept < shared && names[kept] === this.tokens.names[kept]) kept += 1;
      const next = spans.slice(0, kept);
      let at = kept ? next[kept - 1][1] : 0;
      for (let t = kept; t < count; t += 1) next.push([at, (at += names[t].length)]);
      this.valid = Math.min(this.valid, kept);
      this.overtake(kept);
      this.moveStretch(kept, this.tokens.names, names);
      this.tokens = { spans: next, names: names.slice(0, this.limit) };
      this.tail = names.length - next.length;
      this.total = next.length;
    } else {
      let same = 0;
      const most = Math.min(text.length, before.length);
      while (same < most && text.charCodeAt(same) === before.charCodeAt(same)) same += 1;
      let kept = 0;
      while (kept < spans.length && spans[kept][1] < same) kept += 1;
      this.valid = Math.min(this.valid, kept);
      this.overtake(0);
      this.tail = 0;
      if (state.stretch?.[1] > kept && before) this.setStretch(null);
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

  /** A text too long to be sent: it stays in the editor, and the page says why nothing else happens. */
  refuse(text, length) {
    this.overtake(0);
    this.valid = 0;
    this.was = text;
    this.tokens = { spans: [], names: [] };
    this.total = 0;
    this.tail = length;
    this.paintBare();
    this.heat.cut(0);
    this.heat.draw();
    const number = (n) => n.toLocaleString("en");
    this.caret.textContent = `The text has ${number(length)} characters; at most ${number(this.data.longest_text)} can be read.`;
  }

  /** Keep the selection on its own letters when the text changes before it; a change within it ends it. */
  moveStretch(kept, before, after) {
    const { stretch } = this.state;
    if (!stretch || !before.length || kept >= stretch[1]) return;
    let tail = 0;
    while (tail < Math.min(before.length, after.length) - kept && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
    const by = after.length - before.length;
    if (before.length - tail <= stretch[0]) this.setStretch([stretch[0] + by, stretch[1] + by]);
    else this.setStretch(null);
  }

  setStretch(stretch) {
    this.state.stretch = stretch;
    this.heat.stretch = stretch;
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
    const request = () => {
      this.flight = { common: Infinity, exact: true };
      return { ...this.view(), have: this.valid, ...(draw ? { draw } : {}) };
    };
    this.wire.read(request);
  }

  /** The text has changed behind its first `kept` tokens: of an answer under way, only so many still hold. */
  overtake(kept) {
    if (this.flight) this.flight = { common: Math.min(this.flight.common, kept), exact: false };
  }

  /** What every request says. */
  view() {
    const { state } = this;
    const clamps = state.variant === "clamped" ? state.clamps : [];
    return { model: state.model, variant: state.variant, clamps, signal: state.signal, layer: state.layer, text: state.text.slice(0, 2 * this.data.longest_text) };
  }

  paintReading({ header, arrays }, seq) {
    const { common, exact } = this.flight;
    const { base } = header;
    if (!exact && (base >= common || base > this.valid || header.error !== undefined)) return;
    clearTimeout(this.bare);
    if (header.error !== undefined) {
      this.valid = 0;
      this.paintBare();
      this.heat.cut(0);
      this.heat.draw();
      this.caret.textContent = header.error;
      this.stopFlow();
      return;
    }
    if (header.tokens) this.takeWords(header);
    if (exact) this.total = header.total;
    if (arrays.shades) {
      const columns = arrays.shades.length / this.about.units;
      const each = arrays.guesses.length / columns;
      this.each = each;
      this.store.guesses.set(arrays.guesses, base * each);
      this.store.chances.set(arrays.chances, base * each);
      this.store.unknown.set(arrays.unknown, base);
      if (arrays.bits) this.store.bits.set(arrays.bits, base);
      const reach = Math.min(base + columns, common);
      this.heat.put(base, arrays.shades.subarray(0, (reach - base) * this.about.units));
      this.valid = Math.max(this.valid, reach);
    }
    const done = header.done && exact;
    if (done) {
      this.valid = this.total;
      this.heat.cut(this.total);
    }
    this.changed = Math.min(this.changed ?? base, base);
    const first = seq !== this.begun;
    if (first || done) this.paintNew();
    else this.frame ??= requestAnimationFrame(() => this.paintNew());
    if (first && exact) this.announce("rnnviz:begun", seq);
    this.begun = seq;
    if (this.state.unit === null) this.firstUnit();
    if (done) {
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
    if (this.box.selectionEnd === this.was.length) this.heat.follow();
    this.heat.draw(this.changed);
    this.changed = undefined;
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
    return this.about.characters ? t : this.tokenAt?.[t] ?? null;
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
      if (this.state.unit === null && !this.left) this.pick(0);
    } finally {
      this.choosing = false;
    }
  }

  async telling() {
    const { arrays } = await this.wire.ask("order", { ...this.view(), order: "persistence" }, "telling");
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
}
