/* What is known of the whole table: rises, hot-spots, groups, repeat complainers, answer times, causes. */

const apply = { filter: null }; // set by page.js: narrows the charts above to one finding

function part(id, title, about, ...content) {
  return el("section", { class: "card wide long", id, "aria-labelledby": `${id}-title` },
    el("h3", { id: `${id}-title` }, title), about && el("p", { class: "soft" }, about), content);
}

/** Show the first children of a list, the others on demand (and in print). */
function folding(list, name) {
  const shown = name === "items" ? 6 : 8;
  const count = list.children.length;
  if (count <= shown) return null;
  list.classList.add("folded", name);
  const button = el("button", { type: "button", class: "more" }, t("show_all", { n: number.format(count) }));
  button.addEventListener("click", () => {
    const first = list.children[shown];
    list.classList.remove("folded");
    button.remove();
    first.setAttribute("tabindex", "-1");
    first.focus();
  });
  return button;
}

function cards(list) {
  const items = el("div", { class: "items" }, list);
  return [items, folding(items, "items")];
}

function longTable(...args) {
  const made = table(...args);
  return [made, folding(made.querySelector("tbody"), "rows")];
}

const none = (text) => el("p", { class: "empty" }, text);

/** Finding as a number of times: one digit where it is small. */
const times = (value) => (value === null || value === undefined ? "–" : t("times", { n: decimal.format(value) }));
const range = (low, high) => (low === null || low === undefined || high === null || high === undefined ? "" :
  t("interval", { low: decimal.format(low), high: decimal.format(high) }));
const chance = (q) => (q === null || q === undefined ? "" : q < 0.001 ? "q < 0.001" : `q = ${q.toFixed(3)}`);
const hours = (value) => (value === null || value === undefined ? t("not_reached") :
  value < 48 ? t("hours", { n: decimal.format(value) }) : t("days", { n: decimal.format(value / 24) }));

function example(one) {
  if (!one || !one.text) return null;
  const when = one.at ? `${one.at.slice(0, 10)} · ` : "";
  return el("blockquote", {}, their(one.text), el("footer", {}, when, t("row", { n: one.row })));
}

const phrases = (list) => list && list.length ? el("div", { class: "tags" }, list.map((phrase) => el("span", { class: "tag" }, their(phrase)))) : null;

function narrow(values) {
  if (!apply.filter || !apply.filter.can(values)) return null;
  return el("button", { type: "button", onclick: () => apply.filter.set(values) }, t("show_in_charts"));
}

function rises(list) {
  if (!list || !list.length) return part("rises", t("rises"), t("rises_about"), none(t("rises_none")));
  return part("rises", t("rises"), t("rises_about"), cards(list.map((one) => el("article", { class: "item card" },
    el("div", { class: "chart-head" },
      el("h4", { class: "name" }, el("span", { class: "soft" }, nameOf("dimension", one.by), "　"), their(one.name)),
      el("span", { class: "big" }, times(one.ratio))),
    el("p", { class: "soft" }, `${one.start} – ${one.end}`, one.ongoing ? el("span", { class: "tag alert" }, t("ongoing")) : null),
    el("p", {}, t("observed_expected", { observed: number.format(one.observed), expected: decimal.format(one.expected) }), " ",
      el("span", { class: "soft" }, range(one.ratio_low, one.ratio_high), " ", chance(one.q))),
    one.series ? riseChart(one) : null, phrases(one.phrases), example(one.example),
    narrow({ [one.by]: one.value, from: one.start, to: one.end })))));
}

function riseChart(one) {
  const { starts, observed, expected } = one.series;
  const periods = starts.map((start) => ({ label: start.slice(5), name: start }));
  return timeChart({
    title: one.name, periods, height: 120, width: 380, overlay: true,
    series: [{ name: t("observed"), className: "f-bar", swatch: "b-bar", values: observed }],
    line: { name: t("expected"), swatch: "b-line", values: expected.map((value) => Math.round(value * 10) / 10) },
  });
}

function hotspots(list) {
  const title = t("hotspots");
  if (!list || !list.length) return part("hotspots", title, t("hotspots_about"), none(t("hotspots_none")));
  const heads = [t("where"), t("subcategory"), t("messages"), t("expected"), t("lift"), t("share_there"), t("example")];
  const rows = list.map((one) => [
    [el("span", { class: "soft" }, nameOf("dimension", one.by), " "), their(one.name)], their(one.subcategory_name), number.format(one.count),
    decimal.format(one.expected), [el("b", {}, times(one.lift)), " ", el("span", { class: "soft" }, range(one.lift_low, one.lift_high))],
    percent.format(one.share), [example(one.example), narrow({ [one.by]: one.value, subcategory: one.subcategory })],
  ]);
  return part("hotspots", title, t("hotspots_about"), longTable(null, heads, rows, { numeric: [2, 3, 5], className: "stack" }));
}

function groups(list) {
  if (!list || !list.length) return part("groups", t("groups"), t("groups_about"), none(t("groups_none")));
  return part("groups", t("groups"), t("groups_about"), cards(list.map((one) => el("article", { class: "item card" },
    el("div", { class: "chart-head" },
      el("h4", { class: "name" }, one.phrases && one.phrases.length ? their(one.phrases.slice(0, 3).join(" · ")) : t("group", { n: one.group })),
      el("span", { class: "big" }, t("messages_n", { n: number.format(one.size) }))),
    el("p", { class: "soft" }, [one.subcategory_name, one.first && `${one.first.slice(0, 10)} – ${(one.last || one.first).slice(0, 10)}`,
      t(one.kind === "same_meaning" ? "same_meaning" : "same_text")].filter(Boolean).join(" · ")),
    example(one.example)))));
}

function repeaters(found) {
  if (!found) return null;
  const title = t("repeaters");
  const about = t("repeaters_about", {
    customers: number.format(found.repeat_customers), all: number.format(found.customers),
    messages: number.format(found.repeat_messages), share: percent.format(found.repeat_message_share || 0),
  });
  if (!found.top.length) return part("repeaters", title, null, none(t("repeaters_none")));
  const heads = [t("customer"), t("messages"), t("urgent"), t("first"), t("last"), t("mostly")];
  const rows = found.top.map((one) => [their(one.customer), number.format(one.messages), number.format(one.urgent || 0),
    one.first ? one.first.slice(0, 10) : "–", one.last ? one.last.slice(0, 10) : "–", their(one.subcategory_name || "–")]);
  return part("repeaters", title, about, longTable(null, heads, rows, { numeric: [1, 2], className: "stack" }));
}

function answerTimes(found) {
  if (!found) return null;
  const heads = [t("group_of"), t("messages"), t("still_open"), t("median"), t("p90"), t("within_deadline")];
  const tables = [["first_answer", found.first_answer], ["close", found.close]].filter(([, list]) => list && list.length).map(([key, list]) => {
    const rows = list.map((one) => [
      one.by === "all" ? el("b", {}, t("all_messages")) : [el("span", { class: "soft" }, nameOf("dimension", one.by), " "), their(one.name)],
      number.format(one.messages), number.format(one.open), hours(one.median_hours), hours(one.p90_hours),
      one.within_deadline === null || one.within_deadline === undefined ? "–" : percent.format(one.within_deadline),
    ]);
    return table(t(key), heads, rows, { numeric: [1, 2, 3, 4, 5], className: "stack" });
  });
  return tables.length ? part("answer-times", t("answer_times"), t("answer_times_about"), tables) : null;
}

function causes(list) {
  if (!list || !list.length) return null;
  const heads = [t("subcategory"), t("messages"), t("trend"), t("severity"), t("root_causes"), t("prevention"), t("example")];
  const rows = list.map((one) => [
    [el("b", {}, one.name), el("div", { class: "soft" }, one.category_name)],
    [number.format(one.count), " ", el("span", { class: "soft" }, percent.format(one.share))],
    one.trend === null || one.trend === undefined ? "–" :
      [times(one.trend), " ", el("span", { class: "soft" }, range(one.trend_low, one.trend_high))],
    [number.format(Math.round(one.severity)), " ", el("span", { class: "soft" }, t("urgent_share", { share: percent.format(one.urgent_share || 0) }))],
    el("ul", {}, (one.root_causes || []).map((cause) => el("li", {}, their(cause)))),
    Array.isArray(one.prevention) ? el("ul", {}, one.prevention.map((step) => el("li", {}, their(step)))) : their(one.prevention || "–"),
    example(one.example),
  ]);
  return part("causes", t("causes"), t("causes_about"), longTable(null, heads, rows, { className: "stack causes" }));
}

/** All parts that there is something to say of. */
const wholeTable = (found) => [rises(found.rises), hotspots(found.hotspots), groups(found.groups), repeaters(found.repeaters),
  answerTimes(found.answer_times), causes(found.causes)].filter(Boolean);
