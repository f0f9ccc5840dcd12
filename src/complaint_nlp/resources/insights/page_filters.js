/* The filters: their controls, what is chosen, and what a finding sets them to. */

const MS_A_DAY = 86_400_000;
const dayNumber = (iso) => Math.round(Date.parse(`${iso}T00:00:00Z`) / MS_A_DAY);
const isoDay = (day) => new Date(day * MS_A_DAY).toISOString().slice(0, 10);

/** Return the code of the period that holds a day, on the cube's own axis. */
function codeOf(axis, iso) {
  if (axis.unit === "month") {
    const [year, month] = iso.split("-").map(Number);
    const [firstYear, firstMonth] = axis.first.split("-").map(Number);
    return (year - firstYear) * 12 + month - firstMonth;
  }
  return Math.floor((dayNumber(iso) - dayNumber(axis.first)) / (axis.unit === "week" ? 7 : 1));
}

/** Return the names of an axis of names in the order of its codes. */
function codeNames(axis) {
  const names = axis.values.slice();
  if (axis.other !== null && axis.other !== undefined) names.push(t("other", { n: number.format(axis.others) }));
  if (axis.unknown !== null && axis.unknown !== undefined) names.push(t("unknown"));
  return names;
}

function chips(name, label, options) {
  return el("fieldset", { class: "field" }, el("legend", {}, label), el("div", { class: "chips" },
    options.map(([value, text]) => el("label", { class: "chip" },
      el("input", { type: "checkbox", name, value }), el("span", {}, text)))));
}

function choices(name, label, options, groupsOf) {
  const entries = groupsOf ? groupsOf.map(([group, members]) => el("optgroup", { label: group },
    members.map(([value, text]) => el("option", { value }, text)))) : options.map(([value, text]) => el("option", { value }, text));
  return el("label", { class: "field" }, el("span", {}, label),
    el("select", { name, "aria-label": label }, el("option", { value: "" }, t("all")), entries));
}

class Filters {
  constructor(cube, onChange) {
    this.axes = cube.axes;
    const { labels, urgency, day } = this.axes;
    const inCategory = (category) => labels.subcategories.map((kind, i) => [String(i), kind])
      .filter(([, kind]) => kind.startsWith(`${category}.`)).map(([i, kind]) => [i, nameOf("subcategory", kind)]);
    this.reset = el("button", { type: "reset" }, t("reset"));
    this.form = el("form", { class: "fields", "aria-label": t("filters") },
      chips("category", t("category"), labels.categories.map((value, i) => [i, nameOf("category", value)])),
      urgency && chips("urgency", t("urgency"), urgency.values.map((value, i) => [i, nameOf("urgency", value)])),
      choices("subcategory", t("subcategory"), null, labels.categories.map((value) => [nameOf("category", value), inCategory(value)])),
      ["product", "place", "channel"].filter((name) => this.axes[name]).map((name) =>
        choices(name, nameOf("dimension", name), codeNames(this.axes[name]).map((text, code) => [code, text]))),
      day && this.periodFields(day),
      this.reset);
    // no <output>: a click on one would not open the details that it is the summary of
    this.count = el("span", { class: "soft", role: "status", id: "matching" });
    this.element = el("details", { class: "card filters", open: window.innerWidth > 640 },
      el("summary", {}, el("strong", {}, t("filters")), this.count), this.form);
    this.form.addEventListener("change", onChange);
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("reset", () => setTimeout(onChange));
    this.onChange = onChange;
  }

  periodFields(day) {
    const last = day.last;
    const input = (name, label) => el("input", { type: "date", name, min: day.first, max: last, "aria-label": label });
    const recent = (days) => el("button", { type: "button", onclick: () => {
      this.form.elements.from.value = isoDay(Math.max(dayNumber(day.first), dayNumber(last) - days + 1));
      this.form.elements.to.value = last;
      this.onChange();
    } }, t("recent", { n: days }));
    return el("fieldset", { class: "field" }, el("legend", {}, day.unit === "day" ? t("period") : t(`period_by_${day.unit}`)),
      el("div", { class: "dates" }, input("from", t("from")), "–", input("to", t("to")),
        [30, 90].filter((days) => dayNumber(last) - dayNumber(day.first) > days).map(recent)));
  }

  checked(name) {
    return [...this.form.querySelectorAll(`input[name="${name}"]:checked`)].map((input) => Number(input.value));
  }

  /** What is chosen, in codes of the cube. */
  choice() {
    const fields = this.form.elements;
    const bits = (list) => list.reduce((sum, bit) => sum | (1 << bit), 0);
    const one = (name) => (fields[name] && fields[name].value !== "" ? Number(fields[name].value) : null);
    const day = this.axes.day;
    const edge = (name) => (day && fields[name].value ? codeOf(day, fields[name].value) : null);
    const kind = one("subcategory");
    return {
      category: bits(this.checked("category")), urgency: bits(this.checked("urgency")),
      subcategory: kind === null ? 0 : 1 << kind,
      product: one("product"), place: one("place"), channel: one("channel"), first: edge("from"), last: edge("to"),
    };
  }

  /** Say how many messages match, and which filters are set. */
  tell(matching, rows) {
    const fields = this.form.elements;
    const words = [];
    for (const name of ["category", "urgency"]) {
      const list = this.checked(name).map((i) => nameOf(name, (name === "category" ? this.axes.labels.categories : this.axes.urgency.values)[i]));
      if (list.length) words.push(list.join("、"));
    }
    for (const name of ["subcategory", "product", "place", "channel"]) {
      if (fields[name] && fields[name].value !== "") words.push(fields[name].selectedOptions[0].textContent);
    }
    if (fields.from && (fields.from.value || fields.to.value)) words.push(`${fields.from.value || "…"} – ${fields.to.value || "…"}`);
    this.count.textContent = [t("matching", { n: number.format(matching), share: share(matching, rows) }), ...words].join(" · ");
    this.reset.disabled = words.length === 0;
  }

  code(name, value) {
    const axis = this.axes[name];
    if (name === "subcategory" || name === "category") {
      return this.axes.labels[name === "category" ? "categories" : "subcategories"].indexOf(value);
    }
    return axis && axis.values ? axis.values.indexOf(value) : -1;
  }

  can(values) {
    return Object.entries(values).every(([name, value]) => (name === "from" || name === "to" ? Boolean(this.axes.day) :
      name === "total" || name === "all" || this.code(name, value) >= 0));
  }

  set(values) {
    this.form.reset();
    for (const [name, value] of Object.entries(values)) {
      const fields = this.form.elements[name];
      if (name === "from" || name === "to") fields.value = value;
      else if (name === "category" || name === "urgency") fields[this.code(name, value)].checked = true;
      else if (fields) fields.value = String(this.code(name, value));
    }
    this.onChange();
    document.getElementById("overview").scrollIntoView();
    document.getElementById("overview").focus({ preventScroll: true });
  }
}
