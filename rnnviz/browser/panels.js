// What opens beneath the picture: the arithmetic of a cell, a stretch's units, what holding a unit does, saturation.
import { el, exact, field, options, signed, spaced, svg } from "./dom.js";
import { guessColour, visible } from "./text.js";

const table = (head, rows) =>
  el(
    "div",
    { className: "rv-scroll", tabIndex: 0, role: "group", "aria-label": `${head.join(", ")}` },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, cell))))),
    ),
  );

/** Fill a panel anew; the focus stays on the button or picture of the same name. */
function refill(body, ...children) {
  const active = body.getRootNode().activeElement;
  const name = (node) => node.getAttribute("aria-label") ?? node.textContent;
  const label = body.contains(active) ? name(active) : null;
  body.replaceChildren(...children);
  if (label) Array.from(body.querySelectorAll("button, svg")).find((one) => name(one) === label)?.focus();
}

const unitButton = (unit, pick) =>
  el("button", { type: "button", className: "rv-chip", onclick: () => pick(unit) }, `unit ${unit}`);

/** A panel that can be opened; `fill(body)` is called whenever it is open and something it shows has changed. */
export class Panel {
  constructor(title, hint, fill) {
    this.body = el("div", { className: "rv-body" });
    this.fill = fill;
    this.root = el("details", { className: "rv-panel" }, el("summary", {}, title), el("p", {}, hint), this.body);
    this.root.addEventListener("toggle", () => this.refresh());
  }

  refresh() {
    if (this.root.open) this.fill(this.body);
  }

  open() {
    if (this.root.open) this.refresh();
    else this.root.open = true;
  }

  say(text) {
    this.body.replaceChildren(el("p", { className: "rv-note" }, text));
  }
}

/** The arithmetic of one cell of the picture. */
export function arithmetic(body, header, token) {
  const { result, time, unit, layer, lines } = header;
  const shown = el("pre", { className: "rv-code", tabIndex: 0 }, lines);
  const gates = result.gates.map((gate) => [
    spaced(gate.name),
    signed(gate.from_input),
    signed(gate.from_hidden),
    signed(gate.bias),
    signed(gate.pre_activation),
    `${gate.function}(${signed(gate.pre_activation, 2)}) = ${signed(gate.value)}`,
  ]);
  const source = ({ source: from, index }) => {
    if (from === "hidden") return `unit ${index} a step before`;
    return layer ? `unit ${index} of layer ${layer}` : `input dimension ${index}`;
  };
  const largest = result.gates.map((gate) => [
    spaced(gate.name),
    gate.largest
      .map((one) => `${source(one)}: ${signed(one.weight, 3)} \u00d7 ${signed(one.value, 3)} = ${signed(one.weight * one.value, 3)}`)
      .join("; "),
  ]);
  const states = (values) => Object.entries(values).map(([name, value]) => `${spaced(name)} ${exact(value)}`).join(", ");
  refill(
    body,
    el("h3", {}, `Unit ${unit} of layer ${layer + 1} at time ${time}, reading \u201c${visible(token)}\u201d`),
    el("p", {}, `Before: ${states(result.before)}. After: ${states(result.after)}.`),
    table(["gate", "from the input", "from the units", "bias", "sum", "gate\u2019s value"], gates),
    ...result.lines.map((line) => el("p", { className: "rv-line" }, line)),
    el("h3", {}, "Largest contributions"),
    table(["gate", "weight \u00d7 value"], largest),
    el("h3", {}, "The same in PyTorch"),
    shown,
    el("button", { type: "button", onclick: () => navigator.clipboard?.writeText(lines) }, "Copy these lines"),
  );
}

/** Which units are on throughout a stretch, and which switch at its edges. */
export function selection(body, header, text, pick, order) {
  const list = (title, rows, key) => el(
    "div",
    {},
    el("h3", {}, title),
    table(
      ["unit", "side", "score, share of the scale"],
      rows.map((row) => [unitButton(row.unit, pick), row.side > 0 ? "high" : "low", signed(row.score, 3)]),
    ),
    el("button", { type: "button", onclick: () => order(key) }, "Order all units so"),
  );
  refill(
    body,
    el("p", {}, `Selected: tokens ${header.first} to ${header.last - 1}, \u201c${text}\u201d.`),
    el("div", { className: "rv-two" },
      list("On throughout the selection", header.throughout, "throughout"),
      list("Switch at its edges", header.edges, "edges")),
    el("p", { className: "rv-note" }, "A score below zero means that no unit answers: the best there is, is not on throughout."),
  );
}

/** Outcomes of an experiment: the untouched network, the held unit, ten others. */
export function outcomes(body, header) {
  const { rows, clamp } = header;
  const name = (row, i) => {
    if (i === 0) return "untouched";
    if (i === 1) return row.unit === null ? "all units held" : `unit ${row.unit} held`;
    return `unit ${row.unit}, drawn at random`;
  };
  const guesses = (row) =>
    el(
      "span",
      {},
      ...row.guesses.map(([token, p]) => {
        const cell = el("span", { className: "rv-guess", title: `${(100 * p).toFixed(1)} %` }, visible(token));
        cell.style.background = guessColour(p);
        return cell;
      }),
    );
  const children = [
    el("h3", {}, `${spaced(clamp.signal)} of ${clamp.unit === null ? "every unit" : `unit ${clamp.unit}`} of layer ${clamp.layer + 1} held at ${clamp.value} from token ${clamp.first} on`),
  ];
  if (rows[0].bits !== null) {
    const change = rows[1].bits - rows[0].bits;
    const others = rows.slice(2).map((row) => row.bits - rows[0].bits);
    const beaten = others.filter((other) => Math.abs(other) < Math.abs(change)).length;
    children.push(
      strip(rows),
      el(
        "p",
        {},
        `The loss changes by ${signed(change, 3)} bits a token; of ${others.length} units drawn at random, ` +
          `${beaten} change it by less. Look for a dot that stands apart from the others.`,
      ),
    );
  }
  children.push(
    table(
      ["network", "bits a token", "guesses after the text", "goes on with"],
      rows.map((row, i) => [
        name(row, i),
        row.bits === null ? "\u2013" : row.bits.toFixed(3),
        guesses(row),
        el("code", {}, Array.from(row.sample, visible).join("")),
      ]),
    ),
  );
  refill(
    body,...children);
}

/** Bits a token of every outcome on one axis. */
function strip(rows) {
  const bits = rows.map((row) => row.bits);
  const [low, high] = [Math.min(...bits), Math.max(...bits)];
  const pad = (high - low) * 0.1 || 0.01;
  const x = (value) => 40 + ((value - low + pad) / (high - low + 2 * pad)) * 520;
  const mark = (row, i) => {
    const label = i === 0 ? "untouched" : i === 1 ? "held" : `unit ${row.unit}`;
    const title = svg("title", {}, `${label}: ${row.bits.toFixed(4)} bits a token`);
    if (i === 0) return svg("rect", { x: x(row.bits) - 2, y: 14, width: 4, height: 32, class: "rv-ink" }, title);
    if (i === 1) return svg("path", { d: `M${x(row.bits)} 18l10 12l-10 12l-10 -12z`, class: "rv-held" }, title);
    return svg("circle", { cx: x(row.bits), cy: 30, r: 5, class: "rv-other" }, title);
  };
  return el(
    "figure",
    { className: "rv-figure rv-wide" },
    el("figcaption", {}, "Loss with one unit held: bar untouched, diamond this unit, circles ten units at random"),
    svg(
      "svg",
      { viewBox: "0 0 600 80", role: "img", "aria-label": "Loss of every network of the experiment, in bits a token" },
      svg("line", { x1: 40, y1: 52, x2: 560, y2: 52, class: "rv-axis" }),
      ...[low, (low + high) / 2, high].map((value) =>
        svg("text", { x: x(value), y: 66, "text-anchor": "middle" }, value.toFixed(3)),
      ),
      svg("text", { x: 300, y: 79, "text-anchor": "middle" }, "bits a token"),
      ...rows.map(mark),
    ),
  );
}

/** Gate saturation: a dot a unit, left-saturated share across, right-saturated share up. */
export function saturation(body, header, arrays, chosen, pick, say) {
  const units = arrays.left.length / header.gates.length;
  const status = el("p", { className: "rv-note", role: "status" });
  const plots = header.gates.map((gate, g) => {
    const side = 240;
    const [x, y] = [(share) => 36 + share * (side - 50), (share) => side - 36 - share * (side - 50)];
    const place = (unit) => [arrays.left[g * units + unit], arrays.right[g * units + unit]];
    const dots = Array.from({ length: units }, (_, unit) => {
      const [left, right] = place(unit);
      const text = `unit ${unit}: below 0.1 for ${(100 * left).toFixed(0)} % of the time, above 0.9 for ${(100 * right).toFixed(0)} %`;
      return svg(
        "circle",
        { cx: x(left), cy: y(right), r: unit === chosen ? 7 : 3.5, class: unit === chosen ? "rv-held" : "rv-other", "data-unit": unit },
        svg("title", {}, text),
      );
    });
    dots.push(dots.splice(chosen, 1)[0]); // on top
    const picture = svg(
      "svg",
      { viewBox: `0 0 ${side} ${side}`, tabindex: 0, role: "application", "aria-label": `${spaced(gate)} saturation, arrow keys walk through the units, Enter chooses` },
      svg("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(0), class: "rv-axis" }),
      svg("line", { x1: x(0), y1: y(0), x2: x(0), y2: y(1), class: "rv-axis" }),
      svg("line", { x1: x(1), y1: y(0), x2: x(0), y2: y(1), class: "rv-axis rv-faint" }),
      ...[0, 0.5, 1].flatMap((tick) => [
        svg("text", { x: x(tick), y: side - 22, "text-anchor": "middle" }, String(tick)),
        svg("text", { x: 30, y: y(tick) + 4, "text-anchor": "end" }, String(tick)),
      ]),
      svg("text", { x: side / 2, y: side - 6, "text-anchor": "middle" }, "share of time below 0.1"),
      svg("text", { x: 10, y: side / 2, "text-anchor": "middle", transform: `rotate(-90 10 ${side / 2})` }, "share above 0.9"),
      ...dots,
    );
    let walked = chosen;
    picture.addEventListener("click", (event) => {
      const unit = event.target.closest?.("circle")?.dataset.unit;
      if (unit !== undefined) pick(Number(unit));
    });
    picture.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key === "Enter") pick(walked);
      else if (step) {
        walked = (walked + step + units) % units;
        const dot = picture.querySelector(`[data-unit="${walked}"]`);
        picture.querySelector(".rv-walked")?.classList.remove("rv-walked");
        dot.classList.add("rv-walked");
        status.textContent = `${spaced(gate)}, ${dot.textContent}`;
      } else return;
      event.preventDefault();
    });
    return el("figure", { className: "rv-figure" }, el("figcaption", {}, `${spaced(gate)}, layer ${header.layer + 1}`), picture);
  });
  refill(
    body,
    el("p", {}, `A dot a unit, over the ${header.time} tokens read (Karpathy, Johnson & Fei-Fei 2015). ${say}`),
    el("div", { className: "rv-row" }, ...plots),
    status,
  );
}

/** The form that holds a unit: made once for a network, so that what is typed in it stays. */
export function holdForm(state, about, act) {
  const names = about.signals.filter((one) => !one.name.endsWith("_backward")).map((one) => [one.name, spaced(one.name)]);
  const [held] = state.clamps;
  const signal = options(el("select"), names, held?.signal ?? state.signal);
  const unit = el("select");
  const value = el("input", { type: "number", step: "0.1", value: String(held?.value ?? 0) });
  const first = el("input", { type: "number", min: "0", value: String(held?.first ?? state.stretch?.[0] ?? 0) });
  const button = (text, run) => el("button", { type: "button", onclick: run }, text);
  const form = el(
    "div",
    { className: "rv-row rv-bottom" },
    field("Signal held", signal),
    field("Held", unit),
    field("Value held (0 silences)", value),
    field("From token", first),
    button("Hold and watch", act.hold),
    button("Let go", act.release),
    button("Compare with ten random units", act.compare),
  );
  const name = ({ layer, unit: chosen }) => {
    const all = unit.value === "all" ? "all" : "one";
    options(unit, [["one", `unit ${chosen} of layer ${layer + 1}`], ["all", `every unit of layer ${layer + 1}`]], all);
  };
  name(state);
  const chosen = ({ layer, unit: one }) => ({ layer, signal: signal.value, unit: unit.value === "one" ? one : null });
  return { form, value, first, name, chosen };
}
