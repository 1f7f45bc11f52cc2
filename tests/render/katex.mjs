// Parses each formula of a JSON list with KaTeX at its strictest.
import { readFileSync } from "node:fs";
import katex from "katex";

const formulas = JSON.parse(readFileSync(0, "utf8"));
let bad = 0;
for (const formula of formulas) {
    try {
        katex.renderToString(formula, { displayMode: true, strict: "error", throwOnError: true });
    } catch (failure) {
        bad += 1;
        console.error(`${failure.message}\n    ${formula}`);
    }
}
console.log(`${formulas.length - bad} of ${formulas.length} formulas are right`);
process.exit(bad || !formulas.length ? 1 : 0);
