// The page: what is typed and moved goes to the server, what comes back is shown.

import * as editor from "./editor.js";
import { colour, colourful, find, formula, node, prose } from "./nodes.js";
import { plot } from "./plots.js";
import { Asked, ask } from "./server.js";
import * as terms from "./terms.js";

const text = find("text");
const KEPT = "lossdsl text"; // of this tab, so that a text outlives a reload

const state = {
  begun: "", // what the page began with
  key: null, // of the text that is compiled
  answer: null, // the last one that was right
  bases: { weights: {}, parameters: {} }, // the numbers that the text gives
  numbers: { weights: {}, parameters: {}, step: "0" }, // what is set instead
  found: [], // what is wrong with the text, as it is read
  failed: [], // and as it is computed
  copy: "python",
  typed: false, // whether the list at the cursor is wanted: "typed", or "asked" for
  at: 0, // where that was
};

const reading = new Asked("read", 40, read, fail);
const answering = new Asked("answer", 200, answered, fail);
const changing = new Asked("numbers", 25, changed, fail);

function sayText() {
  state.failed = [];
  state.at = text.selectionStart;
  changing.drop();
  editor.paint();
  editor.wait();
  keepText();
  reading.soon({ text: text.value, at: text.selectionStart });
  answering.soon({ text: text.value });
  clearTimeout(sayText.timer);
  sayText.timer = setTimeout(() => say("compiling …"), 700);
}

// A browser may refuse to keep anything.
function keepText() {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ begun: state.begun, written: text.value }));
  } catch {}
}

function keptText() {
  try {
    const { begun, written } = JSON.parse(sessionStorage.getItem(KEPT));
    return begun === state.begun ? written : null;
  } catch {
    return null;
  }
}

function read(found, { text: of, at }) {
  if (of !== text.value) return;
  state.found = found.errors ?? []; // a text that is too long is not read at all
  tell();
  if (!found.colours) return;
  editor.colour(found.colours);
  editor.explain(found.about);
  if (!state.typed || at !== text.selectionEnd || document.activeElement !== text) return;
  const isBegun = found.offers.length && found.offers[0].end > found.offers[0].start;
  editor.offer(isBegun || state.typed === "asked" ? found.offers : []);
  state.typed = false;
}

// What is wrong as it is read has a place for each mistake; what fails on the data is told of a text that is right.
const tell = () => editor.tell(state.found.length ? state.found : state.failed);

function answered(found, { text: of }) {
  clearTimeout(sayText.timer);
  if (of !== text.value) return;
  if (!found.terms) return old(found.errors);
  state.key = found.key;
  const weights = Object.fromEntries(found.terms.filter((one) => one.is_number).map((one) => [one.label, one.weight]));
  const parameters = Object.fromEntries(found.parameters.map((one) => [one.name, one.value]));
  // A number that is set stays as long as the text says the same beside it.
  const still = (set, now, before) =>
    Object.fromEntries(Object.entries(set).filter(([name]) => name in now && now[name] === before[name]));
  state.numbers.weights = still(state.numbers.weights, weights, state.bases.weights);
  state.numbers.parameters = still(state.numbers.parameters, parameters, state.bases.parameters);
  state.bases = { weights, parameters };
  if (isChanged() || (found.uses_step && state.numbers.step !== "0")) return askNumbers();
  show(found);
}

function old(errors) {
  for (const part of document.querySelectorAll(".result")) part.classList.add("old");
  find("terms").inert = true;
  state.failed = errors;
  tell();
  say(state.answer ? "What is greyed is that of the last text that was right." : "");
}

function setNumber(kind, name, written) {
  if (kind === "step") state.numbers.step = written;
  else state.numbers[kind][name] = written;
  askNumbers();
}

function askNumbers() {
  changing.soon({ key: state.key, ...state.numbers });
}

function changed(found, { key }) {
  if (key !== state.key) return;
  if (found.gone) return answering.now({ text: text.value });
  if (found.terms) return show(found);
  state.failed = found.errors;
  tell();
}

const isChanged = () => [state.numbers.weights, state.numbers.parameters].some((set) => Object.keys(set).length);

function show(found) {
  state.answer = found;
  for (const part of document.querySelectorAll(".result")) part.classList.remove("old");
  find("terms").inert = false;
  state.failed = found.errors;
  tell();
  terms.list(found, state.bases, state.numbers, setNumber);
  find("changed").hidden = !isChanged();
  showFormula();
  showCode();
  plot(found);
  say(terms.said(found));
}

function showFormula() {
  const addends = state.answer.formula[find("unfold").checked ? "long" : "short"];
  const shown = addends.map((one, i) => {
    const sign = one.minus ? "−" : i ? "+" : "";
    const mathematics = node("span", { class: "addend", style: `--own: ${colour(i)}` }, formula(one.math, one.latex));
    return node("span", { class: "signed" }, sign ? node("span", { class: "sign" }, sign) : null, mathematics);
  });
  find("formula").replaceChildren(node("span", { class: "sign" }, "ℒ ="), ...shown);
}

function code() {
  const long = state.copy === "latex" && find("unfold").checked;
  return state.answer.copies[long ? "latex_long" : state.copy];
}

function showCode() {
  for (const button of find("copies").children) button.setAttribute("aria-pressed", button.dataset.copy === state.copy);
  find("code").replaceChildren(code());
}

async function copy(button) {
  if (!state.answer) return;
  state.copy = button.dataset.copy;
  showCode();
  let done = `${button.textContent} copied`;
  try {
    await navigator.clipboard.writeText(code());
  } catch {
    getSelection().selectAllChildren(find("code"));
    done = "selected: copy it with Ctrl+C";
  }
  find("copied").textContent = done;
  clearTimeout(copy.timer);
  copy.timer = setTimeout(() => (find("copied").textContent = ""), 4000);
}

const say = (words) => (find("status").textContent = words);

function fail(message) {
  clearTimeout(sayText.timer);
  say("");
  state.failed = [{ message }];
  tell();
}

text.addEventListener("input", (event) => {
  state.typed = event.inputType?.startsWith("insert") ? "typed" : false;
  sayText();
});
text.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.ctrlKey) return;
  event.preventDefault();
  state.typed = "asked";
  state.at = text.selectionStart;
  reading.now({ text: text.value, at: text.selectionStart });
});
document.addEventListener("selectionchange", () => {
  if (document.activeElement !== text) return;
  if (text.selectionStart !== state.at) editor.offer([]);
  reading.soon({ text: text.value, at: text.selectionStart });
});
find("unfold").addEventListener("change", () => state.answer && (showFormula(), showCode()));
find("copies").addEventListener("click", (event) => event.target.dataset.copy && copy(event.target));
find("keep").addEventListener("click", () => editor.write(0, text.value.length, state.answer.copies.text));
find("reset").addEventListener("click", () => {
  if (find("terms").contains(document.activeElement)) document.activeElement.blur(); // what is typed there, too
  state.numbers = { weights: {}, parameters: {}, step: state.numbers.step };
  askNumbers();
});

async function begin() {
  const start = await ask("begin", {});
  const none = "without data: `--data FILE.npz` gives values and plots";
  find("data").replaceChildren(...prose(start.has_data ? `on ${start.data}` : none));
  state.begun = start.text;
  editor.explain([]);
  text.value = keptText() ?? start.text;
  sayText();
}

begin().catch((failure) => fail(failure.message));
