// The interface in three languages. The words come from the server (resources/serve/desk.yaml).

import { $, remember, remembered } from "./dom.js";

export let setup = null;
export let language = "zh-Hant";

export function install(given) {
  setup = given;
  const kept = remembered("language");
  language = kept in setup.texts ? kept : setup.language;
}

export function choose(chosen) {
  language = chosen;
  remember("language", chosen);
}

/** Return a wording of a group, with `{name}` filled in; an unknown name as it is. */
export function word(group, name, values = {}) {
  const text = setup.texts[language][group]?.[name] ?? name;
  return text.replace(/\{([a-z]+)\}/g, (all, key) => (key in values ? values[key] : all));
}

export const t = (name, values) => word("interface", name, values);
export const statusWords = (status) => word("statuses", status, { limit: number(setup.max_chars) });
export const taskName = (task) => word("tasks", task);
export const labelName = (task, value) => {
  const key = `${task}.${value}`;
  const found = word("tasks", key);
  return found === key ? String(value) : found;
};

export function listed(items) {
  return items.join(language === "en" ? ", " : "、");
}

export const quoted = (text) => (language === "zh-Hans" || language === "en" ? `“${text}”` : `「${text}」`);
export const number = (value) => new Intl.NumberFormat(language).format(value);
export const percent = (share) => `${Math.round(share * 100)}%`;

export function dateTime(iso) {
  return new Intl.DateTimeFormat(language, {
    month: "numeric", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  }).format(new Date(iso));
}

/** Return the time left until a deadline, with seconds or, in tables, without. */
export function timeLeft(iso, seconds = true) {
  const total = Math.trunc((new Date(iso) - Date.now()) / 1000);
  const rest = Math.abs(total);
  const two = (number) => String(number).padStart(2, "0");
  const days = Math.floor(rest / 86400);
  const clock = `${Math.floor((rest % 86400) / 3600)}:${two(Math.floor((rest % 3600) / 60))}${seconds ? `:${two(rest % 60)}` : ""}`;
  const time = days ? t("days", { n: days, time: clock }) : clock;
  return { late: total < 0, soon: total < 3600, text: total < 0 ? t("late", { time }) : time };
}

/** Write the fixed words of the page. */
export function translate() {
  document.documentElement.lang = language;
  document.title = t("title");
  for (const [attribute, write] of [
    ["data-t", (element, text) => (element.textContent = text)],
    ["data-t-label", (element, text) => element.setAttribute("aria-label", text)],
    ["data-t-placeholder", (element, text) => (element.placeholder = text)],
  ]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) write(element, t(element.getAttribute(attribute)));
  }
  $("language").value = language;
}
