"use strict";

const LEFT = 120; // Space for names of lanes, equal in all charts, so that their time axes are aligned.
const HEIGHT = 150;
const NODES = ["#3d8f86", "#9a7bd0", "#c08a3e", "#5b7fb8", "#b0627e", "#7a9a4a", "#7d7f86", "#4aa3c7"];
const SECONDS = [1, 10, 100, 1000, 1e4, 1e5].flatMap((digit) => [digit / 1e6, 2 * digit / 1e6, 5 * digit / 1e6])
  .concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400]);

const all = []; // Every uPlot of the page.
window.reportCharts = all;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Charts are drawn on canvas, which no style sheet reaches: the page's colors are read at each drawing.
const axis = (options) => ({
  stroke: () => color("--faint"), font: "12px system-ui, sans-serif",
  grid: { stroke: () => color("--line"), width: 1 }, ticks: { stroke: () => color("--line"), width: 1 },
  ...options,
});

// `step` tells the precision, `largest` the unit.
function format_seconds(seconds, step, largest = seconds) {
  const digits = (unit) => Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  if (seconds === 0) return "0";
  if (step < 1e-3 && largest < 1e-3) return `${(seconds * 1e6).toFixed(digits(1e-6))} µs`;
  if (step < 1 && largest < 1) return `${(seconds * 1e3).toFixed(digits(1e-3))} ms`;
  if (step < 60 && largest < 120) return `${seconds.toFixed(digits(1))} s`;
  const pad = (number) => String(Math.floor(number)).padStart(2, "0");
  const rest = step < 1 ? (seconds % 60).toFixed(digits(1)).padStart(digits(1) + 3, "0") : pad(seconds % 60);
  const hours = Math.floor(seconds / 3600);
  return hours ? `${hours}:${pad(seconds / 60 % 60)} h` + (step < 60 ? ` ${rest} s` : "")
    : `${Math.floor(seconds / 60)}:${rest} min`;
}

const format_number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });

const tooltip = document.body.appendChild(document.createElement("div"));
tooltip.className = "tooltip";

function show_tooltip(chart, text) {
  tooltip.textContent = text; // Text of scripts: never HTML.
  tooltip.style.display = text ? "block" : "none";
  if (!text) return;
  const box = chart.over.getBoundingClientRect();
  const left = box.left + chart.cursor.left + 14;
  const top = box.top + chart.cursor.top + 14;
  tooltip.style.left = `${Math.max(4, Math.min(left, innerWidth - tooltip.offsetWidth - 8))}px`;
  tooltip.style.top = `${Math.max(4, Math.min(top, innerHeight - tooltip.offsetHeight - 8))}px`;
}

// A chart below a title. `text_at` is what hovering shows at the cursor.
function add_chart(place, title, height, options, data, text_at) {
  const heading = place.appendChild(document.createElement("h4"));
  heading.textContent = title;
  const holder = place.appendChild(document.createElement("div"));
  const chart = new uPlot({
    width: place.clientWidth, height, legend: { show: false }, padding: [8, 32, 0, 0], ...options,
    hooks: {
      ...options.hooks,
      setCursor: [(u) => { if (u.cursor.event) show_tooltip(u, u.cursor.left < 0 ? "" : text_at(u)); }],
    },
  }, data, holder);
  chart.over.addEventListener("mouseleave", () => show_tooltip(chart, ""));
  all.push(chart);
  return chart;
}

// Charts of one step that are zoomed together.
function time_options(length, group) {
  const margin = length * 0.01;
  const zoom = (u) => {
    const { min, max } = u.scales.x;
    for (const other of group) {
      if (other.scales.x.min !== min || other.scales.x.max !== max) other.setScale("x", { min, max });
    }
  };
  return {
    scales: { x: { time: false, range: (u, min, max) => min === null || min === 0 && max === length ? [-margin, length + margin] : [min, max] } },
    cursor: { y: false, drag: { x: true, y: false }, sync: { key: `${all.length}`, setSeries: false }, points: { show: false } },
    hooks: { setScale: [(u, key) => { if (key === "x") zoom(u); }] },
  };
}

const time_axis = () => axis({
  incrs: SECONDS, space: 90,
  values: (u, splits, index, space, step) => splits.map((each) => each < 0 ? "" : format_seconds(each, step, splits.at(-1))),
});
const value_axis = (options) => axis({ size: LEFT, space: 30, values: (u, splits) => splits.map(format_number), ...options });

// Draws rectangles, in the order of their lanes and times.
function draw_boxes(u, boxes) {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  const { min, max } = u.scales.x;
  for (const { x0, x1, y0, y1, fill, gap } of boxes) {
    if (x1 < min || x0 > max) continue;
    const begin = u.valToPos(x0, "x", true);
    const end = u.valToPos(x1, "x", true);
    const above = u.valToPos(y0, "y", true);
    const below = u.valToPos(y1, "y", true);
    // Neighbours are kept apart where there is room.
    const wide = end - begin;
    ctx.fillStyle = fill;
    ctx.fillRect(begin, Math.min(above, below), Math.max(wide - (wide > 4 * gap ? gap : 0), 1), Math.abs(below - above));
  }
  ctx.restore();
}

function box_at(u, boxes) {
  const x = u.posToVal(u.cursor.left, "x");
  const y = u.posToVal(u.cursor.top, "y");
  const near = u.posToVal(u.cursor.left + 2, "x") - x;
  const found = boxes.filter((box) => Math.min(box.y0, box.y1) <= y && y <= Math.max(box.y0, box.y1) && box.x0 - near <= x && x <= box.x1 + near);
  const distance = (box) => Math.max(box.x0 - x, x - box.x1, 0);
  return found.sort((one, other) => distance(one) - distance(other))[0];
}

function add_timeline(place, data, options) {
  const { bars, lanes, colors } = data;
  const boxes = bars.lane.map((lane, index) => ({
    x0: bars.start[index], x1: bars.end[index],
    y0: lane + 0.1 + 0.8 * bars.top[index], y1: lane + 0.1 + 0.8 * bars.bottom[index],
    fill: colors[bars.kind[index]], gap: devicePixelRatio, text: bars.text[index],
  }));
  const pixels = Math.max(1, Math.min(lanes.length <= 40 ? 22 : 8, 6000 / lanes.length));
  const every = Math.ceil(15 / pixels);
  const shorten = (name) => name.length > 17 ? `…${name.slice(-16)}` : name;
  add_chart(place, "Processes", Math.max(lanes.length * pixels, 30) + 60, {
    ...options,
    scales: { ...options.scales, y: { range: [0, lanes.length], dir: -1 } },
    series: [{}, { paths: () => null, points: { show: false } }],
    axes: [time_axis(), axis({
      size: LEFT, grid: { show: false }, ticks: { show: false },
      splits: () => lanes.map((_, lane) => lane + 0.5).filter((_, lane) => lane % every === 0),
      values: (u, splits) => splits.map((each) => shorten(lanes[Math.floor(each)])),
    })],
    hooks: { ...options.hooks, draw: [(u) => draw_boxes(u, boxes)] },
  }, [[0, data.length], [0, 0]], (u) => box_at(u, boxes)?.text ?? "");
}

function add_rate(place, data, options) {
  const width = data.length / data.rate.length;
  const times = data.rate.map((_, index) => index * width).concat([data.length]);
  add_chart(place, "Items per second", HEIGHT, {
    ...options,
    scales: { ...options.scales, y: { range: (u, min, max) => [0, (max || 1) * 1.05] } },
    series: [{}, { stroke: data.colors[0], fill: `${data.colors[0]}55`, width: 1.5, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } }],
    axes: [time_axis(), value_axis()],
  }, [times, [...data.rate, data.rate.at(-1)]], (u) => {
    const bin = Math.floor(u.posToVal(u.cursor.left, "x") / width);
    return bin in data.rate ? `${format_number(data.rate[bin])} items/s` : "";
  });
}

function add_usage(place, data, options, title, name) {
  const nodes = Object.entries(data.usage);
  if (!nodes.length) return;
  const table = uPlot.join(nodes.map(([, samples]) => [samples.time, samples[name]]));
  const ends = uPlot.join([[[0, data.length], [null, null]], table]);
  ends.splice(1, 1);
  const chart = add_chart(place, title, HEIGHT, {
    ...options,
    scales: { ...options.scales, y: { range: [0, 104] } },
    series: [{}, ...nodes.map(([node], number) => ({
      label: node, stroke: NODES[number % NODES.length], width: 1.5, spanGaps: true,
      points: { show: true, size: 5, fill: NODES[number % NODES.length] },
    }))],
    axes: [time_axis(), value_axis({ values: (u, splits) => splits.map((each) => `${each} %`) })],
  }, ends, (u) => {
    const at = u.posToVal(u.cursor.left, "x");
    return nodes.map(([node, samples]) => {
      const distances = samples.time.map((each) => Math.abs(each - at));
      return `${node}: ${samples[name][distances.indexOf(Math.min(...distances))]} %`;
    }).slice(0, 12).join("\n");
  });
  if (nodes.length === 1 || nodes.length > NODES.length) return;
  nodes.forEach(([node], number) => {
    const name = chart.root.parentElement.previousElementSibling.appendChild(document.createElement("span"));
    name.textContent = node;
    name.style.color = NODES[number];
  });
}

// Not uPlot's own, which never end if the least value is a little below a power of ten.
function logarithmic_splits(u, axis, min, max) {
  const splits = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++) {
    for (let digit = 1; digit < 10; digit++) splits.push(Number(`${digit}e${power}`));
  }
  return splits.filter((each) => min <= each && each <= max);
}

function add_durations(place, data) {
  const { edges, counts, logarithmic } = data.durations;
  const totals = edges.slice(1).map(() => 0);
  const boxes = [];
  for (const [kind, row] of Object.entries(counts)) {
    row.forEach((count, bin) => {
      if (!count) return;
      boxes.push({ x0: edges[bin], x1: edges[bin + 1], y0: totals[bin], y1: totals[bin] + count, fill: data.colors[kind], gap: devicePixelRatio });
      totals[bin] += count;
    });
  }
  const highest = Math.max(...totals);
  const precise = (seconds) => format_seconds(seconds, 10 ** (Math.floor(Math.log10(seconds || 1)) - 2));
  const values = (u, splits, index, space, step) => splits.map((each) => each === null ? null : logarithmic ? format_seconds(each, each) : format_seconds(each, step, splits.at(-1)));
  add_chart(place, "Durations of attempts", HEIGHT + 30, {
    scales: {
      x: { time: false, distr: logarithmic ? 3 : 1, range: [edges[0], edges.at(-1)] },
      y: { range: [0, highest * 1.05] },
    },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    series: [{}, { paths: () => null, points: { show: false } }],
    axes: [axis({ values, space: 70, ...(logarithmic ? { splits: logarithmic_splits } : { incrs: SECONDS }) }), value_axis({ incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6] })],
    hooks: { draw: [(u) => draw_boxes(u, boxes)] },
  }, [edges, edges.map(() => 0)], (u) => {
    const at = u.posToVal(u.cursor.left, "x");
    const bin = edges.findIndex((edge, index) => edge <= at && at <= edges[index + 1]);
    return bin < 0 ? "" : `${precise(edges[bin])} to ${precise(edges[bin + 1])}\n${totals[bin].toLocaleString("en")} attempts`;
  });
}

function add_charts(script) {
  const data = JSON.parse(script.textContent);
  const place = document.getElementById(script.dataset.charts);
  const before = all.length;
  const group = [];
  const options = time_options(data.length, group);
  add_timeline(place, data, options);
  add_rate(place, data, options);
  add_usage(place, data, options, "CPU of each node", "cpu");
  add_usage(place, data, options, "Memory of each node", "memory");
  group.push(...all.slice(before));
  if (data.durations) add_durations(place, data);
}

function redraw() {
  for (const chart of all) chart.redraw(false, true);
}

function print_in_light(printing) {
  document.documentElement.toggleAttribute("data-print", printing);
  redraw();
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
}

document.querySelectorAll("script[data-charts]").forEach(add_charts);
document.documentElement.dataset.drawn = "";
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => print_in_light(true));
addEventListener("afterprint", () => print_in_light(false));
addEventListener("resize", () => {
  for (const chart of all) chart.setSize({ width: chart.root.parentElement.clientWidth, height: chart.height });
});
