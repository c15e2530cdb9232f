// What is said after a task of the practice round: whether the choice was right, and why.

import { announce, h, rendered } from "./dom.js";

export class PracticeFeedback {
  /** @param options the seven, each { strength, label } */
  constructor(options) {
    this.labels = new Map(options.map(({ strength, label }) => [strength, label]));
    this.element = h("section.panel.practice", { "aria-label": "Practice", tabIndex: 0, hidden: true });
  }

  show({ feedback }) {
    this.element.hidden = !feedback;
    if (!feedback) return;
    const { right, expected, html } = feedback;
    const said = right ? "Right." : "Not right.";
    const answer = `The answer: ${this.labels.get(expected)}.`;
    this.element.replaceChildren(
      h("h2", {}, "Practice: ", h(right ? "span.good" : "span.bad", {}, said)),
      h("p", {}, h("strong", {}, answer)),
      ...(html ? [rendered(html)] : []),
      h("p.quiet", {}, "This task does not count. Enter goes on to the next one."),
    );
    this.element.scrollIntoView({ block: "nearest" });
    announce(`${said} ${answer}`);
  }
}
