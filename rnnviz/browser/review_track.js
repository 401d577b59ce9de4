// One classifier's answers to one text: its words, and the log-odds of a class after each.

const NO_NUMBER = Number.NaN;

/** A list of code points' places in a text, in UTF-16 units, as a function. */
function placesIn(text) {
  if (!/[\ud800-\udfff]/.test(text)) return (point) => Math.min(point, text.length);
  const units = [0];
  for (const c of text) units.push(units[units.length - 1] + c.length);
  return (point) => units[Math.min(point, units.length - 1)];
}

/** The first place at which two texts differ. */
export function firstDifference(one, other) {
  const most = Math.min(one.length, other.length);
  let same = 0;
  while (same < most && one.charCodeAt(same) === other.charCodeAt(same)) same += 1;
  return same;
}

/** Holds what is known of `text`: of its `total` words that are followed, the answers after the first `valid`. */
export class Track {
  constructor(info, longest) {
    this.info = info;
    this.odds = new Float32Array(longest);
    this.slot = 0;
    this.served = 0;
    this.forget();
  }

  forget() {
    Object.assign(this, { text: null, tokens: [], spans: [], ends: [], ids: [], valid: 0, total: 0, count: 0 });
    Object.assign(this, { start: null, done: false, error: "" });
  }

  answered(text) {
    return this.text === text && this.done;
  }

  /** How many words of a text have their answers already, and the code point at which the last of them ends. */
  kept(text) {
    if (this.text === null || this.error) return [0, 0];
    const same = text === this.text ? Infinity : firstDifference(this.text, text);
    let have = this.valid;
    while (have > 0 && this.spans[have - 1][1] >= same) have -= 1;
    return [have, have ? this.ends[have - 1] : 0];
  }

  /** Take in a message about a text; returns whether nothing more is to come, or has to be asked anew. */
  take(text, header, arrays) {
    if (header.error !== undefined) {
      this.forget();
      Object.assign(this, { text, done: true, error: header.error });
      return true;
    }
    const { base } = header;
    if (header.tokens) {
      for (let time = 0; time < base; time += 1) {
        if (this.ids[time] !== arrays.ids[time]) {
          this.forget(); // the words that were kept are others in this text: a tag was closed, say
          return true;
        }
      }
      this.begin(text, header, arrays.ids);
    }
    if (arrays.odds) {
      this.odds.set(arrays.odds, base);
      this.valid = base + arrays.odds.length;
    }
    this.done = header.done;
    return this.done;
  }

  begin(text, { base, tokens, spans, total, count, start }, ids) {
    const place = placesIn(text);
    this.tokens = this.tokens.slice(0, base).concat(tokens);
    this.spans = this.spans.slice(0, base).concat(spans.map(([first, last]) => [place(first), place(last)]));
    this.ends = this.ends.slice(0, base).concat(spans.map((span) => span[1]));
    Object.assign(this, { text, ids, total, count, start, error: "", valid: base });
  }

  /** The log-odds that the first word's move is counted from: before any word, or of classes that are all alike. */
  origin() {
    return this.start ?? -Math.log(this.info.classes - 1);
  }

  /** The log-odds after a word, before the first for -1; no number where it is not known. */
  oddsAt(time) {
    if (time < 0) return this.start ?? NO_NUMBER;
    return time < this.valid ? this.odds[time] : NO_NUMBER;
  }

  chance(time) {
    return 1 / (1 + Math.exp(-this.oddsAt(time)));
  }

  /** How much a word moved the log-odds when it was read, in nats. */
  move(time) {
    return this.oddsAt(time) - (time > 0 ? this.oddsAt(time - 1) : this.origin());
  }

  strange(time) {
    return this.ids[time] === this.info.unknown;
  }
}
