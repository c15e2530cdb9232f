// The buttons below a decision, of choices and of ratings.

import { h } from "./dom.js";

/** Makes them; `actions` has a function for each. */
export function decisionButtons(actions) {
  return {
    submit: h("button.primary", { onclick: actions.submit, title: "Enter, or Ctrl+Enter while writing" }),
    skip: h("button", { onclick: actions.skip, title: "Key K" }, "Skip"),
    flag: h("button", { onclick: actions.flag, title: "Key F" }, "Flag"),
    undo: h("button", { onclick: actions.undo, title: "Key U" }, "Undo"),
    next: h("button.primary", { onclick: actions.next, title: "Key →" }, "Go on"),
  };
}
