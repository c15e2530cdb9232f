// Spans that are marked as wrong, good or unclear: made from a selection, drawn, listed, changed.

import { announce, h, keyOf } from "./dom.js";
import { askSpan, KINDS } from "./span_dialog.js";
import { Shown, Source } from "./spans.js";

const MOST = 100; // as app/review/highlights.py
const QUOTED = 200;

export class Highlights {
  /**
   * @param places by field: { element: where its text is drawn, foot: where its marks are listed }
   * @param load async function to the texts: { field: { text, digest, map } }
   * @param onchange called when the person marked or changed something; null: only looked at
   */
  constructor(places, load, onchange = null) {
    this.places = places;
    this.load = load;
    this.onchange = onchange;
    this.marks = [];
    this.version = 0;
    this.bar = onchange ? new SelectionBar((kind) => this.markSelected(kind), () => this.open()) : null;
    if (this.bar) this.watch();
  }

  /** Follows the selection, but not while a button of the mouse is down: what appears would be in its way. */
  watch() {
    let pressed = false;
    const plan = (delay) => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => pressed || this.looked(), delay);
    };
    document.addEventListener("pointerdown", () => (pressed = true));
    for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => ((pressed = false), plan(0)));
    document.addEventListener("selectionchange", () => plan(150));
  }

  /** Shows a task's marks; they can be changed unless the task is decided. */
  show(marks, decided = false) {
    this.marks = marks;
    this.decided = decided;
    this.sources = null;
    this.version += 1;
    this.bar?.hide();
    this.draw();
  }

  get value() {
    return this.marks.map(({ by: _, ...mark }) => mark);
  }

  /** The texts, asked for once a task. */
  async texts() {
    const { version } = this;
    if (!this.sources) {
      const { sources } = await this.load();
      if (version !== this.version) return null;
      this.sources = Object.fromEntries(Object.entries(sources).map(([field, source]) => [field, new Source(source)]));
    }
    return this.sources;
  }

  /** Draws the marks where they are seen, and lists them below their text. */
  async draw() {
    this.list();
    const sources = this.marks.length ? await this.texts().catch(() => null) : {};
    if (!sources) return;
    if (this.marks.some((mark) => this.isStale(mark))) this.list();
    if (!globalThis.CSS?.highlights) return;
    const shown = Object.fromEntries(Object.keys(this.places).map((field) => [field, this.shown(field)]));
    const ranges = { wrong: [], good: [], unclear: [] };
    for (const mark of this.marks) {
      const range = this.isStale(mark) ? null : shown[mark.field]?.range(mark.start, mark.end);
      if (range) ranges[mark.kind].push(range);
    }
    for (const [kind, found] of Object.entries(ranges)) CSS.highlights.set(`mark-${kind}`, new globalThis.Highlight(...found));
  }

  list() {
    for (const [field, { foot }] of Object.entries(this.places)) {
      const here = this.marks.filter((mark) => mark.field === field).sort((one, other) => one.start - other.start);
      foot.replaceChildren(...here.map((mark) => this.line(mark)));
      // Without buttons in it, a keyboard scrolls it only where it can be reached itself.
      if (here.length && !foot.querySelector("button")) foot.tabIndex = 0;
      else foot.removeAttribute("tabindex");
    }
  }

  isStale({ field, digest }) {
    return Boolean(this.sources) && this.sources[field]?.digest !== digest;
  }

  /** What is seen of a text now, whichever view it is. */
  shown(field) {
    const element = this.places[field]?.element.querySelector(".text");
    return element && this.sources?.[field] ? new Shown(element, this.sources[field]) : null;
  }

  line(mark) {
    const [name, sign] = KINDS[mark.kind];
    const quote = short(mark.quote);
    const by = mark.by ? `${mark.by}. ` : "";
    const parts = [
      h("span", { "aria-hidden": "true" }, `${by}${sign} `),
      h("span.sr", {}, `${by}${name}: `),
      h("q", { dir: "auto" }, quote),
      mark.note ? h("span", { dir: "auto" }, ` ${mark.note}`) : null,
      this.isStale(mark) ? h("b", {}, " (the text changed)") : null,
    ];
    if (!this.onchange || this.decided) return h(`span.marked.${mark.kind}`, { title: mark.note }, ...parts);
    return h(`button.marked.${mark.kind}`, { type: "button", title: "Change or remove this highlight", onclick: () => this.change(mark) }, ...parts);
  }

  /** The field whose text holds the selection, and the selection; null where there is none. */
  get selected() {
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed || this.decided) return null;
    const range = selection.getRangeAt(0);
    const inside = ({ element }) => element.querySelector(".text")?.contains(range.commonAncestorContainer);
    const field = Object.keys(this.places).find((name) => inside(this.places[name]));
    return field ? { field, range } : null;
  }

  looked() {
    if (document.querySelector("dialog[open]")) return;
    const { selected } = this;
    if (selected && selected.range.toString().trim()) this.bar.show(selected.range);
    else if (!this.bar.element.contains(document.activeElement)) this.bar.hide();
  }

  /** Marks what is selected; where its place in the source is not certain, it is asked for there. */
  async markSelected(kind) {
    const { selected } = this;
    if (!selected) return;
    const { field } = selected;
    const range = selected.range.cloneRange();
    this.bar.hide();
    getSelection().removeAllRanges(); // what is selected from now on is another one
    const sources = await this.texts();
    if (!sources) return;
    const span = this.shown(field)?.span(range);
    if (!span) {
      await this.open({ field, kind }, "What you selected is written otherwise in the text as it was given, so please select it there.");
      return;
    }
    const wrong = this.problem({ field, start: span[0], end: span[1] });
    if (wrong) {
      getSelection().addRange(range);
      this.bar.show(range);
      this.bar.complain(wrong);
    } else this.add({ field, start: span[0], end: span[1], kind, note: "" });
  }

  /** Begins a mark: with what is selected, else in the text as it was written. */
  async start(field = null) {
    if (this.decided) return;
    const { selected } = this;
    if (selected && !field) {
      this.bar.show(selected.range); // at once: a fast hand's next key must reach it
      this.bar.focus();
    } else await this.open({ field: field ?? this.focusedField() });
  }

  focusedField() {
    const at = document.activeElement;
    return Object.keys(this.places).find((field) => this.places[field].element.contains(at)) ?? "response_1";
  }

  async open(mark = { field: this.selected?.field ?? this.focusedField() }, about = "") {
    const sources = await this.texts();
    if (!sources) return;
    const field = sources[mark.field] ? mark.field : Object.keys(sources)[0];
    this.bar.hide();
    const said = await askSpan(sources, { ...mark, field }, (found) => this.problem(found), about);
    if (said) this.add(said);
  }

  async change(mark) {
    const sources = await this.texts();
    if (!sources) return;
    const stale = this.isStale(mark);
    const about = stale ? `The text changed since you highlighted “${short(mark.quote)}”: select the part anew, or remove the highlight.` : "";
    const field = sources[mark.field] ? mark.field : Object.keys(sources)[0];
    const begin = stale ? { ...mark, field, start: 0, end: 0 } : mark;
    const said = await askSpan(sources, begin, (found) => this.problem(found, mark), about);
    if (!said) return;
    this.marks = this.marks.filter((each) => each !== mark);
    if (said === "remove") this.changed("The highlight is removed");
    else this.add(said);
  }

  add({ field, start, end, kind, note }) {
    const source = this.sources[field];
    const quote = source.points.slice(start, Math.min(end, start + QUOTED)).join("").replaceAll("\0", "");
    this.marks = [...this.marks, { field, start, end, kind, note, quote, digest: source.digest }];
    this.changed(`${KINDS[kind][0]}: ${short(quote)}`);
  }

  /** Why a span cannot be marked, in one sentence; null where it can. */
  problem({ field, start, end }, instead = null) {
    const others = this.marks.filter((mark) => mark !== instead);
    if (others.length >= MOST) return `A task takes ${MOST} highlights; remove one first.`;
    const hit = others.find((mark) => mark.field === field && !this.isStale(mark) && mark.start < end && start < mark.end);
    return hit ? `This overlaps with “${short(hit.quote)}”, which is highlighted already: change or remove that first.` : null;
  }

  changed(text) {
    announce(text);
    this.draw();
    this.onchange();
  }
}

export const markButton = (onclick) =>
  h("button", { type: "button", onclick, title: "Highlight a part as wrong, good or unclear: select it, or press H" }, h("kbd", {}, "H"), h("span", {}, "Highlight"));

/** A few buttons beside what is selected. */
class SelectionBar {
  constructor(onmark, onopen) {
    const button = (kind) => {
      const [name, sign] = KINDS[kind];
      return h(`button.marked.${kind}`, { type: "button", onclick: () => onmark(kind), title: `Key ${name[0]}` }, `${sign} ${name}`);
    };
    this.keys = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind[0], () => onmark(kind)]));
    this.said = h("p.alert.problem", { role: "alert" });
    const buttons = [...Object.keys(KINDS).map(button), h("button", { type: "button", onclick: onopen, title: "With a note, or in the text as it was written" }, "…", h("span.sr", {}, "With a note, or in the text as it was written"))];
    this.element = h("div.review.marker", { role: "toolbar", "aria-label": "Highlight what is selected", hidden: true }, ...buttons, this.said);
    // A press on a button must not take the selection away.
    this.element.addEventListener("pointerdown", (event) => event.preventDefault());
    this.element.addEventListener("keydown", (event) => this.pressed(event));
    document.body.append(this.element);
  }

  /** Below what is selected, where a telephone's own menu does not lie over it. */
  show(range) {
    if (!this.element.hidden && isSame(range, this.range)) return; // what it says stays
    this.said.textContent = "";
    this.element.hidden = false;
    this.range = range.cloneRange();
    const { left, right, top, bottom } = range.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const below = Math.min(bottom, innerHeight) + 8;
    const y = below + height < innerHeight ? below : Math.max(top - height - 8, 8);
    this.element.style.left = `${Math.min(Math.max((left + right - width) / 2, 8), innerWidth - width - 8)}px`;
    this.element.style.top = `${Math.min(y, innerHeight - height - 8)}px`;
  }

  hide() {
    this.said.textContent = "";
    // A browser takes the focus from what is hidden only when it draws: a fast hand's next key is the page's.
    if (this.element.contains(document.activeElement)) document.activeElement.blur();
    this.element.hidden = true;
  }

  focus() {
    this.element.querySelector("button").focus();
  }

  pressed(event) {
    if (event.key === "Tab" || event.key === "Enter" || event.key === " ") return;
    event.stopPropagation();
    if (event.key === "Escape") {
      getSelection().removeAllRanges();
      this.hide();
    }
    this.keys[keyOf(event)]?.();
  }

  complain(text) {
    this.said.textContent = text;
  }
}

function isSame(one, other) {
  return one.compareBoundaryPoints(Range.START_TO_START, other) === 0 && one.compareBoundaryPoints(Range.END_TO_END, other) === 0;
}

function short(text) {
  const words = text.split(/\s+/).join(" ").trim();
  const points = Array.from(words);
  return points.length > 60 ? `${points.slice(0, 59).join("")}…` : words;
}
