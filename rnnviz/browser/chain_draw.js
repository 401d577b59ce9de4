// Draws a stretch of an unrolled loop, and the loop itself as a cycle, as SVG; it knows nothing of time or of Streamlit.
import { svg } from "./dom.js";

const CHIP = { width: 58, height: 22, step: 25 };
const GAP = 84; // between two boxes, where the state is
const CELL = { width: 27, height: 19 };
const fewOf = ({ rows }) => rows.length <= 8 && rows[0].length <= 4; // more weights are colours alone
const MARK = { arrow: "M0,0 L9,4.5 L0,9 z" };

/** A number in at most six characters. */
export function short(value) {
  if (typeof value === "string") return value;
  const size = Math.abs(value);
  let text = Number.isInteger(value) && size < 1e6 ? String(value) : value.toFixed(size < 10 ? 3 : size < 1000 ? 1 : 0);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) text = value.toExponential(1);
  return text.replaceAll("-", "\u2212").replace("e+", "e");
}

const words = (x, y, text, className = "", anchor = "middle") => svg("text", { x, y, class: className, "text-anchor": anchor }, text);
const titled = (node, text) => (node.prepend(svg("title", {}, text)), node);
const cut = (text, most) => { const all = Array.from(text); return all.length > most ? `${all.slice(0, most - 1).join("")}\u2026` : text; };

function arrow(d, className = "") {
  return svg("path", { d, class: `rv-arrow ${className}`, "marker-end": className.includes("lit") ? "url(#rv-head-lit)" : "url(#rv-head)" });
}

function heads() {
  const head = (id) => svg("marker", { id, viewBox: "0 0 9 9", refX: 8, refY: 4.5, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { d: MARK.arrow, class: id }));
  return svg("defs", {}, head("rv-head"), head("rv-head-lit"));
}

/** One number on a coloured ground; an unknown one is an empty frame. */
function chip(data, lane, row, index, x, y, known) {
  const group = svg("g", { class: known ? "rv-chip" : "rv-chip rv-unknown" });
  const box = svg("rect", { x: x - CHIP.width / 2, y: y - CHIP.height / 2, width: CHIP.width, height: CHIP.height, rx: 5 });
  group.append(box);
  if (!known) return group;
  const shade = lane.shades?.[row][index];
  const label = words(x, y + 4.5, short(lane.rows[row][index]));
  if (shade !== undefined) {
    box.style.fill = data.hex[shade];
    label.style.fill = data.ink[shade];
  }
  group.append(label);
  return titled(group, `${lane.names[index]} = ${lane.rows[row][index]}`);
}

function stack(data, lane, row, x, top, known) {
  return lane.rows[row].map((_, i) => chip(data, lane, row, i, x, top + CHIP.step * i + CHIP.height / 2, known));
}

/** A matrix as coloured cells, with its numbers where they fit. */
function matrix(data, weights, x, top, changed) {
  const { rows } = weights;
  const few = fewOf(weights);
  const width = few ? CELL.width : Math.min(CELL.width, 62 / rows[0].length);
  const height = few ? CELL.height : Math.min(CELL.height, 96 / rows.length);
  const group = svg("g", { class: "rv-matrix" }, words(x + (width * rows[0].length) / 2, top - 5, weights.name, "rv-small"));
  rows.forEach((row, r) => row.forEach((value, c) => {
    const shade = Math.round(((Math.min(2, Math.max(-2, Number(value) || 0)) + 2) / 4) * 255);
    const moved = changed?.has(`${weights.name} ${r} ${c}`);
    const cell = svg("g", {}, svg("rect", { x: x + c * width, y: top + r * height, width, height, fill: data.hex[shade], class: moved ? "rv-moved" : "" }));
    if (few) cell.append(svg("text", { x: x + (c + 0.5) * width, y: top + (r + 0.5) * height + 4, class: "rv-weight", style: `fill:${data.ink[shade]}`, "text-anchor": "middle" }, String(Number(value.toFixed(value < 0 ? 1 : 2))).replace("-", "\u2212")));
    group.append(titled(cell, `${weights.name}[${r}, ${c}] = ${value}`));
  }));
  return group;
}

const matrixSize = (weights) => ({
  width: weights.rows[0].length * (fewOf(weights) ? CELL.width : Math.min(CELL.width, 62 / weights.rows[0].length)),
  height: weights.rows.length * (fewOf(weights) ? CELL.height : Math.min(CELL.height, 96 / weights.rows.length)),
});

/** Where everything stands; the same for all boxes. */
export function layout(data) {
  const sizes = data.weights.map(matrixSize);
  const inside = sizes.reduce((sum, size) => sum + size.width + 8, 8);
  const box = Math.max(118, inside);
  const out = data.outputs ? data.outputs.rows[0].length * CHIP.step : 0;
  const top = out + (data.outputs ? 34 : 8);
  const lanes = [];
  let y = top + (data.told.length ? 50 : 36);
  for (const lane of data.states) {
    lanes.push(y);
    y += lane.rows[0].length * CHIP.step + 12;
  }
  const matrices = top + (data.told.length ? 64 : 46);
  const tall = Math.max(0, ...sizes.map((size) => size.height));
  const bottom = sizes.length ? Math.max(matrices + tall + 12, y + 26) : y + 4;
  const ins = data.inputs ? data.inputs.rows[0].length * CHIP.step : 0;
  return { box, step: box + GAP, top, lanes, lanesEnd: y, matrices, bottom, sizes, inputs: bottom + 30, height: bottom + 34 + ins + 30 };
}

/** How many boxes fit a width. */
export const fitting = (data, width) => Math.max(1, Math.floor((width - GAP - 8) / layout(data).step));

function box(data, at, place, t, x) {
  const now = place.step === t;
  const lit = (what) => (now && place.shows === what ? "lit" : "");
  const group = svg("g", { class: `rv-box${now ? " rv-now" : ""}${place.begun(t) ? "" : " rv-later"}` });
  const middle = x + at.box / 2;
  group.append(svg("rect", { class: "rv-body", x, y: at.top, width: at.box, height: at.bottom - at.top, rx: 10 }));
  group.append(words(middle, at.top + 20, `${data.cell}, t = ${t + 1}`, "rv-head-text"));
  if (data.told.length && place.ran(t)) group.append(titled(words(middle, at.top + 39, cut(data.told[t], Math.floor(at.box / 8)), "rv-told"), data.told[t]));
  let left = x + (at.box - at.sizes.reduce((sum, size) => sum + size.width + 8, -8)) / 2;
  data.weights.forEach((weights, i) => {
    group.append(matrix(data, weights, left, at.matrices, place.changed));
    left += at.sizes[i].width + 8;
  });
  if (data.outputs) {
    group.append(arrow(`M${middle},${at.top} V${at.top - 22}`, lit("output")));
    group.append(...stack(data, data.outputs, t, middle, 4, place.output(t)));
  }
  group.append(arrow(`M${middle},${at.bottom + 28} V${at.bottom + 2}`, lit("input")));
  if (data.inputs) group.append(...stack(data, data.inputs, t, middle, at.inputs, true));
  const token = words(middle, at.height - 12, cut(data.tokens[t], 15), "rv-token");
  group.append(titled(token, `${data.tokens[t]}, t = ${t + 1}`));
  return group;
}

/** The arrows and the numbers between two boxes, or before the first and after the last. */
function between(data, at, place, row, x) {
  const group = svg("g", {});
  const lit = place.shows === "cell" && row === place.step + (data.back ? 0 : 1) ? "lit" : "";
  data.states.forEach((lane, i) => {
    const height = lane.rows[0].length * CHIP.step - 3;
    const y = at.lanes[i] + height / 2;
    const kind = `${lit}${i ? " rv-second" : ""}`;
    group.append(data.back ? arrow(`M${x + GAP},${y} H${x + 2}`, kind) : arrow(`M${x},${y} H${x + GAP - 2}`, kind));
    group.append(words(x + GAP / 2, at.lanes[i] - 3, data.back ? lane.name : `${lane.name}${row === 0 ? ", start" : ""}`, "rv-small"));
    group.append(...stack(data, lane, row, x + GAP / 2, at.lanes[i] + 1, place.known(row)));
  });
  return group;
}

/** The chain from box `first` on, as many as fit. */
export function drawChain(data, place, first, count, width) {
  const at = layout(data);
  const last = Math.min(first + count, data.tokens.length);
  const whole = GAP + (last - first) * at.step;
  const left = Math.max(0, (width - whole) / 2);
  const picture = svg("svg", { width, height: at.height, viewBox: `0 0 ${width} ${at.height}`, role: "img", "aria-label": place.summary });
  picture.append(heads());
  for (let t = first; t < last; t += 1) {
    const x = left + GAP + (t - first) * at.step;
    picture.append(between(data, at, place, t, x - GAP), box(data, at, place, t, x));
    if (data.weights.length && t + 1 < last) {
      picture.append(titled(words(x + at.box + GAP / 2, at.lanesEnd + 14, "=", "rv-same"), "the same weights in every box"));
    }
  }
  picture.append(between(data, at, place, last, left + whole - GAP));
  return picture;
}

/** The same loop not unrolled: one box whose state comes back to it. */
export function drawCycle(data, place) {
  const width = 300;
  const t = place.step;
  const rows = data.states.reduce((sum, lane) => sum + lane.rows[0].length, 0);
  const tall = Math.max(74, rows * CHIP.step + 34);
  const top = 46;
  const middle = 88;
  const picture = svg("svg", { width, height: top + tall + 66, viewBox: `0 0 ${width} ${top + tall + 66}`, role: "img", "aria-label": `The loop as a cycle: one box, whose state comes back to it. ${place.summary}` });
  picture.append(heads(), svg("rect", { class: "rv-body rv-cycle", x: 28, y: top, width: 120, height: tall, rx: 10 }));
  picture.append(words(middle, top + tall / 2 + 5, data.cell, "rv-head-text"));
  const lit = (what) => (place.shows === what ? "lit" : "");
  const [from, to] = data.back ? [top + tall - 14, top + 14] : [top + 14, top + tall - 14];
  const [a, b] = [Math.min(from, to), Math.max(from, to)];
  picture.append(arrow(data.back ? `M150,${b} H262 V${a} H152` : `M150,${a} H262 V${b} H152`, lit("cell")));
  let y = top + tall / 2 - (rows * CHIP.step) / 2 + CHIP.height / 2;
  for (const lane of data.states) {
    lane.rows[0].forEach((_, i) => {
      picture.append(words(228, y + 4.5, lane.rows[0].length > 1 ? `${lane.name}[${i}]` : lane.name, "rv-small", "end"));
      picture.append(chip(data, lane, place.row, i, 262, y, true));
      y += CHIP.step;
    });
  }
  picture.append(arrow(`M${middle},${top} V${top - 20}`, lit("output")), arrow(`M${middle},${top + tall + 26} V${top + tall + 2}`, lit("input")));
  const shown = t === null ? "" : data.tokens[t];
  picture.append(words(middle, top + tall + 46, t === null ? "the inputs, one by one" : cut(shown, 18), t === null ? "rv-small" : "rv-token"));
  const out = data.outputs && t !== null && place.output(t) ? data.outputs.rows[t].map(short).join(", ") : data.outputs ? data.outputs.name : "";
  picture.append(words(middle, top - 28, out, "rv-small"));
  return picture;
}
