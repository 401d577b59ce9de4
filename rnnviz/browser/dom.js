// Small helpers for building a page out of text nodes; nothing here takes markup.

/** Make an element: properties, then children, strings as text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

let numbered = 0;

/** A control with its label. */
export function field(label, control) {
  control.id ||= `rv-field-${(numbered += 1)}`;
  return el("div", { className: "rv-field" }, el("label", { for: control.id }, label), control);
}

/** Fill a select; returns it. */
export function options(select, choices, chosen) {
  select.replaceChildren(
    ...choices.map(([value, text]) => el("option", { value: String(value), selected: value === chosen }, text)),
  );
  return select;
}

export const signed = (value, digits = 4) => value === null ? "not finite" : (value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(digits);

/** A value with four figures that matter, whatever its size. */
export function exact(value) {
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 10000) ? value.toExponential(3).replaceAll("-", "\u2212") : signed(value);
}

export const spaced = (name) => name.replaceAll("_", " ");

/** Let the user keep a file. */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** How much larger than its own pixels a node is shown: 1 but in projector mode. */
export const zoomOf = (node) => node.currentCSSZoom ?? 1;

export const after = (wait, run) => {
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(run, wait);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
};
