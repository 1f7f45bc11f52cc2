// Hold the TextMate grammars, read as VS Code reads them, against the Pygments lexer and the losses of check.yaml.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import oniguruma from 'vscode-oniguruma'
import textmate from 'vscode-textmate'

const require = createRequire(import.meta.url)
const here = dirname(fileURLToPath(import.meta.url))
const grammar = (...path) => JSON.parse(readFileSync(join(here, ...path), 'utf-8'))
const ours = (name) => grammar('vscode', 'syntaxes', `${name}.tmLanguage.json`)
const grammars = {
  'source.loss': ours('loss'),
  'source.loss.in-yaml': ours('loss-in-yaml'),
  'source.yaml': JSON.parse(readFileSync(require.resolve('tm-grammars/grammars/yaml.json'), 'utf-8')),
}

await oniguruma.loadWASM(readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm')))
const registry = new textmate.Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (sources) => new oniguruma.OnigScanner(sources),
    createOnigString: (text) => new oniguruma.OnigString(text),
  }),
  loadGrammar: async (scope) => grammars[scope] ?? null,
  getInjections: (scope) => (scope === 'source.yaml' ? ['source.loss.in-yaml'] : []),
})

// The tokens of a text: start, end and the scopes, innermost last.
async function tokenize(scope, text) {
  const grammar = await registry.loadGrammar(scope)
  const found = []
  let state = textmate.INITIAL
  let begin = 0
  for (const line of text.split('\n')) {
    const { tokens, ruleStack } = grammar.tokenizeLine(line, state)
    // The library counts the end of the line too.
    for (const t of tokens) found.push([begin + t.startIndex, begin + Math.min(t.endIndex, line.length), t.scopes])
    state = ruleStack
    begin += line.length + 1
  }
  return found
}

// Pygments does not tell one bracket from another.
const kind = (scopes) => scopes.at(-1).replace(/\.loss$/, '').replace(/^punctuation\..*/, 'punctuation')

const texts = JSON.parse(readFileSync(0, 'utf-8'))
for (const [text, expected] of texts) {
  const coloured = (await tokenize('source.loss', text)).filter(([, , scopes]) => scopes.length > 1)
  assert.deepEqual(coloured.map(([start, end, scopes]) => [start, end, kind(scopes)]), expected, text)
}

// In YAML a word stands in a loss if it ends in `_loss`, and only then.
const yaml = readFileSync(join(here, 'check.yaml'), 'utf-8')
let seen = 0
for (const [start, end, scopes] of await tokenize('source.yaml', yaml)) {
  const token = yaml.slice(start, end)
  const inside = scopes.some((scope) => scope.endsWith('.loss'))
  if (/\w/.test(token) && !scopes.some((scope) => scope.startsWith('comment'))) {
    if (/_loss$/.test(token)) seen += 1
    if (/^[a-z_.]+$/.test(token)) assert.equal(inside, /_loss$/.test(token), `${token}: ${scopes}`)
  }
}
assert.equal(seen, (yaml.replace(/#.*/g, '').match(/_loss\b/g) ?? []).length)
console.log(`${texts.length} texts and ${seen} names in YAML agree`)
