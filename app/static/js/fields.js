// What a person decides about a task: the choice and its reason, then what the judge said.

import { h } from "./dom.js";
import { Options, sameSide, statementOf } from "./options.js";
import { Verdict } from "./verdict.js";

export class Fields {
  /** @param actions functions of the buttons: submit, skip, flag, undo, next */
  constructor(options, onchange, actions) {
    this.onchange = onchange;
    this.options = new Options(options, () => this.chosen());
    this.reason = h("textarea", { rows: 2, maxLength: 20000, oninput: onchange, placeholder: "Why? In your own words, naming @Response 1 and @Response 2" });
    this.elaboration = h("textarea", { rows: 3, maxLength: 20000, oninput: onchange });
    this.statement = h("input", { type: "text", maxLength: 1000, oninput: onchange });
    this.verdict = new Verdict();
    this.own = h("p.quiet", {});
    this.swap = h("button", { type: "button", onclick: () => this.swapWords(), title: "Key M" }, "My words");
    this.rightness = new Rightness(onchange);
    this.problem = h("p.alert.problem", { role: "alert" });
    this.buttons = {
      submit: h("button.primary", { onclick: actions.submit, title: "Enter, or Ctrl+Enter while writing" }),
      skip: h("button", { onclick: actions.skip, title: "Key K" }, "Skip"),
      flag: h("button", { onclick: actions.flag, title: "Key F" }, "Flag"),
      undo: h("button", { onclick: actions.undo, title: "Key U" }, "Undo"),
      next: h("button.primary", { onclick: actions.next, title: "Key →" }, "Go on"),
    };
    this.build();
  }

  build() {
    this.reasonField = field("Your reason", this.reason);
    this.elaborationField = h(
      "div.field",
      {},
      h("span", {}, h("label", { htmlFor: "elaboration" }, "Why, as it will be kept "), this.swap),
      Object.assign(this.elaboration, { id: "elaboration" }),
    );
    this.side = h("div.side", {}, this.rightness.element, field("Statement", this.statement), this.own);
    // Not among the fields but beside the responses: the page puts it there.
    this.revealed = h("section.reveal", { "aria-label": "The judge", tabIndex: -1 }, this.verdict.element, this.side);
    const { submit, next, skip, flag, undo } = this.buttons;
    this.element = h(
      "section.decision",
      { "aria-label": "Decision" },
      this.options.element,
      h(
        "div.row",
        {},
        this.reasonField,
        this.elaborationField,
        h("div.actions", {}, submit, next, skip, flag, undo),
      ),
      this.problem,
    );
  }

  /** Shows where a task stands; `draft` holds what was being written. */
  show({ task, reveal }, draft) {
    const { choice, final, state } = task;
    this.reveal = reveal;
    this.first = choice?.strength ?? null;
    this.stage = state === "chosen" || (state === "complete" && final) ? "review" : "choose";
    const decided = ["complete", "skipped"].includes(state);
    this.problem.textContent = "";
    this.options.value = (decided ? final?.strength ?? this.first : draft?.strength) ?? this.first;
    this.reason.value = (decided ? null : draft?.justification) ?? choice?.justification ?? "";
    this.own.textContent = choice?.justification ? `Your reason: ${choice.justification}` : "";
    this.verdict.show(reveal);
    this.fillFinal(decided ? final : draft);
    this.options.legend = this.stage === "review" ? "And now?" : "Which response is better?";
    this.options.first = this.stage === "review" ? this.first : null;
    this.toggle(decided, task.state);
  }

  fillFinal(said) {
    if (this.stage !== "review") return;
    const begun = said && (said.explanation || said.statement || said.elaboration);
    this.rightness.value = said?.explanation ?? null;
    this.rightness.element.hidden = !this.reveal?.elaboration;
    this.statement.value = begun ? said.statement : statementOf(this.options.value);
    this.elaboration.value = begun ? said.elaboration : this.startingWords();
    this.swap.hidden = !this.reveal?.elaboration;
    this.nameSwap();
  }

  /** The judge's words where it prefers the same response, the person's own otherwise. */
  startingWords() {
    const judges = this.reveal?.elaboration ?? "";
    return judges && sameSide(this.first, this.reveal.strength ?? 0) ? judges : this.reason.value;
  }

  toggle(decided, state) {
    const review = this.stage === "review";
    const { submit, next, skip } = this.buttons;
    this.revealed.hidden = !this.reveal;
    this.side.hidden = !review;
    this.reasonField.hidden = review;
    this.elaborationField.hidden = !review;
    for (const input of [this.reason, this.elaboration, this.statement]) input.readOnly = decided;
    this.options.disabled = decided;
    this.rightness.disabled = decided;
    submit.hidden = decided;
    submit.textContent = review ? "Store and go on" : "Store";
    next.hidden = !decided;
    skip.disabled = review || decided;
    if (decided) this.swap.hidden = true;
    this.decided = decided;
  }

  chosen() {
    const before = [-3, -2, -1, 1, 2, 3].map(statementOf);
    // A statement that nobody edited follows the choice.
    if (this.stage === "review" && ["", ...before].includes(this.statement.value)) {
      this.statement.value = statementOf(this.options.value);
    }
    this.problem.textContent = "";
    this.onchange();
  }

  choose(place) {
    this.options.choose(place);
  }

  /** Goes to the field of the reason. */
  write() {
    const input = this.stage === "review" ? this.elaboration : this.reason;
    input.focus();
    input.setSelectionRange(input.value.length, input.value.length);
  }

  editStatement() {
    if (this.stage === "review") this.statement.focus();
  }

  judge(rightness) {
    if (this.stage !== "review" || this.decided || this.rightness.element.hidden) return;
    this.rightness.value = rightness;
    this.onchange();
  }

  swapWords() {
    if (this.stage !== "review" || this.decided || this.swap.hidden) return;
    const judges = this.reveal.elaboration;
    // As if typed, so that the browser's own undo brings back what stood there.
    this.elaboration.focus();
    this.elaboration.select();
    document.execCommand("insertText", false, this.elaboration.value === judges ? this.reason.value : judges);
    this.elaboration.blur();
    this.nameSwap();
    this.onchange();
  }

  nameSwap() {
    this.swap.textContent = this.elaboration.value === this.reveal?.elaboration ? "My words" : "The judge's words";
  }

  draft() {
    const review = this.stage === "review";
    return {
      strength: this.options.value,
      justification: this.reason.value,
      explanation: review ? this.rightness.value : null,
      statement: review ? this.statement.value : "",
      elaboration: review ? this.elaboration.value : "",
    };
  }

  /** What must still be done before the decision can be sent; null when nothing. */
  missing() {
    if (this.options.value === null) return "Choose one of the seven options first (keys 1 to 7).";
    if (this.stage === "review" && !this.rightness.element.hidden && !this.rightness.value) {
      return "Say whether the judge's explanation is right (keys R, P, W).";
    }
    return null;
  }

  /** The decision for the server: [which, what]. */
  decision() {
    const strength = this.options.value;
    if (this.stage === "choose") return ["choose", { choice: { strength, justification: this.reason.value } }];
    const { explanation, statement, elaboration } = this.draft();
    return ["complete", { final: { strength, explanation, statement, elaboration } }];
  }

  /** Brings what the judge said before the reader. */
  showReveal() {
    this.revealed.scrollTop = 0;
    this.verdict.element.focus({ preventScroll: false });
  }

  complain(text) {
    this.problem.textContent = text;
  }
}

class Rightness {
  constructor(onchange) {
    const texts = { right: "Right", partly_right: "Partly right", wrong: "Wrong" };
    const keys = { right: "R", partly_right: "P", wrong: "W" };
    this.inputs = Object.fromEntries(
      Object.keys(texts).map((value) => [value, h("input", { type: "radio", name: "explanation", value, onchange })]),
    );
    const labels = Object.entries(this.inputs).map(([value, input]) => h("label", {}, input, texts[value], h("kbd", {}, keys[value])));
    this.element = h("fieldset.rightness", {}, h("legend", {}, "Is the judge's explanation right?"), ...labels);
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

function field(label, input) {
  return h("label.field", {}, h("span", {}, label), input);
}
