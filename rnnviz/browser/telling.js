// What the studio tells: read-outs, notices, and the panels beneath the picture.
import * as panels from "./panels.js";
import { el, exact, signed, spaced } from "./dom.js";
import { STRONGEST } from "./link.js";
import { guessColour, visible } from "./text.js";

export const STATUS = {
  connecting: "Connecting \u2026",
  live: "Live.",
  rerun: "The live connection cannot be reached: going the slower way, through the page itself.",
  lost: "The connection was lost. Your text is safe here; trying again \u2026",
};

/** A part of `Studio`: its methods are put on the studio's prototype. */
export class Telling {
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
    const asked = this.pointed;
    try {
      const { arrays } = await this.wire.ask("column", { ...this.view(), time });
      if (asked !== this.pointed) return;
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
    const beyond = this.tail > 0 || this.total >= this.limit ? ` The pictures show the first ${this.limit.toLocaleString("en")} tokens.` : "";
    if (this.caretCells?.length !== each || !this.caretCells[0].isConnected) {
      this.caretCells = Array.from({ length: each }, () => el("span", { className: "rv-guess" }));
      this.caretNote = el("span");
      const what = about.task === "language_model" ? "Next, at the caret: " : "At the caret: ";
      this.caret.replaceChildren(what, ...this.caretCells, this.caretNote);
    }
    this.caretNote.textContent = beyond;
    this.caretCells.forEach((cell, i) => {
      const at = (time - 1) * each + i;
      const p = store.chances[at];
      cell.textContent = `${visible(about.outputs[store.guesses[at]])} ${(100 * p).toFixed(0)} %`;
      cell.style.background = guessColour(p);
    });
  }

  stretchFits() {
    return this.state.stretch !== null && this.state.stretch[1] <= this.total;
  }

  selectionChanged(event) {
    const { box, state } = this;
    const { spans } = this.tokens;
    const [from, to] = [box.selectionStart, box.selectionEnd];
    if (!this.about || box.value !== this.was || (this.range?.[0] === from && this.range?.[1] === to)) return;
    this.range = [from, to];
    if (this.valid >= this.total) this.showCaret();
    if (from === to) {
      if (event?.type === "pointerup" && state.stretch) {
        this.setStretch(null);
        this.text.paint(0);
        this.heat.draw();
        this.quiet();
      }
      return;
    }
    const first = spans.findIndex(([, last]) => last > from);
    let last = spans.length;
    while (last > 0 && spans[last - 1][0] >= to) last -= 1;
    if (first < 0 || first >= last) return;
    if (state.stretch?.[0] === first && state.stretch?.[1] === last) return;
    this.setStretch([first, last]);
    this.text.paint(0);
    this.heat.draw();
    this.quiet();
  }

  refreshPanels() {
    for (const panel of this.panels) panel.refresh();
  }

  /** What the panels are about: while it stays the same they are not filled anew under the user's hands. */
  seen() {
    return JSON.stringify([this.view(), this.state.unit, this.state.stretch]);
  }

  async askArithmetic() {
    const [time, unit] = this.cellAt ?? [this.total - 1, this.state.unit];
    if (!this.total || unit === null) return;
    this.shown = this.seen();
    const at = Math.min(time, this.total - 1);
    try {
      const { header } = await this.wire.ask("arithmetic", { ...this.view(), time: at, unit });
      panels.arithmetic(this.cell.body, header, this.tokens.names[at]);
    } catch (error) {
      if (error.message !== "asked anew") this.cell.say(error.message);
    }
  }

  async askSelection() {
    this.shown = this.seen();
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
    this.held ??= panels.holdForm(this.state, this.about, {
      hold: () => this.holding((clamp) => this.change({ clamps: [clamp], variant: "clamped" })),
      release: () => this.change({ clamps: [], variant: "model" }),
      compare: () => this.holding((clamp) => this.askExperiment(clamp)),
    });
    this.held.name(this.state);
    this.found ??= el("div");
    if (this.held.form.parentNode !== body) body.replaceChildren(this.held.form, this.found);
  }

  /** Do something with the clamp that the form describes, or say what is wrong with it. */
  holding(run) {
    const { value, first } = this.held;
    const clamp = {
      ...this.held.chosen(this.state),
      value: this.number(value, "Value held", -STRONGEST, STRONGEST, false),
      first: this.number(first, "From token", 0, this.limit - 1),
    };
    if (clamp.value !== null && clamp.first !== null) run(clamp);
  }

  /** A number field's value, or null after telling what it may be. */
  number(input, name, low, high, whole = true) {
    const value = input.valueAsNumber;
    if (value >= low && value <= high && (!whole || Number.isInteger(value))) return value;
    this.tell(`${name} must be a ${whole ? "whole " : ""}number from ${low} to ${high.toLocaleString("en")}.`);
    return null;
  }

  async askExperiment(clamp) {
    const wish = this.wishes();
    if (!wish) return;
    this.found.replaceChildren(el("p", { className: "rv-note", role: "status" }, "Reading the text twelve times \u2026"));
    try {
      const { header } = await this.wire.ask("experiment", { ...this.view(), variant: "model", clamps: [clamp], ...wish });
      panels.outcomes(this.found, header);
    } catch (error) {
      if (error.message !== "asked anew") this.found.replaceChildren(el("p", { className: "rv-note" }, error.message));
    }
  }

  async askSaturation() {
    this.shown = this.seen();
    if (!this.total) return;
    try {
      const { header, arrays } = await this.wire.ask("saturation", this.view());
      panels.saturation(this.saturated.body, header, arrays, this.state.unit ?? 0, (unit) => this.pick(unit),
        "Look for dots far right or far up: gates that are always shut or always open; at the origin a unit is neither.");
    } catch (error) {
      if (error.message !== "asked anew") this.saturated.say(error.message);
    }
  }
}
