// How far the person is, in the bar at the top.

import { h } from "./dom.js";

export class Progress {
  constructor(place) {
    this.bar = h("progress", { "aria-label": "Tasks done", max: 1, value: 0 });
    this.done = h("span", {});
    this.pace = h("span.pace", {});
    place.replaceChildren(h("div.progress", {}, this.bar, this.done, this.pace));
  }

  show({ done, available, done_today, per_hour, median_seconds }) {
    this.bar.max = Math.max(done + available, 1);
    this.bar.value = done;
    this.done.textContent = `${done} done, ${available} left`;
    const pace = [`${done_today} today`];
    if (per_hour !== null) pace.push(`${Math.round(per_hour)} an hour`);
    if (median_seconds !== null) pace.push(`${Math.round(median_seconds)} s each`);
    this.pace.textContent = pace.join(" · ");
  }
}
