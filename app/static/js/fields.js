// What a person decides about a task: the choice and its reason, then what is kept after the reveal.

import { decisionButtons } from "./buttons.js";
import { choose } from "./dialogs.js";
import { announce, h } from "./dom.js";
import { Options, sameSide } from "./options.js";
import { Verdict } from "./verdict.js";
import { WordsSwitch } from "./words.js";

export class Fields {
  /**
   * @param started from the server: { options, require_justification }
   * @param actions functions of the buttons: submit, skip, flag, undo, next
   */
  constructor({ options, require_justification: wanted }, onchange, actions) {
    this.reasonWanted = wanted;
    this.onchange = onchange;
    this.options = new Options(options, () => this.changed());
    this.verdict = new Verdict(options, () => this.called());
    this.words = new WordsSwitch((words) => this.take(words));
    this.label = h("label", { htmlFor: "reason" });
    this.reason = h("textarea", { id: "reason", rows: 4, maxLength: 20000, dir: "auto", oninput: () => this.typed(), onpointerdown: () => this.pointed() });
    this.insert = h("button.small", { type: "button", onclick: () => this.insertJudges() }, "Insert the judge's words");
    this.problem = h("p.alert.problem", { role: "alert" });
    this.buttons = decisionButtons(actions);
    this.build();
  }

  build() {
    const { submit, next, skip, flag, undo } = this.buttons;
    this.element = h(
      "section.decision",
      { "aria-label": "Decision" },
      h("div.kept", {}, this.label, this.words.element, this.insert),
      this.reason,
      this.problem,
      h("div.actions", {}, submit, next, skip, flag, undo),
    );
  }

  /** Shows where a task stands; `draft` holds what was being written. */
  show({ task, reveal }, draft) {
    const { choice, final, state } = task;
    this.reveal = reveal;
    this.choice = choice;
    this.stage = state === "chosen" || (state === "complete" && final) ? "review" : "choose";
    this.decided = ["complete", "skipped"].includes(state);
    this.problem.textContent = "";
    const first = choice?.strength ?? null;
    this.options.value = (this.decided ? final?.strength ?? first : draft?.strength) ?? first;
    this.own = (this.decided || this.isReview ? null : draft?.justification) ?? choice?.justification ?? "";
    const said = this.decided ? final : draft;
    this.kept = (this.isReview && said?.words) || "own";
    this.edited = this.kept === "judge" ? "" : said?.elaboration ?? "";
    this.verdict.show(task, reveal, this.isReview ? first : null);
    this.verdict.rightness.value = this.isReview ? said?.explanation ?? null : null;
    this.options.legend = this.isReview ? "And now?" : "Which response is better?";
    this.options.mark(this.isReview ? first : null, reveal?.strength ?? null);
    this.draw();
  }

  get isReview() {
    return this.stage === "review";
  }

  get judges() {
    return this.reveal?.elaboration ?? "";
  }

  /** Whether the first reason still fits the choice. */
  get ownFits() {
    const { value } = this.options;
    return value === null || value === this.choice.strength || sameSide(value, this.choice.strength);
  }

  /** Why the judge's words cannot be taken; null where they can. */
  get notTaken() {
    if (!this.judges) return "The judge gave no explanation.";
    if (this.verdict.rightness.value !== "right") return "Only an explanation that you call right can be taken (key R).";
    if (!sameSide(this.options.value ?? 0, this.reveal.strength ?? 0)) return "The judge's explanation is for another choice than yours.";
    return null;
  }

  draw() {
    const { isReview: review, decided } = this;
    const { submit, next, skip } = this.buttons;
    if (!decided && review && this.kept === "judge" && this.notTaken) this.kept = "own";
    const texts = { own: review && !this.ownFits ? "" : this.own, judge: this.judges, edited: this.edited };
    const text = review ? texts[this.kept] : this.own;
    if (this.reason.value !== text) this.reason.value = text;
    this.reason.readOnly = decided || (review && this.kept !== "edited");
    this.reason.placeholder = this.placeholder();
    this.label.textContent = review ? "Why, as it will be kept" : "Your reason";
    this.words.element.hidden = !review;
    this.words.value = this.kept;
    this.words.disable(decided, decided ? null : this.notTaken);
    this.insert.hidden = decided || !review || this.kept !== "edited" || !this.judges || this.verdict.rightness.value === "wrong";
    this.options.disabled = decided;
    this.verdict.rightness.disabled = decided;
    this.verdict.rightness.element.hidden = !review || !this.judges;
    submit.hidden = decided;
    submit.textContent = review ? { own: "Keep mine, go on", judge: "Take the judge's, go on", edited: "Store mine, go on" }[this.kept] : "Store";
    next.hidden = !decided;
    skip.disabled = review || decided;
  }

  placeholder() {
    if (!this.isReview) return "Why? In your own words, naming @Response 1 and @Response 2";
    if (this.kept === "own" && !this.ownFits) return "Your first reason was for another choice: write why you changed it (key E)";
    return this.kept === "own" ? "You gave no reason: write one (key E)" : "Why, in your own words";
  }

  changed() {
    this.problem.textContent = "";
    this.draw();
    this.onchange();
  }

  /** The explanation was called right, partly right or wrong. */
  called() {
    const taken = this.kept === "judge";
    this.changed();
    if (taken && this.kept !== "judge") announce("Your own words are kept");
  }

  typed() {
    if (this.isReview) this.edited = this.reason.value;
    else this.own = this.reason.value;
    this.changed();
  }

  choose(place) {
    this.options.choose(place);
  }

  /** Goes to the field of the reason; after the reveal that is the act of editing. */
  write() {
    if (this.decided) return;
    if (this.isReview) this.take("edited");
    this.reason.focus();
    this.reason.setSelectionRange(this.reason.value.length, this.reason.value.length);
  }

  /** A press into words that are shown is the wish to change them. */
  pointed() {
    if (this.isReview && !this.decided && this.kept !== "edited") this.take("edited");
  }

  /** Keeps one's own words, the judge's, or goes on from those that are shown. */
  take(words) {
    if (!this.isReview || this.decided) return;
    if (words === "judge" && this.notTaken) {
      this.words.value = this.kept;
      this.complain(this.notTaken);
      return;
    }
    if (words === "edited" && this.kept !== "edited" && !this.edited) this.edited = this.reason.value;
    this.kept = words;
    this.changed();
  }

  insertJudges() {
    this.reason.focus();
    // As if typed, so that the browser's own undo takes it out again.
    document.execCommand("insertText", false, this.judges);
  }

  judge(rightness) {
    if (!this.isReview || this.decided || !this.judges) return;
    this.verdict.rightness.value = rightness;
    this.called();
  }

  draft() {
    return {
      strength: this.options.value,
      justification: this.own,
      explanation: this.isReview ? this.verdict.rightness.value : null,
      words: this.isReview ? this.kept : null,
      elaboration: this.isReview ? this.edited : "",
    };
  }

  /** What must still be done before the decision can be sent; null when nothing. */
  missing() {
    if (this.options.value === null) return "Choose one of the seven options first (keys 1 to 7).";
    if (!this.isReview) return null;
    if (this.judges && !this.verdict.rightness.value) return "Say whether the judge's explanation is right (keys R, P, W).";
    const isEmpty = !this.reason.value.trim();
    if (isEmpty && this.kept === "own" && !this.ownFits && this.needsReason) return "Your first reason was for another choice: write why you changed it (key E).";
    if (isEmpty && this.needsReason && !this.canKeepFirst) return "Please say why in a few words (key E).";
    return null;
  }

  get needsReason() {
    return this.reasonWanted && this.options.value !== -100;
  }

  get canKeepFirst() {
    return Boolean(this.own.trim()) && this.ownFits;
  }

  /** Asks what an emptied reason means; resolves to whether to go on. */
  async settle() {
    if (!this.isReview || this.kept !== "edited" || this.edited.trim() || !this.own.trim()) return true;
    const answers = [];
    if (this.canKeepFirst) answers.push(["own", "Keep my first reason"]);
    if (!this.needsReason) answers.push(["none", "Store without a reason"]);
    const answer = await choose("Your reason is empty now. What is kept?", [...answers, ["", "Write on"]]);
    if (answer === "own") this.take("own");
    else if (!answer) this.write();
    return Boolean(answer);
  }

  /** The decision for the server: [which, what]. */
  decision() {
    const strength = this.options.value;
    if (!this.isReview) return ["choose", { choice: { strength, justification: this.own } }];
    const { explanation } = this.draft();
    const elaboration = this.kept === "edited" ? this.edited : "";
    return ["complete", { final: { strength, explanation: this.judges ? explanation : null, words: this.kept, elaboration } }];
  }

  /** Brings what the judge said before the reader. */
  showReveal() {
    this.verdict.bring();
  }

  complain(text) {
    this.problem.textContent = text;
  }
}
