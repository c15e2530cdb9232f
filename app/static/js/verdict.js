// What the judge and the reward models said of a task, once it may be shown.

import { h, rendered } from "./dom.js";

export class Verdict {
  constructor() {
    this.element = h("div.panel.verdict", { tabIndex: -1 });
  }

  show(reveal) {
    if (!reveal) {
      this.element.replaceChildren();
      return;
    }
    const facts = factsOf(reveal).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
    this.element.replaceChildren(
      h("p.statement", {}, reveal.statement || "The judge is undecided."),
      reveal.elaboration ? rendered(reveal.html) : "",
      h("dl", {}, ...facts),
    );
  }
}

function factsOf({ model, probability, consistent, rewards }) {
  const facts = [["Judge", model]];
  if (probability !== null) facts.push(["Sure of Response 1", `${Math.round(probability * 100)} %`]);
  if (consistent !== null) facts.push(["Exchanged", `it prefers the ${consistent ? "same" : "other"} response`]);
  for (const { name, response_1, response_2 } of rewards) {
    facts.push([`Reward ${name}`, `${number(response_1)} for Response 1, ${number(response_2)} for Response 2`]);
  }
  return facts;
}

const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
