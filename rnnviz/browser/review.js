// A review and the probability after every word of it, while it is typed: asked past Streamlit, kept by it in pauses.
import { ChanceChart } from "./review_chart.js";
import { ReviewParts } from "./review_parts.js";
import { Track } from "./review_track.js";
import { Wire } from "./wire.js";
import { WordsEditor } from "./review_words.js";
import { after } from "./dom.js";

const PAUSE = 500; // ms without a key after which Streamlit is told what was typed
const reviews = new WeakMap();

class Review {
  constructor(root, data, posts) {
    Object.assign(this, { root, data, posts });
    this.tracks = data.models.map((model) => new Track(model, data.longest));
    const named = (name) => this.tracks.find((track) => track.info.name === name);
    this.chosen = [];
    data.start.models.forEach((name) => this.choose(named(name)));
    this.coloured = named(data.start.coloured) ?? null;
    this.text = "";
    this.turn = 0; // of answers: the track that has waited longest is asked about first
    this.at = null; // the word pointed at, -1 before the first, null for none
    this.pause = after(PAUSE, () => this.commit());
    this.words = new WordsEditor({
      label: "Review",
      onInput: (text) => this.retext(text),
      onPoint: (time) => this.point(time, "words"),
      onCaret: () => this.point(null, "caret"),
      onLeave: () => this.commit(),
    });
    this.chart = new ChanceChart({ onPoint: (time) => this.point(time, "chart"), unsure: data.unsure });
    this.build();
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.wire = new Wire({
      url: `${scheme}//${location.host}${data.path}`,
      onReading: (answer) => this.take(answer),
      onStatus: (mode, reason) => this.showStatus(mode, reason),
      rerun: (request) => this.posts.trigger("ask", request),
    });
    this.words.setText(data.start.text);
    this.retext(this.words.box.value, true);
    this.said = JSON.stringify(this.saying());
    this.showChoice();
  }

  /** Follow a model: it takes the first look that is free, and keeps it. */
  choose(track) {
    if (!track || this.chosen.includes(track) || this.chosen.length >= this.data.most) return;
    const taken = this.chosen.map((one) => one.slot);
    track.slot = [0, 1, 2].find((slot) => !taken.includes(slot));
    this.chosen.push(track);
    this.chosen.sort((a, b) => a.slot - b.slot);
  }

  /** Follow a model or no longer. */
  toggle(track, on) {
    if (on) this.choose(track);
    else this.chosen = this.chosen.filter((one) => one !== track);
    this.colourBy(this.chosen.includes(this.coloured) ? this.coloured : this.chosen[0] ?? null);
  }

  colourBy(track) {
    this.coloured = track;
    this.showChoice();
    this.ask();
    this.later();
    this.commit();
  }

  /** Take in a text as it stands after a key. */
  retext(text, first = false) {
    this.text = text;
    this.at = null;
    this.tooLong = 0;
    if (text.length > this.data.longest_text) {
      const length = Array.from(text).length;
      if (length > this.data.longest_text) this.tooLong = length;
    }
    this.ask();
    this.later();
    if (!first) this.pause();
  }

  readable() {
    return this.text.trim() !== "" && !this.tooLong;
  }

  /** The model whose answer is missing for longest, or none. */
  next() {
    const waiting = this.chosen.filter((track) => !track.answered(this.text));
    return waiting.sort((a, b) => a.served - b.served)[0];
  }

  /** Ask about the text as it is now; an answer to an older one is given up as soon as it has begun. */
  ask() {
    if (!this.readable() || !this.next()) return;
    const { flight } = this;
    if (flight && !flight.done && flight.text === this.text && this.chosen.includes(flight.track)) return;
    this.wire.read(() => this.request());
  }

  /** What is sent: made at the last moment, so that it is about the newest text. */
  request() {
    const track = this.next() ?? this.chosen[0] ?? this.tracks[0];
    const [have, at] = track.kept(this.text);
    this.flight = { track, text: this.text, done: false };
    return { model: track.info.name, output: track.info.output, text: this.text, have, at };
  }

  take({ header, arrays }) {
    const { flight } = this;
    const { track } = flight;
    flight.done = track.take(flight.text, header, arrays);
    if (flight.done) track.served = this.turn += 1;
    this.later();
    if (flight.done) this.ask();
  }

  /** Paint before the next frame, however much has come until then. */
  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.paint();
    });
  }

  paint() {
    const { coloured } = this;
    const current = this.readable() && coloured?.text === this.text && !coloured.error;
    if (current) this.words.show(coloured.spans, (time) => this.lookOf(time));
    else if (!this.readable() || coloured?.error || !coloured) this.words.show([], () => null);
    this.showChances();
    this.showLegend();
    this.showNotes();
    this.showTokens();
    this.point(this.at, "paint");
    if (this.chosen.every((track) => !this.readable() || track.answered(this.text))) this.announce();
  }

  /** Tell whoever listens (benchmarks, tests) that all of a text has been painted. */
  announce() {
    const detail = { length: this.text.length };
    this.root.dispatchEvent(new CustomEvent("rnnviz:painted", { bubbles: true, composed: true, detail }));
  }

  /** A word's colours, or null where its answer is not here yet. */
  lookOf(time) {
    const { coloured, data } = this;
    const move = coloured.move(time);
    const strange = coloured.strange(time);
    if (!Number.isFinite(move)) return strange ? { ground: "", ink: "", strange } : null;
    const shade = Math.round(127.5 * (1 + Math.tanh(move)));
    return { ground: data.hex[shade], ink: data.ink[shade], strange };
  }

  /** Point at a word in text and chart alike; null goes back to the word at the caret, if the editor has the focus. */
  point(time, from) {
    this.at = time;
    const shown = time ?? this.caretWord();
    this.chart.mark(shown);
    this.words.mark(shown, from === "chart");
    this.tell(shown, from === "caret" || from === "paint");
  }

  /** The last word that begins before the caret, or null. */
  caretWord() {
    const { coloured } = this;
    const caret = this.words.caret();
    if (caret === null || coloured?.text !== this.text || coloured.error) return null;
    let time = coloured.spans.length - 1;
    while (time >= 0 && coloured.spans[time][0] >= caret) time -= 1;
    return time < 0 ? null : time;
  }

  saying() {
    const text = this.text.toWellFormed?.() ?? this.text;
    return { text, models: this.chosen.map((track) => track.info.name), coloured: this.coloured?.info.name ?? "" };
  }

  /** Let Streamlit keep what stands here, for the other views and for coming back. */
  commit() {
    this.pause.cancel();
    const said = this.saying();
    const key = JSON.stringify(said);
    if (this.left || key === this.said) return;
    this.said = key;
    this.posts.state("said", { ...said, count: Date.now() });
  }

  leave() {
    this.left = true;
    this.pause.cancel();
    cancelAnimationFrame(this.frame);
    this.wire.close();
    this.chart.leave();
    this.words.leave();
  }
}

{
  const { constructor, ...methods } = Object.getOwnPropertyDescriptors(ReviewParts.prototype);
  Object.defineProperties(Review.prototype, methods);
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".rv-review");
  const posts = { state: setStateValue, trigger: setTriggerValue };
  const review = reviews.get(root) ?? new Review(root, data, posts);
  reviews.set(root, review);
  Object.assign(review, { posts });
  review.freeze(data.frozen);
  if (data.answer && data.answered !== review.heard) {
    review.heard = data.answered;
    const column = data.answer.getChildAt(0);
    review.wire.receiveRerun(Array.from({ length: column.length }, (_, i) => column.get(i).slice().buffer));
  }
  return () => {
    review.leave();
    reviews.delete(root);
  };
}
