// The picture as a file: one SVG with title, legend, coloured text and heatmap; the PNG is that SVG drawn.
import { visible } from "./text.js";

const WIDE = 1200;
const CELL = 14;
const LINE = 26;

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Where each token goes in a picture of fixed width: [x, y, width]. */
function layout(names, characters) {
  let [x, y] = [0, 0];
  const places = [];
  for (const name of names) {
    const wide = (characters ? 1 : Array.from(name).length + 1) * CELL * (characters ? 1 : 0.75);
    if (x + wide > WIDE - 40) [x, y] = [0, y + LINE];
    places.push([x, y, wide]);
    x += wide;
    if (name === "\n") [x, y] = [0, y + LINE];
  }
  return { places, height: y + LINE };
}

/** The page's picture as SVG. */
export function pictureSvg(studio) {
  const { tokens, about, heat, data, state, valid } = studio;
  const names = tokens.names.slice(0, valid).map((name) => (name.length > 24 ? `${name.slice(0, 23)}\u2026` : name));
  const { places, height } = layout(names, about.characters);
  const { low, high, squashed } = studio.scale();
  const parts = [];
  const text = (x, y, size, content, more = "") =>
    parts.push(`<text x="${x}" y="${y}" font-size="${size}" ${more}>${escaped(content)}</text>`);
  text(20, 34, 20, studio.title(), 'font-weight="600" class="s"');
  data.stops.forEach((stop, i) => parts.push(`<rect x="${150 + i * 24}" y="48" width="24" height="14" fill="${stop}"/>`));
  const tanh = squashed ? "tanh = " : "";
  text(20, 60, 13, `${state.signal.replaceAll("_", " ")}`, 'class="s"');
  text(142, 60, 13, `${tanh}${low}`, 'text-anchor="end" class="s"');
  text(158 + data.stops.length * 24, 60, 13, `${tanh}${high}`, 'class="s"');
  names.forEach((name, t) => {
    const [x, y, wide] = places[t];
    const shade = heat.shades[t * about.units + state.unit];
    parts.push(`<rect x="${20 + x}" y="${80 + y}" width="${wide}" height="22" fill="${data.hex[shade]}"/>`);
    text(20 + x + wide / 2, 96 + y, 15, visible(name), `text-anchor="middle" fill="${data.ink[shade]}" class="m"`);
  });
  const top = 80 + height + 40;
  text(20, top - 12, 16, studio.heatTitle.textContent, 'font-weight="600" class="s"');
  const store = document.createElement("canvas");
  store.width = Math.max(1, valid);
  store.height = about.units;
  store.getContext("2d").drawImage(heat.store, 0, 0);
  const tall = Math.max(240, Math.min(512, about.units));
  parts.push(
    `<image x="70" y="${top}" width="${WIDE - 90}" height="${tall}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${store.toDataURL()}"/>`,
  );
  const row = (heat.row(state.unit) * tall) / about.units;
  parts.push(`<rect x="70" y="${top + row}" width="${WIDE - 90}" height="${tall / about.units}" fill="none" stroke="#000"/>`);
  text(WIDE - 18, top + row + 4, 11, String(state.unit), 'class="s"');
  [0, about.units - 1].forEach((row) => text(62, top + 10 + ((tall - 10) * row) / about.units, 12, String(heat.unitAt(row)), 'text-anchor="end" class="s"'));
  text(24, top + tall / 2, 12, "unit", 'class="s"');
  text(70, top + tall + 18, 12, "0", 'class="s"');
  text(WIDE - 20, top + tall + 18, 12, String(valid - 1), 'text-anchor="end" class="s"');
  text(WIDE / 2, top + tall + 18, 12, "time (tokens read)", 'text-anchor="middle" class="s"');
  const whole = top + tall + 36;
  const style = ".s{font-family:sans-serif}.m{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}";
  return {
    width: WIDE,
    height: whole,
    text: `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDE}" height="${whole}" viewBox="0 0 ${WIDE} ${whole}"><title>${escaped(studio.title())}</title><style>${style}</style><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>`,
  };
}

/** Draw an SVG at twice its size and return it as PNG. */
export async function svgToPng({ text, width, height }) {
  const image = new Image();
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    const size = Math.min(2, 16000 / height);
    canvas.width = width * size;
    canvas.height = height * size;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  } finally {
    URL.revokeObjectURL(url);
  }
}
