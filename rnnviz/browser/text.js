// A text whose tokens are coloured by one unit: laid out by the browser, painted on a canvas beneath a transparent editor.
import { zoomOf } from "./dom.js";

const SIGNS = { " ": "\u2423", "\n": "\u21b5", "\t": "\u21e5" };

/** A token as signs that can be seen. */
export function visible(token) {
  if (Object.hasOwn(SIGNS, token)) return SIGNS[token];
  return Array.from(token, (c) => (/[\p{C}\u2028\u2029]/u.test(c) && c !== "\u200d" ? "\ufffd" : c)).join("");
}

const FONT = 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
const GLYPH = 22; // height of a coloured cell
const GUESS = 13; // height of a guess
const BAR = 12; // room for the bar of surprise
const FULL = 10; // bits of surprise that fill the bar

/** White to orange by probability: the ground of a guess. */
export function guessColour(p) {
  return `rgb(255,${Math.round(255 - 150 * p)},${Math.round(255 - 230 * p)})`;
}

/**
 * Shows tokens over their places in a text.
 *
 * `tokens.spans[t]` is [first, last) in UTF-16 units. `colour(t)` gives [ground, ink] or null while it is not known.
 */
export class TextView {
  constructor(root, { editable, label }) {
    root.classList.add("rv-editor");
    this.root = root;
    this.sheet = document.createElement("div");
    this.sheet.className = "rv-sheet";
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.mirror = document.createElement("div");
    this.mirror.className = "rv-mirror";
    this.mirror.setAttribute("aria-hidden", "true");
    this.node = document.createTextNode("");
    this.mirror.append(this.node, document.createTextNode("\u200b"));
    this.sheet.append(this.canvas, this.mirror);
    this.box = document.createElement(editable ? "textarea" : "div");
    this.box.className = "rv-box";
    if (editable) {
      this.box.setAttribute("aria-label", label);
      Object.assign(this.box, { spellcheck: false, autocapitalize: "off", autocomplete: "off", rows: 1 });
    } else {
      this.mirror.removeAttribute("aria-hidden");
    }
    this.sheet.append(this.box);
    root.append(this.sheet);
    this.range = document.createRange();
    this.text = "";
    this.spans = [];
    this.places = []; // token -> [x, y, width], measured as needed
    this.before = { from: 0, list: [] }; // places that were measured before the last change
    this.look = { colour: () => null };
    root.addEventListener("scroll", () => this.paint(0), { passive: true });
    const watch = new ResizeObserver(() => this.resized());
    watch.observe(this.sheet);
    watch.observe(root);
    document.fonts?.ready.then(() => this.relayout());
  }

  /** Rows of guesses under each token. */
  setGuesses(rows) {
    this.rows = rows;
    const height = GLYPH + BAR + rows * GUESS + 4;
    this.sheet.style.setProperty("--rv-line", `${height}px`);
    this.sheet.style.setProperty("--rv-lift", `${(height - GLYPH) / 2 - BAR - 2}px`);
    this.relayout();
  }

  /** Places change with the width alone; a new height only shows more or less of them. */
  resized() {
    if (this.sheet.clientWidth !== this.wide) this.places = [];
    this.wide = this.sheet.clientWidth;
    this.paint(0);
  }

  relayout() {
    this.places = [];
    this.paint(0);
  }

  /** Take a new text and its tokens' spans; places before the change are kept. */
  setText(text, spans) {
    let same = 0;
    const most = Math.min(text.length, this.text.length);
    while (same < most && text.charCodeAt(same) === this.text.charCodeAt(same)) same += 1;
    let tail = 0; // what is alike at the end: the browser lays out again only what was replaced
    while (tail < most - same && text.charCodeAt(text.length - 1 - tail) === this.text.charCodeAt(this.text.length - 1 - tail)) tail += 1;
    if (this.text !== text) this.node.replaceData(same, this.text.length - tail - same, text.slice(same, text.length - tail));
    const { places, spans: old } = this;
    let alike = 0;
    while (alike < old.length && alike < spans.length && old[alike][0] === spans[alike][0] && old[alike][1] === spans[alike][1]) alike += 1;
    if (alike < places.length) places.length = alike;
    this.mark(alike);
    this.text = text;
    this.spans = spans;
    if (same < most || text.length !== most) this.forget(same);
  }

  /** Forget the places from the line before a change on: a word may have moved up to it. */
  forget(character) {
    const { places } = this;
    let token = 0;
    let high = Math.min(places.length, this.spans.length);
    while (token < high) {
      const middle = (token + high) >> 1;
      if (this.spans[middle][1] <= character) token = middle + 1;
      else high = middle;
    }
    let lines = 0;
    while (token > 0 && lines < 2) {
      token -= 1;
      if (token > 0 && places[token][1] !== places[token - 1][1]) lines += 1;
    }
    if (this.before.list.length) this.mark(this.before.from);
    this.before = { from: token, list: places.splice(token) };
  }

  /** From this token on the picture has to be painted again. */
  mark(token) {
    this.dirty = Math.min(this.dirty ?? Infinity, token);
  }

  /** Measure tokens until one lies below `bottom` (in the sheet's own pixels). */
  measure(bottom) {
    const { places, spans, range, node } = this;
    if (places.length >= spans.length) return;
    const origin = this.sheet.getBoundingClientRect();
    const zoom = zoomOf(this.sheet);
    while (places.length < spans.length) {
      const [first, last] = spans[places.length];
      const before = places[places.length - 1];
      let place = before ? [before[0] + before[2], before[1], 0] : [0, 0, 0];
      if (last > first) {
        range.setStart(node, first);
        range.setEnd(node, last);
        const rects = range.getClientRects();
        const rect = rects[0];
        if (rect) {
          const middle = (rect.top + rect.height / 2 - origin.top) / zoom;
          place = [(rect.left - origin.left) / zoom, middle - GLYPH / 2, rect.width / zoom];
        }
      }
      const was = this.before.list[places.length - this.before.from];
      if (!was || was.some((number, i) => number !== place[i])) this.mark(places.length);
      places.push(place);
      if (place[1] > bottom) return;
    }
    this.before = { from: 0, list: [] };
  }

  /** Paint what is in view, from a token's line on. */
  paint(from = 0) {
    const { canvas, root } = this;
    const ratio = (window.devicePixelRatio || 1) * zoomOf(canvas);
    const width = this.sheet.clientWidth;
    const height = root.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      canvas.style.marginBottom = `${-height}px`;
      from = 0;
    }
    from = Math.min(from, this.dirty ?? from);
    this.dirty = undefined;
    const top = root.scrollTop;
    this.measure(top + height + 200);
    const { places } = this;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, -top * ratio);
    const start = this.clear(context, from, top, width, height);
    const style = getComputedStyle(root);
    this.plain = style.color;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let t = start; t < places.length && places[t][1] < top + height; t += 1) {
      if (places[t][1] + GLYPH + this.rows * GUESS > top) this.paintToken(context, t);
    }
  }

  /** Clear the canvas from a token on; returns the token to paint from, the first of its line where letters run back. */
  clear(context, from, top, width, height) {
    const { places } = this;
    const line = GLYPH + BAR + this.rows * GUESS + 4;
    const last = Math.max(0, Math.min(from, places.length - 1));
    let start = last;
    let forward = true;
    while (start > 0 && places[start - 1][1] === places[start][1]) {
      start -= 1;
      forward &&= places[start][0] + places[start][2] <= places[start + 1][0] + 0.5;
    }
    for (let t = last; forward && t + 1 < places.length && places[t + 1][1] === places[t][1]; t += 1) {
      forward = places[t][0] <= places[t + 1][0];
    }
    if (start === 0 && (last === 0 || !forward)) {
      context.clearRect(0, top, width, height + 200);
      return 0;
    }
    const [x, y] = forward ? places[last] : [0, places[start][1]];
    context.clearRect(Math.floor(x), y - BAR - 2, width, line);
    context.clearRect(0, y - BAR - 2 + line, width, height + 200);
    return forward ? last : start;
  }

  paintToken(context, t) {
    const [x, y, width] = this.places[t];
    const [first, last] = this.spans[t];
    let raw = this.text.slice(first, last);
    const { look } = this;
    const shade = look.colour(t);
    const drawn = raw === "\n" ? 9 : width;
    if (!drawn) return;
    // What the browser joins with this letter (an accent, the rest of a flag) has no room of its own: drawn with it.
    for (let i = t + 1; raw !== "\n" && this.places[i]?.[2] === 0 && this.spans[i]; i += 1) {
      const joined = this.text.slice(...this.spans[i]);
      if (joined === "\n") break;
      raw += joined;
    }
    if (shade) {
      context.fillStyle = shade[0];
      context.fillRect(x, y, drawn, GLYPH);
    }
    context.fillStyle = shade ? shade[1] : this.plain;
    context.font = `600 16px ${FONT}`;
    const sign = raw === "\n" || raw === "\t" ? visible(raw) : raw;
    if (raw !== " ") context.fillText(sign, x + drawn / 2, y + GLYPH / 2 + 1);
    if (look.unknown?.(t)) {
      context.setLineDash([3, 2]);
      context.lineWidth = 1.5;
      context.strokeStyle = this.plain;
      context.strokeRect(x + 0.75, y + 0.75, drawn - 1.5, GLYPH - 1.5);
      context.setLineDash([]);
    }
    const bits = look.bits?.(t);
    if (bits > 1) {
      const tall = Math.min(1, bits / FULL) * BAR;
      context.fillStyle = this.plain;
      context.fillRect(x + drawn / 2 - 2, y - 1 - tall, 4, tall);
    }
    if (look.chosen?.(t)) {
      context.fillStyle = this.plain;
      context.fillRect(x, y + GLYPH - 3, drawn, 3);
    }
    if (this.rows) this.paintGuesses(context, look.guesses?.(t), x, y + GLYPH, drawn);
  }

  paintGuesses(context, guesses, x, y, width) {
    if (!guesses) return;
    context.font = `11px ${FONT}`;
    for (let i = 0; i < Math.min(this.rows, guesses.length); i += 1) {
      const [token, p] = guesses[i];
      context.fillStyle = guessColour(p);
      context.fillRect(x, y + i * GUESS, width, GUESS);
      context.fillStyle = "#111";
      context.fillText(token, x + width / 2, y + i * GUESS + GUESS / 2 + 1, width + (this.rows > 1 ? 0 : 9));
    }
  }

  /** The token at a point of the window, or null. */
  at(clientX, clientY) {
    const origin = this.sheet.getBoundingClientRect();
    const zoom = zoomOf(this.sheet);
    const [px, py] = [(clientX - origin.left) / zoom, (clientY - origin.top) / zoom];
    for (let t = 0; t < this.places.length; t += 1) {
      const [x, y, width] = this.places[t];
      const wide = width || 9;
      if (px >= x && px < x + wide && py >= y - BAR && py < y + GLYPH + this.rows * GUESS) return t;
    }
    return null;
  }
}
