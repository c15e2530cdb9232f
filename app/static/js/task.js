// The task page: one task after another, by keyboard, blind until the choice is stored.

import { call, insist, Refusal } from "./api.js";
import { askReason, pick } from "./dialogs.js";
import { allowImages, announce, h, newToken } from "./dom.js";
import { showThread } from "./comments.js";
import { Drafts } from "./drafts.js";
import { Fields } from "./fields.js";
import { Highlights, markButton } from "./highlights.js";
import { Guidelines } from "./guidelines.js";
import { Keys } from "./keys.js";
import { PairView } from "./pair.js";
import { PracticeFeedback, standingOf } from "./practice.js";
import { Progress } from "./progress.js";
import { Queue } from "./queue.js";
import { RatingFields } from "./ratings.js";
import { shortcuts } from "./shortcuts.js";

const SKIP = ["I know too little about it", "I do not read this language", "I cannot make sense of it", "I would rather not read it"];
const FLAG = ["The request makes no sense", "A text is damaged", "It holds personal data", "It does not belong in this project"];

export const prepare = (project) => call("GET", `/api/projects/${project.id}/annotating`);

export async function start(place, project, starting) {
  const page = new TaskPage(place, project, await starting);
  await page.next();
}

class TaskPage {
  constructor(place, project, started) {
    this.project = project;
    allowImages(started.load_images);
    this.queue = new Queue(project.id, started);
    this.busy = false;
    this.entry = null;
    this.drafts = new Drafts((state, text) => this.showSaving(state, text));
    const Kind = started.kind === "attributes" ? RatingFields : Fields;
    const changed = () => this.drafts.changed({ ...this.fields.draft(), highlights: this.marks.value });
    this.fields = new Kind(started, changed, {
      submit: () => this.submit(),
      skip: () => this.skip(),
      flag: () => this.flag(),
      undo: () => this.undo(),
      next: () => this.next(),
    });
    this.pair = new PairView((view) => call("GET", `/api/tasks/${this.id}/panels?view=${view}`));
    this.pair.alone = started.responses === "each";
    const places = { ...this.pair.places, ...this.fields.verdict.places };
    this.marks = new Highlights(places, () => call("GET", `/api/tasks/${this.id}/sources`), changed);
    this.pair.ondraw = () => this.marks.draw();
    this.guidelines = new Guidelines(started.guidelines);
    this.feedback = new PracticeFeedback(started.options);
    this.progress = new Progress(document.getElementById("bar-page"));
    this.keys = new Keys(shortcuts(this));
    this.tabs = new BroadcastChannel("review.decided"); // this person's other tabs
    this.tabs.onmessage = ({ data }) => this.decidedElsewhere(data);
    this.build(place);
    this.showProgress(started.progress);
  }

  get id() {
    return this.entry?.task.assignment_id;
  }

  build(place) {
    this.saving = h("span", {});
    this.note = h("span", {});
    const beside = h("div.beside", {}, this.feedback.element, this.guidelines.element, this.fields.verdict.element, this.fields.element);
    this.page = h(
      "div.task.annotate",
      {},
      this.pair.element,
      this.fields.options.element,
      beside,
      h("div.status", {}, this.note, this.saving),
    );
    this.emptyNote = h("p", {});
    this.comments = h("button", { onclick: () => this.comment(), title: "Ask an adjudicator about this task" }, "Comments");
    this.empty = h(
      "div.notice.panel",
      { tabIndex: -1 },
      h("h2", {}, "No task is left for you"),
      this.emptyNote,
      h("div", {}, h("button", { onclick: () => this.next() }, "Look again"), " ", h("button", { onclick: () => this.undo() }, "Undo")),
    );
    this.pair.heads.forEach((head, i) => head.append(markButton(() => this.marks.start(`response_${i + 1}`))));
    this.fields.verdict.head?.append(markButton(() => this.marks.start("explanation")));
    place.replaceChildren(h("div.review", {}, h("h1.sr", {}, "Annotate"), this.page, h("div.task", {}, this.empty)));
    document
      .getElementById("bar-tools")
      .replaceChildren(
        h("button", { onclick: () => this.step(1), title: "The task before (key ←)" }, "‹", h("span.sr", {}, "The task before")),
        h("button", { onclick: () => this.list(), title: "My tasks (key L)" }, "List"),
        h("button", { onclick: () => this.step(-1), title: "The task after (key →)" }, "›", h("span.sr", {}, "The task after")),
        this.guidelines.button,
        this.comments,
        h("button", { onclick: () => this.keys.help(), title: "Keyboard (?)" }, "?", h("span.sr", {}, "Keyboard")),
      );
  }

  /** Shows the next task to work on, at once where it is here already. */
  async next() {
    await this.leave();
    if (!this.queue.first) await this.attempt(() => this.refill());
    this.show(this.queue.first);
    if (this.queue.order.length < 2) this.refill().catch(() => {});
  }

  async refill() {
    const { progress } = await this.queue.refill((waiting) => this.showWaiting(waiting));
    this.showProgress(progress);
    if (!this.entry && this.queue.first) this.show(this.queue.first);
  }

  show(entry) {
    this.entry = entry;
    this.page.hidden = !entry;
    this.empty.parentElement.hidden = Boolean(entry);
    if (!entry) {
      announce("No task is left for you");
      return;
    }
    const { task } = entry;
    const open = !["complete", "skipped"].includes(task.state);
    const unsent = open ? this.drafts.open(this.id, task.draft, JSON.stringify(task.panels)) : null;
    this.marks.show([]); // those of the task before are not this one's
    this.pair.set(task.panels);
    this.showFields(entry, unsent ?? task.draft);
    this.showSaving("", unsent || (task.draft && task.state === "open") ? "Draft restored" : "");
    this.showNote(task);
    document.activeElement?.blur();
    announce({ open: "Next task", chosen: "Stored; the judge is shown" }[task.state] ?? `Task ${task.state}`);
    performance.mark("review:shown");
    if (open) this.begin(entry);
  }

  async begin(entry) {
    const { assignment_id: id, state, has_judge, blind } = entry.task;
    await call("POST", `/api/tasks/${id}/begin`).catch(() => {});
    // Also where the page went away between the choice and the answer.
    if (has_judge && !entry.reveal && (!blind || state === "chosen")) {
      const { reveal } = await insist("POST", `/api/tasks/${id}/reveal`, undefined, (w) => this.showWaiting(w));
      entry.reveal = reveal;
      if (this.id === id) this.showFields(entry, this.drafts.unsaved ?? this.drafts.saved ?? entry.task.draft);
    }
  }

  showFields(entry, draft) {
    this.fields.show(entry, draft);
    this.guidelines.aside = Boolean(entry.reveal);
    this.feedback.show(entry.task);
    const { highlights } = entry.task;
    this.marks.show(this.fields.decided ? highlights : draft?.highlights ?? highlights, this.fields.decided);
  }

  /** Leaves the task on the screen with all that was written in it. */
  async leave() {
    if (!this.entry) return;
    await this.drafts.flush();
    this.entry.task.draft = this.drafts.saved ?? this.entry.task.draft;
  }

  async submit() {
    if (this.busy || !this.entry) return;
    if (this.fields.decided) {
      await this.next();
      return;
    }
    const problem = this.fields.missing();
    if (problem) {
      this.fields.complain(problem);
      return;
    }
    if (!(await this.fields.settle())) return;
    const [path, said] = this.fields.decision();
    for (const decision of Object.values(said)) decision.highlights = this.marks.value;
    await this.decide(`/api/tasks/${this.id}/${path}`, said);
  }

  async skip() {
    if (this.busy || this.fields.decided || this.fields.stage === "review") return;
    const reason = await askReason("Why do you skip this task?", SKIP, "Skip");
    if (reason) await this.decide(`/api/tasks/${this.id}/skip`, { reason });
  }

  async flag() {
    if (this.busy || !this.entry) return;
    const reason = await askReason("What is wrong with this task?", FLAG, "Flag");
    if (reason) await this.decide(`/api/tasks/${this.id}/flag`, { reason }, true);
  }

  async undo() {
    await this.leave();
    await this.decide(`/api/projects/${this.project.id}/undo`, {}, true);
  }

  /** Sends a decision until it is acknowledged, then goes where it leads. */
  async decide(path, said, stay = false) {
    if (this.busy) return;
    this.busy = true;
    performance.mark("review:submitted");
    const { id } = this;
    const deciding = this.attempt(async () => {
      const body = { ...said, token: newToken() };
      const { progress, ...entry } = await insist("POST", path, body, (waiting) => this.showWaiting(waiting, true));
      this.queue.keep(entry);
      this.tabs.postMessage(entry.task.assignment_id);
      this.showProgress(progress);
      this.refill().catch(() => {});
      if (!stay && entry.task.state !== "chosen" && !entry.task.feedback) {
        this.drafts.close();
        this.show(this.queue.first);
      } else if (entry.task.assignment_id === id && entry.task.state === this.entry.task.state) {
        this.entry.task.flag = entry.task.flag; // what is being written stays
        this.showNote(entry.task);
      } else {
        if (entry.task.assignment_id === id) this.drafts.close();
        this.show(entry);
        if (entry.task.state === "chosen") this.fields.showReveal();
      }
    }).finally(() => (this.busy = false));
    await (stay ? deciding : this.keys.during(deciding));
  }

  /** Goes on where another tab of this person has left the task. */
  async decidedElsewhere(id) {
    if (this.busy || id !== this.id) return;
    const before = this.entry.task.state;
    const { progress, ...entry } = await this.queue.open(id);
    if (this.id !== id || entry.task.state === before) return;
    this.queue.keep(entry);
    this.showProgress(progress);
    this.drafts.close();
    this.show(entry);
    this.showSaving("", "Stored in another tab");
  }

  /** Does something that the server may refuse, and says so where it does. */
  async attempt(action) {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 409 && this.id) {
        const { state } = (await this.queue.open(this.id)).task;
        // "returned" is no decision of theirs: others took the place, as the message says.
        if (state !== this.entry.task.state && state !== "returned") {
          this.busy = false;
          await this.decidedElsewhere(this.id);
          return;
        }
      }
      this.fields.complain(
        error.status === 401 ? "You are signed out. Sign in again in another tab; what you wrote stays here." : error.message,
      );
    }
  }

  /** Goes to the decided task before (1) or after (-1) the one on the screen. */
  async step(way) {
    await this.attempt(async () => {
      const decided = await this.queue.decided();
      const place = decided.findIndex(({ assignment_id }) => assignment_id === this.id) + way;
      if (place < 0) await this.next();
      else if (decided[place]) await this.open(decided[place].assignment_id);
    });
  }

  async list() {
    await this.attempt(async () => {
      const find = async (text) =>
        (await this.queue.decided(text)).map(({ assignment_id, number, excerpt, state, flagged, answered }) => ({
          text: `${number} · ${excerpt || "…"}`,
          note: state + (flagged ? ", flagged" : "") + (answered ? ", answered" : ""),
          value: assignment_id,
        }));
      const id = await pick("My tasks", await find(""), find);
      if (id) await this.open(id);
    });
  }

  async open(id) {
    await this.leave();
    const { progress, ...entry } = await this.queue.open(id);
    this.showProgress(progress);
    this.show(entry);
  }

  /** Asks an adjudicator about the task on the screen, or reads the answer. */
  async comment() {
    if (!this.entry) return;
    const { assignment_id: id, number } = this.entry.task;
    await this.attempt(() => showThread(`Comments on task ${number}`, `/api/tasks/${id}/comments`, "annotator"));
    this.refill().catch(() => {});
  }

  showProgress(progress) {
    this.progress.show(progress);
    const { answers } = progress;
    this.comments.textContent = answers ? `Comments (${answers} new)` : "Comments";
    this.comments.title = answers ? "Answered: the list of your tasks says which" : "Ask an adjudicator about this task";
    const { quota, quota_left, passing } = progress;
    this.feedback.passing = passing;
    this.emptyNote.textContent =
      passing?.state === "waiting" ? `Practice: ${standingOf(passing)}` : quota_left === 0 ? `You have all tasks of this project that were meant for you: ${quota}. Thank you.` : "Tasks that others hand back will appear here.";
    this.fields.buttons.undo.disabled = progress.can_undo === 0;
  }

  showSaving(state, text) {
    const texts = { saving: "…", saved: `Draft saved ${text}`, failed: `Not saved (${text}); trying again`, refused: `Not saved: ${text}` };
    this.saving.textContent = texts[state] ?? text;
    this.saving.classList.toggle("bad", ["failed", "refused"].includes(state));
  }

  showNote({ number, flag, reason, state, blind, has_judge, practice }) {
    const parts = [
      `Task ${number}`,
      practice && state === "open" ? "Practice: it does not count, and the answer is shown after your choice." : "",
      flag ? `Flagged: ${flag}` : "",
      state === "skipped" ? `Skipped: ${reason}` : "",
      state === "complete" && !practice ? "Stored. Undo (U) takes the last decisions back, newest first." : "",
      has_judge && state === "open" ? (blind ? "The judge is shown after your choice." : "This project is not blind.") : "",
    ];
    this.note.textContent = parts.filter(Boolean).join(" · ");
  }

  /** @param storing whether a decision waits: then it is said where the person is looking */
  showWaiting(waiting, storing = false) {
    if (storing) this.fields.complain(waiting ? "Not stored yet: the server is away. It is tried again and again; leave this page open." : "");
    if (waiting) this.showSaving("failed", "no connection");
    else if (this.saving.textContent.includes("no connection")) this.showSaving("", "");
  }
}
