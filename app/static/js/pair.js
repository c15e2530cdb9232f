// A conversation and two responses: equal panels that scroll together, other views on request.

import { h, rendered } from "./dom.js";

export class PairView {
  /** @param load async function of a view ("source", "difference") to the panels' HTML */
  constructor(load) {
    this.load = load;
    this.view = "rendered";
    this.views = {};
    this.together = true;
    this.turns = h("div.scroll", { tabIndex: 0, role: "region", "aria-label": "Conversation" });
    this.fold = tool("C", "Fold", "Fold the conversation", () => this.toggleConversation());
    this.tools = {
      difference: tool("D", "Differences", "Show the words that differ", () => this.show("difference")),
      source: tool("V", "Source", "The texts as they were written", () => this.show("source")),
      together: tool("Y", "Together", "Scroll both responses together", () => this.toggleTogether()),
    };
    this.tools.together.classList.add("wide");
    this.tools.together.setAttribute("aria-pressed", "true");
    this.conversation = h(
      "section.panel.conversation",
      {},
      h("h2", {}, "Conversation", h("span.tools", {}, ...Object.values(this.tools), this.fold)),
      this.turns,
    );
    this.bodies = [1, 2].map((number) =>
      h("div.scroll", { tabIndex: 0, role: "region", "aria-label": `Response ${number}` }),
    );
    this.heads = this.bodies.map(() => h("span.tools", {}));
    this.feet = this.bodies.map((_, i) => h("div.foot", { role: "group", "aria-label": `Highlights in response ${i + 1}` }));
    const panels = this.bodies.map((body, i) => h("section.panel", {}, h("h2", {}, `Response ${i + 1}`, this.heads[i]), body, this.feet[i]));
    this.responses = h("div.responses", {}, ...panels);
    this.element = h("div.pair", {}, this.conversation, this.responses);
    this.ondraw = () => {};
    this.bodies.forEach((body, i) => body.addEventListener("scroll", () => this.scrolled(body, this.bodies[1 - i])));
  }

  /** Where the responses are drawn, and the marks below them. */
  get places() {
    return Object.fromEntries(this.bodies.map((element, i) => [`response_${i + 1}`, { element, foot: this.feet[i] }]));
  }

  /** Shows a task's texts from their beginning. */
  set(panels) {
    this.views = { rendered: panels };
    this.view = "rendered";
    this.draw();
    [this.turns, ...this.bodies].forEach((body) => (body.scrollTop = 0));
    this.responses.classList.toggle("one", Boolean(this.alone));
    this.bodies[1].parentElement.hidden = Boolean(this.alone);
    this.turns.scrollTop = this.turns.scrollHeight; // the last message is the one to answer
  }

  draw() {
    const { prompt, response_1, response_2 } = this.views[this.view];
    this.turns.replaceChildren(
      ...prompt.map(({ role, html }) => h("div.turn", {}, h("div.role", {}, role), rendered(html))),
    );
    this.bodies[0].replaceChildren(rendered(response_1));
    this.bodies[1].replaceChildren(rendered(response_2));
    for (const view of ["difference", "source"]) {
      this.tools[view].setAttribute("aria-pressed", String(this.view === view));
    }
    this.ondraw();
  }

  async show(view) {
    const { views } = this;
    const wanted = this.view === view ? "rendered" : view;
    this.view = wanted;
    views[wanted] ??= await this.load(wanted);
    if (views === this.views && wanted === this.view) this.draw();
  }

  toggleConversation() {
    const folded = this.conversation.classList.toggle("folded");
    this.fold.lastChild.textContent = folded ? "Unfold" : "Fold";
  }

  toggleTogether() {
    this.together = !this.together;
    this.tools.together.setAttribute("aria-pressed", String(this.together));
  }

  scrolled(body, other) {
    if (this.following === body) {
      this.following = null;
      return;
    }
    if (!this.together) return;
    const share = body.scrollTop / Math.max(body.scrollHeight - body.clientHeight, 1);
    const top = Math.round(share * (other.scrollHeight - other.clientHeight));
    if (Math.abs(other.scrollTop - top) < 1) return;
    this.following = other;
    other.scrollTop = top;
  }

  /** Scrolls both responses by a share of their height. */
  scroll(share) {
    const target = this.bodies[0].scrollHeight > this.bodies[0].clientHeight ? this.bodies[0] : this.bodies[1];
    target.scrollTop += share * target.clientHeight;
    if (!this.together) this.bodies[1].scrollTop += share * this.bodies[1].clientHeight;
  }
}

function tool(key, text, title, onclick) {
  return h("button", { type: "button", onclick, title: `${title} (key ${key})` }, h("kbd", {}, key), h("span", {}, text));
}
