// Probabilities by word as lines: a band where the answer is unsure, a cursor for mouse, finger and keys.
import { svg, zoomOf } from "./dom.js";

const EDGE = { left: 58, right: 14, top: 12, bottom: 44 };
const TALL = 300;
const APART = 7; // pixels between words from which on each has a dot of its own

/** The end of an axis that a growing text reaches now and then, rather than moving at every word. */
export function roomFor(words) {
  if (words <= 10) return 10;
  const power = 10 ** Math.floor(Math.log10(words));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((room) => room >= words);
}

/** Whole numbers from 0 to `last`, at most some eight of them. */
export function wholeTicks(last, most = 8) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, last / most)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => last / one <= most);
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => i * step);
}

/** Of many points only those that can be told apart: a column's first, lowest, highest and last. */
export function thinned(values, first, columns) {
  const all = values.length;
  const indices = Array.from({ length: all - first }, (_, i) => first + i);
  if (indices.length <= 4 * columns) return indices;
  const kept = [];
  for (let column = 0; column < columns; column += 1) {
    const [from, to] = [column, column + 1].map((i) => first + Math.floor((i * indices.length) / columns));
    let [low, high] = [from, from];
    for (let i = from; i < to; i += 1) {
      if (values[i] < values[low]) low = i;
      if (values[i] > values[high]) high = i;
    }
    kept.push(...[...new Set([from, low, high, to - 1])].sort((a, b) => a - b));
  }
  return kept;
}

/** Draws lines { name, colour, dash, values }: values[0] is before any word, values[t + 1] after word t. */
export class ChanceChart {
  constructor({ onPoint, unsure }) {
    this.onPoint = onPoint;
    this.unsure = unsure; // the ends of the band
    this.lines = [];
    this.at = null;
    this.frame = svg("g");
    this.drawn = svg("g");
    this.names = svg("g", { class: "rv-names" }); // above the lines
    this.cursor = svg("g", { class: "rv-cursor" });
    this.root = svg("svg", { class: "rv-chances", height: TALL, tabindex: 0, role: "application" }, this.frame, this.drawn, this.names, this.cursor);
    this.root.setAttribute("aria-roledescription", "line chart");
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(this.root);
    const over = (event) => this.onPoint(this.wordAt(event.clientX));
    this.root.addEventListener("pointermove", over);
    this.root.addEventListener("pointerdown", over);
    this.root.addEventListener("pointerleave", () => this.onPoint(null));
    this.root.addEventListener("blur", () => this.onPoint(null));
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  leave() {
    this.watch.disconnect();
  }

  /** Show lines over axes named [across, up]; `first` is -1 where one of them has a value before any word. */
  show(lines, { axes, label, first }) {
    Object.assign(this, { lines, axes, first });
    this.last = Math.max(-1, ...lines.map((line) => line.values.length - 2));
    this.root.setAttribute("aria-label", label);
    this.draw();
  }

  x(time) {
    return EDGE.left + ((time + 1) / this.room) * (this.width - EDGE.left - EDGE.right);
  }

  y(chance) {
    return EDGE.top + (1 - chance) * (TALL - EDGE.top - EDGE.bottom);
  }

  draw() {
    this.width = this.root.clientWidth;
    if (!this.width || !this.axes) return;
    const room = roomFor(this.last + 1);
    const key = `${this.width} ${room} ${this.axes}`;
    this.room = room;
    if (key !== this.framed) this.drawFrame();
    this.framed = key;
    this.drawn.replaceChildren(...this.lines.map((line) => this.line(line)));
    this.mark(this.at);
  }

  drawFrame() {
    const [left, right, low] = [EDGE.left, this.width - EDGE.right, this.y(0)];
    const parts = [];
    const put = (tag, attributes, ...children) => parts.push(svg(tag, attributes, ...children));
    const [from, to] = this.unsure;
    put("rect", { class: "rv-unsure-band", x: left, y: this.y(to), width: right - left, height: this.y(from) - this.y(to) });
    this.names.replaceChildren(svg("text", { x: right - 6, y: this.y(to) + 14, "text-anchor": "end" }, "unsure"));
    for (const chance of [0, 0.25, 0.5, 0.75, 1]) {
      put("line", { class: chance === 0.5 ? "rv-half" : "rv-grid", x1: left, x2: right, y1: this.y(chance), y2: this.y(chance) });
      put("text", { x: left - 7, y: this.y(chance) + 4, "text-anchor": "end" }, String(chance));
    }
    put("line", { class: "rv-axis", x1: left, x2: left, y1: this.y(1), y2: low });
    put("line", { class: "rv-axis", x1: left, x2: right, y1: low, y2: low });
    for (const words of wholeTicks(this.room, this.width < 500 ? 5 : 10)) {
      const x = this.x(words - 1);
      put("line", { class: "rv-axis", x1: x, x2: x, y1: low, y2: low + 4 });
      put("text", { x, y: low + 17, "text-anchor": "middle" }, words.toLocaleString("en"));
    }
    const [across, up] = this.axes;
    put("text", { x: (left + right) / 2, y: TALL - 6, "text-anchor": "middle" }, across);
    put("text", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(14 ${(this.y(0) + this.y(1)) / 2}) rotate(-90)` }, up);
    this.frame.replaceChildren(...parts);
  }

  /** One model's line, dots where there are few words, and a disc at its last word. */
  line({ name, colour, dash, values }) {
    const columns = Math.max(1, Math.round(this.width));
    const dotted = this.x(1) - this.x(0) >= APART;
    const spot = (i) => `${this.x(i - 1).toFixed(1)} ${this.y(values[i]).toFixed(1)}`;
    let [path, dots, pen] = ["", "", "M"];
    for (const i of thinned(values, 0, columns)) {
      if (Number.isFinite(values[i])) {
        path += pen + spot(i);
        if (dotted) dots += `M${spot(i)}h0`;
      }
      pen = Number.isFinite(values[i]) ? "L" : "M";
    }
    const group = svg("g", { class: "rv-chance-line", "data-model": name, style: `color:${colour}` });
    group.append(svg("path", { d: path, "stroke-dasharray": dash.join(" ") }), svg("path", { class: "rv-dots", d: dots }));
    const end = values.length - 1;
    if (end > 0 && Number.isFinite(values[end])) group.append(this.disc("rv-end", end - 1, values[end]));
    return group;
  }

  disc(name, time, chance) {
    return svg("circle", { class: name, cx: this.x(time).toFixed(1), cy: this.y(chance).toFixed(2), r: 5 });
  }

  /** Put the cursor at a word, or take it away for null. */
  mark(time) {
    this.at = time;
    if (time === null || !this.room || time > this.last) {
      this.cursor.replaceChildren();
      return;
    }
    const x = this.x(time);
    const discs = this.lines.filter((line) => Number.isFinite(line.values[time + 1])).map((line) => {
      const disc = this.disc("rv-at", time, line.values[time + 1]);
      disc.style.color = line.colour;
      return disc;
    });
    this.cursor.replaceChildren(svg("line", { x1: x, x2: x, y1: this.y(1), y2: this.y(0) }), ...discs);
  }

  /** The word nearest to a place of the window, or null. */
  wordAt(clientX) {
    if (!this.room || this.last < 0) return null;
    const inside = (clientX - this.root.getBoundingClientRect().left) / zoomOf(this.root) - EDGE.left;
    const time = Math.round((inside / (this.width - EDGE.left - EDGE.right)) * this.room) - 1;
    return Math.min(this.last, Math.max(this.first, time));
  }

  key(event) {
    const far = event.shiftKey ? 10 : 1;
    const at = this.at ?? this.last;
    const to = {
      ArrowLeft: (this.at ?? this.last + 1) - far, ArrowRight: at + far, Home: this.first, End: this.last, PageUp: at - 10, PageDown: at + 10,
    }[event.key];
    if (event.key === "Escape") this.onPoint(null);
    if (to === undefined || this.last < 0) return;
    event.preventDefault();
    this.onPoint(Math.min(this.last, Math.max(this.first, to)));
  }
}
