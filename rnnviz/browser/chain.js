// A recurrent loop that can be played: the program with its current line, the variables, the cycle and the chain.
import { el, options } from "./dom.js";
import { drawChain, drawCycle, fitting, short } from "./chain_draw.js";

const QUIET = 700; // ms after the last move before Python is told where the reader stands

const players = new WeakMap();

/** Where the program stands, and what is known by then. */
function placeOf(data, at) {
  const { phases } = data.program;
  const steps = data.tokens.length;
  const end = steps * phases.length + 1;
  const cellPhase = phases.findIndex((phase) => phase.shows === "cell");
  const outPhase = phases.findIndex((phase) => phase.shows === "output");
  const turn = (t) => (data.back ? steps - 1 - t : t); // a step's place in the order in which they run
  const reached = (t, phase) => at >= 1 + turn(t) * phases.length + phase;
  const inside = at > 0 && at < end;
  const nth = Math.floor((at - 1) / phases.length);
  const step = inside ? turn(nth) : null;
  const phase = inside ? phases[(at - 1) % phases.length] : null;
  const place = {
    at, end, step,
    line: inside ? phase.line : at === 0 ? data.program.first : data.program.last,
    also: inside ? phase.also : [],
    shows: inside ? phase.shows : "",
    begun: (t) => reached(t, 0),
    output: (t) => reached(t, outPhase < 0 ? cellPhase : outPhase),
    ran: (t) => reached(t, cellPhase),
    known: (row) => (data.back ? row === steps || reached(row, cellPhase) : row === 0 || reached(row - 1, cellPhase)),
  };
  place.row = rowOf(data, place, steps);
  place.summary = summary(data, place, steps);
  return place;
}

/** The row of states that the variables hold now. */
function rowOf(data, place, steps) {
  if (place.at === 0) return data.back ? steps : 0;
  if (place.step === null) return data.back ? 0 : steps;
  const ran = place.ran(place.step);
  return place.step + (data.back ? (ran ? 0 : 1) : ran ? 1 : 0);
}

function summary(data, place, steps) {
  const values = data.states.map((lane) => `${lane.name} = ${lane.rows[place.row].map(short).join(", ")}`).join("; ");
  if (place.at === 0) return `${data.back ? "At the loss, before the way back" : "Before the first step"}: ${values}.`;
  if (place.step === null) return `${data.back ? "Back through" : "After"} all ${steps} steps: ${values}.`;
  return `Step ${place.step + 1} of ${steps}, input ${data.tokens[place.step]}: ${values}.`;
}

class Player {
  constructor(root, data) {
    this.root = root;
    this.at = data.at;
    this.atEnd = false;
    this.playing = false;
    this.shownWidth = 0;
    this.changed = new Set();
    this.count = Date.now();
    const button = (label, run, hint) => el("button", { type: "button", onclick: run, title: hint }, label);
    this.play = button("Play", () => this.toggle(), "Space");
    this.speed = el("select", { "aria-label": "Speed", onchange: () => this.paced() });
    this.slide = el("input", { type: "range", min: "0", step: "1", "aria-label": "Place in the run", oninput: () => this.go(this.slide.valueAsNumber) });
    this.bar = el("div", { className: "rv-chain-bar", role: "toolbar", "aria-label": "Play the loop" },
      button("Restart", () => this.go(0), "Home"), button("\u25c0 Back", () => this.go(this.at - 1), "Left arrow"), this.play,
      button("Forward \u25b6", () => this.go(this.at + 1), "Right arrow"), button("Next step", () => this.leap(1), "Page down"), this.speed);
    this.code = el("ol", { className: "rv-chain-code" });
    this.vars = el("dl", { className: "rv-chain-vars" });
    this.cycle = el("div", { className: "rv-chain-cycle" });
    this.picture = el("div", { className: "rv-chain-picture" });
    this.strip = el("canvas", { className: "rv-chain-strip", role: "img", onclick: (event) => this.strike(event) });
    this.legend = el("p", { className: "rv-chain-note" });
    this.said = el("p", { className: "rv-chain-said", role: "status" });
    const keys = el("p", { className: "rv-chain-note" }, "Keys: \u2190 \u2192 one line, Page Up and Page Down one step, Space plays and pauses, Home restarts, End goes to the end.");
    this.figure = el("div", { className: "rv-chain-figure", tabIndex: 0, role: "group", onkeydown: (event) => this.key(event) },
      el("div", { className: "rv-chain-top" }, el("div", { className: "rv-chain-program" }, this.code), el("div", { className: "rv-chain-side" }, this.vars, this.cycle)),
      this.bar, this.slide, this.picture, this.strip, this.said, this.legend, keys);
    root.replaceChildren(this.figure);
    new ResizeObserver(() => Math.abs(root.clientWidth - this.shownWidth) > 1 && this.data && this.draw()).observe(root);
  }

  /** Take in a rerun's data; the reader stays where they are, or at the end if that is where they were. */
  take(data, post) {
    const atEnd = this.data ? this.at >= this.end : data.at >= this.endOf(data);
    this.changed = this.moved(data);
    const same = this.data && JSON.stringify(this.data.program) === JSON.stringify(data.program) && this.data.tokens.length === data.tokens.length;
    this.data = data;
    this.post = post;
    this.end = this.endOf(data);
    this.at = atEnd ? this.end : Math.min(this.at, this.end);
    this.figure.setAttribute("aria-label", data.label);
    if (!same || !this.code.childElementCount) this.build();
    this.draw();
  }

  endOf(data) {
    return data.tokens.length * data.program.phases.length + 1;
  }

  /** The weights that differ from those drawn before. */
  moved(data) {
    const before = new Map((this.data?.weights ?? []).map((m) => [m.name, m.rows]));
    const found = new Set();
    for (const { name, rows } of data.weights) {
      const old = before.get(name);
      if (old?.length !== rows.length) continue;
      rows.forEach((row, r) => row.forEach((value, c) => old[r][c] !== value && found.add(`${name} ${r} ${c}`)));
    }
    return found.size && found.size < 9 ? found : new Set();
  }

  build() {
    const { data } = this;
    this.code.replaceChildren(...data.program.lines.map((line) => el("li", {}, el("code", {}, line || " "))));
    options(this.speed, data.speeds.map((speed) => [speed, `${speed} ${speed === 1 ? "line" : "lines"} a second`]), this.pace ?? data.speed);
    this.pace ??= data.speed;
    this.slide.max = String(this.end);
    const notes = [...new Set(data.states.map((lane) => lane.note).filter(Boolean))].map((note) => {
      const names = data.states.filter((lane) => lane.note === note).map((lane) => lane.name);
      return `${names.join(", ")}: ${note}.`;
    });
    this.legend.textContent = notes.join(" ");
    this.strip.hidden = !data.states.some((lane) => lane.shades) || data.tokens.length < 2;
  }

  draw() {
    const { data } = this;
    const place = Object.assign(placeOf(data, this.at), { changed: this.changed });
    [...this.code.children].forEach((line, i) => {
      line.className = i === place.line ? "rv-lit" : place.also.includes(i) ? "rv-also" : "";
      i === place.line ? line.setAttribute("aria-current", "step") : line.removeAttribute("aria-current");
    });
    this.variables(place);
    const width = Math.max(280, this.picture.clientWidth);
    this.shownWidth = this.root.clientWidth;
    const count = Math.min(fitting(data, width), data.tokens.length);
    const around = place.step ?? (place.row === 0 ? 0 : data.tokens.length - 1);
    const first = Math.max(0, Math.min(around - Math.floor(count / 2), data.tokens.length - count));
    this.picture.replaceChildren(drawChain(data, place, first, count, width));
    this.cycle.replaceChildren(drawCycle(data, place));
    this.drawStrip(place, first, count);
    const hidden = data.tokens.length - count;
    this.said.textContent = place.summary + (hidden > 0 ? ` Drawn: ${count > 1 ? `boxes ${first + 1} to ${first + count}` : `box ${first + 1}`} of ${data.tokens.length}.` : "");
    this.said.setAttribute("aria-live", this.playing ? "off" : "polite");
    this.slide.value = String(this.at);
    this.slide.setAttribute("aria-valuetext", place.summary);
    this.play.textContent = this.playing ? "Pause" : "Play";
  }

  variables(place) {
    const { data } = this;
    const steps = data.tokens.length;
    const rows = [["t", place.step === null ? (place.at === 0 ? "\u2013" : String(data.back ? 1 : steps)) : String(place.step + 1)]];
    if (place.step !== null) rows.push(["x", data.tokens[place.step] + (data.inputs ? ` = [${data.inputs.rows[place.step].map(short).join(", ")}]` : "")]);
    for (const lane of data.states) rows.push([lane.name, lane.rows[place.row].map(short).join(", ")]);
    if (data.outputs && place.step !== null) rows.push([data.outputs.name, place.output(place.step) ? data.outputs.rows[place.step].map(short).join(", ") : "\u2013"]);
    const before = new Map([...this.vars.children].map((row) => [row.firstChild.textContent, row.lastChild.textContent]));
    this.vars.replaceChildren(...rows.map(([name, value]) => el("div", { className: before.has(name) && before.get(name) !== value ? "rv-new" : "" }, el("dt", {}, name), el("dd", {}, value))));
  }

  /** Every step's states as colours, a row a number, a column a step; what is not known yet stays empty. */
  drawStrip(place, first, count) {
    const { data, strip } = this;
    if (strip.hidden) return;
    const lanes = data.states.filter((lane) => lane.shades);
    const rows = lanes.reduce((sum, lane) => sum + lane.rows[0].length, 0);
    const width = Math.max(280, this.picture.clientWidth);
    const each = Math.max(5, Math.min(14, 56 / rows));
    const scale = devicePixelRatio || 1;
    [strip.width, strip.height] = [width * scale, (rows * each + 6) * scale];
    strip.style.height = `${rows * each + 6}px`;
    const pen = strip.getContext("2d");
    pen.scale(scale, scale);
    const column = width / (data.tokens.length + 1);
    let y = 3;
    for (const lane of lanes) for (let u = 0; u < lane.rows[0].length; u += 1, y += each) {
      for (let row = 0; row <= data.tokens.length; row += 1) {
        if (!place.known(row)) continue;
        pen.fillStyle = data.hex[lane.shades[row][u]];
        pen.fillRect(row * column, y, Math.max(1, column - (column > 6 ? 1 : 0)), each - 1);
      }
    }
    pen.strokeStyle = getComputedStyle(strip).color;
    pen.lineWidth = 2;
    pen.strokeRect(first * column + 1, 1, (count + 1) * column - 2, rows * each + 4);
    strip.setAttribute("aria-label", `All states as colours, ${data.tokens.length + 1} columns, ${rows} rows. ${place.summary}`);
  }

  /** Go to the step under the pointer. */
  strike(event) {
    const row = Math.floor((event.offsetX / this.strip.clientWidth) * (this.data.tokens.length + 1));
    this.go(this.placeAfter(row));
  }

  placeAfter(row) {
    const { phases } = this.data.program;
    return (this.data.back ? this.data.tokens.length - row : row) * phases.length;
  }

  leap(by) {
    const size = this.data.program.phases.length;
    this.go(by > 0 ? (Math.floor(this.at / size) + 1) * size : (Math.ceil(this.at / size) - 1) * size);
  }

  go(at, playing = false) {
    this.at = Math.min(this.end, Math.max(0, at));
    if (!playing) this.rest();
    this.draw();
    if (!playing) this.tell();
  }

  toggle() {
    if (this.playing) {
      this.rest();
      this.draw();
      this.tell();
      return;
    }
    if (this.at >= this.end) this.at = 0;
    this.playing = true;
    this.draw();
    this.next();
  }

  next() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!this.playing || !this.root.isConnected) return;
      this.go(this.at + 1, true);
      if (this.at < this.end) this.next();
      else this.toggle();
    }, 1000 / this.pace);
  }

  rest() {
    this.playing = false;
    clearTimeout(this.timer);
  }

  paced() {
    this.pace = Number(this.speed.value);
    if (this.playing) this.next();
    else this.tell();
  }

  /** Tell Python where the reader stands, once they rest. */
  tell() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      if (this.playing || !this.root.isConnected) return;
      this.count = Math.max(this.count + 1, Date.now());
      this.post("stands", { count: this.count, at: this.at, speed: this.pace });
    }, QUIET);
  }

  key(event) {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " " && event.target.tagName === "BUTTON") return;
    const moves = { ArrowLeft: () => this.go(this.at - 1), ArrowRight: () => this.go(this.at + 1), PageUp: () => this.leap(-1), PageDown: () => this.leap(1), Home: () => this.go(0), End: () => this.go(this.end), " ": () => this.toggle() };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".rv-chain");
  if (!players.has(root)) players.set(root, new Player(root, data));
  players.get(root).take(data, setStateValue);
}
