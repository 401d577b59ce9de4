// An editor whose words are coloured: a transparent text area over the same text as the browser lays it out in spans.
import { el } from "./dom.js";
import { firstDifference } from "./review_track.js";

const WORD = "rv-w";
const FEW = 300; // words up to which all are coloured; of more only those in view, or each key would take too long
const MARGIN = 120; // pixels above and below the view within which words are coloured, too

/** Cut a text into pieces, [text, time of its word or -1], of the words from one to another that have a place in it. */
function piecesOf(text, spans, from, to) {
  const pieces = [];
  let at = 0;
  for (let time = from; time < Math.min(to, spans.length); time += 1) {
    const [first, last] = spans[time];
    if (last <= first || first < at || last > text.length) continue;
    if (first > at) pieces.push([text.slice(at, first), -1]);
    pieces.push([text.slice(first, last), time]);
    at = last;
  }
  if (at < text.length) pieces.push([text.slice(at), -1]);
  return pieces;
}

export class WordsEditor {
  constructor({ label, onInput, onPoint, onCaret, onLeave }) {
    this.onInput = onInput;
    this.onPoint = onPoint;
    this.text = "";
    this.pieces = []; // { text, word, node, look }
    this.words = []; // time -> piece
    this.spans = [];
    this.range = [0, Infinity]; // of the words that are coloured
    this.under = el("div", { className: "rv-under", "aria-hidden": "true" }, "\u200b");
    this.box = el("textarea", { className: "rv-over", spellcheck: false, autocapitalize: "off", autocomplete: "off" });
    this.box.setAttribute("aria-label", label);
    this.sheet = el("div", { className: "rv-typed-sheet" }, this.under, this.box);
    this.root = el("div", { className: "rv-typed" }, this.sheet);
    this.marked = null;
    this.look = () => null;
    this.listen(onCaret, onLeave);
  }

  listen(onCaret, onLeave) {
    const { box } = this;
    box.addEventListener("input", () => {
      this.edit(box.value);
      this.onInput(box.value);
    });
    box.addEventListener("scroll", () => {
      box.scrollTop = 0; // it is as tall as its text: what scrolls is the frame around it
    });
    const scrolled = () => {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = undefined;
        if (this.spanned === this.text && !this.covers()) this.reframe();
      });
    };
    this.root.addEventListener("scroll", scrolled, { passive: true });
    this.watch = new ResizeObserver(scrolled);
    this.watch.observe(this.root);
    for (const name of ["keyup", "pointerup", "focus", "blur"]) box.addEventListener(name, onCaret);
    box.addEventListener("blur", onLeave);
    const over = (event) => this.onPoint(this.wordAt(event.clientX, event.clientY));
    box.addEventListener("pointermove", over);
    box.addEventListener("pointerdown", over);
    box.addEventListener("pointerleave", () => this.onPoint(null));
  }

  /** The word at a point of the window, or null. */
  wordAt(x, y) {
    return this.root.getRootNode().elementsFromPoint(x, y).find((node) => node.time !== undefined)?.time ?? null;
  }

  /** The caret's place, or null while the editor has not the focus. */
  caret() {
    const { box } = this;
    return box.getRootNode().activeElement === box ? box.selectionEnd : null;
  }

  /** Put a text in; with `byHand`, so that it can be undone as if it had been typed. */
  setText(text, byHand = false) {
    const { box } = this;
    if (byHand) {
      box.focus({ preventScroll: true });
      box.select();
      if (document.execCommand("insertText", false, text)) return;
    }
    box.value = text;
    this.edit(box.value);
    if (byHand) this.onInput(box.value);
  }

  /** Show a text before its answer is here: what stands around the change keeps its colours. */
  edit(text) {
    const { pieces } = this;
    const same = firstDifference(this.text, text);
    const most = Math.min(this.text.length, text.length) - same;
    let tail = 0;
    while (tail < most && this.text.charCodeAt(this.text.length - 1 - tail) === text.charCodeAt(text.length - 1 - tail)) tail += 1;
    let [first, at] = [0, 0];
    while (first < pieces.length && at + pieces[first].text.length <= same) {
      at += pieces[first].text.length;
      first += 1;
    }
    let [last, back] = [pieces.length, 0];
    while (last > first && back + pieces[last - 1].text.length <= tail) {
      last -= 1;
      back += pieces[last].text.length;
    }
    const between = text.slice(at, text.length - back);
    this.replace(first, last, between ? [[between, -1]] : []);
    this.text = text;
  }

  /** Show the words of the text that is here, each with `look(time)`: { ground, ink, strange }, or null for plain. */
  show(spans, look) {
    Object.assign(this, { spans, look, spanned: this.text });
    if (spans.length <= FEW) this.range = [0, Infinity];
    else if (this.range[1] === Infinity) this.range = [0, 0];
    this.lay();
    if (!this.covers()) this.reframe();
  }

  /** Whether all words in view are among those that are coloured. */
  covers() {
    const [from, to] = this.range;
    const { length } = this.spans;
    if (length <= FEW) return true;
    const { top, bottom } = this.root.getBoundingClientRect();
    const last = Math.min(to, length);
    return (from === 0 || this.rectOf(from - 1).bottom < top) && (last === length || this.rectOf(last).top > bottom);
  }

  /** Colour the words that are in view now. */
  reframe() {
    const { top, bottom } = this.root.getBoundingClientRect();
    const { length } = this.spans;
    const search = (beyond) => {
      let [low, high] = [0, length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (beyond(this.rectOf(middle))) high = middle;
        else low = middle + 1;
      }
      return low;
    };
    this.range = [search((rect) => rect.bottom >= top - MARGIN), search((rect) => rect.top > bottom + MARGIN)];
    this.lay();
  }

  /** Where a word's first letter stands in the window, coloured or not. */
  rectOf(time) {
    const node = this.words[time]?.node;
    if (node) return node.getBoundingClientRect();
    let [at, i] = [this.spans[time][0], 0];
    const { pieces } = this;
    while (i < pieces.length - 1 && at >= pieces[i].text.length) {
      at -= pieces[i].text.length;
      i += 1;
    }
    const range = document.createRange();
    const text = pieces[i].word ? pieces[i].node.firstChild : pieces[i].node;
    range.setStart(text, Math.min(at, text.length));
    range.setEnd(text, Math.min(at + 1, text.length));
    return range.getBoundingClientRect();
  }

  /** Cut the text into its words, touching only pieces that have changed, and colour them. */
  lay() {
    const next = piecesOf(this.text, this.spans, ...this.range);
    const { pieces } = this;
    const alike = (piece, [text, time]) => piece.text === text && piece.word === time >= 0;
    let first = 0;
    while (first < pieces.length && first < next.length && alike(pieces[first], next[first])) first += 1;
    let tail = 0;
    const most = Math.min(pieces.length, next.length) - first;
    while (tail < most && alike(pieces[pieces.length - 1 - tail], next[next.length - 1 - tail])) tail += 1;
    this.replace(first, pieces.length - tail, next.slice(first, next.length - tail));
    this.words = [];
    next.forEach(([, time], i) => {
      if (time < 0) return;
      const piece = this.pieces[i];
      piece.node.time = time;
      this.words[time] = piece;
      this.paint(piece, this.look(time));
    });
    this.mark(this.marked, false);
  }

  /** Put other pieces in the place of some. */
  replace(first, last, next) {
    const before = this.pieces[last]?.node ?? this.under.lastChild;
    for (const piece of this.pieces.slice(first, last)) piece.node.remove();
    const fresh = next.map(([text, time]) => {
      const word = time >= 0;
      const node = word ? el("span", { className: WORD }, text) : document.createTextNode(text);
      return { text, word, node, look: WORD };
    });
    for (const piece of fresh) this.under.insertBefore(piece.node, before);
    this.pieces.splice(first, last - first, ...fresh);
  }

  paint(piece, look) {
    const name = look ? `${look.ground}${look.ink}${look.strange}` : WORD;
    if (piece.look === name) return;
    piece.look = name;
    piece.node.style.backgroundColor = look?.ground ?? "";
    piece.node.style.color = look?.ink ?? "";
    piece.node.classList.toggle("rv-unknown", look?.strange ?? false);
  }

  /** Mark one word, or none for null; `reveal` brings it into view. */
  mark(time, reveal) {
    this.marked = time;
    const node = time === null ? undefined : this.words[time]?.node;
    if (this.here !== node) {
      this.here?.classList.remove("rv-here");
      node?.classList.add("rv-here");
      this.here = node;
    }
    if (!reveal || !(time in this.spans)) return;
    const { root } = this;
    const [rect, view] = [this.rectOf(time), root.getBoundingClientRect()];
    if (rect.top < view.top) root.scrollTop -= view.top - rect.top + 8;
    else if (rect.bottom > view.bottom) root.scrollTop += rect.bottom - view.bottom + 8;
  }

  leave() {
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
  }
}
