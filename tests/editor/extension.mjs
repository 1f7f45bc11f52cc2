// The extension with an editor that is not there: what it starts, with the setting of the first argument and the Python
// of the second, a server that fails for the third.
import { createRequire } from "node:module";
import Module from "node:module";
import { fileURLToPath } from "node:url";

const [setting, python, fails] = process.argv.slice(2);
const seen = { started: [], said: [], commands: [] };
const environments = { getActiveEnvironmentPath: () => ({ path: python }) };

class LanguageClient {
  constructor(id, name, server, options) {
    seen.started.push([id, server, options.documentSelector.map((one) => one.language)]);
  }
  async start() {
    if (fails) throw new Error("no server");
  }
  async stop() {}
}

const modules = {
  vscode: {
    workspace: { getConfiguration: () => ({ get: () => JSON.parse(setting) }) },
    extensions: { getExtension: () => (python ? { activate: async () => ({ environments }) } : undefined) },
    commands: { registerCommand: (name) => seen.commands.push(name) },
    window: { showWarningMessage: (text) => seen.said.push(text) },
  },
  "vscode-languageclient/node": { LanguageClient },
};
const load = Module._load;
Module._load = (name, ...rest) => modules[name] ?? load(name, ...rest);
const path = fileURLToPath(new URL("../../editors/vscode/extension.js", import.meta.url));
const extension = createRequire(import.meta.url)(path);
await extension.activate({ subscriptions: [] });
await extension.deactivate();
console.log(JSON.stringify(seen));
