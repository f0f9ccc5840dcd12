// The queue: a table of messages, labelled by the server, sorted, filtered, opened one by one and exported.

import { $, aside, fill, h, problem, say } from "./dom.js";
import { attempt, lines, send, wording } from "./api.js";
import { openRow } from "./case.js";
import { dateTime, labelName, language, listed, setup, t, taskName, timeLeft, word } from "./texts.js";

const PAGE = 100;
// the tasks that decide where a message goes and by when
const DECIDING = ["intent", "category", "urgency"];
const COLUMNS = ["urgency", "respond_by", "text", "category", "department"];

let head = null;
let rows = [];
let file = null;
let loading = null;
let sorting = { column: "urgency", descending: true };
let limit = PAGE;
let current = null;
let show = () => {};

const rank = (row) => setup.tasks.urgency.values.indexOf(row.labels.urgency[0]);
const due = (row) => (row.respond_by ? Date.parse(row.respond_by) : Infinity);
const unsure = (row) => (row.status === "ok" ? DECIDING.filter((task) => row.decisions[task] === "review") : []);
const names = (row, task) => listed(row.labels[task].map((value) => labelName(task, value)));

const COMPARE = {
  // among equally urgent ones what is due first comes first, whichever way urgency is sorted
  urgency: (a, b) => rank(a) - rank(b),
  respond_by: (a, b) => (due(a) === due(b) ? 0 : due(a) - due(b)),
  text: (a, b) => a.number - b.number,
  category: (a, b) => (a.labels.category[0] ?? "~").localeCompare(b.labels.category[0] ?? "~"),
  department: (a, b) => (a.department ?? "").localeCompare(b.department ?? "", language),
};

function chosenRows() {
  const [task, value] = $("filter").value.split("=");
  const wanted = $("search").value.trim().toLowerCase();
  const fits = (row) => {
    if (task === "status" && row.status === "ok") return false;
    if (task === "escalate" && !row.escalate) return false;
    if (task === "review" && !unsure(row).length) return false;
    if (value !== undefined && !row.labels[task].includes(value)) return false;
    return !wanted || row.text.toLowerCase().includes(wanted);
  };
  const sign = sorting.descending ? -1 : 1;
  return rows.filter(fits).sort((a, b) => sign * COMPARE[sorting.column](a, b) || COMPARE.respond_by(a, b) || a.number - b.number);
}

/** Write the table again, as after a change of language. */
export function showQueue() {
  showFilters();
  $("queue-count").textContent = rows.length ? String(rows.length) : "";
  $("queue-body").hidden = !head || head.text_column === null;
  if (!head) return;
  fill($("queue-head"), COLUMNS.map((column) => {
    const sorted = sorting.column === column;
    return h("th", { scope: "col", "aria-sort": sorted ? (sorting.descending ? "descending" : "ascending") : null, class: `col-${column}` },
      h("button", { type: "button", class: "quiet", onclick: () => sortBy(column) }, t(`column_${column}`), h("span", { "aria-hidden": "true" }, sorted ? (sorting.descending ? " ▼" : " ▲") : "")));
  }));
  const found = chosenRows();
  const open = document.activeElement?.dataset?.row;
  fill($("queue-rows"), found.length ? found.slice(0, limit).map(tableRow) : h("tr", {}, h("td", { colspan: String(COLUMNS.length), class: "hint" }, t("no_rows"))));
  if (open) document.querySelector(`[data-row="${open}"]`)?.focus();
  $("more").hidden = found.length <= limit;
  $("export").textContent = t("export", { n: found.length });
  $("export").disabled = !found.length || Boolean(loading);
  $("rejects").hidden = !head.rejected;
  fill($("rejects"), head.rejected > 0 && [rejectWords(), aside(head.rejects.map(({ line, reason }) => `${line}: ${reason}`).join("; "))]);
}

/** Say which lines were left out, those with the same reason together. */
function rejectWords() {
  const places = new Map();
  for (const { code, line } of head.rejects) places.set(code, [...(places.get(code) ?? []), line]);
  const said = [...places].map(([code, found]) => t("rejected_lines", { lines: listed(found), reason: word("rejects", code) }));
  return t("rejected", { n: head.rejected, lines: said.join(language === "en" ? "; " : "；") });
}

function tableRow(row) {
  const level = row.labels.urgency[0];
  const open = h("button", { type: "button", class: "quiet open", "data-row": String(row.number), onclick: () => openFrom(row) }, h("bdi", {}, row.text.slice(0, 200) || t("empty_row")));
  const cells = {
    urgency: level ? [h("span", { class: `level level-${level}` }, labelName("urgency", level)), row.escalate ? h("span", { class: "escalate" }, t("escalate_short")) : null] : t("not_read"),
    respond_by: row.respond_by ? h("span", { class: "due", "data-due": row.respond_by, title: dateTime(row.respond_by) }, timeLeft(row.respond_by, false).text) : "",
    text: open,
    category: names(row, "category") || names(row, "intent"),
    department: row.department ?? "",
  };
  const notes = [Object.keys(row.corrected).length ? t("corrected_mark") : null, unsure(row).length ? t("to_review", { tasks: listed(unsure(row).map(taskName)) }) : null].filter(Boolean);
  return h("tr", { class: row === current ? "current" : null }, COLUMNS.map((column) =>
    h("td", { class: `col-${column}`, "data-name": t(`column_${column}`) }, cells[column], column === "text" && notes.length ? h("span", { class: "small" }, notes.join(" · ")) : null)));
}

function showFilters() {
  const before = $("filter").value;
  const groups = ["intent", "category", "subcategory", "urgency", "emotion", "needs", "demands"].map((task) => {
    const options = setup.tasks[task].values.map((value) => [value, rows.filter((row) => row.labels[task].includes(value)).length]).filter(([, count]) => count);
    return options.length ? h("optgroup", { label: taskName(task) }, options.map(([value, count]) => h("option", { value: `${task}=${value}` }, `${labelName(task, value)} (${count})`))) : null;
  });
  fill($("filter"), h("option", { value: "" }, t("all_rows")), h("option", { value: "escalate" }, t("only_escalate")),
    h("option", { value: "review" }, t("only_review")), h("option", { value: "status" }, t("only_unread")), groups);
  $("filter").value = before;
  if (!$("filter").value) $("filter").value = "";
}

function sortBy(column) {
  sorting = { column, descending: sorting.column === column ? !sorting.descending : column === "urgency" };
  showQueue();
  $("queue-head").querySelector(`.col-${column} button`).focus();
  say(t("sorted", { column: t(`column_${column}`) }));
}

async function load() {
  file = $("file").files[0] ?? file;
  if (!file) {
    $("file").focus();
    return problem(() => t("nothing_to_upload"));
  }
  loading?.abort();
  const run = (loading = new AbortController());
  [head, rows, current, limit] = [null, [], null, PAGE];
  $("progress").hidden = false;
  $("rejects").hidden = true;
  $("bar").removeAttribute("value");
  $("bar-text").textContent = "";
  const query = new URLSearchParams({ name: file.name, ...($("column-field").hidden ? {} : { text_column: $("column").value }) });
  const state = await attempt(() => read(`desk/queue?${query}`, run));
  if (loading !== run) return;
  loading = null;
  $("progress").hidden = true;
  showQueue();
  if (state === "column") {
    $("column").focus();
    return problem(() => t("choose_column"));
  }
  if (state?.broken) {
    const n = rows.length;
    const { given } = state;
    problem(() => t("broken_off", { n, reason: given ? wording(given, given.status) : t("unreachable") }), given?.detail);
  }
  if (head) say(t("rows_read", { n: rows.length }));
}

async function read(path, run) {
  const response = await send(path, { body: file, type: "application/octet-stream", signal: run.signal });
  let state = { broken: true };
  let drawn = 0;
  for await (const line of lines(response)) {
    if (loading !== run) return "old";
    if (line.columns) {
      head = line;
      fill($("column"), head.own_columns.map((name) => h("option", { value: name }, name)));
      if (head.text_column) $("column").value = head.text_column;
      $("column-field").hidden = false;
      if (head.text_column === null) return "column";
    } else if (line.done) state = "done";
    else if (line.error) state = { broken: true, given: line.error };
    else {
      rows.push(made(line));
      $("bar").max = head.rows;
      $("bar").value = rows.length;
      $("bar-text").textContent = `${rows.length} / ${head.rows}`;
      // drawing after every row would cost more than labelling it
      if (Date.now() - drawn > 1000) {
        drawn = Date.now();
        showQueue();
      }
    }
  }
  return state;
}

/** Return a row that can be corrected: a correction changes the table and what is exported. */
function made(line) {
  const row = { ...line, corrected: {} };
  row.correct = (task, values) => {
    row.corrected[task] = values;
    row.labels[task] = values;
    row.cells[head.columns.indexOf(task)] = values.join("|");
    showQueue();
  };
  return row;
}

function openFrom(row) {
  current = row;
  show("case");
  showPlace();
  openRow(row);
}

function showPlace() {
  $("walk").hidden = !current;
  if (!current) return;
  const found = chosenRows();
  const place = found.indexOf(current);
  $("walk-place").textContent = place < 0 ? "" : `${place + 1} / ${found.length}`;
  $("walk-previous").disabled = place <= 0;
  $("walk-next").disabled = place < 0 || place + 1 >= found.length;
}

/** Open the row that many places further. */
export function walk(steps) {
  const found = chosenRows();
  const next = found[found.indexOf(current) + steps];
  if (current && next) openFrom(next);
}

/** Move the focus among the rows. */
export function move(steps) {
  const buttons = [...$("queue-rows").querySelectorAll(".open")];
  const place = buttons.indexOf(document.activeElement);
  buttons[place < 0 ? 0 : Math.min(Math.max(place + steps, 0), buttons.length - 1)]?.focus();
}

export function focusCurrent() {
  showQueue();
  (document.querySelector(`[data-row="${current?.number}"]`) ?? $("file")).focus();
}

export function leaveRow() {
  current = null;
  showPlace();
}

// cells arrive safe from formulas; here they are only quoted
const csvCell = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function exportRows() {
  const found = chosenRows();
  const csv = [head.columns, ...found.map((row) => row.cells)].map((cells) => `${cells.map(csvCell).join(",")}\r\n`).join("");
  const link = h("a", { download: `${file.name.replace(/\.\w+$/, "")}_labelled.csv`, href: URL.createObjectURL(new Blob(["\ufeff", csv], { type: "text/csv" })) });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(t("exported", { n: found.length }));
}

/** Bring the time left up to date. */
export function tickQueue() {
  for (const cell of document.querySelectorAll(".due")) {
    const left = timeLeft(cell.dataset.due, false);
    cell.textContent = left.text;
    cell.classList.toggle("late", left.late);
  }
}

export function wireQueue(showView) {
  show = showView;
  $("upload").addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  // a file that was changed on the disk can be picked again
  $("file").addEventListener("click", () => ($("file").value = ""));
  $("file").addEventListener("change", () => {
    if (!$("file").files.length) return;
    $("column-field").hidden = true;
    load();
  });
  $("filter").addEventListener("change", () => { limit = PAGE; showQueue(); });
  $("search").addEventListener("input", () => { limit = PAGE; showQueue(); });
  $("more").addEventListener("click", () => { limit += PAGE; showQueue(); });
  $("export").addEventListener("click", exportRows);
  $("stop").addEventListener("click", () => loading?.abort());
  $("walk-previous").addEventListener("click", () => walk(-1));
  $("walk-next").addEventListener("click", () => walk(1));
  $("walk-back").addEventListener("click", () => { show("queue"); focusCurrent(); });
}
