// Elements are made here and nowhere else: text becomes text nodes, never markup.

export const $ = (id) => document.getElementById(id);

/** Return a new element; `on...` are listeners, `class` and the rest are attributes, false and null ones are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return what the server itself says, in English and small. */
export const aside = (text) => text && h("small", { lang: "en", dir: "auto" }, text);

/** Replace what is in an element. */
export const fill = (element, ...children) =>
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== false && child !== ""));

/** Tell people who do not see the page what happened. */
export function say(text, where = "said") {
  $(where).textContent = "";
  setTimeout(() => ($(where).textContent = text), 50);
}

let wrong = null;

/** Show what went wrong until something else goes right: words for the language of the moment, and the server's own. */
export function problem(words, detail = "") {
  wrong = words && { words, detail };
  showProblem();
}

/** Word it again, as after a change of language. */
export function showProblem() {
  $("problem").hidden = !wrong;
  fill($("problem"), wrong && [wrong.words(), aside(wrong.detail)]);
}

/** Copy a text; without the clipboard, which browsers lend to https and localhost alone, by a selection. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { class: "unseen", value: text });
    const before = document.activeElement;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    return done;
  }
  return true;
}

// what a browser does not let us keep is simply not remembered
export function remembered(name) {
  try {
    return localStorage.getItem(`desk.${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`desk.${name}`, value);
  } catch {
    /* private windows */
  }
}
