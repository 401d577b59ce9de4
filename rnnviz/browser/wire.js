// Requests out, answers in: over the app's own WebSocket, or through Streamlit's rerun where that cannot be reached.

/** Take an answer apart: a JSON header and typed arrays that look at the message where it lies. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const kinds = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
  const arrays = {};
  let at = 4 + length;
  for (const [name, dtype, shape] of header.parts) {
    const size = shape.reduce((a, b) => a * b, 1);
    arrays[name] = new kinds[dtype](buffer, at, size);
    at += Math.ceil(arrays[name].byteLength / 8) * 8;
  }
  return { header, arrays };
}

const PATIENCE = 8000; // ms without an answer to a reading after which the connection is taken for dead
const LONGER = 90000; // the same for whatever else is asked: an experiment reads a long text twelve times
const NO_SEAT = 1013; // the server's word for: try again later
const DELAYS = [200, 400, 800, 1600, 3000];

/**
 * One request of a kind at a time. Of readings only the newest is kept; it goes out as soon as the one before it has
 * begun to answer, which makes the server give that one up.
 */
export class Wire {
  constructor({ url, onReading, onStatus, rerun }) {
    Object.assign(this, { url, onReading, onStatus, rerun });
    this.seq = 0;
    this.socket = null;
    this.failures = 0;
    this.mode = "connecting"; // "live", "rerun" or "lost"
    this.reading = null; // the reading on its way
    this.next = null; // the newest reading that waits
    this.asked = new Map(); // seq -> { request, resolve, reject }
    this.closed = false;
    this.timer = null;
    this.connect();
  }

  connect() {
    if (this.closed) return;
    clearTimeout(this.retry);
    let socket;
    try {
      socket = new WebSocket(this.url);
    } catch {
      this.failed();
      return;
    }
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const giveUp = setTimeout(() => socket.close(), 4000);
    socket.onopen = () => {
      clearTimeout(giveUp);
      this.become("live");
      this.resend();
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = (event) => {
      clearTimeout(giveUp);
      if (this.socket === socket) this.failed(event.reason, event.code === NO_SEAT);
    };
  }

  failed(reason = "", full = false) {
    this.socket = null;
    if (this.closed) return;
    clearTimeout(this.timer);
    this.failures += 1;
    if (this.mode === "live" || this.failures === 1) this.become("lost", reason);
    if (this.failures >= 2 && this.mode !== "rerun") {
      this.become("rerun", reason);
      this.resend();
    }
    const delay = full || this.failures > 20 ? 15000 : DELAYS[Math.min(this.failures, DELAYS.length) - 1];
    this.retry = setTimeout(() => this.connect(), delay);
  }

  become(mode, reason = "") {
    if (mode === this.mode) return;
    this.mode = mode;
    this.onStatus(mode, reason);
  }

  close() {
    this.closed = true;
    clearTimeout(this.retry);
    clearTimeout(this.timer);
    this.socket?.close();
    for (const { reject } of this.asked.values()) reject(new Error("The page was left."));
    this.asked.clear();
  }

  /** Send again what was on its way when the connection went. */
  resend() {
    if (this.reading && !this.next) this.next = this.reading;
    this.reading = null;
    this.busy = false;
    for (const { request } of this.asked.values()) this.send(request);
    this.pump();
  }

  send(request) {
    if (this.mode === "live" && this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(request));
      this.watch();
    } else if (this.mode === "rerun" && !this.busy) {
      this.busy = true; // a rerun answers one request
      this.rerun(request);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.busy = false;
        this.resend();
      }, PATIENCE);
    }
  }

  watch() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.socket?.close(), this.asked.size ? LONGER : PATIENCE);
  }

  /** Read a text; answers come to `onReading`. `request` may be a function, called when it is sent. */
  read(request) {
    this.next = request;
    this.pump();
  }

  pump() {
    if (!this.next || (this.mode !== "live" && this.mode !== "rerun") || this.busy) return;
    if (this.reading && !this.reading.begun) return;
    const request = this.next;
    this.next = null;
    this.seq += 1;
    this.reading = Object.assign(() => request(), { seq: this.seq, begun: false });
    this.send({ ...request(), ask: "read", seq: this.seq });
  }

  /** Ask for something else; of what is asked for one purpose only the newest unanswered question is kept. */
  ask(kind, request, purpose = kind) {
    for (const [seq, entry] of this.asked) {
      if (entry.purpose === purpose) {
        this.asked.delete(seq);
        entry.reject(new Error("asked anew"));
      }
    }
    this.seq += 1;
    const sent = { ...request, ask: kind, seq: this.seq };
    return new Promise((resolve, reject) => {
      this.asked.set(sent.seq, { request: sent, purpose, resolve, reject });
      this.send(sent);
    });
  }

  receive(buffer) {
    const answer = unpack(buffer);
    if (this.mode === "live") this.failures = 0;
    const { header } = answer;
    if (header.ask === "read") {
      if (!this.reading || header.seq !== this.reading.seq) return; // late: never painted
      this.reading.begun = true;
      const last = header.done || header.error !== undefined;
      if (last) this.reading = null;
      this.onReading(answer, header.seq);
    } else {
      const entry = this.asked.get(header.seq);
      this.asked.delete(header.seq);
      if (entry) {
        if (header.error) entry.reject(new Error(header.error));
        else entry.resolve(answer);
      }
    }
    if (!this.reading && !this.asked.size) clearTimeout(this.timer);
    else if (this.mode === "live") this.watch();
    this.pump();
  }

  /** Take in what a rerun answered: a list of messages. */
  receiveRerun(messages) {
    if (this.mode !== "rerun") return;
    clearTimeout(this.timer);
    this.busy = false;
    for (const message of messages) this.receive(message);
    const waiting = this.asked.values().next().value;
    if (!this.busy && waiting) this.send(waiting.request);
  }
}
