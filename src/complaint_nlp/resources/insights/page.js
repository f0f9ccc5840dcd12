/* The page: head, filters, the figures and charts that follow them, then what is known of the whole table. */

const UNITS = ["day", "week", "month"];
const HEAT_COLUMNS = 12;
const found = DATA.insights;
const view = { unit: null, rows: null };

/** Return the periods of a unit, and of which of them each code of the cube's time axis is a part (-1: none). */
function fold(axis, unit, choice) {
  const size = axis.unknown === null ? axis.size : axis.unknown;
  const first = dayNumber(axis.first);
  const of = new Int32Array(axis.size).fill(-1);
  const periods = [];
  let name = null;
  for (let code = Math.max(0, choice.first ?? 0); code < Math.min(size, (choice.last ?? size) + 1); code++) {
    let start;
    if (axis.unit === "month") {
      const months = Number(axis.first.slice(5, 7)) - 1 + code;
      start = Date.UTC(Number(axis.first.slice(0, 4)), months, 1) / MS_A_DAY;
    } else {
      start = first + code * (axis.unit === "week" ? 7 : 1);
      if (unit === "week") start -= (start + 3) % 7;
    }
    const iso = isoDay(start);
    const label = unit === "month" ? iso.slice(0, 7) : iso;
    if (label !== name) {
      const end = unit === "day" ? start : unit === "week" ? start + 6 : Date.UTC(Number(iso.slice(0, 4)), Number(iso.slice(5, 7)), 0) / MS_A_DAY;
      const begin = unit === "month" ? dayNumber(`${label}-01`) : start;
      const { from, to } = found.overview;
      const partial = (from && begin < dayNumber(from)) || (to && end > dayNumber(to));
      periods.push({ label, name: (unit === "week" ? `${label} – ${isoDay(end)}` : label) + (partial ? t("partial") : "") });
      name = label;
    }
    of[code] = periods.length - 1;
  }
  return { periods, of };
}

function folded(folding, sums, stride = 1, offset = 0) {
  const values = new Array(folding.periods.length).fill(0);
  folding.of.forEach((period, code) => {
    if (period >= 0) values[period] += sums[code * stride + offset];
  });
  return values;
}

function figure(label, value, about, id) {
  return el("div", { class: "card figure", id }, el("span", { class: "soft" }, label), el("b", {}, value), el("span", { class: "soft" }, about));
}

function figures(cube, sums) {
  const { urgency, escalate, deadline } = sums.by;
  const of = (count) => t("share_of", { share: share(count, sums.total) });
  const critical = urgency[cube.axes.urgency.values.indexOf("critical")];
  const urgent = critical + urgency[cube.axes.urgency.values.indexOf("high")];
  const cards = [
    figure(t("messages"), number.format(sums.total), t("share_of", { share: share(sums.total, DATA.cube.rows) }), "figure-messages"),
    figure(t("grievances"), number.format(sums.grievances), of(sums.grievances), "figure-grievances"),
    figure(t("urgent"), number.format(urgent), of(urgent), "figure-urgent"),
    figure(t("critical"), number.format(critical), of(critical), "figure-critical"),
  ];
  if (escalate) cards.push(figure(t("escalated"), number.format(escalate[1]), of(escalate[1]), "figure-escalated"));
  if (deadline) {
    const [, within, late] = deadline;
    cards.push(figure(t("within_deadline"), share(within, within + late), t("of_due", { n: number.format(within + late) }), "figure-deadline"));
  }
  return cards;
}

function kinds(cube, sums) {
  const axis = cube.axes.labels;
  const categories = byLabel(axis, sums.by.labels, 0);
  const subcategories = byLabel(axis, sums.by.labels, 1);
  const byCount = (a, b) => b.count - a.count;
  const groups = axis.categories.map((value, i) => ({ value, name: nameOf("category", value), count: categories[i] })).sort(byCount);
  const rows = axis.subcategories.map((value, i) => ({ value, name: nameOf("subcategory", value), count: subcategories[i] })).sort(byCount);
  return { groups, rows };
}

function kindCards(cube, sums) {
  const { groups, rows } = kinds(cube, sums);
  const detail = groups.flatMap((group) => [{ ...group, group: true },
    ...rows.filter((row) => row.value.startsWith(`${group.value}.`) && row.count).map((row) => ({ ...row, className: "b-bar-soft" }))]);
  const middle = Math.ceil(detail.length / 2);
  const cut = detail.findIndex((row, i) => i >= middle - 2 && row.group);
  const halves = cut > 0 ? [detail.slice(0, cut), detail.slice(cut)] : [detail];
  const most = Math.max(1, ...detail.map((row) => row.count));
  return el("section", { class: "card wide", id: "kinds", "aria-labelledby": "kinds-title" },
    el("h3", { id: "kinds-title" }, t("kinds")), el("p", { class: "soft" }, t("kinds_about")),
    el("div", { class: "columns" }, halves.map((half) => barTable(t("kinds"), half, sums.total, most))));
}

/** A bar per product, place or channel. */
function nameCard(cube, sums, name) {
  const axis = cube.axes[name];
  if (!axis) return null;
  const rows = codeNames(axis).map((text, code) => ({ name: text, count: sums.by[name][code], className: code >= axis.values.length ? "b-bar-soft" : null }))
    .filter((row) => row.count);
  const title = nameOf("dimension", name);
  return el("section", { class: "card third", "aria-labelledby": `${name}-title` }, el("h3", { id: `${name}-title` }, title),
    rows.length ? barTable(title, rows, sums.total) : none(t("nothing")));
}

function timeCards(cube, sums, choice) {
  const axis = cube.axes.day;
  if (!axis || axis.values) return [];
  const folding = fold(axis, view.unit, choice);
  if (!folding.periods.length) return [];
  const total = folded(folding, sums.by.day);
  const inner = Math.max(280, Math.min(1280, document.documentElement.clientWidth - 40) - 40);
  const narrowPage = document.documentElement.clientWidth <= 900;
  const half = narrowPage ? inner : inner / 2 - 10;
  const card = (id, className, title, chart, tools) => el("section", { class: `card ${className}`, id, "aria-labelledby": `${id}-title` },
    el("div", { class: "chart-head" }, el("h3", { id: `${id}-title` }, title), tools), chart);
  const shares = (task, prefix) => {
    const one = cube.axes[task];
    if (!one) return null;
    const stride = one.size;
    const values = [...one.values, ...(one.unknown === null ? [] : ["unknown"])];
    const series = values.map((value, i) => ({
      name: value === "unknown" ? t("unknown") : nameOf(task, value), className: `${prefix === "c" ? "c" : "f"}-${value}`,
      swatch: `${prefix === "c" ? "c" : "b"}-${value}`, values: folded(folding, sums.overTime[task], stride, i),
    }));
    return timeChart({ title: t(`${task}_over_time`), periods: folding.periods, series, whole: total, relative: true, width: half });
  };
  const lines = [
    { name: t("messages"), className: "f-bar-soft", swatch: "b-bar-soft", values: total },
    { name: t("grievances"), className: "f-bar", swatch: "b-bar", values: folded(folding, sums.overTime.grievances) },
  ];
  return [
    card("timeline", "wide", t("timeline"), timeChart({ title: t("timeline"), periods: folding.periods, series: lines, overlay: true, width: inner }), unitChoice(axis)),
    card("urgency-time", "half", t("urgency_over_time"), shares("urgency", "f")),
    cube.axes.emotion && card("emotion-time", "half", t("emotion_over_time"), shares("emotion", "c")),
  ];
}

function radio(name, label, options, chosen, onPick) {
  return el("div", { class: "units", role: "radiogroup", "aria-label": label }, options.map(([value, text]) => el("label", { class: "chip" },
    el("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onPick(value) }), el("span", {}, text))));
}

const unitChoice = (axis) => radio("unit", t("unit"), UNITS.slice(UNITS.indexOf(axis.unit)).map((unit) => [unit, t(unit)]), view.unit,
  (unit) => { view.unit = unit; page.render("unit"); });

function heatCard(cube, sums) {
  const options = ["product", "place", "channel"].filter((name) => cube.axes[name]);
  if (!options.length) return null;
  const axis = cube.axes[view.rows];
  const labels = cube.axes.labels;
  const { rows: all } = kinds(cube, sums);
  const columns = all.filter((row) => row.count).slice(0, HEAT_COLUMNS);
  const sure = new Set((found.hotspots || []).filter((spot) => spot.by === view.rows).map((spot) => `${spot.value}\n${spot.subcategory}`));
  const lines = codeNames(axis).map((name, code) => ({ name, code, count: sums.by[view.rows][code], known: axis.values[code] })).filter((line) => line.count);
  const body = lines.map((line) => {
    const counts = byLabel(labels, sums.heat, 1, line.code * labels.size);
    return el("tr", {}, el("th", { scope: "row" }, their(line.name)), columns.map((column) => {
      const count = counts[labels.subcategories.indexOf(column.value)];
      const expected = line.count * column.count / sums.total;
      const unusual = (count - expected) / Math.sqrt(Math.max(expected, 1)) > 2;
      const heat = unusual ? Math.min(85, 60 * Math.log2(count / expected)) : 0;
      const confirmed = sure.has(`${line.known}\n${column.value}`);
      return el("td", { class: `${confirmed ? "sure" : ""} ${count ? "" : "zero"}`.trim() || null, "--heat": heat.toFixed(0),
        title: t("heat_cell", { count: number.format(count), expected: decimal.format(expected) }) }, number.format(count), confirmed && [" ▲", el("span", { class: "unseen" }, t("confirmed"))]);
    }));
  });
  const title = t("heat", { rows: nameOf("dimension", view.rows) });
  return el("section", { class: "card wide", id: "heat", "aria-labelledby": "heat-title" },
    el("div", { class: "chart-head" }, el("h3", { id: "heat-title" }, title),
      options.length > 1 && radio("rows", t("heat_rows"), options.map((name) => [name, nameOf("dimension", name)]), view.rows,
        (name) => { view.rows = name; page.render("rows"); })),
    el("p", { class: "soft" }, t("heat_about", { n: HEAT_COLUMNS })),
    lines.length && columns.length ? el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, el("table", { class: "heat" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, nameOf("dimension", view.rows)), columns.map((column) => el("th", { scope: "col" }, column.name)))),
      el("tbody", {}, body))) : none(t("nothing")));
}

class Page {
  constructor(cube) {
    this.cube = cube;
    if (!cube) return;
    const { day } = cube.axes;
    if (day) {
      const days = (day.size - 1) * { day: 1, week: 7, month: 30 }[day.unit];
      const fitting = days <= 45 ? "day" : days <= 430 ? "week" : "month";
      view.unit = UNITS[Math.max(UNITS.indexOf(day.unit), UNITS.indexOf(fitting))];
    }
    view.rows = ["product", "place", "channel"].find((name) => cube.axes[name]) || null;
    this.filters = new Filters(cube, () => this.render());
    apply.filter = this.filters;
    this.figures = el("div", { class: "figures" });
    this.charts = el("div", { class: "grid" });
  }

  /** Count and draw anew; `focus` names the radio group that asked, for it is drawn anew too. */
  render(focus) {
    const choice = this.filters.choice();
    const sums = recount(this.cube, choice, view.rows);
    this.filters.tell(sums.total, DATA.cube.rows);
    this.figures.replaceChildren(...figures(this.cube, sums));
    const cards = sums.total === 0 ? [el("p", { class: "card wide empty" }, t("nothing"))] : [
      ...timeCards(this.cube, sums, choice), kindCards(this.cube, sums), heatCard(this.cube, sums),
      ...["product", "place", "channel"].map((name) => nameCard(this.cube, sums, name))];
    this.charts.replaceChildren(...cards.filter(Boolean));
    if (focus) this.charts.querySelector(`input[name="${focus}"]:checked`)?.focus();
  }

  body() {
    const { overview } = found;
    const parts = wholeTable(found);
    const link = (id, text) => el("a", { href: `#${id}` }, text);
    const notes = [...(found.notes || []), ...DATA.notes];
    return [
      el("a", { class: "skip", href: "#overview" }, t("skip")),
      el("div", { class: "page" },
        el("header", { class: "head" },
          el("div", {}, el("h1", {}, their(DATA.title)), el("p", { class: "soft" }, [overview.from && `${overview.from} – ${overview.to}`,
            t("messages_n", { n: number.format(overview.messages) }), t("made", { when: DATA.made }), t(found.masked ? "masked" : "not_masked")].filter(Boolean).join(" · "))),
          el("div", { class: "tools" }, themeButton(), el("button", { type: "button", onclick: () => window.print() }, t("print")))),
        el("nav", { class: "nav", "aria-label": t("contents") }, this.cube && link("overview", t("overview")),
          parts.map((one) => link(one.id, one.querySelector("h3").textContent)), notes.length ? link("notes", t("notes")) : null),
        el("main", {},
          this.cube && el("section", { id: "overview", tabindex: "-1", "aria-label": t("overview") }, this.filters.element, this.figures, this.charts),
          el("h2", { class: "part" }, t("whole_table")), el("p", { class: "soft" }, t("whole_table_about")),
          el("div", { class: "grid" }, parts, notes.length ? part("notes", t("notes"), null, el("ul", { class: "notes" }, notes.map((note) => el("li", {}, their(note))))) : null)),
        el("footer", { class: "foot" }, t("foot"))),
    ];
  }
}

function themeButton() {
  const root = document.documentElement;
  const button = el("button", { type: "button", id: "theme" });
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : preferred.matches);
  const tell = () => { button.textContent = dark() ? t("light_mode") : t("dark_mode"); };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; tell(); });
  preferred.addEventListener("change", tell);
  tell();
  return button;
}

let page = null;
async function start() {
  page = new Page(DATA.cube ? await openCube(DATA.cube) : null);
  document.body.append(...page.body());
  if (page.cube) {
    page.render();
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
      if (window.innerWidth === width) return;
      width = window.innerWidth;
      requestAnimationFrame(() => page.render());
    });
  }
  document.body.dataset.ready = "yes";
}
start().catch((error) => {
  document.body.append(el("p", { class: "noscript", role: "alert" }, t("broken"), " ", String(error)));
  document.body.dataset.ready = "broken";
});
