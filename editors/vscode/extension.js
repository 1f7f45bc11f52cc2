// Starts `lossdsl lsp`, the language server, for files of losses and for those that hold losses.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const LANGUAGES = ["loss", "yaml", "toml", "python"];

let client;

// The setting; without one the Python that is selected for the folder, or what is on the path.
async function command() {
  const [program, ...args] = vscode.workspace.getConfiguration("lossdsl").get("command");
  if (program) {
    return { command: program, args };
  }
  const python = vscode.extensions.getExtension("ms-python.python");
  const api = python && (await python.activate());
  const selected = api?.environments?.getActiveEnvironmentPath()?.path;
  return selected ? { command: selected, args: ["-m", "lossdsl", "lsp"] } : { command: "lossdsl", args: ["lsp"] };
}

async function start() {
  await stop();
  const server = await command();
  client = new LanguageClient("lossdsl", "lossdsl", server, {
    documentSelector: LANGUAGES.map((language) => ({ language })),
    connectionOptions: { maxRestartCount: 0 },
  });
  try {
    await client.start();
  } catch {
    client = undefined;
    const shown = [server.command, ...server.args].join(" ");
    vscode.window.showWarningMessage(`\`${shown}\` does not start: run \`pip install 'lossdsl[lsp]'\`, or set lossdsl.command`);
  }
}

async function stop() {
  await client?.stop();
  client = undefined;
}

async function activate(context) {
  context.subscriptions.push(vscode.commands.registerCommand("lossdsl.restart", start));
  await start();
}

module.exports = { activate, deactivate: stop };
