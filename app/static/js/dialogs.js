// Dialogs that ask for a reason or show a list.

import { h, keyOf } from "./dom.js";

/**
 * Opens a dialog; returns what closes it. What is pressed in it is no shortcut of the page.
 *
 * Closed, it is gone at once, not with its "close" event: a browser that is busy hands out the next
 * key first, and a field that nobody sees any more would swallow it.
 */
export function open(dialog, onclose = () => {}) {
  let gone = false;
  const shut = (value) => {
    if (gone) return;
    gone = true;
    if (dialog.open) dialog.close(value);
    dialog.remove();
    onclose();
  };
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Escape") return;
    event.preventDefault();
    shut("");
  });
  dialog.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return; // the form wants something else first
    event.preventDefault();
    shut(event.submitter?.value ?? "");
  });
  dialog.addEventListener("close", () => shut()); // by other ways, such as a telephone's gesture
  document.body.append(dialog);
  dialog.showModal();
  return shut;
}

/** Asks for a reason: one of several or one's own; resolves to it, or to null. */
export function askReason(title, reasons, button) {
  return new Promise((resolve) => {
    const own = h("input", { type: "text", maxLength: 1000, dir: "auto", "aria-label": "Another reason" });
    const radios = reasons.map((reason) => h("input", { type: "radio", name: "reason", value: reason }));
    own.addEventListener("input", () => radios.forEach((radio) => (radio.checked = false)));
    const form = h(
      "form",
      { method: "dialog" },
      ...radios.map((radio, i) =>
        h("label.reason", {}, radio, " ", h("kbd", {}, String(i + 1)), ` ${reasons[i]}`),
      ),
      h("label.reason", {}, "Another reason", own),
      h(
        "div.buttons",
        {},
        h("button", { value: "", formNoValidate: true }, "Cancel"),
        h("button.primary", { value: "yes" }, button),
      ),
    );
    const dialog = h("dialog.review", { "aria-label": title }, h("h2", {}, title), form);
    const reason = () => own.value.trim() || radios.find((radio) => radio.checked)?.value || "";
    form.addEventListener("submit", (event) => {
      if (event.submitter?.value !== "yes") return;
      if (!reason()) {
        event.preventDefault();
        own.focus();
      }
    });
    dialog.addEventListener("keydown", (event) => {
      const named = event.target === own ? null : radios[keyOf(event) - 1];
      if (named) {
        named.checked = true;
        named.focus();
      } else if (event.key === "Enter" && event.target.tagName === "INPUT") {
        event.preventDefault();
        form.requestSubmit(form.querySelector("button.primary"));
      }
    });
    open(dialog, () => resolve(dialog.returnValue === "yes" ? reason() : null));
    (radios[0] ?? own).focus();
  });
}

/** Asks a question; resolves to the value of the answer's button, to "" where there is none. */
export function choose(question, answers) {
  return new Promise((resolve) => {
    const buttons = answers.map(([value, text], i) => h(i ? "button" : "button.primary", { value }, text));
    const form = h("form", { method: "dialog" }, h("div.buttons", {}, ...buttons));
    const dialog = h("dialog.review", { "aria-label": question }, h("h2", {}, question), form);
    open(dialog, () => resolve(dialog.returnValue));
    buttons[0].focus();
  });
}

/**
 * Shows a list of things to open; resolves to the chosen one, or to null.
 *
 * @param find async function of a text to the lines with it; without it nothing can be searched
 */
export function pick(title, lines, find = null) {
  return new Promise((resolve) => {
    let chosen = null;
    const place = h("div", {});
    const draw = (found) => {
      const items = found.map(({ text, note, value }) =>
        h(
          "li",
          {},
          h("button", { onclick: () => ((chosen = value), shut()) }, h("span", { dir: "auto" }, text), h("span.quiet", {}, note)),
        ),
      );
      place.replaceChildren(items.length ? h("ul.lines", {}, ...items) : h("p.quiet", {}, "Nothing there."));
    };
    let asked = 0;
    const search = h("input", {
      type: "search",
      dir: "auto",
      maxLength: 500,
      placeholder: "Search in texts, or a task's number",
      "aria-label": "Search",
      oninput: async () => {
        const now = (asked += 1);
        const found = await find(search.value);
        if (now === asked) draw(found); // an answer that comes late is no answer any more
      },
    });
    const dialog = h(
      "dialog.review",
      { "aria-label": title },
      h("h2", {}, title),
      find ? search : null,
      place,
      h("form", { method: "dialog" }, h("div.buttons", {}, h("button", {}, "Close"))),
    );
    draw(lines);
    const shut = open(dialog, () => resolve(chosen));
  });
}
