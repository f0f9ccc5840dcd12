// One message: asking about it and showing the answer.

import { $, fill, h, problem, say } from "./dom.js";
import { attempt, post } from "./api.js";
import { showLabels } from "./labels.js";
import { showMarks } from "./marks.js";
import { showFacts, showMissing, showPlan, showSimilar, showSummary } from "./plan.js";
import { showReply } from "./reply.js";
import { dateTime, labelName, language, setup, statusWords, t, taskName, word } from "./texts.js";

// what is shown: the question as it was asked, the answer, the row of the queue it came from, values people gave
let shown = null;
let asked = 0;

const received = () => ($("received").value ? new Date($("received").value).toISOString() : null);

/** Return a time as the field for it takes it: local, to the minute. */
function localMinutes(iso) {
  const time = new Date(iso);
  return new Date(time - time.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

export async function analyse(row = null) {
  const text = $("text").value;
  if (!text.trim()) {
    $("text").focus();
    return problem(() => t("nothing_to_read"));
  }
  await ask({ text, received_at: received(), fault: "unclear" }, row, row?.corrected ?? {}, true);
}

async function ask(question, row, corrected, isNew) {
  const number = ++asked;
  $("analyse").setAttribute("aria-busy", "true");
  const answer = await attempt(() => post("desk/case", question));
  if (number !== asked) return; // another message has been asked about meanwhile
  $("analyse").removeAttribute("aria-busy");
  if (!answer) return;
  shown = { question, answer, row, corrected };
  show(isNew);
  if (isNew && document.activeElement !== $("sample")) {
    // from here the single keys work
    $("summary").focus({ preventScroll: true });
    $("summary").scrollIntoView({ block: $("summary").getBoundingClientRect().top > innerHeight / 2 ? "start" : "nearest" });
  }
  const { report } = answer;
  if (!isNew) return say(t("plan_changed"));
  say(report.status !== "ok" ? statusWords(report.status)
    : t("read", { category: report.category.primary ? labelName("category", report.category.primary) : labelName("intent", report.intent.primary),
      urgency: labelName("urgency", report.urgency.primary), time: dateTime(report.route.respond_by), who: report.route.department }));
}

/** Show the answer again, as after a change of language. */
export function show(isNew = false) {
  fill($("sample"), h("option", { value: "" }, t("sample")), setup.samples.map((sample, place) => h("option", { value: String(place) }, sample.title[language])));
  if (!shown) return;
  const { question, answer, row, corrected } = shown;
  const { report } = answer;
  const analysed = report.status === "ok";
  $("result").hidden = false;
  showSummary(report);
  document.querySelector("#result .columns").hidden = !analysed;
  const script = report.script === "simplified" ? "zh-Hans" : "zh-Hant";
  for (const name of ["marked", "facts", "reply", "findings", "steps"]) $(name).lang = script;
  if (!analysed) return;
  if (isNew || !$("marked").hasChildNodes()) showMarks(report);
  else fillLegend();
  showLabels(report, corrected, (task, values) => row?.correct(task, values));
  showFacts(report);
  showMissing(report, report.strategy);
  showReply(report, report.strategy, isNew);
  fill($("fault"), h("legend", {}, t("fault")), setup.faults.map((fault) => h("label", {},
    h("input", { type: "radio", name: "fault", value: fault, checked: fault === question.fault, onchange: () => chooseFault(fault) }), h("span", {}, word("faults", fault)))));
  showPlan(report.strategy);
  showSimilar(answer.similar);
}

function fillLegend() {
  for (const swatch of $("legend").children) swatch.textContent = taskName(swatch.classList[1]);
}

function chooseFault(fault) {
  if (shown) ask({ ...shown.question, fault }, shown.row, shown.corrected, false);
  document.querySelector(`#fault [value=${fault}]`)?.focus();
}

/** Go on to the next answer to the question whose fault it is. */
export function nextFault() {
  if (shown?.answer.report.status !== "ok") return;
  const { faults } = setup;
  const fault = faults[(faults.indexOf(shown.question.fault) + 1) % faults.length];
  document.querySelector(`#fault [value=${fault}]`).checked = true;
  chooseFault(fault);
}

/** Show a row of the queue. */
export function openRow(row) {
  $("text").value = row.text;
  $("received").value = row.received_at ? localMinutes(row.received_at) : "";
  $("sample").value = "";
  return analyse(row);
}

export function wireCase() {
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    analyse();
  });
  $("sample").addEventListener("change", () => {
    const sample = setup.samples[$("sample").value];
    if (!sample) return;
    $("text").value = sample.text;
    $("received").value = "";
    analyse();
  });
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      $("ask").requestSubmit();
    }
  });
}
