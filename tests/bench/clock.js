// Runs before a page's own scripts. It notes when keys went down, when readings crossed the live socket, and when what
// they brought was on the screen; and it follows which columns of the picture were worked out from which text.
(() => {
  const PATH = "/rnnviz/live";
  const LONGEST = 2000;
  const KEPT = 200; // requests whose times are remembered
  // `last`: length of the text that the last picture was worked out from; `announced`: what the page said it was.
  const bench = (window.rvBench = { keys: [], shown: [], late: 0, stale: 0, drawing: 0, announced: null, last: null });
  const requests = new Map(); // seq -> what is known of a reading
  let held = []; // column -> the hash of the prefix it was worked out from
  let newest = null;

  /** One number for every prefix of a text. */
  function prefixes(text) {
    let hash = 2166136261;
    return Array.from(text).slice(0, LONGEST).map((c) => (hash = Math.imul(hash ^ c.codePointAt(0), 16777619) >>> 0));
  }

  function sent(data) {
    const request = JSON.parse(data);
    if (request.ask !== "read") return;
    const chain = prefixes(request.text);
    newest = { seq: request.seq, chain, length: request.text.length, sent: performance.now() };
    requests.set(request.seq, newest);
    requests.delete(request.seq - KEPT);
    const wrong = chain.slice(0, request.have).findIndex((hash, t) => held[t] !== hash);
    if (wrong >= 0) bench.stale += 1;
  }

  function came(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    if (header.ask !== "read") return;
    const request = requests.get(header.seq);
    if (request) {
      request.first ??= performance.now();
      request.complete = performance.now();
    }
    if (!newest || header.seq !== newest.seq || header.error !== undefined) return;
    const shades = header.parts.find(([name]) => name === "shades");
    const columns = shades ? shades[2][0] : 0;
    held = held.slice(0, header.base).concat(newest.chain.slice(header.base, header.base + columns), held.slice(header.base + columns));
    if (header.done) held.length = Math.min(held.length, header.total);
  }

  /** Run a task once the frame that is being drawn is done. */
  function afterFrame(run) {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        run(performance.now());
      };
      port2.postMessage(null);
    });
  }

  function show(note) {
    const at = performance.now();
    bench.drawing += 1;
    afterFrame((after) => {
      bench.drawing -= 1;
      bench.shown.push({ ...note, at, after });
    });
  }

  window.WebSocket = class extends window.WebSocket {
    constructor(...given) {
      super(...given);
      this.live = new URL(this.url).pathname.endsWith(PATH);
      if (this.live) this.addEventListener("message", (event) => came(event.data));
    }

    send(data) {
      if (this.live) sent(data);
      super.send(data);
    }
  };

  addEventListener("keydown", (event) => {
    if (event.isTrusted && (event.key.length === 1 || event.key === "Enter")) bench.keys.push(event.timeStamp);
  }, true);

  for (const kind of ["begun", "painted"]) {
    addEventListener(`rnnviz:${kind}`, ({ detail }) => {
      const request = requests.get(detail.seq);
      const length = request?.length ?? detail.length;
      if (length !== detail.length) bench.late += 1; // the answer to an older text, announced as the newest's
      if (kind === "painted") Object.assign(bench, { announced: detail.length, last: length });
      show({ kind, length, sent: request?.sent, first: request?.first, complete: request?.complete });
    });
  }

  /** For a page of plain widgets: whatever matches has as many spans as the text has characters. */
  bench.watch = (selector) => {
    new MutationObserver(() => {
      const length = document.querySelector(selector)?.childElementCount;
      if (length === undefined || length === bench.last) return;
      bench.last = length;
      show({ kind: "painted", length });
    }).observe(document, { subtree: true, childList: true });
  };

  /** Hand over what was noted, and start anew. */
  bench.take = () => {
    const { keys, shown, late, stale } = bench;
    Object.assign(bench, { keys: [], shown: [], late: 0, stale: 0 });
    return { keys, shown, late, stale };
  };

  /** Columns of the picture that are missing or belong to another text. */
  bench.wrong = (text) => prefixes(text).filter((hash, t) => held[t] !== hash).length;
})();
