// What the judge and the reward models said of a task, once it may be shown.

import { h, rendered } from "./dom.js";
import { sameSide } from "./options.js";

export class Verdict {
  /** @param oncalled called when the explanation is called right, partly right or wrong */
  constructor(options, oncalled) {
    this.labels = new Map(options.map(({ strength, label }) => [strength, label]));
    this.rightness = new Rightness(oncalled);
    this.model = h("span.model", { dir: "auto" });
    this.head = h("span.tools", {});
    this.said = h("div.said", {});
    this.why = h("div.scroll.why", { tabIndex: 0, role: "region", "aria-label": "The judge's explanation" });
    this.foot = h("div.foot", { role: "group", "aria-label": "Highlights in the explanation" });
    this.facts = h("div.facts", {});
    this.waiting = h("p.quiet.waiting", {}, "Shown here once your own choice is stored.");
    this.element = h(
      "section.panel.verdict",
      { "aria-label": "The judge", tabIndex: -1 },
      h("h2", {}, "The judge says", this.model, this.head),
      this.waiting,
      this.said,
      this.why,
      this.foot,
      this.facts,
      this.rightness.element,
    );
  }

  get places() {
    return { explanation: { element: this.why, foot: this.foot } };
  }

  /** @param own the person's first strength, shown beside the judge's; null: not yet */
  show({ has_judge }, reveal, own) {
    this.element.hidden = !has_judge && !reveal;
    this.element.classList.toggle("revealed", Boolean(reveal));
    this.waiting.hidden = Boolean(reveal);
    for (const part of [this.said, this.why, this.facts]) part.hidden = !reveal;
    this.head.hidden = !reveal?.elaboration;
    this.model.textContent = reveal?.model ?? "";
    if (!reveal) {
      for (const part of [this.said, this.why, this.facts]) part.replaceChildren();
      return;
    }
    this.said.replaceChildren(...this.choices(reveal, own));
    this.why.replaceChildren(reveal.elaboration ? rendered(reveal.html) : h("p.quiet", {}, "It gave no explanation."));
    this.why.scrollTop = 0;
    this.facts.replaceChildren(...sentencesOf(reveal), ...reveal.rewards.map(bars));
  }

  choices({ strength, statement }, own) {
    const judges = strength === null && !statement ? "Reward models alone looked at this pair" : this.labels.get(strength) ?? "Undecided between the two";
    const lines = [h("p.statement", {}, judges)];
    if (own !== null) {
      const agree = own === strength ? "the same" : sameSide(own, strength ?? 0) ? "the same response" : "not the same";
      lines.push(h("p.yours", {}, h("span.quiet", {}, "You said: "), this.labels.get(own), h("span.quiet", {}, strength === null ? "" : ` (${agree})`)));
    }
    return lines;
  }

  /** Brings it before the reader; screen readers begin with its heading. */
  bring() {
    this.element.focus({ preventScroll: true });
    const { top, bottom } = this.element.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) this.element.scrollIntoView({ block: "start" });
  }
}

/** How sure it is, and whether it keeps its choice when the responses change places. */
function sentencesOf({ strength, probability, consistent }) {
  const sentences = [];
  if (probability !== null) {
    const side = strength ? (strength < 0 ? 1 : 2) : probability >= 0.5 ? 1 : 2;
    const share = Math.round((side === 1 ? probability : 1 - probability) * 100);
    sentences.push(`It is ${share} % sure that Response ${side} is better.`);
  }
  if (consistent === true) sentences.push("It keeps its choice when the responses change places.");
  if (consistent === false) sentences.push("It changes its choice when the responses change places: be wary of it.");
  return sentences.length ? [h("p", {}, sentences.join(" "))] : [];
}

/** A reward model's two rewards as bars from a common zero; they compare within one pair alone. */
function bars({ name, response_1, response_2 }) {
  const values = [response_1, response_2];
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const span = high - low || 1;
  const rows = values.map((value, i) => {
    const bar = h("span.fill", {});
    bar.style.insetInlineStart = `${((Math.min(value, 0) - low) / span) * 100}%`;
    bar.style.inlineSize = `${(Math.abs(value) / span) * 100}%`;
    const track = h("span.track", { "aria-hidden": "true" }, bar);
    const better = value > values[1 - i] ? ".better" : "";
    return h(`div.reward${better}`, {}, h("span", {}, `Response ${i + 1}`), track, h("span.value", {}, number(value)));
  });
  return h("figure.rewards", {}, h("figcaption", { dir: "auto" }, `Rewards of ${name}`), ...rows);
}

const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

class Rightness {
  constructor(oncalled) {
    const texts = { right: "Right", partly_right: "Partly", wrong: "Wrong" };
    const keys = { right: "R", partly_right: "P", wrong: "W" };
    this.inputs = Object.fromEntries(
      Object.keys(texts).map((value) => [value, h("input", { type: "radio", name: "explanation", value, onchange: oncalled })]),
    );
    const labels = Object.entries(this.inputs).map(([value, input]) => h("label", {}, input, texts[value], h("kbd", {}, keys[value])));
    const question = "Is the judge's explanation right?";
    this.element = h("div.rightness", { role: "radiogroup", "aria-label": question }, h("p", { "aria-hidden": "true" }, question), ...labels);
  }

  get value() {
    return Object.keys(this.inputs).find((value) => this.inputs[value].checked) ?? null;
  }

  set value(wanted) {
    for (const [value, input] of Object.entries(this.inputs)) input.checked = value === wanted;
  }

  set disabled(value) {
    for (const input of Object.values(this.inputs)) input.disabled = value;
  }
}
