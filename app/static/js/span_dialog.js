// Marks a span in the text as it was written: exact in every view, by keyboard, mouse and touch.

import { open } from "./dialogs.js";
import { h, keyOf } from "./dom.js";

export const KINDS = { wrong: ["Wrong", "✗"], good: ["Good", "✓"], unclear: ["Unclear", "?"] };
export const NAMES = { response_1: "Response 1", response_2: "Response 2", explanation: "The judge's explanation" };

/**
 * Asks for a span, its kind and a note; resolves to { field, start, end, kind, note }, to "remove",
 * or to null.
 *
 * @param sources Source by field
 * @param mark what to begin with: { field, start, end, kind, note }; no start: nothing is selected
 * @param check function of what was chosen: why it cannot be, or null
 * @param about a sentence above the text
 */
export function askSpan(sources, mark, check, about = "") {
  return new Promise((resolve) => {
    const parts = new Parts(sources, mark);
    const isNew = mark.start === undefined || mark.isNew;
    const problem = h("p.alert.problem", { role: "alert" });
    let found = null;
    const form = h(
      "form",
      { method: "dialog" },
      about ? h("p", {}, about) : null,
      h("p.quiet", {}, "Select in the text as it was written: with the mouse, by touch, or with Shift and the arrow keys."),
      parts.element,
      problem,
      h(
        "div.buttons",
        {},
        isNew ? null : h("button", { value: "remove" }, "Remove the highlight"),
        h("button", { value: "" }, "Cancel"),
        h("button.primary", { value: "yes" }, isNew ? "Highlight it" : "Save"),
      ),
    );
    form.addEventListener("submit", (event) => {
      if ((event.submitter?.value ?? "yes") !== "yes") return;
      found = parts.value;
      const wrong = found ? check(found) : "Select the part that you want to highlight first.";
      if (!wrong) return;
      event.preventDefault();
      problem.textContent = wrong;
      found = null;
    });
    const title = isNew ? "Highlight a part of a text" : "A highlighted part";
    const dialog = h("dialog.review.spans", { "aria-label": title }, h("h2", {}, title), form);
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.target.closest("button")) {
        event.preventDefault();
        form.requestSubmit(form.querySelector("button.primary"));
      }
    });
    open(dialog, () => resolve(dialog.returnValue === "remove" ? "remove" : found));
    parts.begin();
  });
}

/** The fields of the dialog. */
class Parts {
  constructor(sources, mark) {
    this.sources = sources;
    this.mark = mark;
    this.area = h("textarea.source", { rows: 9, dir: "auto", inputMode: "none", "aria-readonly": "true", "aria-label": "The text as it was written" });
    // Not readonly: then browsers show no cursor, and nobody sees where one is.
    this.area.addEventListener("beforeinput", (event) => event.preventDefault());
    this.area.addEventListener("input", () => (this.area.value = this.source.field)); // by an input method
    this.area.addEventListener("keydown", (event) => this.pressed(event));
    this.note = h("input", { type: "text", maxLength: 1000, dir: "auto", value: mark.note ?? "" });
    this.fields = radios("field", Object.keys(sources).map((name) => [name, NAMES[name]]), mark.field, () => this.show());
    this.kinds = radios("kind", Object.entries(KINDS).map(([kind, [text, sign]]) => [kind, `${sign} ${text}`]), mark.kind ?? "wrong");
    this.element = h(
      "div.spanning",
      {},
      this.fields.element,
      this.area,
      this.kinds.element,
      h("label.note", {}, "Note, if there is something to say", this.note),
    );
    this.fields.element.hidden = Object.keys(sources).length < 2;
  }

  show() {
    this.source = this.sources[this.fields.value];
    this.area.value = this.source.field;
  }

  begin() {
    this.show();
    this.area.focus();
    const { start, end } = this.mark;
    const [from, to] = start === undefined ? [0, 0] : this.source.toField(start, end);
    this.area.setSelectionRange(from, to);
    // Browsers scroll to a selection only when something is typed there.
    const line = this.area.value.slice(0, from).length / Math.max(this.area.value.length, 1);
    this.area.scrollTop = Math.max(line * this.area.scrollHeight - this.area.clientHeight / 2, 0);
  }

  /** The first letters of the kinds choose them: nothing can be typed here. */
  pressed(event) {
    const kind = Object.keys(KINDS).find((name) => name[0] === keyOf(event));
    if (kind && !event.ctrlKey && !event.metaKey && !event.altKey) this.kinds.value = kind;
  }

  get value() {
    const span = this.source.ofField(this.area.selectionStart, this.area.selectionEnd);
    return span && { field: this.fields.value, start: span[0], end: span[1], kind: this.kinds.value, note: this.note.value };
  }
}

function radios(name, choices, value, onchange = () => {}) {
  const inputs = choices.map(([each, text]) => [h("input", { type: "radio", name: `span.${name}`, value: each, checked: each === value, onchange }), text]);
  const legend = { field: "In which text", kind: "What is it" }[name];
  return {
    element: h("fieldset.choices", {}, h("legend", {}, legend), ...inputs.map(([input, text]) => h("label", {}, input, ` ${text}`))),
    get value() {
      return inputs.find(([input]) => input.checked)?.[0].value ?? choices[0][0];
    },
    set value(wanted) {
      for (const [input] of inputs) input.checked = input.value === wanted;
    },
  };
}
