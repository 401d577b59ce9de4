// What is kept of the studio and taken away: links, pictures, files.
import { download } from "./dom.js";
import { pictureSvg, svgToPng } from "./take.js";
import { toQuery } from "./link.js";

const KEPT = "rnnviz.neurons"; // where this tab keeps the page's state
const OTHERS = ["share", "projector"]; // parts of the address that are not the page's own

/** A part of `Studio`: its methods are put on the studio's prototype. */
export class Keeping {
  /** The user has paused: bring lists and link up to date. */
  settle() {
    if (this.left || !this.about) return;
    this.keep();
    if (this.total && this.valid >= this.total && !this.choosing) {
      if (this.state.order !== "index") this.arrange();
      this.telling().catch(() => {});
      if (this.shown !== this.seen()) this.refreshPanels();
    }
  }

  /** What this tab kept of the page, or null. */
  kept() {
    try {
      return JSON.parse(sessionStorage.getItem(KEPT));
    } catch {
      return null;
    }
  }

  /** Keep the state in this tab and, where it fits, in the address; returns false where it is too long. */
  async keep() {
    if (!this.about || this.state.unit === null) return true;
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(this.state));
    } catch {
      // a browser that keeps nothing still has the link
    }
    const query = await toQuery(this.state);
    const extras = new URLSearchParams();
    const here = new URLSearchParams(location.search);
    for (const name of OTHERS.filter((one) => here.has(one))) extras.set(name, here.get(name));
    for (const [name, value] of extras) query.append(name, value);
    const [whole, rest] = [String(query), String(extras)];
    // Too long a text is kept in this tab alone, and no older link may stand in its place.
    const fits = whole.length < this.data.longest_link;
    const said = fits ? whole : rest;
    if (!this.left) history.replaceState(history.state, "", `${location.pathname}${said && `?${said}`}`);
    return fits;
  }

  async copyLink() {
    if (!(await this.keep())) {
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
    if (!this.valid || this.state.unit === null) throw new Error("There is nothing to draw yet: type something first.");
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
