// The seven options as one strip of radio buttons: strong to weak to strong, and neither apart.

import { h } from "./dom.js";

export class Options {
  /** @param options from the server: [{ strength, label }], in their order */
  constructor(options, onchange) {
    this.inputs = new Map();
    const labels = options.map(({ strength, label }, i) => {
      const input = h("input", { type: "radio", name: "strength", value: String(strength), onchange });
      input.setAttribute("aria-label", label);
      this.inputs.set(strength, input);
      const [, degree] = /^Response \d is (.+)$/.exec(label) ?? [null, label.replace(" response", "")];
      return h(
        "label",
        { title: `${label} (key ${i + 1})` },
        input,
        h("span.key", { "aria-hidden": "true" }, String(i + 1)),
        h("span.degree", { "aria-hidden": "true" }, degree),
        h("span.marks", { "aria-hidden": "true" }),
      );
    });
    this.labels = labels;
    this.strengths = options.map(({ strength }) => strength);
    this.title = h("legend", {}, "");
    const group = (text) => h("span.group", { "aria-hidden": "true" }, text);
    this.element = h("fieldset.options", {}, this.title, group("Response 1 is"), group("Response 2 is"), group("or"), ...labels);
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

  /** Marks the option that was chosen before the judge was shown, and the judge's. */
  mark(first, judges = null) {
    this.labels.forEach((label, i) => {
      const marks = [[first, "first"], [judges, "judge"]].filter(([strength]) => strength === this.strengths[i]);
      label.lastChild.textContent = marks.map(([, text]) => text).join(" · ");
    });
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

/** Whether two strengths prefer the same response. */
export function sameSide(one, other) {
  return one !== -100 && other !== -100 && one * other > 0;
}
