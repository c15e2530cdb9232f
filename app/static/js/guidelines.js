// The guidelines beside the task; whether they are open is remembered.

import { h, rendered } from "./dom.js";

const CLOSED = "review.guidelines.closed";

export class Guidelines {
  constructor(html, closed = false) {
    const close = h("button", { type: "button", onclick: () => this.toggle(), title: "Key G" }, h("kbd", {}, "G"), h("span", {}, "Hide"));
    const text = h("div.scroll", { tabIndex: 0, role: "region", "aria-label": "Guidelines" }, rendered(html));
    this.element = h("aside.panel.guidelines", { "aria-label": "Guidelines" }, h("h2", {}, "Guidelines", h("span.tools", {}, close)), text);
    this.button = h("button", { type: "button", onclick: () => this.toggle(), title: "Guidelines (key G)" }, "Guidelines");
    this.unasked = closed || matchMedia("(max-width: 899px)").matches;
    this.aside = false;
  }

  /** True: something else needs the room; they can still be asked for. */
  set aside(value) {
    this.isAside = value;
    const closed = (localStorage.getItem(CLOSED) ?? String(this.unasked)) === "true";
    this.show(!value && !closed);
  }

  toggle() {
    this.show(this.element.hidden);
    if (!this.isAside) localStorage.setItem(CLOSED, String(this.element.hidden));
  }

  show(shown) {
    this.element.hidden = !shown;
    this.button.setAttribute("aria-pressed", String(shown));
  }
}
