// What is being written: on the server within two seconds, meanwhile in this browser's storage.

import { call, Refusal } from "./api.js";

const QUIET = 400; // ms after the last change
const LONGEST = 1200; // ms after the first unsaved change
const RETRY = 1000;

export class Drafts {
  /** @param onStatus called with ("saved"|"saving"|"failed"|"refused", text) */
  constructor(onStatus) {
    this.onStatus = onStatus;
    this.id = null;
    this.sequence = 0;
    this.unsaved = null;
    this.sending = null;
    this.timer = null;
    addEventListener("pagehide", () => this.lastChance());
    document.addEventListener("visibilitychange", () => document.hidden && this.lastChance());
  }

  /** Begins with a task; returns what was written in this browser and did not reach the server. */
  open(id, stored, about) {
    this.id = id;
    this.key = `review.draft.${id}.${digest(about)}`;
    this.sequence = stored?.sequence ?? 0;
    this.unsaved = null;
    this.saved = null; // what the server was given since
    this.first = null;
    clearTimeout(this.timer);
    const kept = JSON.parse(localStorage.getItem(this.key) ?? "null");
    if (!kept || kept.sequence <= this.sequence) {
      localStorage.removeItem(this.key);
      return null;
    }
    const { statement: _, ...fields } = kept; // a field of the version before
    this.changed(fields);
    return fields;
  }

  /** Notes that the fields hold this now. */
  changed(fields) {
    this.unsaved = { ...fields, sequence: ++this.sequence };
    localStorage.setItem(this.key, JSON.stringify(this.unsaved));
    this.first ??= performance.now();
    this.onStatus("saving", "");
    this.plan(Math.min(QUIET, this.first + LONGEST - performance.now()));
  }

  plan(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), Math.max(delay, 0));
  }

  /** Sends what is unsaved; resolves when it is stored or cannot be. */
  async flush() {
    clearTimeout(this.timer);
    await this.sending;
    if (!this.unsaved) return;
    const { id, unsaved } = this;
    this.first = null;
    this.sending = call("PUT", `/api/tasks/${id}/draft`, unsaved)
      .then((answer) => this.stored(id, answer))
      .catch((error) => this.failed(id, error));
    await this.sending;
  }

  stored(id, { sequence, saved }) {
    if (id !== this.id) return;
    if (this.unsaved?.sequence === sequence) {
      this.saved = this.unsaved;
      this.unsaved = null;
      localStorage.removeItem(this.key);
      this.onStatus("saved", new Date(saved).toLocaleTimeString());
    }
  }

  failed(id, error) {
    if (id !== this.id) return;
    if (error instanceof Refusal && error.status !== 401 && error.status < 500) {
      this.onStatus("refused", error.message);
      return;
    }
    this.onStatus("failed", error.message);
    this.plan(RETRY);
  }

  /** Forgets the task: its decision is stored. */
  close() {
    clearTimeout(this.timer);
    localStorage.removeItem(this.key);
    this.unsaved = null;
  }

  lastChance() {
    if (this.unsaved) call("PUT", `/api/tasks/${this.id}/draft`, this.unsaved, true).catch(() => {});
  }
}

/** Another database at the same address numbers its tasks alike: the texts tell them apart. */
function digest(text) {
  let sum = 5381;
  for (let i = 0; i < text.length; i += 1) sum = (sum * 33 + text.charCodeAt(i)) | 0;
  return (sum >>> 0).toString(36);
}
