// Comments on a task between its annotator and adjudicators, in a dialog.

import { call, insist, Refusal } from "./api.js";
import { open } from "./dialogs.js";
import { h, newToken, rendered } from "./dom.js";

const NAMES = { annotator: "Annotator", adjudicator: "Adjudicator" };

/**
 * Shows a thread and lets one add to it.
 *
 * @param path where the thread is read and added to
 * @param me "annotator" or "adjudicator"
 */
export async function showThread(title, path, me) {
  const found = await call("GET", path);
  const place = h("div", {});
  const text = h("textarea", { rows: 3, maxLength: 2000, dir: "auto", "aria-label": "Your comment", placeholder: "Ask or answer; nobody is named" });
  const problem = h("p.alert", { role: "alert", hidden: true });
  const said = h("p.good", { role: "status" });
  const send = h("button.primary", { type: "button", onclick: () => add() }, "Send");
  const draw = ({ comments }) => {
    const line = ({ by, text: words, at }) =>
      h("li", {}, h("strong", {}, by === me ? "You" : NAMES[by]), h("span.quiet", {}, ` ${new Date(at).toLocaleString()}`), h("p", { dir: "auto" }, words));
    place.replaceChildren(comments.length ? h("ul.comments", {}, ...comments.map(line)) : h("p.quiet", {}, "Nothing was said yet."));
  };
  const complain = (words) => {
    problem.textContent = words;
    problem.hidden = !words;
    said.textContent = "";
  };
  const add = async () => {
    if (!text.value.trim()) return complain("Write something first.");
    send.disabled = true;
    try {
      draw(await insist("POST", path, { text: text.value, token: newToken() }, (waiting) => complain(waiting ? "Not sent yet: the server is away. It is tried again." : "")));
      text.value = "";
      complain("");
      said.textContent = me === "annotator" ? "Sent. An adjudicator's answer will be announced here." : "Sent.";
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      complain(error.message);
    } finally {
      send.disabled = false;
    }
  };
  draw(found);
  const dialog = h(
    "dialog.review",
    { "aria-label": title },
    h("h2", {}, title),
    found.panels ? task(found.panels) : null,
    place,
    text,
    problem,
    said,
    h("form", { method: "dialog" }, h("div.buttons", {}, send, h("button", {}, "Close"))),
  );
  return new Promise((resolve) => {
    open(dialog, resolve);
    text.focus();
  });
}

/** The task that a thread is about, folded. */
function task({ prompt, response_1, response_2 }) {
  const part = (name, html) => [h("h3", {}, name), rendered(html)];
  return h(
    "details.of-thread",
    {},
    h("summary", {}, "The task"),
    ...prompt.flatMap(({ role, html }) => part(role, html)),
    ...part("Response 1", response_1),
    ...part("Response 2", response_2),
  );
}
