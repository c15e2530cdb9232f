// The adjudication page: tasks whose annotations lie far apart, and what shall stand for each.

import { call, insist, Refusal } from "./api.js";
import { showThread } from "./comments.js";
import { pick } from "./dialogs.js";
import { allowImages, announce, h, newToken } from "./dom.js";
import { Guidelines } from "./guidelines.js";
import { Highlights } from "./highlights.js";
import { Keys } from "./keys.js";
import { Options } from "./options.js";
import { PairView } from "./pair.js";

export const prepare = (project) => call("GET", `/api/projects/${project.id}/disputes`);

export async function start(place, project, starting) {
  const page = new AdjudicationPage(place, project, await starting);
  await page.open(page.named(new URLSearchParams(location.search).get("task")));
  await page.lookForQuestions();
}

class AdjudicationPage {
  constructor(place, project, { disputes, options, guidelines, load_images: images }) {
    this.project = project;
    allowImages(images);
    this.disputes = disputes;
    this.place = 0;
    this.busy = false;
    this.names = new Map(options.map(({ strength, label }) => [strength, label]));
    this.pair = new PairView((view) => call("GET", `/api/disputes/${this.id}/panels?view=${view}`));
    this.marks = new Highlights(this.pair.places, () => call("GET", `/api/disputes/${this.id}/sources`));
    this.pair.ondraw = () => this.marks.draw();
    this.guidelines = new Guidelines(guidelines, true);
    this.options = new Options(options, () => this.complain(""));
    this.options.legend = "What stands for this task?";
    this.opinions = h("div.opinions", {});
    this.questions = h("button", { onclick: () => this.answer(), title: "What annotators ask about their tasks" }, "Questions");
    this.justification = h("textarea", { rows: 3, maxLength: 20000, dir: "auto", placeholder: "The justification that stands, naming @Response 1 and @Response 2" });
    this.reason = h("input", { type: "text", maxLength: 1000, dir: "auto", placeholder: "Why this decision; kept in the history" });
    this.problem = h("p.alert.problem", { role: "alert" });
    this.count = h("span", {});
    this.keys = new Keys(this.shortcuts());
    this.build(place);
  }

  get id() {
    return this.disputes[this.place].task_id;
  }

  build(place) {
    const field = (label, input) => h("label.field", {}, h("span", {}, label), input);
    const store = h("button.primary", { onclick: () => this.decide(), title: "Enter, or Ctrl+Enter while writing" }, "Store and go on");
    this.page = h(
      "div.task",
      {},
      h("div.work", {}, this.pair.element, this.guidelines.element),
      h(
        "section.decision",
        { "aria-label": "Decision" },
        this.opinions,
        this.options.element,
        h("div.row", {}, field("Justification", this.justification), h("div.field", {}, field("Reason", this.reason), store)),
        this.problem,
      ),
    );
    this.empty = h("div.task", {}, h("div.notice.panel", {}, h("h2", {}, "Nothing to adjudicate"), h("p", {}, "Tasks whose annotations lie more than 2 apart will appear here."), h("a.button", { href: location.href }, "Look again")));
    place.replaceChildren(h("div.review", {}, h("h1.sr", {}, "Adjudicate"), this.page, this.empty));
    document.getElementById("bar-page").replaceChildren(h("div.progress", {}, this.count));
    document
      .getElementById("bar-tools")
      .replaceChildren(this.guidelines.button, this.questions, h("button", { onclick: () => this.keys.help(), title: "Keyboard (?)" }, "?", h("span.sr", {}, "Keyboard")));
  }

  /** Looks what annotators ask; says how many wait. */
  async lookForQuestions() {
    const { questions } = await call("GET", `/api/projects/${this.project.id}/questions`);
    this.questions.textContent = questions.length ? `Questions (${questions.length})` : "Questions";
    return questions;
  }

  async answer() {
    await this.attempt(async () => {
      const lines = (await this.lookForQuestions()).map(({ assignment_id, task_id, excerpt }) => ({ text: `${task_id} · ${excerpt}`, note: "", value: assignment_id }));
      const id = await pick("Questions of annotators", lines);
      if (id) await this.comment(id);
    });
  }

  async comment(id) {
    await this.attempt(() => showThread("Comments", `/api/annotations/${id}/comments`, "adjudicator"));
    await this.lookForQuestions();
  }

  shortcuts() {
    const { pair } = this;
    const places = (prefix) => Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((n) => [prefix + n, () => this.options.choose(n)]));
    const store = () => this.decide();
    return [
      ["1 … 7", "Choose an option, from left to right", places("")],
      ["Alt+1 … Alt+7", "The same while writing", places("Alt+")],
      ["J", "Write the justification; Escape leaves the field", { j: () => this.justification.focus() }],
      ["X", "Write the reason", { x: () => this.reason.focus() }],
      ["Enter", "Store and go on", { Enter: store }],
      ["Ctrl+Enter", "The same while writing", { "Ctrl+Enter": store }],
      ["D", "Show the words that differ", { d: () => pair.show("difference") }],
      ["V", "The texts as they were written", { v: () => pair.show("source") }],
      ["Y", "Scroll both responses together, or not", { y: () => pair.toggleTogether() }],
      ["↓ ↑", "Scroll the responses", { ArrowDown: () => pair.scroll(0.15), ArrowUp: () => pair.scroll(-0.15) }],
      ["C", "Fold the conversation", { c: () => pair.toggleConversation() }],
      ["G", "Guidelines", { g: () => this.guidelines.toggle() }],
      ["← →", "The task before, the task after", { ArrowLeft: () => this.open(this.place - 1), ArrowRight: () => this.open(this.place + 1) }],
      ["?", "This list", { "?": () => this.keys.help() }],
    ];
  }

  /** The place of a task that the address names, else the first. */
  named(id) {
    return Math.max(this.disputes.findIndex(({ task_id }) => String(task_id) === id), 0);
  }

  async open(place) {
    const none = this.disputes.length === 0;
    this.page.hidden = none;
    this.empty.hidden = !none;
    if (none) return;
    if (place < 0 || place >= this.disputes.length) {
      this.complain(place < 0 ? "This is the first one." : "This is the last one. Reload the page to look for more.");
      return;
    }
    this.place = place;
    await this.attempt(async () => this.show(await call("GET", `/api/disputes/${this.id}`)));
  }

  show(dispute) {
    const { panels, opinions, decision, reason, spread } = dispute;
    this.marks.show(opinions.flatMap(({ highlights }, i) => highlights.map((mark) => ({ ...mark, by: i + 1 }))));
    this.pair.set(panels);
    this.opinions.replaceChildren(...opinions.map((opinion, i) => this.opinion(opinion, i + 1)));
    this.options.value = decision?.strength ?? null;
    this.justification.value = decision?.justification ?? "";
    this.reason.value = reason ?? "";
    this.complain("");
    const apart = spread === null ? "some found neither valid" : `${spread} apart`;
    this.count.replaceChildren(this.number(), ` · ${this.place + 1} of ${this.disputes.length} · ${apart}${decision ? " · decided" : ""}`);
    document.activeElement?.blur();
    announce(`Task ${this.place + 1} of ${this.disputes.length}`);
  }

  /** The task's number; for managers a way to all that is known of it. */
  number() {
    const text = `Task ${this.id}`;
    if (!this.project.pages.includes("tasks")) return text;
    return h("a", { href: `/review/tasks?project=${this.project.id}&task=${this.id}`, title: "In the list of tasks" }, text);
  }

  opinion({ strength, statement, elaboration, first_strength, assignment_id }, number) {
    const text = [statement, elaboration].filter(Boolean).join(" ");
    const changed = first_strength === strength ? null : h("span.quiet", {}, `first: ${this.names.get(first_strength)}`);
    const use = h("button", { onclick: () => this.use(strength, elaboration || text) }, "Use");
    const write = h("button", { onclick: () => this.comment(assignment_id), title: "Write to this annotator" }, "Comment");
    return h(
      "article.panel.opinion",
      {},
      h("h3", {}, `${number}. ${this.names.get(strength)}`, use, write),
      changed,
      h("p", { tabIndex: 0, dir: "auto" }, text || "no reason given"),
    );
  }

  /** Begins with the words of one annotator. */
  use(strength, text) {
    this.options.value = strength;
    this.justification.value = text;
    this.justification.focus();
  }

  async decide() {
    const strength = this.options.value;
    if (this.busy) return;
    if (strength === null || !this.reason.value.trim()) {
      this.complain(strength === null ? "Choose one of the seven options first (keys 1 to 7)." : "Please give a reason (key X).");
      return;
    }
    this.busy = true;
    await this.attempt(async () => {
      const decision = { strength, justification: this.justification.value };
      const body = { token: newToken(), decision, reason: this.reason.value };
      await insist("POST", `/api/disputes/${this.id}/decide`, body, (waiting) => this.complain(waiting ? "No connection; trying again" : ""));
      if (this.place + 1 < this.disputes.length) await this.open(this.place + 1);
      else location.reload();
    }).finally(() => (this.busy = false));
  }

  async attempt(action) {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.complain(error.message);
    }
  }

  complain(text) {
    this.problem.textContent = text;
  }
}
