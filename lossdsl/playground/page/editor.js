// The text: its colours behind it, what is wrong underlined, and what can be written at the cursor.

import { colourful, find, formula, node, prose } from "./nodes.js";

const text = find("text");
const behind = find("colours");
const offers = find("offers");

let pieces = []; // what is shown behind the text
let wrong = []; // what is underlined
let told = "";
let offered = [];
let chosen = 0;

// The text as it is now, in the colours that are known of it: what has changed is plain until they come.
export function paint() {
  const now = text.value;
  const known = pieces.map(([, piece]) => piece).join("");
  const most = Math.min(now.length, known.length);
  let start = 0;
  while (start < most && now[start] === known[start]) start += 1;
  let end = 0;
  while (end < most - start && now[now.length - 1 - end] === known[known.length - 1 - end]) end += 1;
  const changed = now.slice(start, now.length - end);
  const shift = now.length - known.length;
  pieces = [...part(0, start), ...(changed ? [["", changed]] : []), ...part(known.length - end, known.length)];
  wrong = wrong
    .filter((place) => place.end <= start || place.start >= known.length - end)
    .map((place) => (place.start >= known.length - end && place.end > start ? moved(place, shift) : place));
  show();
}

const moved = (place, shift) => ({ ...place, start: place.start + shift, end: place.end + shift });

// The pieces of some characters of what is known.
function part(start, end) {
  const found = [];
  let at = 0;
  for (const [kind, piece] of pieces) {
    const inside = piece.slice(Math.max(0, start - at), Math.max(0, end - at));
    if (inside) found.push([kind, inside]);
    at += piece.length;
  }
  return found;
}

function show() {
  const cuts = [...new Set(wrong.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const spans = [];
  let at = 0;
  for (const [kind, piece] of pieces) {
    const inner = cuts.filter((cut) => cut > at && cut < at + piece.length);
    for (const [i, start] of [at, ...inner].entries()) {
      const end = inner[i] ?? at + piece.length;
      const bad = wrong.some((place) => place.start < end && place.end > start);
      spans.push(node("span", { class: `is-${kind}${bad ? " wrong" : ""}` }, piece.slice(start - at, end - at)));
    }
    at += piece.length;
  }
  behind.replaceChildren(...spans, "\n"); // a last line that is empty has its height too
}

export function colour(found) {
  pieces = found;
  show();
}

// Messages below the text, each with its place, which a click selects; those that stay are left as they are.
export function tell(errors) {
  wrong = errors.filter((one) => Number.isInteger(one.start));
  show();
  if (told === (told = JSON.stringify(errors))) return;
  text.setAttribute("aria-invalid", errors.length > 0);
  find("errors").replaceChildren(...errors.map(message));
}

function message(one) {
  const placed = Number.isInteger(one.start);
  const where = placed
    ? node("button", { type: "button", class: "place", onclick: () => select(one.start, one.end) }, position(one.start))
    : null;
  const why = one.cause
    ? node(
        "details",
        {},
        node("summary", {}, "why? ", node("code", {}, one.code)),
        node("p", {}, prose(one.cause)),
        node("p", {}, prose(one.cure)),
      )
    : null;
  const calls = (one.calls ?? []).map((call) => node("p", { class: "hint" }, prose(call)));
  return node(
    "li",
    {},
    node("p", { class: "says" }, where, where ? " " : null, prose(one.message)),
    one.hint ? node("p", { class: "hint" }, prose(one.hint)) : null,
    calls,
    why,
  );
}

function position(offset) {
  const before = text.value.slice(0, offset).split("\n");
  return `${before.length}:${before.at(-1).length + 1}`;
}

function select(start, end) {
  text.focus();
  text.setSelectionRange(start, end);
}

// What the word at the cursor means.
export function explain(parts) {
  const rest = "Put the cursor on a word to read what it means. Ctrl+Space lists what can stand there.";
  const shown = parts.map((part) => {
    if (part.kind === "code") return node("pre", {}, colourful(part.colours));
    if (part.kind === "formula") return node("div", { class: "mathematics" }, formula(part.math, part.text));
    return node("p", {}, prose(part.text));
  });
  find("about").replaceChildren(...(shown.length ? shown : [node("p", { class: "rest" }, rest)]));
}

// What is offered belongs to a text that has changed: it stays until the next comes, and cannot be taken.
export function wait() {
  offered = [];
}

// A list at the cursor of what can be written there.
export function offer(found) {
  offered = found;
  chosen = 0;
  offers.hidden = !found.length;
  if (!found.length) {
    text.removeAttribute("aria-activedescendant");
    offers.replaceChildren();
    return;
  }
  offers.replaceChildren(
    ...found.map((one, i) =>
      node(
        "li",
        { id: `offer-${i}`, role: "option", title: one.doc.split("\n")[0], onpointerdown: (event) => pressed(event, i) },
        node("b", {}, one.text),
        node("i", {}, one.kind),
        node("span", {}, one.detail),
      ),
    ),
  );
  place(found[0].start);
  choose(0);
}

function pressed(event, i) {
  event.preventDefault(); // the text keeps the focus
  take(i);
}

// Below the first letter of the word.
function place(offset) {
  const walker = document.createTreeWalker(behind, NodeFilter.SHOW_TEXT);
  let left = offset;
  while (walker.nextNode() && left >= walker.currentNode.length) left -= walker.currentNode.length;
  const range = document.createRange();
  const at = walker.currentNode ?? behind;
  range.setStart(at, Math.min(left, at.length ?? 0));
  const letter = range.getBoundingClientRect();
  const frame = behind.getBoundingClientRect();
  const most = frame.width - Math.min(offers.offsetWidth, frame.width);
  offers.style.left = `${Math.max(0, Math.min(letter.left - frame.left, most))}px`;
  offers.style.top = `${(letter.bottom || frame.top + 28) - frame.top + 8}px`;
}

function choose(i) {
  chosen = (i + offered.length) % offered.length;
  for (const [k, option] of [...offers.children].entries()) option.setAttribute("aria-selected", k === chosen);
  offers.children[chosen].scrollIntoView({ block: "nearest" });
  text.setAttribute("aria-activedescendant", `offer-${chosen}`);
}

function take(i) {
  const one = offered[i];
  const call = one.call && text.value[one.end] !== "(" ? "(" : "";
  offer([]);
  write(one.start, one.end, one.text + call);
}

// Put something in place of a part of the text, so that it can be undone as what is typed can.
export function write(start, end, written) {
  text.focus();
  text.setSelectionRange(start, end);
  if (document.execCommand("insertText", false, written)) return;
  text.setRangeText(written, start, end, "end");
  text.dispatchEvent(new Event("input"));
}

const KEYS = {
  ArrowDown: () => choose(chosen + 1),
  ArrowUp: () => choose(chosen - 1),
  Enter: () => take(chosen),
  Tab: () => take(chosen),
};

text.addEventListener("keydown", (event) => {
  if (event.key === "Escape") offer([]);
  if (!offered.length || !(event.key in KEYS) || event.shiftKey) return;
  event.preventDefault();
  KEYS[event.key]();
});
text.addEventListener("blur", () => offer([]));
