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
    const standing = standingOf(this.passing);
    const answer = `The answer: ${this.labels.get(expected)}.`;
    this.element.replaceChildren(
      h("h2", {}, "Practice: ", h(right ? "span.good" : "span.bad", {}, said)),
      h("p", {}, h("strong", {}, answer)),
      ...(html ? [rendered(html)] : []),
      standing ? h("p.standing", {}, standing) : null,
      h("p.quiet", {}, "This task does not count. Enter goes on to the next one."),
    );
    this.element.scrollIntoView({ block: "nearest" });
    announce([said, answer, standing].filter(Boolean).join(" "));
  }
}

/** How the person stands against the pass mark, in words; null where there is none. */
export function standingOf(passing) {
  if (!passing?.done) return null;
  const { state, mark, each, right, done, failed } = passing;
  const score = `${right} of ${done} right`;
  if (state === "passed") return `Passed: ${score}. Your work begins.`;
  if (state === "waiting") return `${score}, and ${mark} % are needed. No practice task is left: a manager decides whether you go on.`;
  if (failed && done === each) return `${score}, and ${mark} % are needed: another round of ${each} begins, with other tasks.`;
  return `${score} so far; ${mark} % of ${each} are needed.`;
}
