// Plain data -> elements. Nothing here reads a text as HTML, and the policy of the page forbids it.

const MATHEMATICS = "http://www.w3.org/1998/Math/MathML";
const DRAWING = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") element.style.cssText = value; // an attribute would need a policy that lets styles in
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const node = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);

export const drawn = (tag, attributes = {}, ...children) =>
  made(document.createElementNS(DRAWING, tag), attributes, children);

// A formula, `[tag, attributes, children]`; its LaTeX where there is none.
export function formula(tree, latex, display = true) {
  if (!tree) return node("code", {}, latex);
  const element = mathematics(tree);
  element.setAttribute("displaystyle", display);
  return element;
}

function mathematics([tag, attributes, children]) {
  const { style, ...others } = attributes;
  const named = Object.fromEntries(Object.entries(others).filter(([name]) => !/^on|href/i.test(name)));
  const inner = children.map((child) => (typeof child === "string" ? child : mathematics(child)));
  return made(document.createElementNS(MATHEMATICS, tag), { ...named, style }, inner);
}

// A sentence with `code` in it.
export function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? node("code", {}, part) : part));
}

export const colourful = (pieces) => pieces.map(([kind, piece]) => node("span", { class: `is-${kind}` }, piece));

// A text without spaces, which goes on in the next line behind brackets, commas and dots.
export const breaking = (text) =>
  text.split(/(?<=[(,])|(?<=\.)(?=\D)/).flatMap((part, i) => (i ? [node("wbr"), part] : [part]));

// As few digits as tell a number.
export function short(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const rounded = Number(value.toPrecision(digits));
  const size = Math.abs(rounded);
  if (size && (size < 1e-3 || size >= 1e6)) return rounded.toExponential().replace("+", "");
  return String(rounded);
}

// The colour of a term, the same wherever it stands.
export const colour = (index) => `var(--term-${index % 8})`;
