// What stands around a review's editor: the models, numbers in large type, legend, notes, and what the tokenizer did.
import { el, options, signed, svg } from "./dom.js";
import { visible } from "./text.js";

const STATES = {
  connecting: "Connecting \u2026",
  live: "Live.",
  rerun: "The live connection cannot be reached: going the slower way, through the page itself.",
  lost: "The connection was lost. Your text is safe here; trying again \u2026",
};
const REACH = 2; // nats at the ends of the legend
const SHOWN = 200; // tokens that are spelled out
const SHOWN_TEXT = 3000; // characters of the raw text that are repeated

const number = (count) => count.toLocaleString("en");

/** A probability as people read it: never rounded to a certainty. */
function percent(chance) {
  if (!Number.isFinite(chance)) return "no number";
  if (chance > 0.999) return "> 99.9\u00a0%";
  return chance < 0.001 ? "< 0.1\u00a0%" : `${(100 * chance).toFixed(1)}\u00a0%`;
}

const nats = (move) => (Number.isFinite(move) ? `${move < 0 ? "" : "+"}${signed(move, 2)} nats` : "no number");

/** A part of `Review`: its methods are put on the review's prototype. */
export class ReviewParts {
  build() {
    const { data, tracks } = this;
    this.status = el("p", { className: "rv-status", role: "status" }, STATES.connecting);
    this.boxes = tracks.map((track) => {
      const box = el("input", { type: "checkbox" });
      box.onchange = () => this.toggle(track, box.checked);
      return box;
    });
    const names = tracks.map((track, i) => el("label", { className: "rv-check", title: track.info.headline }, this.boxes[i], track.info.name));
    this.colouring = el("select");
    this.colouring.onchange = () => this.colourBy(tracks.find((track) => track.info.name === this.colouring.value));
    this.examples = data.examples.map(([name, text]) =>
      el("button", { type: "button", className: "rv-chip", onclick: () => this.words.setText(text, true) }, name));
    this.legend = el("div", { className: "rv-legend" });
    this.read = el("p", { className: "rv-read rv-review-read", "aria-live": "polite" });
    this.chances = el("div", { className: "rv-chance-cards" });
    this.notes = el("div", { className: "rv-review-notes", role: "status" });
    this.chartTitle = el("figcaption");
    this.averaged = el("span");
    this.tokens = el("div");
    this.opened = el("details", { className: "rv-panel", ontoggle: () => this.showTokens() },
      el("summary", {}, "What the tokenizer did to the text"), this.tokens);
    this.root.replaceChildren(
      el("div", { className: "rv-row rv-between rv-bottom" },
        el("fieldset", { className: "rv-row rv-models rv-controls" },
          el("legend", {}, tracks.length > data.most ? `Models, at most ${data.most} at a time` : "Models"), ...names,
          el("label", { className: "rv-check" }, "words coloured by ", this.colouring)),
        this.status),
      el("div", { className: "rv-chips rv-controls" }, "Type a review, or try: ", ...this.examples),
      this.words.root, this.legend, this.notes,
      el("div", { className: "rv-beside" }, this.chances,
        el("figure", { className: "rv-chance-figure" }, this.chartTitle, this.read, this.chart.root)),
      el("p", { className: "rv-note" },
        "Look for the word at which a line jumps, and whether later words take the jump back. ", this.averaged),
      this.opened,
    );
    // Streamlit's own one-letter shortcuts must not hear what is typed here.
    for (const name of ["keydown", "keypress", "keyup"]) this.root.addEventListener(name, (event) => event.stopPropagation());
  }

  /** Hold fast what a teacher's link holds fast: "text", "model". */
  freeze(parts) {
    if (String(parts) === this.held) return;
    this.held = String(parts);
    this.data.frozen = parts;
    this.words.box.readOnly = parts.includes("text");
    for (const button of this.examples) button.disabled = parts.includes("text");
    this.colouring.disabled = parts.includes("model");
    this.showChoice();
    this.later();
  }

  showStatus(mode, reason) {
    this.status.textContent = reason && mode !== "live" ? `${STATES[mode]} ${reason}` : STATES[mode];
    this.status.dataset.mode = mode;
  }

  showChoice() {
    const { chosen, tracks, data, coloured } = this;
    this.boxes.forEach((box, i) => {
      box.checked = chosen.includes(tracks[i]);
      box.disabled = data.frozen.includes("model") || (!box.checked && chosen.length >= data.most);
    });
    options(this.colouring, chosen.map(({ info }) => [info.name, info.name]), coloured?.info.name);
    this.colouring.parentNode.hidden = chosen.length < 2;
    this.cards = chosen.map((track) => this.card(track));
    this.chances.replaceChildren(...this.cards.map(({ root }) => root));
  }

  /** A model's probability in large type, beside its line's look. */
  card(track) {
    const { data } = this;
    const line = svg("svg", { class: "rv-look", width: 34, height: 10, style: `color:${data.lines[track.slot]}`, "aria-hidden": "true" },
      svg("line", { x1: 1, x2: 33, y1: 5, y2: 5, "stroke-dasharray": data.dashes[track.slot].join(" ") }));
    const [big, word, small] = [el("b", { className: "rv-chance" }), el("span", { className: "rv-unsure" }, "unsure"), el("div", { className: "rv-note" })];
    const root = el("div", { className: "rv-chance-card", "data-model": track.info.name }, el("div", {}, line, ` ${track.info.name}`), el("div", {}, big, word), small);
    return { track, root, big, word, small };
  }

  showChances() {
    const { chosen, data } = this;
    for (const { track, big, word, small } of this.cards) {
      const { info, valid, error } = track;
      const here = this.readable() && !error && valid > 0;
      const chance = here ? track.chance(valid - 1) : NaN;
      big.textContent = here ? percent(chance) : "\u2013";
      word.hidden = !(chance >= data.unsure[0] && chance <= data.unsure[1]);
      small.textContent = error && this.readable() ? error : `\u201c${info.followed}\u201d${here ? `, after ${number(valid)} ${info.token}${valid > 1 ? "s" : ""}` : ""}`;
    }
    const lines = chosen.map((track) => ({
      name: track.info.name, colour: data.lines[track.slot], dash: data.dashes[track.slot],
      values: this.readable() ? Array.from({ length: track.valid + 1 }, (_, i) => track.chance(i - 1)) : [],
    }));
    const one = (values) => (new Set(values).size === 1 ? values[0] : null);
    const name = one(chosen.map(({ info }) => info.followed));
    const of = name === null ? "each model\u2019s class" : `\u201c${name}\u201d`;
    const token = one(chosen.map(({ info }) => info.token)) ?? "token";
    this.chartTitle.textContent = `Probability of ${of} after every ${token}`;
    const now = this.cards.map(({ track, big }) => `${track.info.name} ${big.textContent}`).join(", ");
    this.chart.show(lines, {
      axes: [`${token}s read`, `probability of ${of}`],
      label: `${this.chartTitle.textContent}; at the end: ${now}. Arrow keys go from word to word.`,
      first: chosen.some((track) => track.start !== null && track.valid) ? -1 : 0,
    });
  }

  showLegend() {
    const { coloured, data } = this;
    const key = coloured && [coloured.info.name, coloured.start?.toFixed(6)].join(" ");
    if (this.legended === key) return;
    this.legended = key;
    this.legend.hidden = !coloured;
    this.averaged.textContent = "";
    if (!coloured) return;
    const { info } = coloured;
    if (info.pooling === "mean") {
      this.averaged.textContent = `${info.name} answers from an average over all words so far: the more there are, the less one more can move.`;
    }
    const stops = Array.from({ length: 21 }, (_, i) => data.hex[Math.round(127.5 * (1 + Math.tanh(REACH * (i / 10 - 1))))]);
    const bar = el("span", { className: "rv-bar" });
    bar.style.background = `linear-gradient(90deg, ${stops.join(",")})`;
    const part = (...children) => el("span", { className: "rv-part" }, ...children);
    const ends = [`\u2212${REACH} nats or less`, `+${REACH} or more`];
    const than = coloured.start === null
      ? `equal chances, ${(100 / info.classes).toFixed(0)}\u00a0%: there is no answer before it`
      : `the answer before it, ${percent(coloured.chance(-1))}`;
    this.legend.replaceChildren(
      part(`Colour: how much a ${info.token} moved ln(p\u00a0/\u00a0(1\u00a0\u2212\u00a0p)) of \u201c${info.followed}\u201d when ${info.name} read it`),
      part(ends[0], bar, ends[1]),
      part(`the first is compared with ${than}`),
      part(el("span", { className: "rv-w rv-unknown" }, "\u00a0hatched\u00a0"), "outside the vocabulary, read as [UNK]"),
    );
  }

  /** Sentences about what is not shown, each only where it is true. */
  showNotes() {
    const { chosen, data } = this;
    const said = [];
    if (!chosen.length) said.push("Choose at least one model.");
    if (!this.text.trim()) said.push("The text is empty: type a review, or try one of the examples.");
    if (this.tooLong) said.push(`The text has ${number(this.tooLong)} characters; at most ${number(data.longest_text)} can be read.`);
    const cut = new Map(); // sentence -> the models it is about
    for (const { info, count, total, valid } of this.readable() ? chosen : []) {
      if (!valid) continue;
      const few = `the first ${number(total)} of ${number(count)} ${info.token}s`;
      if (info.both_ways) {
        said.push(`${info.name} reads both ways: each beginning of the text is read anew, as if it ended there${count > total ? `, for ${few}` : ""}.`);
      } else if (count > total) cut.set(few, [...(cut.get(few) ?? []), info.name]);
      if (info.most !== null && count >= info.most) said.push(`${info.name} takes in no more than ${number(info.most)} ${info.token}s of a text.`);
    }
    for (const [few, names] of cut) said.push(`The text is long: ${few} are read (${names.join(", ")}).`);
    const key = said.join("\n");
    if (this.noted === key) return;
    this.noted = key;
    this.notes.replaceChildren(...said.map((one) => el("p", { className: "rv-note" }, one)));
  }

  /** Say what is known of one word; `quietly`, where nobody asked. */
  tell(time, quietly) {
    const { coloured, chosen } = this;
    this.read.setAttribute("aria-live", quietly ? "off" : "polite");
    const known = chosen.filter((track) => this.readable() && Number.isFinite(track.oddsAt(time ?? 0)));
    if (time === null || !known.length) {
      this.read.textContent = "Point at a word or at the chart to read the numbers; in the chart the arrow keys go from word to word.";
      return;
    }
    const values = known.map((track) => {
      const other = time >= 0 && coloured.tokens[time] !== track.tokens[time] ? ` after \u201c${visible(track.tokens[time])}\u201d` : "";
      return `${track.info.name}${other} ${percent(track.chance(time))}${time < 0 ? "" : `, moved by ${nats(track.move(time))}`}`;
    });
    const strange = coloured.strange(time) ? `, outside the vocabulary, read as [UNK]` : "";
    const { token } = coloured.info;
    const what = time < 0 ? `Before any ${token}` : `${token[0].toUpperCase()}${token.slice(1)} ${number(time + 1)}, \u201c${visible(coloured.tokens[time] ?? "")}\u201d${strange}`;
    this.read.textContent = `${what}: ${values.join("; ")}`;
  }

  /** The way from the text to the ids, as long as it is asked for. */
  showTokens() {
    const { coloured, opened } = this;
    if (!opened.open) return;
    const key = coloured && `${coloured.info.name} ${coloured.valid}`;
    if (this.spelled?.key === key && this.spelled?.text === coloured?.text && this.spelled?.ids === coloured?.ids) return;
    this.spelled = { key, text: coloured?.text, ids: coloured?.ids };
    if (!coloured?.tokens.length) {
      this.tokens.replaceChildren(el("p", { className: "rv-note" }, coloured?.error || "There is nothing to read yet."));
      return;
    }
    const { info, text, tokens, ids } = coloured;
    const cut = text.length > SHOWN_TEXT ? `${text.slice(0, SHOWN_TEXT).replace(/[\ud800-\udbff]$/, "")} \u2026` : text;
    const some = tokens.slice(0, SHOWN);
    const more = tokens.length > SHOWN ? " \u2026" : "";
    const step = (title, ...children) => el("li", {}, el("b", {}, title), ...children);
    const block = (content) => el("p", { className: "rv-line" }, content);
    const unknown = tokens.filter((_, time) => coloured.strange(time)).length;
    this.tokens.replaceChildren(
      el("ol", { className: "rv-steps" },
        step("The text as it was typed", block(cut)),
        step(`Made alike: ${info.standard}`, block(some.join(info.token === "word" ? " " : "") + more)),
        step(`Cut into ${info.token}s, and each looked up in the vocabulary of ${number(info.size)}: the number below it is what the network is given`,
          el("div", { className: "rv-tokens" }, ...some.map((token, time) => {
            const strange = coloured.strange(time);
            return el("span", { className: "rv-token" }, el("span", { className: strange ? "rv-unknown" : "" }, visible(token)),
              el("small", {}, strange ? `${ids[time]} [UNK]` : String(ids[time])));
          }), more))),
      el("p", { className: "rv-note" },
        `${number(tokens.length)} ${info.token}s, ${number(unknown)} of them outside the vocabulary: to ${info.name} these are all the same, [UNK].${more ? ` The first ${SHOWN} are shown.` : ""}`),
    );
  }
}
