// What is kept of the studio and taken away: links, pictures, files.
import { download } from "./dom.js";
import { pictureSvg, svgToPng } from "./take.js";
import { toQuery } from "./link.js";

export const KEPT = "rnnviz.neurons"; // where this tab keeps the page's state

/** A part of `Studio`: its methods are put on the studio's prototype. */
export class Keeping {
  /** The user has paused: bring lists and link up to date. */
  settle() {
    if (this.left || !this.about) return;
    this.keep();
    if (this.total && this.valid >= this.total) {
      this.telling().catch(() => {});
      this.refreshPanels();
    }
  }

  async keep() {
    if (!this.about || this.state.unit === null) return;
    const query = String(await toQuery(this.state));
    try {
      sessionStorage.setItem(KEPT, query);
    } catch {
      // a browser that keeps nothing still has the link
    }
    if (!this.left && query.length < this.data.longest_link) {
      history.replaceState(history.state, "", `${location.pathname}?${query}`);
    }
  }

  async copyLink() {
    await this.keep();
    const query = String(await toQuery(this.state));
    if (query.length >= this.data.longest_link) {
      this.tell("The text is too long for a link; shorten it, or take the script instead.");
      return;
    }
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(location.href);
      this.tell("The link was copied: whoever opens it sees this picture.");
    } else this.tell(`Copy this link from here or from the address bar: ${location.href}`);
  }

  title() {
    return `${this.textTitle.textContent}, ${this.state.variant === "model" ? this.state.model : this.heatTitle.textContent}`;
  }

  async takePicture(kind) {
    const picture = pictureSvg(this);
    if (kind === "svg") download("neurons.svg", picture.text, "image/svg+xml");
    else download("neurons.png", await svgToPng(picture), "image/png");
  }

  async take(ask, ending, type, more = {}) {
    const { arrays } = await this.wire.ask(ask, { ...this.view(), unit: this.state.unit ?? 0, ...more });
    download(`${this.state.model}.${ending}`, arrays.file, type);
  }

  async takeCsv() {
    const [first, last] = this.heat.visibleTimes();
    await this.take("csv", "csv", "text/csv", { first, last, units: this.heat.visibleUnits() });
  }
}
