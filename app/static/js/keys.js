// Keyboard shortcuts: one table that is both obeyed and shown on "?".

import { open } from "./dialogs.js";
import { h, isWriting, keyOf } from "./dom.js";

const OFF = "review.keys.off";
const PATIENCE = 5000; // ms; whoever pressed a key longer ago meant something else

export class Keys {
  /** @param table rows of [keys as shown, what they do, { key: function }] */
  constructor(table) {
    this.table = table;
    this.actions = Object.assign({}, ...table.map(([, , bindings]) => bindings));
    document.addEventListener("keydown", (event) => this.pressed(event));
  }

  pressed(event) {
    if (event.isComposing) return;
    const key = nameOf(event);
    if (this.held && performance.now() < this.until && event.key.length === 1 && !key.includes("+")) {
      event.preventDefault();
      this.held.push([key, event.key]);
      return;
    }
    const writing = isWriting(event.target);
    if (writing && key === "Escape") {
      event.target.blur();
      return;
    }
    // In a text field only chords are commands; on a button Enter and Space are its own.
    if (writing && !key.includes("+")) return;
    if (key === "Enter" && event.target.closest?.("button, a, summary")) return;
    if (key.startsWith("Arrow") && event.target.closest?.("input[type=radio]")) return;
    if (scrollsItself(key, event.target)) return;
    if (/^[a-z0-9]$/.test(key) && localStorage.getItem(OFF)) return;
    const run = this.actions[key];
    if (!run) return;
    event.preventDefault();
    run();
  }

  /** Waits for `work`; what is typed meanwhile acts on what is shown then: a fast hand loses nothing. */
  async during(work) {
    this.until = performance.now() + PATIENCE;
    this.held = [];
    document.activeElement?.blur();
    try {
      await work;
    } finally {
      const held = performance.now() < this.until ? this.held : [];
      this.held = null;
      for (const [key, text] of held) {
        if (isWriting(document.activeElement)) document.execCommand("insertText", false, text);
        else if (!localStorage.getItem(OFF)) this.actions[key]?.();
      }
    }
  }

  help() {
    const on = h("input", {
      type: "checkbox",
      checked: !localStorage.getItem(OFF),
      onchange: () => (on.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")),
    });
    const rows = this.table.flatMap(([shown, what]) => [
      h("dt", {}, ...shown.split(" ").map((key) => h("kbd", {}, key))),
      h("dd", {}, what),
    ]);
    const dialog = h(
      "dialog.review",
      { "aria-label": "Keyboard" },
      h("h2", {}, "Keyboard"),
      h("dl.keys", {}, ...rows),
      h("label", {}, on, " Single letters and digits are shortcuts"),
      h("form", { method: "dialog" }, h("div.buttons", {}, h("button.primary", { autofocus: true }, "Close"))),
    );
    open(dialog);
  }
}

/** Whether a key scrolls what has the focus, such as the guidelines or a long line of code. */
function scrollsItself(key, target) {
  if (/^(Page|Arrow)(Up|Down)$/.test(key)) return target.closest?.(".scroll, .opinion p");
  return /^Arrow(Left|Right)$/.test(key) && target.closest?.(".text [tabindex]");
}

/** "j", "Enter", "Ctrl+Enter", "Alt+3": as in the bindings. */
function nameOf(event) {
  const chord = (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "");
  // With Alt some keyboards type another character: the digit is in the code.
  if (event.altKey && /^Digit\d$/.test(event.code)) return chord + event.code.slice(5);
  return chord + keyOf(event);
}
