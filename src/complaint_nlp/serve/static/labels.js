// The labels of a message, and what an agent says they should have been.

import { $, fill, h, remember, remembered, say } from "./dom.js";
import { attempt, post } from "./api.js";
import { evidenceWords, lights } from "./marks.js";
import { labelName, listed, percent, setup, t, taskName, word } from "./texts.js";

/** Show all tasks; `corrected` keeps the values people gave, by task, and `changed` hears of new ones. */
export function showLabels(report, corrected, changed) {
  const own = Object.keys(report.extra ?? {});
  fill(
    $("labels"),
    Object.keys(setup.tasks).map((task) => taskRow(report, task, corrected, changed)),
    own.map((task) => row(task, report.extra[task], report.extra[task].labels.map((label) => h("span", { class: "chip" }, label)))),
  );
}

function row(name, result, chips, ...rest) {
  const meter = h("span", { class: "meter", "aria-hidden": "true" }, h("span"));
  meter.firstChild.style.width = percent(result.confidence);
  return h("li", { class: "task" },
    h("div", { class: "task-row" },
      h("span", { class: "task-name" }, name),
      h("span", { class: "chips" }, chips.length ? chips : h("span", { class: "none" }, t("none"))),
      h("span", { class: "sure", title: t("confidence") }, meter, h("span", { class: "unseen" }, t("confidence")), percent(result.confidence)),
      h("span", { class: `decision ${result.decision}` }, word("decisions", result.decision)),
      rest[0] ?? null),
    rest.slice(1));
}

function taskRow(report, task, corrected, changed) {
  const result = report[task];
  const chips = result.labels.map((label, place) => chip(task, result, label, place));
  if (!setup.corrections) return row(taskName(task), result, chips);
  const edit = h("button", { type: "button", class: "quiet edit", "aria-label": `${t("correct")}: ${taskName(task)}`, "aria-expanded": "false" }, t("correct"));
  const kept = h("p", { class: "kept", hidden: !(task in corrected) });
  const showKept = () => {
    kept.hidden = !(task in corrected);
    kept.textContent = task in corrected ? t("corrected", { labels: listed(corrected[task].map((value) => labelName(task, value))) || t("none") }) : "";
  };
  showKept();
  const item = row(taskName(task), result, chips, edit, kept);
  const close = () => {
    item.querySelector("form")?.remove();
    edit.setAttribute("aria-expanded", "false");
    edit.focus();
  };
  edit.addEventListener("click", () => {
    if (item.querySelector("form")) return close();
    edit.setAttribute("aria-expanded", "true");
    const start = corrected[task] ?? result.labels.map(String);
    const form = editor(task, start, close, async (values, reviewer) => {
      const several = setup.tasks[task].several;
      const content = { text: report.text, task, value: several ? values : values[0], ...(reviewer ? { reviewer } : {}) };
      if (!(await attempt(() => post("desk/corrections", content)))) return;
      corrected[task] = values;
      showKept();
      close();
      say(kept.textContent);
      changed(task, values);
    });
    item.append(form);
    (form.querySelector("input:checked") ?? form.querySelector("input")).focus();
  });
  return item;
}

function chip(task, result, label, place) {
  const words = place === 0 ? evidenceWords(result) : "";
  const score = result.scores[label];
  const button = h("button", { type: "button", class: place === 0 ? `chip primary-label ${task === "urgency" ? `level-${label}` : ""}` : "chip", title: words ? t("because", { words }) : null },
    labelName(task, label),
    place > 0 && score !== undefined ? h("small", {}, ` ${percent(score)}`) : null,
    words ? h("span", { class: "unseen" }, ` ${t("because", { words })}`) : null);
  return lights(button, task);
}

/** Return the form in which the right values are chosen; the first one chosen is the primary one. */
function editor(task, start, cancel, save) {
  const { values, several } = setup.tasks[task];
  let chosen = start.filter((value) => values.includes(value));
  const preview = h("p", { class: "hint", "aria-live": "polite" });
  const submit = h("button", { type: "submit", class: "primary" }, t("save"));
  const update = () => {
    preview.hidden = !several;
    preview.textContent = t("chosen", { labels: listed(chosen.map((value) => labelName(task, value))) || t("none") });
    submit.disabled = !chosen.length && (!several || task === "emotion");
  };
  const options = values.map((value) => h("label", { class: "option" },
    h("input", { type: several ? "checkbox" : "radio", name: `correct-${task}`, value, checked: chosen.includes(value), onchange: (event) => {
      if (!several) chosen = [value];
      else chosen = event.target.checked ? [...chosen, value] : chosen.filter((other) => other !== value);
      update();
    } }), labelName(task, value)));
  const reviewer = h("input", { type: "text", maxlength: "200", autocomplete: "name", value: remembered("reviewer") ?? "" });
  const form = h("form", { class: "editor", onsubmit: (event) => {
    event.preventDefault();
    remember("reviewer", reviewer.value.trim());
    save(chosen, reviewer.value.trim());
  }, onkeydown: (event) => {
    if (event.key === "Escape") { event.stopPropagation(); cancel(); }
  } },
    h("fieldset", {}, h("legend", {}, `${t("correct")}: ${taskName(task)}`), options),
    preview,
    h("div", { class: "row" }, h("label", {}, `${t("reviewer")} `, reviewer), submit,
      h("button", { type: "button", onclick: cancel }, t("cancel"))));
  update();
  return form;
}
