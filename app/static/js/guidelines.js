// The guidelines beside the task; whether they are open is remembered.

import { h, rendered } from "./dom.js";

const CLOSED = "review.guidelines.closed";

export class Guidelines {
  constructor(html, closed = false) {
    const close = h("button", { type: "button", onclick: () => this.toggle(), title: "Key G" }, h("kbd", {}, "G"), h("span", {}, "Hide"));
    const text = h("div.scroll", { tabIndex: 0, role: "region", "aria-label": "Guidelines" }, rendered(html));
    this.element = h("aside.panel.guidelines", { "aria-label": "Guidelines" }, h("h2", {}, "Guidelines", h("span.tools", {}, close)), text);
    const unasked = closed || matchMedia("(max-width: 899px)").matches;
    this.element.hidden = (localStorage.getItem(CLOSED) ?? String(unasked)) === "true";
  }

  toggle() {
    this.element.hidden = !this.element.hidden;
    localStorage.setItem(CLOSED, String(this.element.hidden));
  }
}
