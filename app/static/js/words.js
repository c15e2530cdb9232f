// Whose words are kept after the reveal: one's own unless one says otherwise.

import { h } from "./dom.js";

const NAMES = { own: ["Mine", "M"], judge: ["The judge's", "T"], edited: ["Edit", "E"] };

export class WordsSwitch {
  /** @param ontake called with "own", "judge" or "edited" */
  constructor(ontake) {
    this.inputs = {};
    const labels = Object.entries(NAMES).map(([words, [text, key]]) => {
      const input = h("input", { type: "radio", name: "words", value: words, onchange: () => ontake(words) });
      this.inputs[words] = input;
      return h("label", { title: `Key ${key}` }, input, text, h("kbd", {}, key));
    });
    this.element = h("fieldset.words", {}, h("legend.sr", {}, "Which words are kept?"), ...labels);
  }

  set value(wanted) {
    for (const [words, input] of Object.entries(this.inputs)) input.checked = words === wanted;
  }

  /** @param notTaken why the judge's words cannot be taken, or null */
  disable(all, notTaken) {
    for (const [words, input] of Object.entries(this.inputs)) input.disabled = all || (words === "judge" && Boolean(notTaken));
    this.inputs.judge.parentElement.title = notTaken ?? "Key T";
  }
}
