/* Building blocks: elements made of text nodes only, number formats, charts as small SVGs. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG_NS = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  // strings become text nodes: nothing that a customer wrote is ever read as markup
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG_NS, tag), attributes, children);
/** A text of somebody else's, kept from turning around the direction of what stands beside it. */
const their = (text) => el("bdi", {}, String(text));

const number = new Intl.NumberFormat(DATA.lang);
const decimal = new Intl.NumberFormat(DATA.lang, { maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(DATA.lang, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const share = (part, whole) => (whole > 0 ? percent.format(part / whole) : "–");

/** Return a wording with its places filled in. */
function t(key, values = {}) {
  return DATA.wordings[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Return the name of a label for people. */
function nameOf(task, value) {
  return (DATA.names[task] && DATA.names[task][value]) || value;
}

function table(caption, heads, rows, { numeric = [], className = "" } = {}) {
  const cell = (content, i) => {
    const attributes = { class: numeric.includes(i) ? "n" : null, "data-label": i ? heads[i] : null };
    return i === 0 ? el("th", { ...attributes, scope: "row" }, content) : el("td", attributes, content);
  };
  return el("table", { class: className },
    caption && el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { scope: "col", class: numeric.includes(i) ? "n" : null }, head)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell)))));
}

/** A table with a bar in each row: rows of {name, count, group, className}; the longest bar stands for `most`. */
function barTable(label, rows, whole, most = Math.max(1, ...rows.map((row) => row.count))) {
  return el("table", { class: "bars", "aria-label": label },
    el("thead", { class: "unseen" }, el("tr", {}, [label, t("bar"), t("messages"), t("share")].map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map((row) => el("tr", { class: row.group ? "group" : null },
      el("th", { scope: "row" }, their(row.name)),
      el("td", { class: "track", "aria-hidden": "true" },
        el("i", { class: row.className || null, "--share": (100 * row.count / most).toFixed(2) })),
      el("td", { class: "n" }, number.format(row.count)),
      el("td", { class: "n soft" }, share(row.count, whole))))));
}

function ticks(most, wanted = 4) {
  const rough = Math.max(1, most) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough));
  const top = Math.max(step, Math.ceil(most / step) * step);
  return Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
}

/**
 * Columns over time, stacked or laid over each other, with a table as its alternative.
 *
 * options: title, periods [{label, name}], series [{name, className, values}], relative (shares of `whole`),
 * line: a series drawn as a line, note. Arrow keys, mouse and touch read out a period.
 */
function timeChart({ title, periods, series, whole, relative, overlay, line, height = 190, width = 600, note }) {
  const left = relative ? 42 : 46;
  const bottom = 22;
  const inner = { width: width - left - 8, height: height - bottom - 8 };
  const totals = periods.map((_, i) => (overlay ? Math.max(...series.map((one) => one.values[i])) :
    series.reduce((sum, one) => sum + one.values[i], 0)));
  const most = relative ? 1 : Math.max(1, ...totals, ...(line ? line.values : []));
  const marks = relative ? [0, 0.25, 0.5, 0.75, 1] : ticks(most);
  const top = marks[marks.length - 1];
  const x = (i) => left + (i / periods.length) * inner.width;
  const y = (value) => 8 + inner.height * (1 - value / top);
  const slot = inner.width / periods.length;
  const gap = slot > 5 ? Math.min(3, slot * 0.15) : 0;
  const column = (i, from, to) => {
    const [low, high] = [y(from), y(to)];
    return `M${(x(i) + gap / 2).toFixed(1)} ${low.toFixed(1)}V${high.toFixed(1)}h${(slot - gap).toFixed(2)}V${low.toFixed(1)}z`;
  };
  const base = new Float64Array(periods.length);
  const paths = series.map((one) => {
    let path = "";
    one.values.forEach((value, i) => {
      if (!value) return;
      const scale = relative ? 1 / whole[i] : 1;
      path += column(i, overlay ? 0 : base[i] * scale, (overlay ? value : base[i] + value) * scale);
      base[i] += value;
    });
    return svg("path", { d: path, class: one.className });
  });
  const every = Math.max(1, Math.ceil(periods.length / Math.max(2, Math.floor(inner.width / 92))));
  const cursor = svg("rect", { class: "cursor", x: 0, y: 8, width: Math.max(2, slot), height: inner.height, visibility: "hidden" });
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0", "aria-label": `${title}. ${t("chart_keys")}` },
    marks.map((mark) => [
      svg("line", { class: "grid-line", x1: left, x2: width - 8, y1: y(mark), y2: y(mark) }),
      svg("text", { x: left - 6, y: y(mark) + 4, "text-anchor": "end" }, relative ? percent.format(mark).replace(/[.,]0/, "") : number.format(mark)),
    ]),
    paths,
    line && svg("path", { class: "f-line", d: line.values.map((value, i) => `${i ? "L" : "M"}${(x(i) + slot / 2).toFixed(1)} ${y(value).toFixed(1)}`).join("") }),
    periods.map((period, i) => (i % every === 0 && x(i) + 70 < width + 30) && svg("text", { x: x(i), y: height - 6 }, period.label)),
    cursor);
  const readout = el("output", { class: "readout" }, t("chart_hint"));
  const all = line ? [...series, line] : series;
  const describe = (one, i) => `${one.name} ${number.format(one.values[i])}${relative ? ` (${share(one.values[i], whole[i])})` : ""}`;
  let current = -1;
  const show = (i) => {
    current = Math.max(0, Math.min(periods.length - 1, i));
    cursor.setAttribute("x", x(current));
    cursor.setAttribute("visibility", "visible");
    readout.textContent = `${periods[current].name}　${all.filter((one) => !relative || one.values[current]).map((one) => describe(one, current)).join(" · ")}`;
  };
  const point = (event) => {
    const box = drawing.getBoundingClientRect();
    show(Math.floor((((event.clientX - box.left) / box.width) * width - left) / slot));
  };
  drawing.addEventListener("pointermove", point);
  drawing.addEventListener("pointerdown", point);
  drawing.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(current + step);
  });
  const alternative = el("details", { class: "table" }, el("summary", {}, t("as_table")));
  alternative.addEventListener("toggle", () => {
    if (!alternative.open || alternative.children.length > 1) return;
    const heads = [t("period"), ...all.map((one) => one.name)];
    const rows = periods.map((period, i) => [period.name, ...all.map((one) => number.format(one.values[i]))]);
    alternative.append(el("div", { class: "tall", tabindex: "0", role: "region", "aria-label": title },
      table(title, heads, rows, { numeric: heads.map((_, i) => i).slice(1) })));
  });
  return el("figure", {}, drawing,
    el("ul", { class: "legend" }, all.map((one) => el("li", {}, el("i", { class: one.swatch }), one.name))),
    readout, note && el("p", { class: "soft" }, note), alternative);
}
