// The person's tasks as this page knows them: those to work on, and those decided.

import { call, insist } from "./api.js";

export class Queue {
  /** @param work from the server: { order, tasks, progress } */
  constructor(projectId, work) {
    this.projectId = projectId;
    this.known = new Map();
    this.order = [];
    this.version = 0;
    this.take(work);
  }

  take({ order, tasks }) {
    for (const entry of tasks) this.known.set(entry.task.assignment_id, entry);
    this.order = order;
  }

  /** Keeps the newest state of a task. */
  keep(entry) {
    this.version += 1;
    this.known.set(entry.task.assignment_id, entry);
    if (["complete", "skipped"].includes(entry.task.state)) {
      this.order = this.order.filter((id) => id !== entry.task.assignment_id);
    } else if (!this.order.includes(entry.task.assignment_id)) {
      this.order.unshift(entry.task.assignment_id);
    }
  }

  /** The task to work on now, if it is here already. */
  get first() {
    return this.known.get(this.order[0]) ?? null;
  }

  /** Asks for what comes after the task on the screen; the server leases it to this person. */
  async refill(onWaiting) {
    const version = (this.version += 1);
    const have = [...this.known.keys()].map((id) => `have=${id}`).join("&");
    const work = await insist("GET", `/api/projects/${this.projectId}/tasks?${have}`, undefined, onWaiting);
    if (version !== this.version) return work; // it was on its way when something was decided
    this.take(work);
    for (const id of this.known.keys()) if (!this.order.includes(id)) this.known.delete(id);
    return work;
  }

  open(id) {
    return call("GET", `/api/tasks/${id}`);
  }

  /** The tasks that were decided, the last one first. */
  async decided(text = "") {
    const { tasks } = await call("GET", `/api/projects/${this.projectId}/mine?text=${encodeURIComponent(text)}`);
    return tasks
      .filter(({ decided_at, state }) => decided_at && ["chosen", "complete", "skipped"].includes(state))
      .sort((one, other) => other.decided_at.localeCompare(one.decided_at));
  }
}
