// HelpSteer2's five attributes of each response, 0 to 4, in place of the seven options.

import { decisionButtons } from "./buttons.js";
import { announce, h } from "./dom.js";

const VALUES = [0, 1, 2, 3, 4];

/** The same to the task page as Fields: where a task stands, what is decided, what is missing. */
export class RatingFields {
  /**
   * @param started from the server: { attributes: [{ name, meaning, anchors }], responses }
   * @param actions functions of the buttons: submit, skip, flag, undo, next
   */
  constructor({ attributes, responses }, onchange, actions) {
    this.attributes = attributes;
    this.sides = responses === "each" ? ["response_1"] : ["response_1", "response_2"];
    this.onchange = onchange;
    this.cells = this.sides.flatMap((side, place) => attributes.map((attribute) => new Cell(side, place, attribute, this.sides.length, this)));
    this.meaning = h("p.meaning", { "aria-live": "polite" });
    this.verdict = new Values(attributes);
    this.label = h("label", { htmlFor: "reason" }, "Remark (not required)");
    this.reason = h("textarea", { id: "reason", rows: 2, maxLength: 20000, dir: "auto", oninput: () => this.changed() });
    this.problem = h("p.alert.problem", { role: "alert" });
    this.title = h("h2.sr", {}, "Ratings");
    this.buttons = decisionButtons(actions);
    this.build();
  }

  build() {
    const { submit, next, skip, flag, undo } = this.buttons;
    const columns = this.sides.map((side, place) =>
      h("section.ratings", { "aria-label": `Ratings of response ${place + 1}` }, h("h3", { "aria-hidden": "true" }, `Response ${place + 1}`), ...this.cells.filter((cell) => cell.side === side).map((cell) => cell.element)),
    );
    // Beneath the responses; the page puts it where the seven options are elsewhere.
    this.options = { element: h("div.options.rating", {}, this.title, h("div.columns", {}, ...columns), this.meaning) };
    this.element = h(
      "section.decision",
      { "aria-label": "Decision" },
      h("div.kept", {}, this.label),
      this.reason,
      this.problem,
      h("div.actions", {}, submit, next, skip, flag, undo),
    );
  }

  show({ task, reveal }, draft) {
    const { ratings, final_ratings: again, remark, state } = task;
    this.stage = state === "chosen" || (state === "complete" && again) ? "review" : "choose";
    this.decided = ["complete", "skipped"].includes(state);
    this.problem.textContent = "";
    const said = this.decided ? again ?? ratings : draft?.ratings ?? ratings;
    for (const cell of this.cells) {
      cell.value = said?.[cell.side]?.[cell.attribute.name] ?? null;
      cell.first = this.isReview ? ratings?.[cell.side]?.[cell.attribute.name] ?? null : null;
      cell.disabled = this.decided;
    }
    this.reason.value = this.decided ? remark : draft?.justification || remark;
    this.reason.readOnly = this.decided;
    this.verdict.show(task, reveal);
    this.at = this.cells.find((cell) => cell.value === null) ?? this.cells[0];
    this.draw();
  }

  get isReview() {
    return this.stage === "review";
  }

  /** Whether anything is other than before the reveal. */
  get isChanged() {
    return this.cells.some(({ value, first }) => value !== first);
  }

  draw() {
    const { submit, next, skip } = this.buttons;
    submit.hidden = this.decided;
    submit.textContent = this.isReview ? (this.isChanged ? "Store the change, go on" : "Keep mine, go on") : "Store";
    next.hidden = !this.decided;
    skip.disabled = this.isReview || this.decided;
    for (const cell of this.cells) cell.element.classList.toggle("at", cell === this.at && !this.decided);
    const { name, meaning, anchors } = this.at.attribute;
    const value = this.at.value;
    this.meaning.replaceChildren(
      h("b", {}, capital(name)),
      `: ${meaning}. `,
      ...VALUES.flatMap((n) => [h(n === value ? "b.anchor" : "span.anchor", {}, h("kbd", {}, String(n)), ` ${anchors[n]}`), " "]),
    );
  }

  changed() {
    this.problem.textContent = "";
    this.draw();
    this.onchange();
  }

  /** A cell was rated by mouse, or by the keys of its own radio buttons. */
  rated(cell) {
    this.at = cell;
    this.changed();
  }

  focused(cell) {
    this.at = cell;
    this.draw();
  }

  /** Rates where one is, and goes on to the next. */
  rate(value) {
    if (this.decided) return;
    const place = this.cells.indexOf(this.at);
    this.at.value = value;
    const { side, attribute } = this.at;
    this.at = this.cells[Math.min(place + 1, this.cells.length - 1)];
    this.changed();
    const number = this.sides.length > 1 ? ` of response ${this.sides.indexOf(side) + 1}` : "";
    announce(`${attribute.name}${number} ${value}; now ${this.at.attribute.name}`);
  }

  /** Goes to the attribute before (-1) or after (1). */
  move(way) {
    const place = this.cells.indexOf(this.at) + way;
    if (this.cells[place]) this.focused(this.cells[place]);
  }

  choose() {}

  write() {
    if (!this.decided) this.reason.focus();
  }

  judge() {}

  take() {}

  settle() {
    return true;
  }

  ratings(whole) {
    const found = Object.fromEntries(this.sides.map((side) => [side, {}]));
    for (const { side, attribute, value } of this.cells) if (value !== null) found[side][attribute.name] = value;
    return whole && this.sides.length === 1 ? { response_1: found.response_1, response_2: null } : found;
  }

  draft() {
    return { justification: this.reason.value, ratings: this.ratings() };
  }

  missing() {
    const open = this.cells.find((cell) => cell.value === null);
    if (!open) return null;
    this.focused(open);
    const of = this.sides.length > 1 ? ` of response ${this.sides.indexOf(open.side) + 1}` : "";
    return `Rate the ${open.attribute.name}${of} first (keys 0 to 4).`;
  }

  decision() {
    const said = { ratings: this.ratings(true), justification: this.reason.value };
    return this.isReview ? ["complete", { final: said }] : ["choose", { choice: said }];
  }

  showReveal() {
    this.verdict.bring();
  }

  complain(text) {
    this.problem.textContent = text;
  }
}

/** One attribute of one response: five radio buttons. */
class Cell {
  constructor(side, place, attribute, sides, fields) {
    this.side = side;
    this.attribute = attribute;
    const of = sides > 1 ? ` of response ${place + 1}` : "";
    this.inputs = VALUES.map((value) =>
      h("input", {
        type: "radio",
        name: `${side}.${attribute.name}`,
        value: String(value),
        "aria-label": `${value}: ${attribute.anchors[value]}`,
        onchange: () => fields.rated(this),
        onfocus: () => fields.focused(this),
      }),
    );
    this.labels = this.inputs.map((input, value) => h("label", { title: attribute.anchors[value] }, input, h("span", { "aria-hidden": "true" }, String(value))));
    this.element = h("div.cell", { role: "radiogroup", "aria-label": `${capital(attribute.name)}${of}` }, h("span.name", { title: attribute.meaning }, capital(attribute.name)), ...this.labels);
    this.first = null;
  }

  get value() {
    const place = this.inputs.findIndex((input) => input.checked);
    return place < 0 ? null : place;
  }

  set value(wanted) {
    this.inputs.forEach((input, value) => (input.checked = value === wanted));
  }

  /** What was rated before the reveal, marked. */
  set first(value) {
    this.was = value;
    this.labels.forEach((label, place) => label.classList.toggle("was", place === value));
  }

  get first() {
    return this.was;
  }

  set disabled(value) {
    for (const input of this.inputs) input.disabled = value;
  }
}

/** What regression models said, attribute by attribute, once it may be shown. */
class Values {
  constructor(attributes) {
    this.attributes = attributes;
    this.waiting = h("p.quiet.waiting", {}, "Shown here once your own ratings are stored.");
    this.body = h("div.scroll.values", { tabIndex: 0, role: "region", "aria-label": "The models' values" });
    this.element = h("section.panel.verdict", { "aria-label": "The models", tabIndex: -1 }, h("h2", {}, "The regression model says"), this.waiting, this.body);
  }

  show({ has_judge, panels }, reveal) {
    this.element.hidden = !has_judge && !reveal;
    this.element.classList.toggle("revealed", Boolean(reveal));
    this.waiting.hidden = Boolean(reveal);
    this.body.hidden = !reveal;
    if (!reveal) {
      this.body.replaceChildren();
      return;
    }
    const models = Object.entries(reveal.attributes);
    const both = Boolean(panels.response_2);
    this.body.replaceChildren(
      ...(models.length ? models.map(([name, values]) => this.table(name, values, both)) : [h("p.quiet", {}, "No model rated the five attributes.")]),
    );
  }

  table(model, values, both) {
    const head = h("tr", {}, h("th", { dir: "auto" }, model), h("th", {}, both ? "Response 1" : "Value"), both ? h("th", {}, "Response 2") : null);
    const rows = this.attributes.map(({ name }) => {
      const found = values[name] ?? [];
      return h("tr", {}, h("th", { scope: "row" }, capital(name)), ...found.slice(0, both ? 2 : 1).map((value) => h("td.statement", {}, value.toFixed(1), bar(value))));
    });
    return h("table.models", {}, h("thead", {}, head), h("tbody", {}, ...rows));
  }

  bring() {
    this.element.focus({ preventScroll: true });
    const { top, bottom } = this.element.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) this.element.scrollIntoView({ block: "start" });
  }
}

function bar(value) {
  const fill = h("span.fill", {});
  fill.style.inlineSize = `${Math.min(Math.max(value / 4, 0), 1) * 100}%`;
  return h("span.track", { "aria-hidden": "true" }, fill);
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
