// What each term is over time: a small plot each, a line for the mean over trials and a band for half of them.

import { breaking, colour, drawn, find, node, prose, short } from "./nodes.js";

const HEIGHT = 132;
const EDGE = { left: 52, right: 10, top: 10, bottom: 22 };

const state = { answer: null, weighted: true, shared: false, at: null };
let plots = [];

export function plot(answer) {
  state.answer = answer;
  draw();
}

for (const button of document.querySelectorAll("[data-drawn]")) {
  button.addEventListener("click", () => {
    state.weighted = button.dataset.drawn === "weighted";
    for (const other of document.querySelectorAll("[data-drawn]")) other.setAttribute("aria-pressed", other === button);
    draw();
  });
}
find("shared").addEventListener("change", (event) => {
  state.shared = event.target.checked;
  draw();
});
new ResizeObserver(() => state.answer && draw()).observe(find("plots"));

// The lines of a course, times the weight of its term.
function scaled(course) {
  const index = state.answer.terms.findIndex((term) => term.label === course.label);
  const weight = state.weighted ? (state.answer.values.numbers[index].weight ?? 0) : 1;
  const times = (line) => line?.map((value) => (value === null ? null : weight * value));
  const at = course.at && { ...course.at, value: course.at.value === null ? null : weight * course.at.value };
  return { ...course, index, mean: times(course.mean), low: times(course.low), high: times(course.high), at };
}

function draw() {
  const { answer } = state;
  const courses = answer.values ? answer.courses.map(scaled) : [];
  const ranges = courses.map((one) => range([one]));
  const common = range(courses);
  const width = find("plots").clientWidth;
  const columns = width > 560 && courses.length > 1 ? 2 : 1;
  find("plots").style.setProperty("--columns", columns);
  const each = Math.floor((width - (columns - 1) * 20) / columns);
  plots = courses.map((one, i) => figure(one, state.shared ? common : ranges[i], span(courses, one), each));
  find("plots").replaceChildren(...plots.map((one) => one.element));
  find("time").hidden = !courses.length;
  const trials = courses.some((one) => one.low);
  find("drawn").replaceChildren(
    ...prose(trials ? "The mean over trials at each step; half of the trials lie in the band." : "At each step."),
  );
  point(state.at);
}

// From 0, or from what lies below it, to the largest.
function range(courses) {
  const values = courses.flatMap((one) => [one.mean, one.low ?? [], one.high ?? []].flat()).filter((v) => v !== null);
  const low = values.reduce((a, b) => Math.min(a, b), 0);
  const high = values.reduce((a, b) => Math.max(a, b), 0);
  return low === high ? [low, low + 1] : [low, high];
}

// Round numbers from the first to the last.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
  return found;
}

// The first step and the last: of all plots, but of one whose steps have no numbers its own.
function span(courses, one) {
  const together = one.numbered ? courses.filter((other) => other.numbered) : [one];
  const first = Math.min(...together.map((other) => other.steps[0]));
  return [first, Math.max(first + 1, ...together.map((other) => other.steps.at(-1)))];
}

function figure(one, [low, high], [first, last], width) {
  const right = width - EDGE.right;
  const bottom = HEIGHT - EDGE.bottom;
  const x = (step) => EDGE.left + ((step - first) / (last - first)) * (right - EDGE.left);
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - EDGE.top);
  const frame = [
    ...ticks(low, high, 4).map((value) => [
      drawn("line", { class: value === 0 ? "zero" : "rule", x1: EDGE.left, x2: right, y1: y(value), y2: y(value) }),
      drawn("text", { class: "tick", x: EDGE.left - 7, y: y(value) + 4, "text-anchor": "end" }, short(value)),
    ]),
    drawn("text", { class: "tick", x: EDGE.left - 7, y: HEIGHT - 6, "text-anchor": "end" }, one.numbered ? "step" : "index"),
    ...ticks(first, last, Math.max(2, Math.floor(width / 60)))
      .filter(Number.isInteger)
      .map((step) => drawn("text", { class: "tick", x: x(step), y: HEIGHT - 6, "text-anchor": "middle" }, `${step}`)),
  ];
  const lines = [
    one.low && drawn("path", { class: "band", d: band(one, x, y) }),
    drawn("path", { class: one.at ? "line picked" : "line", d: path(one.steps, one.mean, x, y) }),
    one.at && one.at.value !== null && drawn("circle", { class: "mark", cx: x(one.at.step), cy: y(one.at.value), r: 4 }),
  ].filter(Boolean);
  const cross = drawn("g", { class: "cross", visibility: "hidden" });
  const picture = drawn(
    "svg",
    { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": told(one), tabindex: 0 },
    frame.flat(),
    lines,
    cross,
  );
  const number = node("output", {});
  const title = one.text === one.label ? null : node("code", {}, breaking(one.text));
  const over = one.over.length ? node("small", {}, `${title ? ", " : ""}mean over ${one.over.join(", ")}`) : null;
  const name = node("span", { class: "name" }, node("i", { class: "dot" }), node("span", {}, breaking(one.label)));
  const of = title || over ? node("span", { class: "of" }, title, over) : null;
  const caption = node("figcaption", {}, name, number, of);
  const element = node("figure", { style: `--own: ${colour(one.index)}` }, caption, picture);
  const step = (event) => {
    const inside = event.clientX - picture.getBoundingClientRect().left;
    return first + ((inside - EDGE.left) / (right - EDGE.left)) * (last - first);
  };
  picture.addEventListener("pointermove", (event) => point(step(event)));
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    point(Math.max(first, Math.min(last, (state.at ?? first - move) + move)));
  });
  picture.addEventListener("blur", () => point(null));
  return { one, x, y, cross, number, element, bottom };
}

// The numbers at a step, in all plots.
function point(at) {
  state.at = at;
  for (const { one, x, y, cross, number, bottom } of plots) {
    const inside = at !== null && at >= one.steps[0] - 0.5 && at <= one.steps.at(-1) + 0.5;
    const index = inside ? nearest(one.steps, at) : one.steps.indexOf(one.at?.step);
    const value = one.mean[index];
    cross.setAttribute("visibility", inside && value !== null ? "visible" : "hidden");
    number.textContent = index < 0 || (!inside && !one.at) ? "" : `${short(value)} at ${one.steps[index]}`;
    if (!inside || value === null) continue;
    const place = x(one.steps[index]);
    cross.replaceChildren(
      drawn("line", { x1: place, x2: place, y1: EDGE.top, y2: bottom }),
      drawn("circle", { cx: place, cy: y(value), r: 3.5 }),
    );
  }
}

const nearest = (steps, at) =>
  steps.reduce((best, step, i) => (Math.abs(step - at) < Math.abs(steps[best] - at) ? i : best), 0);

// A line with gaps where there is no number.
function path(steps, values, x, y) {
  let pen = "M";
  return steps
    .map((step, i) => {
      if (values[i] === null) return ((pen = "M"), "");
      const part = `${pen}${x(step).toFixed(1)},${y(values[i]).toFixed(1)}`;
      pen = "L";
      return part;
    })
    .join("");
}

function band(one, x, y) {
  const there = one.steps.map((_, i) => i).filter((i) => one.low[i] !== null && one.high[i] !== null);
  const point = (line) => (i) => `${x(one.steps[i]).toFixed(1)},${y(line[i]).toFixed(1)}`;
  const edge = [...there.map(point(one.high)), ...there.reverse().map(point(one.low))];
  return edge.length ? `M${edge.join("L")}Z` : "";
}

function told(one) {
  const values = one.mean.filter((value) => value !== null);
  const ends = `${short(one.mean[0])} at step ${one.steps[0]}, ${short(one.mean.at(-1))} at step ${one.steps.at(-1)}`;
  return `${one.label} over time: ${ends}, at most ${short(values.reduce((a, b) => Math.max(a, b), -Infinity))}`;
}
