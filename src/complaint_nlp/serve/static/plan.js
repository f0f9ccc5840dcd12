// What to do: urgency with its deadline, route, facts, questions, the plan and similar cases.

import { $, aside, copy, fill, h, say } from "./dom.js";
import { lights } from "./marks.js";
import { dateTime, labelName, listed, percent, quoted, statusWords, t, timeLeft, word } from "./texts.js";

export function showSummary(report) {
  const place = $("summary");
  place.className = "card summary";
  if (report.status !== "ok") {
    fill(place, h("p", { class: "status" }, h("strong", {}, statusWords(report.status)), aside(report.error)));
    return;
  }
  const level = report.urgency.primary;
  place.classList.add(`edge-${level}`);
  const { route } = report;
  fill(
    place,
    h("div", { class: "fact-block" }, h("span", { class: "small" }, t("urgency")), h("strong", { class: `level level-${level}` }, labelName("urgency", level))),
    h("div", { class: "fact-block" }, h("span", { class: "small" }, t("time_left")), h("strong", { id: "countdown", role: "timer", "data-due": route.respond_by }, "…"),
      h("span", { class: "small" }, t("respond_by", { time: dateTime(route.respond_by) }))),
    h("div", { class: "fact-block wide" }, h("span", { class: "small" }, t("department")), h("strong", {}, route.department),
      route.inform.length ? h("span", { class: "small" }, t("inform", { who: listed(route.inform) })) : null),
    route.escalate ? h("div", { class: "fact-block" }, h("strong", { class: "escalate" }, t("escalate"))) : null,
    report.urgency_reasons.length
      ? h("ul", { class: "reasons" }, report.urgency_reasons.map((reason) =>
          h("li", {}, lights(h("button", { type: "button", class: "quiet" }, reason.reason, " ", h("bdi", { class: "hint" }, quoted(reason.text))), "urgency"))))
      : null,
  );
  tick();
}

/** Bring the countdown up to date. */
export function tick() {
  const place = $("countdown");
  if (!place) return;
  const left = timeLeft(place.dataset.due);
  place.textContent = left.text;
  place.className = left.late ? "countdown late" : left.soon ? "countdown soon" : "countdown";
}

export function showFacts(report) {
  $("facts-card").hidden = !report.facts.length;
  // a long letter says the same again and again: once is enough here, all places are marked in the text
  const first = new Map();
  report.facts.forEach((fact, number) => first.has(fact.kind + fact.text) || first.set(fact.kind + fact.text, [fact, number]));
  fill($("facts"), [...first.values()].map(([fact, number]) =>
    h("li", {}, h("span", { class: "kind" }, word("facts", fact.kind)), " ",
      lights(h("button", { type: "button", class: "quiet" }, h("bdi", {}, fact.text)), `fact-${number}`))));
}

export function showMissing(report, strategy) {
  $("missing-card").hidden = !report.missing.length && !strategy?.questions.length;
  const questions = strategy?.questions ?? [];
  const copyAll = async () => say((await copy(questions.map((question) => question.text).join("\n"))) ? t("copied") : t("not_copied"));
  fill($("missing"),
    report.missing.length ? h("p", {}, report.missing.map((name) => h("span", { class: "chip plain" }, word("missing", name)))) : null,
    questions.length ? h("ol", { class: "questions" }, questions.map((question) => h("li", {}, question.text))) : null,
    questions.length ? h("button", { type: "button", onclick: copyAll }, t("copy_questions")) : null);
}

const block = (title, ...content) => h("details", {}, h("summary", {}, title), ...content);
const items = (list, write) => h("ul", {}, list.map((item) => h("li", {}, [write(item)].flat())));

export function showPlan(strategy) {
  const open = new Set([...$("aids").querySelectorAll("details[open]")].map((part) => part.dataset.part));
  const { authority, impact, follow_up: later } = strategy;
  const parts = [
    ["tactics", strategy.tactics.length && items(strategy.tactics, (tactic) => [
      h("strong", {}, labelName("emotion", tactic.emotion)), " ", tactic.do, " ", h("span", { class: "avoid" }, t("avoid", { what: tactic.avoid }))])],
    ["must_include", strategy.must_include.length && items(strategy.must_include, (item) => item.text)],
    ["remedies", strategy.remedies.length && items(strategy.remedies, (remedy) =>
      h("span", {}, h("strong", {}, remedy.option), " ", h("span", { class: "hint" }, `${remedy.condition}（${remedy.authority_name}）`)))],
    ["impact", impact && h("div", {}, h("p", {}, h("strong", {}, impact.interest_name), " ", impact.advice), items(impact.consequences, (item) => `${item.name}: ${item.soften}`))],
    ["authority", h("div", {}, h("p", {}, h("strong", {}, authority.who), " ", authority.may), items([...authority.notes, ...authority.ladder], (note) => note))],
    ["inform_whom", strategy.inform.length && items(strategy.inform, (person) => h("span", {}, h("strong", {}, person.who), " ", person.about))],
    ["follow_up", h("div", {}, h("p", {}, later.progress), h("p", {}, later.call_back), items(later.ask, (question) => question),
      h("p", { class: "small" }, t("record")), items(later.record, (note) => note))],
    ["prevention", strategy.prevention.length && items(strategy.prevention, (hint) => hint)],
  ];
  fill($("steps"), strategy.steps.map((step) =>
    h("li", {}, h("span", { class: "stage" }, step.name), h("span", {}, step.action, h("span", { class: "why" }, t("why", { reason: step.why }))))));
  fill($("aids"),
    parts.filter(([, content]) => content).map(([name, content]) => {
      const part = block(t(name), content);
      part.dataset.part = name;
      part.open = open.has(name);
      return part;
    }));
}

export function showSimilar(similar) {
  $("similar-card").hidden = similar === null;
  fill($("similar"), !similar?.length ? h("li", { class: "hint" }, t("none_similar")) : similar.map((found) =>
    h("li", {}, h("details", {},
      h("summary", {}, h("span", { class: "small" }, percent(found.similarity), found.reviewed ? ` · ${t("reviewed")}` : "", found.source_id ? ` · ${found.source_id}` : ""), " ", h("bdi", {}, found.text)),
      found.handling ? h("p", {}, h("strong", {}, t("handling")), " ", h("bdi", {}, found.handling)) : null,
      found.outcome ? h("p", {}, h("strong", {}, t("outcome")), " ", h("bdi", {}, found.outcome)) : null))));
}
