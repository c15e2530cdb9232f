// The keys of the task page: what each does is written here and nowhere else.

const PLACES = [1, 2, 3, 4, 5, 6, 7];

/** @returns the rows of Keys for a task page */
export function shortcuts(page) {
  const { fields, pair } = page;
  const choose = (prefix) => Object.fromEntries(PLACES.map((place) => [prefix + place, () => fields.choose(place)]));
  return [
    ...(fields.rate ? rating(fields) : choosing(fields, choose)),
    ["Enter", "Store and go on", { Enter: () => page.submit() }],
    ["Ctrl+Enter", "The same while writing", { "Ctrl+Enter": () => page.submit() }],
    ["D", "Show the words that differ", { d: () => pair.show("difference") }],
    ["V", "The texts as they were written", { v: () => pair.show("source") }],
    ["Y", "Scroll both responses together, or not", { y: () => pair.toggleTogether() }],
    ["↓ ↑", "Scroll the responses", { ArrowDown: () => pair.scroll(0.15), ArrowUp: () => pair.scroll(-0.15) }],
    ["PgDn PgUp", "Scroll them by a page", { PageDown: () => pair.scroll(0.9), PageUp: () => pair.scroll(-0.9) }],
    ["C", "Fold the conversation", { c: () => pair.toggleConversation() }],
    ["H", "Highlight what is selected, or a part of the text: W wrong, G good, U unclear", { h: () => page.marks.start() }],
    ["G", "Guidelines", { g: () => page.guidelines.toggle() }],
    ["K", "Skip, with a reason", { k: () => page.skip() }],
    ["F", "Flag, with a reason", { f: () => page.flag() }],
    ["U", "Take back the last decision, up to ten", { u: () => page.undo() }],
    ["← →", "The task before, the task after", { ArrowLeft: () => page.step(1), ArrowRight: () => page.step(-1) }],
    ["L", "List of my tasks", { l: () => page.list() }],
    ["?", "This list", { "?": () => page.keys.help() }],
  ];
}

function choosing(fields, choose) {
  return [
    ["1 … 7", "Choose an option, from left to right", choose("")],
    ["Alt+1 … Alt+7", "The same while writing", choose("Alt+")],
    ["J", "Write the reason; Escape leaves the field", { j: () => fields.write() }],
    ["R P W", "The judge's explanation is right, partly right, wrong", {
      r: () => fields.judge("right"),
      p: () => fields.judge("partly_right"),
      w: () => fields.judge("wrong"),
    }],
    ["M T E", "Keep my words, take the judge's (when called right), edit", {
      m: () => fields.take("own"),
      t: () => fields.take("judge"),
      e: () => fields.write(),
    }],
  ];
}

function rating(fields) {
  const rate = (prefix) => Object.fromEntries([0, 1, 2, 3, 4].map((value) => [prefix + value, () => fields.rate(value)]));
  return [
    ["0 … 4", "Rate the marked attribute and go to the next", rate("")],
    ["Alt+0 … Alt+4", "The same while writing", rate("Alt+")],
    ["B N", "The attribute before, the next one", { b: () => fields.move(-1), n: () => fields.move(1) }],
    ["J", "Write a remark; Escape leaves the field", { j: () => fields.write() }],
  ];
}
