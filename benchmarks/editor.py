"""The language server as an editor meets it: how long an answer takes in a text of 100 terms that just changed."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from lsprotocol import types
from paired import table
from pygls.lsp.client import LanguageClient

from lossdsl.editor.server import PAUSE

TERMS, RUNS, LIMIT = 100, 31, 0.050


def terms(shift: int) -> list[str]:
    """Expressions, other ones for each shift, so that nothing is found in a cache."""
    return [f"huber(velocity, delta={shift}.{i + 1}) + {i}e-3*sqnorm(net.hidden)" for i in range(TERMS // 2)]


def texts(shift: int) -> dict[str, str]:
    """A loss of 100 terms in each kind of file, a definition in it."""
    rows, jerk = terms(shift), "jerk = sqnorm(diff(net.output))"
    labelled = "".join(f"  t{i}: {row}\n" for i, row in enumerate([*rows, "jerk"]))
    return {
        "a.loss": f"{jerk}\n{' + '.join(rows)} + jerk",
        "a.yaml": f"terms:\n  jerk: {jerk[7:]}\nloss:\n{labelled}",
        "a.toml": f"terms.jerk = '{jerk[7:]}'\n[loss]\n" + labelled.replace(": ", ' = "').replace("\n", '"\n'),
        "a.py": f"import lossdsl as ld\n\nld.compile('''{jerk}\n{' + '.join(rows)} + jerk''')\n",
    }


class Editor:
    """A client with one file that is open."""

    def __init__(self, client: LanguageClient, path: Path):
        self.client, self.uri, self.version = client, path.as_uri(), 0
        self.told = asyncio.Event()
        text = texts(0)[path.name]
        lines = text.split("\n")
        # Where a word of a term is written.
        self.end = next(types.Position(i, line.index("velocity") + 4) for i, line in enumerate(lines) if "velo" in line)
        self.name = next(types.Position(i, line.index("jerk") + 1) for i, line in enumerate(lines) if "jerk" in line)
        self.document = types.TextDocumentIdentifier(self.uri)
        item = types.TextDocumentItem(self.uri, path.suffix[1:], 0, text)
        client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def change(self, text: str) -> None:
        self.version += 1
        self.told.clear()
        document = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        whole = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [whole]))

    def requests(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """What an editor asks; the mistakes come by themselves, after a pause."""
        ask, document = self.client, self.document
        options = types.FormattingOptions(4, True)
        found: dict[str, Callable[[], Awaitable[Any]]] = {
            "mistakes": self.told.wait,
            "hover": lambda: ask.text_document_hover_async(types.HoverParams(document, self.name)),
            "completion": lambda: ask.text_document_completion_async(types.CompletionParams(document, self.end)),
            "definition": lambda: ask.text_document_definition_async(types.DefinitionParams(document, self.name)),
        }
        if not self.uri.endswith(".py"):
            found["rename"] = lambda: ask.text_document_rename_async(types.RenameParams(document, self.name, "jolt"))
        if self.uri.endswith(".loss"):
            format_params = types.DocumentFormattingParams(document, options)
            found["format"] = lambda: ask.text_document_formatting_async(format_params)
        return found


async def measured(editor: Editor, name: str) -> list[list[object]]:
    rows: list[list[object]] = []
    for asked, request in editor.requests().items():
        times = []
        for _ in range(RUNS):
            start = perf_counter()
            editor.change(texts(1 + editor.version)[name])
            await request()
            times.append(perf_counter() - start - (PAUSE if asked == "mistakes" else 0))
            await editor.told.wait()
        slow = sorted(times)[int(0.9 * RUNS)]
        shown = [f"{time * 1e3:.1f}" for time in (median(times), slow, LIMIT)]
        rows.append([f"{name} {asked}", *shown, f"{median(times) / LIMIT:.2f}", "1.00"])
    return rows


async def main() -> None:
    client = LanguageClient("benchmark", "1")
    editors: dict[str, Editor] = {}

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def told(params: types.PublishDiagnosticsParams) -> None:
        assert not params.diagnostics, params
        editors[params.uri].told.set()

    await client.start_io(sys.executable, "-m", "lossdsl", "lsp")
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in texts(0):
            path = Path(folder) / name
            editors[path.as_uri()] = editor = Editor(client, path)
            await editor.told.wait()
            rows += await measured(editor, name)
    print(table([f"{TERMS} terms", "median [ms]", "9 of 10 [ms]", "at most [ms]", "ratio", "limit"], rows))
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()


if __name__ == "__main__":
    asyncio.run(main())
