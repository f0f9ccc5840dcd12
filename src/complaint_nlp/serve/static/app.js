// Starts the page: language, theme, the two views and the keys.

import { $, fill, h, remember, remembered, showProblem } from "./dom.js";
import { show, wireCase, nextFault } from "./case.js";
import { tick } from "./plan.js";
import { focusCurrent, leaveRow, move, showQueue, tickQueue, walk, wireQueue } from "./queue.js";
import { copyReply, wireReply } from "./reply.js";
import { choose, install, setup, t, translate } from "./texts.js";

let view = "case";

function showView(name) {
  view = name;
  for (const each of ["case", "queue"]) {
    $(`view-${each}`).hidden = each !== name;
    if (each === name) $(`tab-${each}`).setAttribute("aria-current", "page");
    else $(`tab-${each}`).removeAttribute("aria-current");
  }
}

const shownCase = () => view === "case" && !$("result").hidden;

// key: what it does and whether it is of use now
const KEYS = {
  m: ["key_message", () => { showView("case"); $("text").focus(); }],
  q: ["key_queue", () => { showView("queue"); focusCurrent(); }],
  l: ["key_labels", () => shownCase() && $("labels").querySelector("button")?.focus()],
  r: ["key_reply", () => shownCase() && $("reply").focus()],
  c: ["key_copy", () => shownCase() && copyReply()],
  f: ["key_fault", () => shownCase() && nextFault()],
  n: ["key_next", () => view === "case" && walk(1)],
  p: ["key_previous", () => view === "case" && walk(-1)],
  j: ["key_down", () => view === "queue" && move(1)],
  k: ["key_up", () => view === "queue" && move(-1)],
  "?": ["key_help", () => $("help").showModal()],
};

function onKey(event) {
  if (event.key === "Escape" && event.target.matches("textarea, input")) return event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || remembered("keys") === "off") return;
  if (event.target.closest("dialog, select, textarea, input:not([type=radio]):not([type=checkbox])")) return;
  const [, act] = KEYS[event.key] ?? [];
  if (!act) return;
  event.preventDefault();
  act();
}

function paint() {
  translate();
  show();
  showQueue();
  showProblem();
  fill($("keys"), [["Ctrl ↵", "key_analyse"], ["Esc", "key_leave"], ...Object.entries(KEYS).map(([key, [name]]) => [key, name])]
    .map(([key, name]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, t(name))]).flat());
  $("about").textContent = t("about", { model: setup.model });
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").value = name;
}

async function start() {
  theme(["light", "dark"].includes(remembered("theme")) ? remembered("theme") : "auto");
  try {
    const answer = await fetch("desk/setup");
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    install(await answer.json());
  } catch {
    // there are no wordings without the setup: the page brings this one along
    $("lost").hidden = false;
    return;
  }
  document.documentElement.classList.toggle("no-corrections", !setup.corrections);
  wireCase();
  wireReply();
  wireQueue(showView);
  $("language").addEventListener("change", () => { choose($("language").value); paint(); });
  $("theme").addEventListener("change", () => { remember("theme", $("theme").value); theme($("theme").value); });
  $("tab-case").addEventListener("click", () => { showView("case"); $("text").focus(); });
  $("tab-queue").addEventListener("click", () => { showView("queue"); focusCurrent(); });
  $("help-open").addEventListener("click", () => $("help").showModal());
  $("keys-on").checked = remembered("keys") !== "off";
  $("keys-on").addEventListener("change", () => remember("keys", $("keys-on").checked ? "on" : "off"));
  $("ask").addEventListener("submit", leaveRow);
  $("sample").addEventListener("change", leaveRow);
  document.addEventListener("keydown", onKey);
  setInterval(tick, 1000);
  setInterval(tickQueue, 15000);
  paint();
  document.documentElement.classList.add("ready");
  $("text").focus();
}

start();
