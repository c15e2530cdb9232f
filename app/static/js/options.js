// The seven options as one row of radio buttons.

import { h } from "./dom.js";

export class Options {
  /** @param options from the server: [{ strength, label }], in their order */
  constructor(options, onchange) {
    this.inputs = new Map();
    const labels = options.map(({ strength, label }, i) => {
      const input = h("input", { type: "radio", name: "strength", value: String(strength), onchange });
      input.setAttribute("aria-label", label);
      this.inputs.set(strength, input);
      const [, of, degree] = /^(Response \d) is (.+)$/.exec(label) ?? [null, "Neither", "is valid"];
      const [word, ...rest] = degree.split(" "); // narrow screens show the first word alone
      return h(
        "label",
        { title: `${label} (key ${i + 1})` },
        input,
        h("span.key", { "aria-hidden": "true" }, String(i + 1)),
        h("span.of", { "aria-hidden": "true" }, of),
        h("span.degree", { "aria-hidden": "true" }, word, " ", h("span", {}, rest.join(" "))),
      );
    });
    this.labels = labels;
    this.strengths = options.map(({ strength }) => strength);
    this.title = h("legend", {}, "");
    // Above the row where its boxes are too narrow to name the response in each.
    const groups = h("div.groups", { "aria-hidden": "true" }, h("span", {}, "Response 1"), h("span", {}, "Response 2"), h("span", {}, "Neither"));
    this.element = h("fieldset.options", {}, this.title, groups, ...labels);
  }

  set legend(text) {
    this.title.textContent = text;
  }

  get value() {
    const chosen = this.strengths.find((strength) => this.inputs.get(strength).checked);
    return chosen ?? null;
  }

  set value(strength) {
    for (const [each, input] of this.inputs) input.checked = each === strength;
  }

  /** Marks the option that was chosen before the judge was shown. */
  set first(strength) {
    this.labels.forEach((label, i) => label.classList.toggle("first", this.strengths[i] === strength));
  }

  set disabled(value) {
    for (const input of this.inputs.values()) input.disabled = value;
  }

  /** Chooses by place, 1 to 7. */
  choose(place) {
    const input = this.inputs.get(this.strengths[place - 1]);
    if (input.disabled) return;
    input.checked = true;
    input.dispatchEvent(new Event("change"));
  }
}

/** The statement of a strength; none where neither response is valid. */
export function statementOf(strength) {
  if (strength === null || strength === -100) return "";
  const [better, worse] = strength < 0 ? [1, 2] : [2, 1];
  const degree = { 1: "slightly better", 2: "better", 3: "much better" }[Math.abs(strength)];
  return `@Response ${better} is ${degree} than @Response ${worse}.`;
}

/** Whether two strengths prefer the same response. */
export function sameSide(one, other) {
  return one !== -100 && other !== -100 && one * other > 0;
}
