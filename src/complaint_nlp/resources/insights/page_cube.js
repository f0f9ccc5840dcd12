/* The cube: unpacked once, then counted again for every choice of filters. */

async function inflate(packed) {
  const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Return the unsigned LEB128 numbers of a packed text; sums, so far as each is a difference to the one before. */
async function unpack(packed, length, cumulative) {
  const bytes = await inflate(packed);
  const numbers = new Float64Array(length);
  let at = 0;
  let sum = 0;
  for (let i = 0; i < length; i++) {
    let value = 0;
    let scale = 1;
    let byte;
    do {
      byte = bytes[at++];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte > 127);
    sum = cumulative ? sum + value : value;
    numbers[i] = sum;
  }
  return numbers;
}

async function openCube(data) {
  const keys = await unpack(data.keys, data.cells, true);
  const counts = await unpack(data.counts, data.cells, false);
  const axes = {};
  for (let place = data.axes.length - 1; place >= 0; place--) {
    const axis = data.axes[place];
    const codes = new Uint16Array(data.cells);
    for (let i = 0; i < data.cells; i++) {
      const code = keys[i] % axis.size;
      codes[i] = code;
      keys[i] = (keys[i] - code) / axis.size;
    }
    axes[axis.name] = { ...axis, codes };
  }
  return { cells: data.cells, counts, axes };
}

/** Return for an axis which of its codes a choice lets through; null when all. */
function allowed(axis, test) {
  const pass = new Uint8Array(axis.size);
  let all = true;
  for (let code = 0; code < axis.size; code++) {
    pass[code] = test(code) ? 1 : 0;
    all = all && pass[code] === 1;
  }
  return all ? null : pass;
}

/** Return the filters as tests of codes, one per axis that a choice narrows. */
function testsOf(cube, choice) {
  const tests = [];
  const add = (name, test) => {
    const axis = cube.axes[name];
    const pass = axis && allowed(axis, test(axis));
    if (pass) tests.push([axis.codes, pass]);
  };
  if (choice.category || choice.subcategory) {
    add("labels", (axis) => (code) => {
      const [categories, kinds] = axis.values[code];
      return (!choice.category || (categories & choice.category) !== 0) &&
        (!choice.subcategory || (kinds & choice.subcategory) !== 0);
    });
  }
  if (choice.urgency) add("urgency", () => (code) => ((choice.urgency >> code) & 1) === 1);
  for (const name of ["product", "place", "channel"]) {
    if (choice[name] !== null && choice[name] !== undefined) add(name, () => (code) => code === choice[name]);
  }
  if (choice.first !== null || choice.last !== null) {
    add("day", (axis) => (code) => code !== axis.unknown &&
      (choice.first === null || code >= choice.first) && (choice.last === null || code <= choice.last));
  }
  return tests;
}

/** Count the messages that a choice lets through, by everything the page shows. */
function recount(cube, choice, rowsOf) {
  const { axes, counts } = cube;
  const tests = testsOf(cube, choice);
  const sizes = Object.fromEntries(Object.values(axes).map((axis) => [axis.name, axis.size]));
  const by = Object.fromEntries(Object.keys(axes).map((name) => [name, new Float64Array(sizes[name])]));
  const simple = Object.keys(axes).map((name) => [axes[name].codes, by[name]]);
  const labels = axes.labels.codes;
  const hasGrievance = Uint8Array.from(axes.labels.values, ([categories]) => (categories ? 1 : 0));
  const day = axes.day ? axes.day.codes : null;
  const days = sizes.day || 0;
  const urgency = axes.urgency.codes;
  const emotion = axes.emotion ? axes.emotion.codes : null;
  const overTime = {
    grievances: new Float64Array(days),
    urgency: new Float64Array(days * sizes.urgency),
    emotion: new Float64Array(days * (sizes.emotion || 0)),
  };
  const rows = axes[rowsOf] ? axes[rowsOf].codes : null;
  const heat = new Float64Array(rows ? sizes[rowsOf] * sizes.labels : 0);
  let total = 0;
  let grievances = 0;
  cell: for (let i = 0; i < cube.cells; i++) {
    for (const [codes, pass] of tests) if (!pass[codes[i]]) continue cell;
    const count = counts[i];
    const set = labels[i];
    total += count;
    for (const [codes, sums] of simple) sums[codes[i]] += count;
    if (hasGrievance[set]) grievances += count;
    if (day) {
      const when = day[i];
      if (hasGrievance[set]) overTime.grievances[when] += count;
      overTime.urgency[when * sizes.urgency + urgency[i]] += count;
      if (emotion) overTime.emotion[when * sizes.emotion + emotion[i]] += count;
    }
    if (rows) heat[rows[i] * sizes.labels + set] += count;
  }
  return { total, grievances, by, overTime, heat };
}

/** Return counts by single labels from counts by label sets: `part` 0 for categories, 1 for sub-kinds. */
function byLabel(axis, sums, part, from = 0) {
  const names = part === 0 ? axis.categories : axis.subcategories;
  const counts = new Float64Array(names.length);
  for (let set = 0; set < axis.values.length; set++) {
    const sum = sums[from + set];
    if (!sum) continue;
    for (let bits = axis.values[set][part], i = 0; bits; bits >>>= 1, i++) if (bits & 1) counts[i] += sum;
  }
  return counts;
}
