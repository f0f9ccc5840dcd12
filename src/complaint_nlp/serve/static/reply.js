// The draft of the answer with its check beside it.

import { $, copy, fill, h, problem, say } from "./dom.js";
import { complain, post } from "./api.js";
import { quoted, t, word } from "./texts.js";

const DRAFTS = ["first_reply", "apology_letter", "progress_note", "follow_up_message"];
const WAIT_MS = 400;

let report = null;
let drafts = {};
let draft = DRAFTS[0];
let timer = 0;
let running = null;
let last = null;

/** Show the drafts of a report. What the agent wrote stays when only the plan has changed. */
export function showReply(given, strategy, isNew) {
  report = given;
  if (isNew) {
    drafts = {};
    draft = DRAFTS[0];
  }
  for (const name of DRAFTS) {
    const made = strategy?.[name] ?? "";
    const kept = drafts[name];
    drafts[name] = { made, text: kept && kept.text !== kept.made ? kept.text : made };
  }
  fill($("draft"), DRAFTS.map((name) => h("option", { value: name }, t(name))));
  $("draft").value = draft;
  if ($("reply").value !== drafts[draft].text || isNew) $("reply").value = drafts[draft].text;
  if (isNew) last = null;
  showReview();
  schedule(0);
}

export function wireReply() {
  $("reply").addEventListener("input", () => {
    drafts[draft].text = $("reply").value;
    schedule(WAIT_MS);
  });
  $("draft").addEventListener("change", () => {
    draft = $("draft").value;
    $("reply").value = drafts[draft].text;
    schedule(0);
  });
  $("copy-reply").addEventListener("click", copyReply);
}

export async function copyReply() {
  const done = await copy($("reply").value);
  say(done ? t("copied") : t("not_copied"));
  const label = $("copy-reply").firstElementChild;
  label.textContent = done ? t("copied") : t("not_copied");
  setTimeout(() => (label.textContent = t("copy")), 1500);
}

function schedule(wait) {
  clearTimeout(timer);
  running?.abort();
  $("score").classList.add("stale");
  timer = setTimeout(check, wait);
}

async function check() {
  running = new AbortController();
  try {
    last = await post("v1/check-reply", { reply: $("reply").value, message: report.text }, running.signal);
    problem(null);
    showReview();
    say(t("checked", { score: last.score, n: last.findings.length }), "check-said");
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
  }
}

function showReview() {
  const score = $("score");
  score.classList.remove("stale");
  score.textContent = last ? t("score", { score: last.score }) : "";
  score.className = `score ${!last ? "" : last.score >= 85 ? "good" : last.score >= 60 ? "fair" : "poor"}`;
  if (!last) return fill($("findings"));
  fill($("findings"), last.findings.length ? last.findings.map(finding) : h("li", { class: "fine" }, t("nothing_found")));
}

function finding(found) {
  const spoken = found.text === null ? null : h("button", { type: "button", class: "quiet words", title: t("show_words"), onclick: () => pick(found) }, h("bdi", {}, quoted(found.text)));
  return h("li", {}, h("span", { class: `severity ${found.severity}` }, word("severities", found.severity)),
    h("span", {}, spoken, spoken ? " " : null, h("span", {}, found.reason), " ", h("span", { class: "hint" }, found.suggestion)));
}

/** Select the words of a finding in the draft; they are counted in characters there and in UTF-16 here. */
function pick(found) {
  const chars = Array.from($("reply").value);
  const start = chars.slice(0, found.start).join("").length;
  $("reply").focus();
  $("reply").setSelectionRange(start, start + chars.slice(found.start, found.end).join("").length);
}
