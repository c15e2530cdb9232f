// A selection on the page as a span of the text that was given, in code points; and the way back.
//
// Nothing is guessed: a piece of the server's map (app/source_map.py) counts only where the page
// shows the very characters that stand in the source, and where one is missing nothing is said.

/** A text, its code points, and what a text field makes of it (one kind of line break). */
export class Source {
  constructor({ text, digest, map }) {
    this.points = Array.from(text);
    this.digest = digest;
    this.map = map;
    this.lines = []; // place in the source of each code point that a text field shows
    this.points.forEach((point, i) => {
      if (point !== "\n" || this.points[i - 1] !== "\r") this.lines.push(i);
    });
    this.field = this.lines.map((i) => (this.points[i] === "\r" ? "\n" : this.points[i])).join("");
  }

  slice(start, end) {
    return this.points.slice(start, end).join("");
  }

  /** A span of a text field's value, in its own units, as one of the source; null where empty. */
  ofField(start, end) {
    const [from, to] = [start, end].map((units) => Array.from(this.field.slice(0, units)).length);
    return to > from ? [this.lines[from], this.lines[to] ?? this.points.length] : null;
  }

  /** The span in the text field's units. */
  toField(start, end) {
    const units = (place) => {
      const found = this.lines.findIndex((line) => line >= place);
      return Array.from(this.field).slice(0, found < 0 ? this.lines.length : found).join("").length;
    };
    return [units(start), units(end)];
  }
}

/** What is seen of a text in one element, and where it comes from. */
export class Shown {
  constructor(element, source) {
    this.element = element;
    this.points = Array.from(element.textContent);
    this.pieces = this.asField(source) ?? this.byMap(source) ?? [];
  }

  /** The source as it is: every character has its place. */
  asField(source) {
    const field = Array.from(source.field);
    // Browsers drop a line break that a block of text begins with.
    const dropped = field[0] === "\n" && this.points.length === field.length - 1 ? 1 : 0;
    if (this.points.join("") !== field.slice(dropped).join("")) return null;
    return this.points.map((_, i) => [i, 1, source.lines[i + dropped], 1]);
  }

  byMap({ map, points }) {
    if (!map) return null;
    const isSame = ([seen, at, length]) => this.points.slice(seen, seen + length).join("") === points.slice(at, at + length).join("");
    if (!map.runs.every(isSame)) return null;
    const runs = map.runs.map(([seen, at, length]) => [seen, length, at, length]);
    return [...runs, ...map.formulas].sort((one, other) => one[0] - other[0]);
  }

  /** The selection as a span of the source; null where none of its characters has a place. */
  span(range) {
    const [from, to] = [this.place(range.startContainer, range.startOffset), this.place(range.endContainer, range.endOffset)];
    const inside = this.pieces.filter(([seen, length]) => seen < to && seen + length > from);
    if (!inside.length) return null;
    const [first, last] = [inside[0], inside.at(-1)];
    // A formula is taken whole; of other characters those that are selected.
    const start = first[1] === first[3] ? first[2] + Math.max(from - first[0], 0) : first[2];
    const end = last[1] === last[3] ? last[2] + Math.min(to - last[0], last[1]) : last[2] + last[3];
    return start < end ? [start, end] : null;
  }

  /** What is seen of a span, as a range to draw; null where it is not seen. */
  range(start, end) {
    const inside = this.pieces.filter(([, , at, length]) => at < end && at + length > start);
    if (!inside.length) return null;
    const [first, last] = [inside[0], inside.at(-1)];
    const from = first[1] === first[3] ? first[0] + Math.max(start - first[2], 0) : first[0];
    const to = last[1] === last[3] ? last[0] + Math.min(end - last[2], last[1]) : last[0] + last[1];
    const range = document.createRange();
    range.setStart(...this.position(from, false));
    range.setEnd(...this.position(to, true));
    return range;
  }

  /** How many code points stand before a place of the document. */
  place(node, offset) {
    const before = document.createRange();
    before.setStart(this.element, 0);
    before.setEnd(node, offset);
    return Array.from(before.toString()).length;
  }

  /** The text node and its offset so many code points in. */
  position(place, isEnd) {
    const walker = document.createTreeWalker(this.element, NodeFilter.SHOW_TEXT);
    let left = place;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const points = Array.from(node.data);
      if (left < points.length || (isEnd && left === points.length)) return [node, points.slice(0, left).join("").length];
      left -= points.length;
    }
    return [this.element, this.element.childNodes.length];
  }
}
