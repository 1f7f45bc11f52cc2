// The terms in a table: their weights with sliders, values and shares; and the parameters.

import { breaking, colour, find, node } from "./nodes.js";

// A slider goes over three powers of ten on both sides of what the text says, and at its left end to 0.
const STEPS = 600;
const DECADES = 3;

function control(label, base, whole, changed) {
  const start = Math.abs(Number(base)) || 1;
  const sign = Number(base) < 0 ? -1 : 1;
  const value = (at) => {
    if (at === 0) return 0;
    const exact = sign * start * 10 ** (DECADES * ((2 * at) / STEPS - 1));
    return whole ? Math.round(exact) : Number(exact.toPrecision(3));
  };
  const at = (number) => {
    const ratio = (sign * number) / start;
    const place = ratio > 0 ? ((Math.log10(ratio) / DECADES + 1) * STEPS) / 2 : 0;
    return Math.max(ratio > 0 ? 1 : 0, Math.min(STEPS, Math.round(place)));
  };
  const slider = node("input", { type: "range", min: 0, max: STEPS, "aria-label": `${label}, slider` });
  const field = node("input", { type: "text", inputmode: "decimal", "aria-label": label, autocomplete: "off" });
  const show = (written) => {
    field.value = written;
    field.removeAttribute("aria-invalid");
    slider.value = at(Number(written));
    slider.setAttribute("aria-valuetext", written);
  };
  slider.addEventListener("input", () => {
    // In the middle it is exactly what the text says.
    const number = Number(slider.value);
    const written = number === STEPS / 2 && !whole ? String(base) : shortest(value(number));
    field.value = written;
    field.removeAttribute("aria-invalid");
    slider.setAttribute("aria-valuetext", written);
    changed(written);
  });
  field.addEventListener("change", () => {
    const written = field.value.trim();
    const good = written !== "" && Number.isFinite(Number(written)) && (!whole || Number.isInteger(Number(written)));
    field.setAttribute("aria-invalid", !good);
    if (!good) return;
    show(written);
    changed(written);
  });
  show(base);
  const isUsed = () => [field, slider].includes(document.activeElement);
  const follow = (written = base) => isUsed() || show(written); // what is moved is not taken from the hand
  return { follow, element: node("div", { class: "control" }, slider, field) };
}

function shortest(value) {
  const size = Math.abs(value);
  return size && (size < 1e-3 || size >= 1e6) ? value.toExponential().replace("+", "") : String(value);
}

let there = { key: "", rows: [], parameters: [] };

// What is listed stays as it is, and only its values change, as long as the text asks for the same rows.
export function list(answer, bases, numbers, changed) {
  const { terms, parameters, values, uses_step: hasStep } = answer;
  const fixed = terms.map((term) => [term.label, term.text, term.axes, bases.weights[term.label] ?? term.weight]);
  const key = JSON.stringify([fixed, bases.parameters, hasStep]);
  if (key !== there.key) {
    there = {
      key,
      rows: terms.map((term, i) => rowOf(term, i, bases.weights[term.label], changed)),
      parameters: parameters.map((one) => parameterOf("parameters", one, bases.parameters[one.name], false, changed)),
    };
    if (hasStep) there.parameters.push(parameterOf("step", STEP, "1000", true, changed));
    find("rows").replaceChildren(...there.rows.map((row) => row.element));
    find("parameters").replaceChildren(...there.parameters.map((row) => row.element));
  }
  for (const [i, { cells, made, control: own }] of there.rows.entries()) {
    const row = values?.rows[i];
    own?.follow(numbers.weights[terms[i].label]);
    made?.replaceChildren(node("code", {}, terms[i].weight), row ? ` = ${row[1]}` : "");
    cells.raw.replaceChildren(row?.[2] ?? "–");
    cells.weighted.replaceChildren(row?.[3] ?? "–");
    cells.share.replaceChildren(row ? share(values.numbers[i].share, row[4]) : "–");
  }
  for (const { kind, name, control: own } of there.parameters) {
    own.follow(kind === "step" ? numbers.step : numbers.parameters[name]);
  }
  find("total").textContent = values?.total ?? "–";
}

const STEP = { name: "step", doc: "the training iteration" };

function rowOf(term, i, base, changed) {
  const own = term.is_number
    ? control(`weight of ${term.label}`, base, false, (written) => changed("weights", term.label, written))
    : null;
  const made = own ? null : node("span", { class: "made" });
  const named = (label) => node("td", { "data-label": label });
  const cells = { raw: named("raw"), weighted: named("weighted"), share: named("share") };
  const name = node("span", { class: "name" }, node("i", { class: "dot" }), node("span", {}, breaking(term.label)));
  const title = node(
    "th",
    { scope: "row" },
    name,
    term.text === term.label ? null : node("code", {}, breaking(term.text)),
    term.axes === "()" ? null : node("small", {}, term.axes),
  );
  const weight = node("td", { "data-label": "weight" }, own?.element ?? made);
  const element = node("tr", { style: `--own: ${colour(i)}` }, title, weight, ...Object.values(cells));
  return { element, cells, made, control: own };
}

function parameterOf(kind, { name, doc }, base, whole, changed) {
  const own = control(name, base, whole, (written) => changed(kind, name, written));
  const title = node("span", {}, node("code", {}, name), doc ? node("small", {}, doc) : null);
  return { kind, name, control: own, element: node("div", { class: "parameter" }, title, own.element) };
}

function share(part, written) {
  const width = part === null ? 0 : Math.max(0, Math.min(1, Math.abs(part)));
  const bar = node("span", { class: part < 0 ? "bar minus" : "bar" }, node("i", { style: `width: ${100 * width}%` }));
  return node("span", { class: "share" }, bar, node("span", {}, written || "–"));
}

export const said = (answer) => {
  const count = answer.terms.length;
  const total = answer.values ? `, total ${answer.values.total}` : "";
  return `${count} ${count === 1 ? "term" : "terms"}${total}`;
};
