// The customer's words with what speaks for a label marked in them. Positions count characters, as Python does.

import { $, fill, h } from "./dom.js";
import { quoted, setup, taskName } from "./texts.js";

// always coloured; the words for other tasks show when their label is pointed at
const COLOURED = ["category", "urgency", "emotion", "demands"];

let pieces = new Map();
let pinned = null;

export function showMarks(report) {
  const chars = Array.from(report.text);
  const marks = [];
  for (const task of Object.keys(setup.tasks)) {
    for (const span of report[task].evidence) marks.push({ ...span, key: task, colour: COLOURED.includes(task) ? task : null });
  }
  for (const reason of report.urgency_reasons) marks.push({ ...reason, key: "urgency", weight: 1, colour: "urgency" });
  report.facts.forEach((fact, number) => marks.push({ ...fact, key: `fact-${number}`, weight: 0, colour: null }));

  const cuts = [...new Set([0, chars.length, ...marks.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  pieces = new Map();
  pinned = null;
  const made = [];
  for (let place = 0; place + 1 < cuts.length; place++) {
    const [start, end] = [cuts[place], cuts[place + 1]];
    const text = chars.slice(start, end).join("");
    const over = marks.filter((mark) => mark.start <= start && mark.end >= end);
    if (!over.length) {
      made.push(text);
      continue;
    }
    const shown = over.filter((mark) => mark.colour).sort((a, b) => b.weight - a.weight)[0];
    const element = h(shown ? "mark" : "span", { class: shown ? `piece ${shown.colour}` : "piece" }, text);
    for (const { key } of over) pieces.set(key, [...(pieces.get(key) ?? []), element]);
    made.push(element);
  }
  fill($("marked"), made);
  light(null);
  const coloured = COLOURED.filter((task) => pieces.has(task));
  fill($("legend"), coloured.map((task) => h("span", { class: `swatch ${task}` }, taskName(task))));
}

/** Light up the words of a key, of what is pinned when null, or show all. */
function light(key) {
  const chosen = key ?? pinned;
  for (const elements of pieces.values()) for (const element of elements) element.classList.remove("on");
  for (const element of pieces.get(chosen) ?? []) element.classList.add("on");
  $("marked").classList.toggle("pointing", Boolean(chosen && pieces.has(chosen)));
}

/** Make an element light up words while it is pointed at or focused; a click keeps them lit. */
export function lights(element, key) {
  element.setAttribute("aria-pressed", "false");
  for (const [event, lit] of [["mouseenter", key], ["focus", key], ["mouseleave", null], ["blur", null]]) {
    element.addEventListener(event, () => light(lit));
  }
  element.addEventListener("click", () => {
    const pins = pinned !== key || element.getAttribute("aria-pressed") === "false";
    for (const other of document.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
    pinned = pins ? key : null;
    element.setAttribute("aria-pressed", String(pins));
    light(pinned);
  });
  return element;
}

/** Return the evidence of a task as words, for people who do not see colours. */
export const evidenceWords = (result) => result.evidence.map((span) => quoted(span.text)).join(" ");
