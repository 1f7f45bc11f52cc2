"""The language server: what an editor asks over stdin and stdout -> diagnostics, hovers, completions and edits."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from lossdsl.disk import read_text
from lossdsl.editor import edits
from lossdsl.editor.complete import complete
from lossdsl.editor.cursor import Cursor, Target, cursor_at, row_at, target_of
from lossdsl.editor.diagnose import Finding, findings
from lossdsl.editor.hover import hover
from lossdsl.editor.positions import Positions, plain_lines
from lossdsl.editor.read import LOSS, units_of
from lossdsl.editor.unit import Unit
from lossdsl.editor.words import LABEL, OPTION, words
from lossdsl.errors import LossError, error
from lossdsl.explain import explained, page

# How long nobody types before a text is looked at, in seconds.
PAUSE = 0.05
# The kinds of file by what an editor calls their language, for texts without a file.
_LANGUAGES = {"loss": LOSS, "python": ".py", "yaml": ".yaml", "toml": ".toml"}
_SHOWN = types.CompletionItemKind
_KINDS = {
    "quantity": _SHOWN.Field,
    "term": _SHOWN.Variable,
    "parameter": _SHOWN.Constant,
    "operator": _SHOWN.Function,
    "definition": _SHOWN.Variable,
    "argument": _SHOWN.Variable,
    "option": _SHOWN.Property,
    "axis": _SHOWN.EnumMember,
    "window": _SHOWN.Keyword,
}


@dataclass(frozen=True)
class Opened:
    """A text that an editor has open, as it is now."""

    uri: str
    path: Path
    text: str
    positions: Positions

    @cached_property
    def units(self) -> list[Unit]:
        """The losses and vocabularies in it."""
        return units_of(self.path, self.text)

    @cached_property
    def findings(self) -> list[Finding]:
        """What is wrong with them."""
        return findings(self.units, self.text)

    def cursor(self, position: types.Position) -> Cursor | None:
        """The place in a text of the language that a position is."""
        return cursor_at(self.units, self.positions.offset(position))

    def target(self, position: types.Position) -> Target | None:
        """Where the name at a position is defined."""
        if cursor := self.cursor(position):
            return target_of(cursor)
        found = row_at(self.units, self.positions.offset(position))
        return found and found[1]


class LossServer(LanguageServer):
    """The server with the texts that are open."""

    def __init__(self) -> None:
        # A whole text at each change: losses are short, and nothing can get out of step.
        full = types.TextDocumentSyncKind.Full
        super().__init__("lossdsl", version("lossdsl"), text_document_sync_kind=full)
        self.opened: dict[str, Opened] = {}
        self.waiting: dict[str, asyncio.Task[None]] = {}

    def at(self, uri: str) -> Opened:
        """A text as it is now."""
        document = self.workspace.get_text_document(uri)
        text = plain_lines(document.source)
        known = self.opened.get(uri)
        if known is None or known.text != text:
            path = Path(to_fs_path(uri) or "untitled")
            suffix = _LANGUAGES.get(document.language_id or "")
            if not uri.startswith("file:") and suffix:
                path = Path.cwd() / f"untitled{suffix}"
            positions = Positions(text, self.workspace.position_codec.client_num_units)
            known = self.opened[uri] = Opened(uri, path, text, positions)
        return known

    def check_soon(self, uri: str) -> None:
        """Look at a text when nobody has typed for a moment."""
        if task := self.waiting.pop(uri, None):
            task.cancel()
        self.waiting[uri] = asyncio.get_running_loop().create_task(self._check_later(uri))

    async def _check_later(self, uri: str) -> None:
        await asyncio.sleep(PAUSE)
        self.check(uri)

    def check(self, uri: str) -> None:
        """Tell the editor what is wrong in a text."""
        opened = self.at(uri)
        found = [_diagnostic(finding, opened) for finding in opened.findings]
        document = self.workspace.get_text_document(uri)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, document.version))


def _diagnostic(finding: Finding, opened: Opened) -> types.Diagnostic:
    return types.Diagnostic(
        opened.positions.range(finding.place),
        finding.message,
        types.DiagnosticSeverity.Error,
        finding.code,
        types.CodeDescription(f"{from_fs_path(str(page()))}#L{explained(finding.code).line}"),
        "lossdsl",
        related_information=[
            types.DiagnosticRelatedInformation(types.Location(opened.uri, opened.positions.range(place)), says)
            for place, says in finding.calls
        ],
    )


server = LossServer()


@server.feature(types.TEXT_DOCUMENT_DID_OPEN)
def opened(ls: LossServer, params: types.DidOpenTextDocumentParams) -> None:
    """A text is opened: look at it at once."""
    ls.check(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
def changed(ls: LossServer, params: types.DidChangeTextDocumentParams) -> None:
    """Somebody types."""
    ls.check_soon(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_DID_SAVE)
def saved(ls: LossServer, params: types.DidSaveTextDocumentParams) -> None:
    """A file is saved, which others may build on."""
    uris = [*ls.opened]
    ls.opened.clear()
    for uri in uris:
        ls.check_soon(uri)


@server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
def closed(ls: LossServer, params: types.DidCloseTextDocumentParams) -> None:
    """A text is closed: nothing is wrong with it any more."""
    uri = params.text_document.uri
    ls.opened.pop(uri, None)
    if task := ls.waiting.pop(uri, None):
        task.cancel()
    ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


@server.feature(types.TEXT_DOCUMENT_HOVER)
def hovered(ls: LossServer, params: types.HoverParams) -> types.Hover | None:
    """What a word means."""
    opened = ls.at(params.text_document.uri)
    cursor = opened.cursor(params.position)
    text = hover(cursor) if cursor else ""
    if not cursor or not cursor.word or not text:
        return None
    span = cursor.word.token.span
    place = opened.positions.range(cursor.text.part(span.start, span.end))
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), place)


@server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", "(", ",", "=", "@"]))
def completed(ls: LossServer, params: types.CompletionParams) -> list[types.CompletionItem]:
    """What can be written."""
    opened = ls.at(params.text_document.uri)
    cursor = opened.cursor(params.position)
    return [
        types.CompletionItem(
            item.text,
            kind=_KINDS[item.kind],
            detail=item.detail,
            documentation=types.MarkupContent(types.MarkupKind.Markdown, item.doc) if item.doc else None,
            text_edit=types.TextEdit(opened.positions.range(item.place), item.text),
        )
        for item in (complete(cursor) if cursor else [])
    ]


@server.feature(types.TEXT_DOCUMENT_DEFINITION)
def defined(ls: LossServer, params: types.DefinitionParams) -> types.Location | None:
    """Where a name is defined."""
    opened = ls.at(params.text_document.uri)
    target = opened.target(params.position)
    if target is None:
        return None
    if target.file is None:
        return types.Location(opened.uri, opened.positions.range(target.place))
    positions = Positions(read_text(target.file, ""), opened.positions.units)
    return types.Location(from_fs_path(str(target.file)) or "", positions.range(target.place))


@server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
def prepared(ls: LossServer, params: types.PrepareRenameParams) -> types.Range | None:
    """The name that can be renamed at a place."""
    opened = ls.at(params.text_document.uri)
    target, offset = opened.target(params.position), opened.positions.offset(params.position)
    if target is None or not _is_own(target, opened):
        return None
    places = [target.place, *(text.part(word.token.span.start, word.token.span.end) for text, word in target.uses)]
    return next((opened.positions.range(place) for place in places if place.holds(offset)), None)


@server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
def renamed(ls: LossServer, params: types.RenameParams) -> types.WorkspaceEdit | None:
    """Another name for a definition, wherever it stands in its file."""
    opened = ls.at(params.text_document.uri)
    target = opened.target(params.position)
    if target is None or params.new_name == target.name:
        return None
    try:
        if not _is_own(target, opened):
            raise error("cannot-rename", name=target.name, new=params.new_name, reason="its definition is elsewhere")
        made = edits.renamed(target, params.new_name, _taken(opened), opened.text)
    except LossError as failure:
        raise _failed(f"{failure.message}: {failure.hint}") from None
    after = edits.applied(made, opened.text)
    if worse := edits.worse(lambda: opened.findings, findings(units_of(opened.path, after), after)):
        raise _failed(worse.message.replace("\n", ": "))
    found = [types.TextEdit(opened.positions.range(edit.place), edit.text) for edit in made]
    return types.WorkspaceEdit({opened.uri: found})


def _is_own(target: Target, opened: Opened) -> bool:
    """Whether a name is defined in the text; the rows of a vocabulary in Python may be used by other files."""
    in_text = any(text.part(w.token.span.start, w.token.span.end) == target.place for text, w in target.uses)
    return target.file is None and (in_text or opened.path.suffix != ".py")


def _taken(opened: Opened) -> set[str]:
    used = {w.text for u in opened.units for text in u.texts for w in words(text) if w.role not in (OPTION, LABEL)}
    return used | {name for unit in opened.units for name in unit.vocabulary.names}


def _failed(message: str) -> JsonRpcException:
    return JsonRpcException(message, types.LSPErrorCodes.RequestFailed)


@server.feature(types.TEXT_DOCUMENT_FORMATTING)
def formatted(ls: LossServer, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
    """A file of a loss as it is printed; other files have formatters of their own."""
    opened = ls.at(params.text_document.uri)
    if opened.path.suffix.lower() != LOSS:
        return None
    try:
        made = edits.rewritten(opened.text)
    except LossError:
        return None  # what is wrong is told by the diagnostics
    return [types.TextEdit(opened.positions.range(edit.place), edit.text) for edit in made]


def serve() -> None:
    """Answer an editor over stdin and stdout until it says that it is enough."""
    import jax

    # An accelerator is for the training that runs beside.
    jax.config.update("jax_platforms", "cpu")
    server.start_io()
