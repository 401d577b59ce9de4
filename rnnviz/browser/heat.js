// All units by time on a canvas: zoom, pan, a cursor for mouse, finger and keys.
import { zoomOf } from "./dom.js";

const LEFT = 46; // room for the units' numbers
const BELOW = 34; // room for the times
const ROOM = 64; // steps by which the room for a growing text grows
const TALL = 14; // largest height of a row, and width of a column, in pixels, while everything is shown

/** Holds one byte a unit and time, a column a time step, and draws them through a palette of 256 colours. */
export class HeatMap {
  /** `say(time, unit)` is called when the cursor moves (nulls when it leaves), `choose(time, unit)` on a click. */
  constructor(root, { palette, say, choose, height = 420 }) {
    Object.assign(this, { root, say, choose, height });
    this.colours = Uint32Array.from(palette, ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r);
    this.canvas = document.createElement("canvas");
    this.canvas.className = "rv-heat";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-roledescription", "heatmap");
    root.append(this.canvas);
    this.store = document.createElement("canvas");
    this.shades = new Uint8Array(0);
    this.units = 0;
    this.times = 0;
    this.order = null;
    this.unit = 0;
    this.cursor = null;
    this.stretch = null;
    this.fit();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(root);
  }

  label(text) {
    this.canvas.setAttribute("aria-label", text);
  }

  /** Start anew with a number of units. */
  reset(units) {
    if (units !== this.units) this.fit();
    this.units = units;
    this.times = 0;
    this.order = null;
    this.place = null;
    this.cursor = null;
    this.shades = new Uint8Array(0);
    this.grow(64);
  }

  grow(columns) {
    if (columns * this.units <= this.shades.length) return;
    const room = Math.max(64, 2 * columns);
    const shades = new Uint8Array(room * this.units);
    shades.set(this.shades.subarray(0, this.times * this.units));
    this.shades = shades;
    this.store.width = room;
    this.store.height = this.units;
    this.ink(0, this.times);
  }

  /** Put columns in place from `first` on; what stands behind them stays until it is replaced or cut. */
  put(first, shades) {
    const columns = shades.length / this.units;
    this.grow(first + columns);
    this.shades.set(shades, first * this.units);
    this.times = Math.max(this.times, first + columns);
    this.ink(first, first + columns);
  }

  cut(times) {
    this.times = Math.min(this.times, times);
  }

  /** Rows from top to bottom as a list of units, or null for their own order. */
  arrange(order) {
    this.order = order;
    this.place = null;
    if (order) {
      this.place = new Uint16Array(this.units);
      order.forEach((unit, row) => {
        this.place[unit] = row;
      });
    }
    this.ink(0, this.times);
    this.draw();
  }

  row(unit) {
    return this.place ? this.place[unit] : unit;
  }

  unitAt(row) {
    return this.order ? this.order[row] : row;
  }

  /** Colour columns of the store. */
  ink(first, last) {
    const wide = last - first;
    if (wide <= 0) return;
    const image = new ImageData(wide, this.units);
    const pixels = new Uint32Array(image.data.buffer);
    const { colours, shades, units, place } = this;
    for (let t = 0; t < wide; t += 1) {
      const at = (first + t) * units;
      if (place) for (let u = 0; u < units; u += 1) pixels[place[u] * wide + t] = colours[shades[at + u]];
      else for (let u = 0; u < units; u += 1) pixels[u * wide + t] = colours[shades[at + u]];
    }
    this.store.getContext("2d").putImageData(image, first, 0);
  }

  fit() {
    this.zoomed = false;
    this.x0 = 0;
    this.y0 = 0;
  }

  /** The scale in use: pixels a step and a row. */
  scale() {
    const width = Math.max(1, this.canvas.clientWidth - LEFT);
    if (this.zoomed) return [this.sx, this.sy];
    const room = Math.ceil(this.times / ROOM) * ROOM; // in steps, so that a key does not change the scale
    const wide = this.times * TALL <= width ? TALL : width / Math.max(this.times, Math.min(room, this.times * 1.1));
    return [wide, Math.min(TALL, this.height / Math.max(1, this.units))];
  }

  /** Zoom by a factor about a point of the plot. */
  zoom(factor, px = (this.canvas.clientWidth - LEFT) / 2, py = this.height / 2) {
    const [sx, sy] = this.scale();
    const [time, row] = [this.x0 + px / sx, this.y0 + py / sy];
    this.zoomed = true;
    this.sx = Math.min(40, Math.max(0.25, sx * factor));
    this.sy = Math.min(40, Math.max(0.25, sy * factor));
    this.x0 = time - px / this.sx;
    this.y0 = row - py / this.sy;
    this.draw();
  }

  clamp() {
    const [sx, sy] = this.scale();
    const width = (this.canvas.clientWidth - LEFT) / sx;
    this.x0 = Math.max(0, Math.min(this.x0, this.times - width));
    this.y0 = Math.max(0, Math.min(this.y0, this.units - this.height / sy));
    return [sx, sy];
  }

  /** Keep the last step in view while the text grows at its end. */
  follow() {
    if (this.zoomed) this.x0 = Infinity;
  }

  /** Draw, from a column on where nothing but what follows it has changed. */
  draw(from = 0) {
    const { canvas, height } = this;
    const ratio = (window.devicePixelRatio || 1) * zoomOf(canvas);
    const width = this.root.clientWidth;
    if (!width || !this.units) return;
    const full = height + BELOW;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(full * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(full * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${full}px`;
      from = 0;
    }
    const [sx, sy] = this.clamp();
    const view = [sx, sy, this.x0, this.y0].join();
    if (view !== this.drawn) from = 0;
    this.drawn = view;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.save();
    if (from > this.x0) {
      context.beginPath();
      context.rect(Math.floor(LEFT + (from - this.x0) * sx) - 24, 0, width, full);
      context.clip();
    }
    context.clearRect(0, 0, width, full);
    const room = width - LEFT;
    const columns = Math.min(this.times - this.x0, room / sx);
    const rows = Math.min(this.units - this.y0, height / sy);
    context.imageSmoothingEnabled = sx * ratio < 1 || sy * ratio < 1;
    if (columns > 0) {
      context.drawImage(this.store, this.x0, this.y0, columns, rows, LEFT, 0, columns * sx, rows * sy);
    }
    this.ink_ = getComputedStyle(canvas).color;
    this.axes(context, sx, sy, width, rows * sy);
    this.marks(context, sx, sy, columns * sx, rows * sy);
    context.restore();
  }

  axes(context, sx, sy, width, bottom) {
    context.fillStyle = this.ink_;
    context.font = "11px sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "right";
    const step = nice(16 / sy);
    for (let row = Math.ceil(this.y0 / step) * step; row < this.units && (row - this.y0) * sy < bottom; row += step) {
      context.fillText(String(this.unitAt(row)), LEFT - 5, Math.max(6, (row + 0.5 - this.y0) * sy));
    }
    context.save();
    context.translate(8, bottom / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText("unit", 0, 0);
    context.restore();
    context.textAlign = "center";
    const wide = nice(44 / sx);
    for (let t = Math.ceil(this.x0 / wide) * wide; t < this.times && (t - this.x0) * sx < width - LEFT; t += wide) {
      context.fillText(String(t), LEFT + (t + 0.5 - this.x0) * sx, bottom + 9);
    }
    context.textAlign = "left";
    context.fillText("time (tokens read)", LEFT, bottom + 25);
  }

  marks(context, sx, sy, right, bottom) {
    const box = (x, y, w, h) => {
      context.strokeStyle = "#000";
      context.strokeRect(x - 1.5, y - 1.5, w + 3, h + 3);
      context.strokeStyle = "#fff";
      context.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
    };
    context.save();
    context.beginPath();
    context.rect(LEFT - 2, 0, right + 4, bottom);
    context.clip();
    context.lineWidth = 1;
    box(LEFT + 1, (this.row(this.unit) - this.y0) * sy, right - 2, sy);
    if (this.stretch) {
      const [first, last] = this.stretch;
      box(LEFT + (first - this.x0) * sx, 1, (last - first) * sx, bottom - 2);
    }
    if (this.cursor) {
      const [time, unit] = this.cursor;
      box(LEFT + (time - this.x0) * sx, (this.row(unit) - this.y0) * sy, sx, sy);
    }
    context.restore();
  }

  listen() {
    const { canvas } = this;
    let grip = null;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      const [sx, sy] = this.scale();
      const large = zoomOf(canvas);
      const [px, py] = [(event.clientX - box.left) / large - LEFT, (event.clientY - box.top) / large];
      const [time, row] = [Math.floor(this.x0 + px / sx), Math.floor(this.y0 + py / sy)];
      if (px < 0 || py > this.height || time < 0 || time >= this.times || row < 0 || row >= this.units) return null;
      return [time, this.unitAt(row)];
    };
    canvas.addEventListener("pointerdown", (event) => {
      grip = { x: event.clientX, y: event.clientY, x0: this.x0, y0: this.y0, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (grip && Math.hypot(event.clientX - grip.x, event.clientY - grip.y) > 4) grip.moved = true;
      if (grip?.moved) {
        const [sx, sy] = this.scale().map((size) => size * zoomOf(canvas));
        this.x0 = grip.x0 - (event.clientX - grip.x) / sx;
        this.y0 = grip.y0 - (event.clientY - grip.y) / sy;
      } else {
        this.cursor = place(event);
        this.say(...(this.cursor ?? [null, null]));
      }
      this.later();
    });
    canvas.addEventListener("pointerup", (event) => {
      const cell = grip && !grip.moved ? place(event) : null;
      grip = null;
      if (!cell) return;
      this.cursor = cell;
      this.choose(...cell);
    });
    canvas.addEventListener("pointerleave", () => {
      this.cursor = null;
      this.say(null, null);
      this.later();
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        const box = canvas.getBoundingClientRect();
        const large = zoomOf(canvas);
        this.zoom(event.deltaY < 0 ? 1.25 : 0.8, (event.clientX - box.left) / large - LEFT, (event.clientY - box.top) / large);
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const big = event.shiftKey ? 10 : 1;
    const move = moves[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !this.times) return;
    if (move) {
      const [time, unit] = this.cursor ?? [this.times - 1, this.unit];
      const row = this.row(unit) + (this.cursor ? move[1] * big : 0);
      const next = time + (this.cursor ? move[0] * big : 0);
      const within = (value, size) => Math.max(0, Math.min(size - 1, value));
      this.cursor = [within(next, this.times), this.unitAt(within(row, this.units))];
      this.reveal(...this.cursor);
      this.say(...this.cursor);
    } else if (event.key === "Enter" && this.cursor) this.choose(...this.cursor);
    else if (event.key === "+" || event.key === "=") this.zoom(1.25);
    else if (event.key === "-") this.zoom(0.8);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
    this.draw();
  }

  /** Pan so that a cell is in view. */
  reveal(time, unit) {
    const [sx, sy] = this.scale();
    const [wide, tall, row] = [(this.canvas.clientWidth - LEFT) / sx, this.height / sy, this.row(unit)];
    this.x0 = Math.min(time, Math.max(this.x0, time + 1 - wide));
    this.y0 = Math.min(row, Math.max(this.y0, row + 1 - tall));
  }

  later() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.draw();
    });
  }

  /** The columns on view, first and one after the last. */
  visibleTimes() {
    const [sx] = this.clamp();
    const first = Math.floor(this.x0);
    return [first, Math.min(this.times, Math.ceil(this.x0 + (this.canvas.clientWidth - LEFT) / sx))];
  }

  /** The units on view, from top to bottom. */
  visibleUnits() {
    const [, sy] = this.clamp();
    const last = Math.min(this.units, Math.ceil(this.y0 + this.height / sy));
    return Array.from({ length: last - Math.floor(this.y0) }, (_, i) => this.unitAt(Math.floor(this.y0) + i));
  }
}

/** The smallest of 1, 2, 5, 10, 20 ... that is at least as large. */
function nice(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= least) ?? power * 10;
}
