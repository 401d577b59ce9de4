// The picture that stands on its own: one signal of one layer with all its numbers beside it; it asks nobody for more.
import { el, exact, field, spaced } from "./dom.js";
import { HeatMap } from "./heat.js";
import { guessColour, TextView, visible } from "./text.js";

const WIDEST_WORD = 24; // characters of a word that are drawn; all of it is read out
const LOOK_AMONG_CHARACTERS = "Look for a colour that changes where the text does: at a line\u2019s end, inside quotes, within a word.";
const LOOK_AMONG_WORDS = "Look for a word at which the colour changes, and how long it stays: that is what the unit heeds.";
const HIGHEST_HEAT = 420;
const HIGHEST_ROW = 14;

function fromBase64(text, Kind) {
  return text === undefined ? null : new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
}

/** A token as it stands in the text: something to see, however strange it is. */
function cellSign(token, words, least) {
  if (token === "") return "\u2205";
  if (!words) {
    if (token === "\n" || token === "\t" || token === " ") return token;
    if (token === "\u200d") return "\ufffd";
    return /^[\p{M}\p{Emoji_Modifier}]/u.test(token) ? `\u25cc${token}` : visible(token);
  }
  const letters = Array.from(visible(token));
  if (letters.length > WIDEST_WORD) letters.splice(WIDEST_WORD - 1, letters.length, "\u2026");
  const spare = Math.max(0, least - letters.length);
  const [left, right] = [Math.floor(spare / 2), Math.ceil(spare / 2)].map((n) => "\u00a0".repeat(n));
  return left + letters.join("") + right;
}

/** The text to lay out and each token's span in it; tokens that would melt into one sign are kept apart. */
function laidOut(tokens, words, least) {
  const signs = tokens.map((token) => cellSign(token, words, least));
  if (signs.at(-1) === "\n") signs[signs.length - 1] = visible("\n"); // no empty line at the end
  const gap = words ? " " : "";
  const whole = signs.join(gap);
  const segments = globalThis.Intl?.Segmenter && Array.from(new Intl.Segmenter().segment(whole));
  const seams = segments && new Set(segments.map(({ index }) => index));
  const spans = [];
  let [text, at] = ["", 0];
  for (const sign of signs) {
    if (seams && !seams.has(at)) text += "\u200b";
    spans.push([text.length, text.length + sign.length]);
    text += sign + gap;
    at += sign.length + gap.length;
  }
  return { text, spans };
}

class PictureView {
  constructor(root, data) {
    Object.assign(this, { root, data, unit: data.unit, time: null });
    this.shades = fromBase64(data.shades, Uint8Array);
    this.values = fromBase64(data.values, Float32Array);
    this.guesses = fromBase64(data.guesses, Uint32Array);
    this.chances = fromBase64(data.chances, Float32Array);
    this.bits = fromBase64(data.bits, Float32Array);
    this.unknown = fromBase64(data.unknown, Uint8Array);
    this.what = `${spaced(data.signal)} of layer ${data.layer + 1}`;
    this.build();
    this.listen();
    this.pick(data.unit);
  }

  build() {
    const { data } = this;
    this.title = el("h1");
    this.read = el("p", { className: "rv-read", role: "status" });
    this.number = el("input", { type: "number", min: "0", max: String(data.units - 1), step: "1" });
    const chooser = field("Unit", this.number);
    chooser.classList.add("rv-short");
    const editor = el("div", { tabIndex: 0, role: "img" });
    const heat = el("div", { className: "rv-heatbox" });
    const button = (label, sign, run) => el("button", { type: "button", "aria-label": label, onclick: run }, sign);
    this.root.replaceChildren(
      this.title,
      this.legend(),
      this.shown(),
      editor,
      el("p", { className: "rv-note" }, data.words ? LOOK_AMONG_WORDS : LOOK_AMONG_CHARACTERS),
      this.read,
      el("div", { className: "rv-row rv-between rv-head" },
        el("h2", {}, `All ${data.units} ${data.cell_type} units by time`),
        el("div", { className: "rv-row" }, chooser,
          button("Zoom in", "+", () => this.heat.zoom(1.5)),
          button("Zoom out", "\u2212", () => this.heat.zoom(1 / 1.5)),
          button("Show all", "all", () => { this.heat.fit(); this.heat.draw(); }))),
      heat,
      el("p", { className: "rv-note" },
        "A row that keeps one colour over a stretch of text remembers something: click it and its unit colours the text. Drag to pan, Ctrl and wheel to zoom; with the keyboard: arrows, Enter, + and \u2212, 0 for all."),
    );
    this.editor = editor;
    this.fillText(editor);
    this.fillHeat(heat);
  }

  /** What the colours mean. */
  legend() {
    const { data } = this;
    const bar = (...colours) => {
      const box = el("span", { className: "rv-bar" });
      box.style.background = `linear-gradient(90deg, ${colours.join(",")})`;
      return box;
    };
    const part = (...children) => el("div", { className: "rv-legend" }, ...children.map((child) => el("span", {}, child)));
    const [low, high] = data.ends;
    const parts = [part(el("b", {}, spaced(data.signal)), low, bar(...data.stops), high, `(${data.note})`)];
    if (data.rows) {
      const what = data.percent ? "likeliest answer so far" : "likeliest next tokens, likeliest first";
      parts.push(part(`beneath each token: ${what}, 0 %`, bar(guessColour(0), guessColour(1)), "100 %"));
    }
    if (this.bits) parts.push(part("bar above a token: surprise, full height 10 bits"));
    if (this.unknown?.includes(1)) parts.push(part("dashed: outside the vocabulary"));
    return el("div", { className: "rv-row" }, ...parts);
  }

  /** Says so if not all of the text is shown. */
  shown() {
    const { tokens, total } = this.data;
    if (tokens.length === total) return "";
    const count = (n) => n.toLocaleString("en");
    return el("p", { className: "rv-notice" },
      `The first ${count(tokens.length)} of ${count(total)} tokens are shown; record a shorter text to see others.`);
  }

  fillText(editor) {
    const { data } = this;
    const names = data.rows ? data.names.map((name) => Array.from(name).length + (data.percent ? 6 : 0)) : [];
    const least = data.words && data.rows ? Math.min(12, Math.round(0.57 * Math.max(...names))) : 0;
    const { text, spans } = laidOut(data.tokens, data.words, least);
    this.text = new TextView(editor, { editable: false, label: "Text" });
    this.text.look = {
      colour: (t) => {
        const shade = this.shades[t * data.units + this.unit];
        return [data.hex[shade], data.ink[shade]];
      },
      guesses: (t) => {
        const found = this.guessesOf(t);
        return data.percent ? found.map(([name, p]) => [`${name} ${Math.round(100 * p)} %`, p]) : found;
      },
      bits: (t) => this.bits?.[t] ?? 0,
      unknown: (t) => this.unknown?.[t] === 1,
      chosen: (t) => t === this.time,
    };
    this.text.setGuesses(data.rows);
    this.text.setText(text, spans);
  }

  fillHeat(root) {
    const { data } = this;
    this.heat = new HeatMap(root, {
      palette: data.hex.map((code) => [1, 3, 5].map((i) => Number.parseInt(code.slice(i, i + 2), 16))),
      say: (time, unit) => this.point(time, unit),
      choose: (time, unit) => {
        this.pick(unit);
        this.point(time, unit);
      },
      height: Math.min(HIGHEST_HEAT, HIGHEST_ROW * data.units),
    });
    this.heat.label(`All ${data.units} units by time, ${this.what}. Arrow keys move, Enter colours the text by the unit.`);
    this.heat.reset(data.units);
    this.heat.put(0, this.shades);
  }

  listen() {
    this.number.addEventListener("change", () => this.pick(this.number.valueAsNumber));
    const over = (event) => {
      const time = this.text.at(event.clientX, event.clientY);
      this.heat.cursor = time === null ? null : [time, this.unit];
      this.heat.later();
      this.point(time, this.unit);
    };
    this.editor.addEventListener("pointermove", over);
    this.editor.addEventListener("pointerdown", over);
    this.editor.addEventListener("pointerleave", () => {
      this.heat.cursor = null;
      this.heat.later();
      this.point(null);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  paint() {
    this.text.paint(0);
    this.heat.draw();
  }

  /** Colour the text by a unit; what is no unit changes nothing. */
  pick(unit) {
    const { data } = this;
    if (Number.isInteger(unit) && unit >= 0 && unit < data.units) this.unit = unit;
    this.number.value = String(this.unit);
    this.heat.unit = this.unit;
    this.title.textContent = `${data.model}, unit ${this.unit}: ${this.what}`;
    const start = data.tokens.slice(0, 300).join(data.words ? " " : "");
    this.editor.setAttribute("aria-label", `Text, coloured by unit ${this.unit}: ${start}`);
    this.paint();
  }

  /** Read out one cell and mark its token in the text; null for none. */
  point(time, unit) {
    this.read.textContent = time === null ? "" : this.told(time, unit);
    if (this.time === time) return;
    this.time = time;
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.text.paint(0);
    });
  }

  told(time, unit) {
    const { data } = this;
    const value = exact(this.values[time * data.units + unit]);
    const bits = this.bits && time > 0 ? `, surprise ${this.bits[time].toFixed(2)} bits` : "";
    const likeliest = this.guessesOf(time).map(([name, p]) => `${name} ${(100 * p).toFixed(1)} %`).join(", ");
    const after = likeliest ? `; ${data.percent ? "answer" : "next"} ${likeliest}` : "";
    const never = this.unknown?.[time] ? ", outside the vocabulary" : "";
    const where = `unit ${unit}, time ${time}, after \u201c${visible(data.tokens[time])}\u201d${never}`;
    return `${where}: ${spaced(data.signal)} ${value}${bits}${after}`;
  }

  /** The likeliest outputs after a token, with their probabilities. */
  guessesOf(time) {
    const { rows, names } = this.data;
    return Array.from({ length: rows }, (_, i) => {
      const at = time * rows + i;
      return [visible(names[this.guesses[at]]), this.chances[at]];
    });
  }
}

new PictureView(document.querySelector(".rv-picture"), JSON.parse(document.getElementById("data").textContent));
