// The network goes on writing in the studio's own editor, a character at a time.

/** A part of `Studio`: its methods are put on the studio's prototype. */
export class Writing {
  toggleFlow() {
    if (this.flow) this.stopFlow();
    else this.startFlow(Number(this.length.value) || 1);
  }

  startFlow(count) {
    if (!this.total || !this.caretTime()) {
      this.tell("Type a character and put the caret behind it: the network goes on from there.");
      return;
    }
    const { box } = this;
    const end = box.selectionEnd;
    const key = `${this.state.model} ${this.state.variant} ${this.seed.value} ${this.temperature.value}`;
    // Single steps go on with the same sample as long as nothing else was typed or changed.
    const index = this.last?.key === key && this.last.text === box.value && this.last.end === end ? this.last.index : 0;
    box.focus({ preventScroll: true });
    box.setSelectionRange(end, end);
    this.flow = { index, left: count, key };
    this.flowButton.textContent = "Stop";
    this.tell("");
    this.drawNext();
  }

  drawNext() {
    const wish = { temperature: Number(this.temperature.value), seed: Number(this.seed.value), index: this.flow.index };
    this.askReading({ time: this.caretTime(), ...wish });
  }

  continueFlow(drawn) {
    const { flow, box } = this;
    if (!flow || drawn === undefined) return;
    if (this.total + 1 > this.limit) {
      this.stopFlow();
      return;
    }
    box.focus({ preventScroll: true });
    this.inserting = true;
    // execCommand keeps the browser's own undo history, which setting the value would wipe out.
    if (!document.execCommand("insertText", false, drawn)) {
      box.setRangeText(drawn, box.selectionStart, box.selectionEnd, "end");
      this.retext(box.value);
    }
    this.inserting = false;
    flow.index += 1;
    flow.left -= 1;
    this.last = { key: flow.key, text: box.value, end: box.selectionEnd, index: flow.index };
    this.follow();
    if (flow.left > 0) this.drawNext();
    else this.stopFlow();
  }

  /** Keep the caret's line in view while the network writes. */
  follow() {
    const { root } = this.text;
    if (this.box.selectionEnd === this.box.value.length) root.scrollTop = root.scrollHeight;
  }

  stopFlow() {
    if (!this.flow) return;
    this.flow = null;
    this.flowButton.textContent = "Go on writing";
  }
}
