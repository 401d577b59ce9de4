// The page's state as a link: short things as words, a long text compressed.

const LONG = 300; // UTF-16 units beyond which a text is compressed

const MOST = 1_000_000; // bytes that a link's text may unfold to

async function through(stream, bytes) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    size += part.value.length;
    if (size > MOST) throw new Error("too long");
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromBase64(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

/** The state as query parameters; defaults are left out. */
export async function toQuery(state) {
  const query = new URLSearchParams();
  query.set("model", state.model);
  query.set("signal", state.signal);
  query.set("layer", String(state.layer + 1));
  query.set("unit", String(state.unit));
  if (state.variant !== "model") query.set("variant", state.variant);
  if (state.order !== "index") query.set("order", state.order);
  if (state.stretch) query.set("select", state.stretch.join("-"));
  if (state.clamps.length) query.set("hold", JSON.stringify(state.clamps));
  if (!state.guesses) query.set("guesses", "off");
  const { text } = state;
  if (text.length <= LONG) query.set("text", text);
  else {
    const packed = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(text));
    query.set("z", toBase64(packed));
  }
  return query;
}

/** Every part of a query that is the page's. */
export const PARTS = ["model", "signal", "layer", "unit", "variant", "order", "select", "hold", "guesses", "text", "z"];

export const STRONGEST = 1e4; // largest value, either way, that a signal can be held at

/** Say whether a clamp fits a network. */
export function goodClamp({ signal, layer, unit, value, first }, about, limit) {
  const whole = (number, size) => Number.isInteger(number) && number >= 0 && number < size;
  return about.signals.some((one) => one.name === signal) && whole(layer, about.layers) && whole(first, limit)
    && (unit === null || whole(unit, about.units)) && Number.isFinite(value) && Math.abs(value) <= STRONGEST;
}

const WHOLE = /^\d{1,6}$/;

/** Read a query; returns the parts that could be read and the names of those that could not. */
export async function fromQuery(search) {
  const query = new URLSearchParams(search);
  const state = {};
  const broken = [];
  const take = (name, read) => {
    const value = query.get(name);
    if (value === null) return;
    try {
      read(value);
    } catch {
      broken.push(name);
    }
  };
  const whole = (value) => {
    if (!WHOLE.test(value)) throw new Error();
    return Number(value);
  };
  const one = (value, choices) => {
    if (!choices.includes(value)) throw new Error();
    return value;
  };
  take("model", (value) => (state.model = value));
  take("signal", (value) => (state.signal = value));
  take("layer", (value) => (state.layer = whole(value) - 1));
  take("unit", (value) => (state.unit = whole(value)));
  take("variant", (value) => (state.variant = one(value, ["model", "twin", "clamped"])));
  take("order", (value) => {
    state.order = one(value, ["index", "similarity", "movement", "persistence", "throughout", "edges"]);
  });
  take("select", (value) => {
    const [first, last] = value.split("-").map(whole);
    if (!(first < last)) throw new Error();
    state.stretch = [first, last];
  });
  take("hold", (value) => {
    const clamps = JSON.parse(value);
    if (!Array.isArray(clamps) || clamps.length > 8 || !clamps.every((c) => c && typeof c.signal === "string")) throw new Error();
    state.clamps = clamps.map((clamp) => ({ first: 0, unit: null, ...clamp }));
  });
  take("guesses", (value) => (state.guesses = one(value, ["on", "off"]) === "on"));
  take("text", (value) => (state.text = value));
  const packed = query.get("z");
  if (packed !== null) {
    try {
      const bytes = await through(new DecompressionStream("deflate-raw"), fromBase64(packed));
      state.text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      broken.push("text");
    }
  }
  return { state, broken };
}
