// Elements without a template language.

/** Makes an element: h("button.primary", { onclick }, "Store", child). */
export function h(selector, properties = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria") && name !== "list") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An element with HTML that the server made of a text (app/render.py) and vouches for. */
export function rendered(html) {
  const element = h("div.text", { dir: "auto" });
  element.innerHTML = html;
  // An Arabic list has its marks on the right, a table its first column. What a part's own direction
  // is made of must have none itself: paragraphs, items and cells go each its own way by style.
  for (const part of element.querySelectorAll("ul, ol, table, blockquote, pre.plain")) part.dir = "auto";
  if (imagesMayLoad) for (const image of element.querySelectorAll(".image[data-src]")) image.append(loader(image));
  wide.observe(element);
  return element;
}

let imagesMayLoad = false;

/** Whether the project's managers allow images of other sites; each still waits to be asked for. */
export function allowImages(allowed) {
  imagesMayLoad = allowed;
}

/** A button without text of its own: what is seen of a text must stay what its marks count. */
function loader(place) {
  const { host } = new URL(place.dataset.src);
  const load = () => {
    const image = h("img", { alt: "", referrerPolicy: "no-referrer", onerror: () => (place.classList.add("missing"), image.remove()) });
    image.src = place.dataset.src;
    button.replaceWith(image);
  };
  const button = h("button.load", { type: "button", onclick: load, "aria-label": `Load the image from ${host}`, title: `${host} learns that someone looks at it` });
  return button;
}

/** What is wider than its panel scrolls, and must be reached by keyboard for that. */
const wide = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    for (const part of target.querySelectorAll("pre, table, math[display=block]")) {
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  }
});

let liveRegion = null;

/** Has screen readers say something. */
export function announce(text) {
  if (!liveRegion) {
    liveRegion = h("div.sr", { role: "status" });
    document.body.append(liveRegion);
  }
  liveRegion.textContent = "";
  requestAnimationFrame(() => (liveRegion.textContent = text));
}

/** A random name for one press of a button: sent again, it stores nothing twice. */
export function newToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

let isForeign = false;

/**
 * The key as the page names it: "j", "3", "Enter". Where the keyboard types no Latin letters (Cyrillic,
 * Greek, Hebrew) or its digits need Shift (AZERTY), the place of the key decides.
 */
export function keyOf({ key, code, shiftKey }) {
  if (key.length !== 1) return key;
  if (/^Key[A-Z]$/.test(code) && !/^[a-z]$/i.test(key)) {
    // Hebrew keyboards have marks of ASCII where others have letters; so has Dvorak, which is Latin.
    isForeign ||= /\p{L}/u.test(key);
    if (isForeign) return code.slice(3).toLowerCase();
  } else if (/^Key/.test(code)) isForeign = false;
  if (/^Digit\d$/.test(code) && !shiftKey && !/^\d$/.test(key)) return code.slice(5);
  return key.toLowerCase();
}

export function isWriting(target) {
  return target.closest?.("textarea, select, input:not([type=radio], [type=checkbox])");
}
