// The network goes on writing in the studio's own editor, a character at a time.

/** A part of `Studio`: its methods are put on the studio's prototype. */
export class Writing {
  toggleFlow() {
    if (this.flow) {
      this.stopFlow();
      return;
    }
    const count = this.number(this.length, "Characters", 1, this.limit);
    if (count !== null) this.startFlow(count);
  }

  /** Temperature and seed as typed, or null after telling what is wrong with them. */
  wishes() {
    const temperature = this.number(this.temperature, "The temperature", 0, 2, false);
    const seed = temperature === null ? null : this.number(this.seed, "The seed", 0, 4294967295);
    return seed === null ? null : { temperature, seed };
  }

  startFlow(count) {
    if (!this.total || !this.caretTime()) {
      this.tell("Type a character and put the caret behind it: the network goes on from there.");
      return;
    }
    const wish = this.wishes();
    if (!wish || !this.roomLeft()) return;
    const { box } = this;
    const at = box.selectionEnd;
    const key = [this.state.model, this.state.variant, wish.seed, wish.temperature].join(" ");
    // Single steps go on with the same sample as long as nothing else was typed or changed.
    const index = this.last?.key === key && this.last.text === box.value && this.last.at === at ? this.last.index : 0;
    box.focus({ preventScroll: true });
    box.setSelectionRange(at, at);
    this.flow = { index, left: count, key, wish, at };
    this.flowButton.textContent = "Stop";
    this.tell("");
    this.drawNext();
  }

  roomLeft() {
    if (this.total < this.limit) return true;
    const most = this.limit.toLocaleString("en");
    this.tell(`The text has reached the ${most} characters that can be read: shorten it to go on.`);
    return false;
  }

  drawNext() {
    this.askReading({ time: this.caretTime(), ...this.flow.wish, index: this.flow.index });
  }

  continueFlow(drawn) {
    const { flow, box } = this;
    if (!flow || drawn === undefined) return;
    const moved = box.selectionStart !== flow.at || box.selectionEnd !== flow.at;
    if (moved || !this.roomLeft()) {
      this.stopFlow();
      return;
    }
    this.inserting = true;
    // In an editor that has the focus, execCommand keeps the browser's own undo history; the focus is never taken.
    const focused = box.getRootNode().activeElement === box;
    if (!focused || !document.execCommand("insertText", false, drawn)) {
      box.setRangeText(drawn, flow.at, flow.at, "end");
      this.retext(box.value);
    }
    this.inserting = false;
    flow.index += 1;
    flow.left -= 1;
    flow.at = box.selectionEnd;
    this.last = { key: flow.key, text: box.value, at: flow.at, index: flow.index };
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
