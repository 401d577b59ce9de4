// A link to the page as it is, made where the address is known, and a button that copies it.
import { PARTS } from "./link.js";
import { el } from "./dom.js";

const panes = new WeakMap();

class Pane {
  constructor(root) {
    this.root = root;
    this.field = el("input", { type: "text", readOnly: true, "aria-label": "Link to this page" });
    this.field.onfocus = () => this.show();
    this.status = el("p", { role: "status" });
    this.button = el("button", { type: "button", onclick: () => this.copy() }, "Copy link");
    root.replaceChildren(el("div", { className: "rv-share-row" }, this.field, this.button), this.status);
  }

  take(data) {
    this.data = data;
    this.status.textContent = "";
    this.show();
  }

  /** The address of this page, the live page's own words in it, and what was packed. */
  link() {
    const here = new URLSearchParams(location.search);
    const query = new URLSearchParams();
    if (this.data.own) PARTS.filter((name) => here.has(name)).forEach((name) => query.set(name, here.get(name)));
    if (this.data.share) query.set("share", this.data.share);
    const said = String(query);
    const link = `${location.origin}${location.pathname}${said && `?${said}`}`;
    return { link, long: link.length > this.data.longest };
  }

  show() {
    const { link, long } = this.link();
    this.field.value = long ? "" : link;
    this.button.disabled = long;
    if (long) this.status.textContent = "The page holds too much for a link: shorten its texts.";
  }

  async copy() {
    this.show();
    const { value } = this.field;
    if (!value) return;
    let copied = false;
    try {
      await navigator.clipboard.writeText(value);
      copied = true;
    } catch {
      this.field.select(); // on a page without https there is only the old way
      copied = document.execCommand("copy");
    }
    this.status.textContent = copied ? "The link was copied." : "Copy the link from the field.";
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".rv-share");
  if (!panes.has(root)) panes.set(root, new Pane(root));
  panes.get(root).take(data);
}
