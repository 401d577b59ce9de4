// One canvas: units down, time across. Everything that came from a user's text is set as a text node.
const instances = new WeakMap();

function make(root) {
  const title = document.createElement("h4");
  const top = document.createElement("div");
  const scroll = document.createElement("div");
  const canvas = document.createElement("canvas");
  const read = document.createElement("div");
  top.className = "rv-axis";
  scroll.className = "rv-scroll";
  read.className = "rv-read";
  read.setAttribute("role", "status");
  canvas.setAttribute("role", "img");
  scroll.tabIndex = 0;
  scroll.appendChild(canvas);
  root.replaceChildren(title, top, scroll, read);
  const self = { title, top, scroll, canvas, read, data: null, trigger: null };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const { times, units } = self.data;
    const time = Math.floor(((event.clientX - box.left) / box.width) * times);
    const unit = Math.floor(((event.clientY - box.top) / box.height) * units);
    return [Math.min(times - 1, Math.max(0, time)), Math.min(units - 1, Math.max(0, unit))];
  };
  canvas.addEventListener("pointermove", (event) => say(self, ...place(event)));
  canvas.addEventListener("pointerleave", () => say(self, null, null));
  canvas.addEventListener("click", (event) => {
    const [time, unit] = place(event);
    say(self, time, unit);
    self.trigger("unit", unit);
  });
  return self;
}

function say(self, time, unit) {
  const { data, shades, read } = self;
  if (time === null) {
    read.textContent = `Point at a cell to read it; click to choose its unit. Framed: unit ${data.chosen}.`;
    return;
  }
  const place = unit * data.times + time;
  const level = data.low + (shades[place] / 255) * (data.high - data.low);
  const value = data.squashed ? `value ${self.exact[place].toPrecision(4)}` : `value \u2248 ${level.toFixed(2)}`;
  read.textContent = `unit ${unit}, time ${time}, after \u201c${data.tokens[time]}\u201d: ${value}`;
}

function draw(self) {
  const { data, shades, canvas, scroll } = self;
  const { units, times, palette } = data;
  const room = Math.max(200, scroll.clientWidth);
  const across = Math.max(2, Math.floor(room / times));
  const down = units >= 256 ? 1 : Math.max(1, Math.floor(256 / units));
  canvas.width = times * across;
  canvas.height = units * down;
  canvas.style.width = `${Math.max(canvas.width, room - 2)}px`;
  canvas.style.height = `${canvas.height}px`;
  const context = canvas.getContext("2d");
  const small = new OffscreenCanvas(times, units);
  const image = new ImageData(times, units);
  for (let i = 0; i < shades.length; i++) {
    const colour = palette[shades[i]];
    image.data[4 * i] = colour[0];
    image.data[4 * i + 1] = colour[1];
    image.data[4 * i + 2] = colour[2];
    image.data[4 * i + 3] = 255;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  context.strokeStyle = "#000";
  context.lineWidth = 1;
  context.strokeRect(0.5, data.chosen * down - 1.5, canvas.width - 1, down + 3);
  context.strokeStyle = "#fff";
  context.strokeRect(0.5, data.chosen * down - 0.5, canvas.width - 1, down + 1);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".rv-heat");
  let self = instances.get(root);
  if (!self) {
    self = make(root);
    instances.set(root, self);
  }
  self.data = data;
  self.trigger = setTriggerValue;
  self.exact = data.exact.getChildAt(0).toArray();
  self.shades = data.shades.getChildAt(0).toArray();
  self.title.textContent = data.title;
  const ends = [`time 0 \u2192 ${data.times - 1} (tokens), left to right`, `unit 0 \u2193 ${data.units - 1}`];
  self.top.replaceChildren(...ends.map((text) => {
    const span = document.createElement("span");
    span.textContent = text;
    return span;
  }));
  self.canvas.setAttribute("aria-label", data.title);
  draw(self);
  say(self, null, null);
}
