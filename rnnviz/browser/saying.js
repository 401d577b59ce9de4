// What a hand says to Python while it moves or types: one request at a time, the newest first.

const PATIENCE = 1000; // ms without an answer after which newer values are sent all the same
const sayers = new WeakMap();

/** A mounted element whose values go to Python; `take` and `said` are its own. */
export class Sayer {
  constructor(root, data) {
    this.root = root;
    this.sent = data.heard; // the number of the newest request
    this.busy = false; // it has no answer yet
    this.waiting = false; // there are newer values than it holds
    this.turn = 0;
  }

  say() {
    this.waiting = true;
    this.pump();
  }

  pump() {
    if (!this.waiting || this.busy) return;
    this.waiting = false;
    this.busy = true;
    this.sent = Math.max(this.sent + 1, Date.now()); // no other mount of this element has used it
    this.timer = setTimeout(() => this.answered(), PATIENCE);
    const [name, values] = this.said();
    this.post(name, { count: this.sent, ...values });
  }

  /** The request has its answer, or none came in time. */
  answered() {
    this.rest();
    this.pump();
  }

  rest() {
    clearTimeout(this.timer);
    this.busy = false;
  }
}

/** Return a component's entry: one `Kind` for each element, and an end that spares one that a newer rerun overtook. */
export function mounting(selector, Kind) {
  return ({ data, parentElement, setStateValue }) => {
    const root = parentElement.querySelector(selector);
    if (!sayers.has(root)) sayers.set(root, new Kind(root, data));
    const sayer = sayers.get(root);
    sayer.data = data;
    sayer.post = setStateValue;
    sayer.turn += 1;
    sayer.take(data);
    const { turn } = sayer;
    return () => {
      if (turn === sayer.turn) sayer.rest();
    };
  };
}
