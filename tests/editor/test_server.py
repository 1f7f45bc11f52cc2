"""The language server as an editor meets it: another process, over stdin and stdout."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from lossdsl.errors import MESSAGES

IN_ONE_LOOP = pytest.mark.asyncio(loop_scope="module")
# Units of characters that a client may ask for, with the codec of Python and how many bytes a unit has.
CODECS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
CONFIG = ClientServerConfig(server_command=[sys.executable, "-m", "lossdsl", "lsp"])


@pytest_lsp.fixture(config=CONFIG, params=["visual-studio-code", "neovim"], scope="module", loop_scope="module")
async def client(request, lsp_client: LanguageClient):
    """An editor of today: VS Code counts characters in units of UTF-16, this Neovim in bytes."""
    capabilities = client_capabilities(request.param)
    capabilities.general = capabilities.general or types.GeneralClientCapabilities()
    if request.param == "neovim":
        capabilities.general.position_encodings = ["utf-8", "utf-16"]
    result = await lsp_client.initialize_session(types.InitializeParams(capabilities=capabilities))
    lsp_client.codec = CODECS[result.capabilities.position_encoding]
    assert lsp_client.codec == CODECS["utf-8" if request.param == "neovim" else "utf-16"]
    yield lsp_client
    await lsp_client.shutdown_session()


async def mistakes(client, uri: str):
    """The next diagnostics that the server sends for a file; of several that come at once, each is kept."""
    async with asyncio.timeout(60):
        while uri not in client.diagnostics:
            await asyncio.sleep(0.01)
    return [*client.diagnostics.pop(uri)]


class File:
    """A text that the editor opens, a `|` in it the cursor."""

    def __init__(self, client, path: Path, text: str, language: str = ""):
        self.client, self.uri, self.version = client, path.as_uri(), 0
        self.text, before = text.replace("|", "", 1), text.split("|")[0]
        self.at = self.after(before)
        self.id = types.TextDocumentIdentifier(self.uri)
        item = types.TextDocumentItem(self.uri, language or path.suffix[1:], 0, self.text)
        client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def change(self, text: str):
        self.version += 1
        document = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        self.text = text

    async def mistakes(self):
        return await mistakes(self.client, self.uri)

    def after(self, text: str) -> types.Position:
        """The position behind a text with which the file begins."""
        codec, size = self.client.codec
        return types.Position(text.count("\n"), len(text.rpartition("\n")[2].encode(codec)) // size)

    def offset(self, position: types.Position) -> int:
        """The offset of a position in the text."""
        codec, size = self.client.codec
        lines = self.text.split("\n")
        before = lines[position.line].encode(codec)[: size * position.character].decode(codec)
        return sum(len(line) + 1 for line in lines[: position.line]) + len(before)

    def piece(self, place: types.Range) -> str:
        """What stands in the text at a range."""
        return self.text[self.offset(place.start) : self.offset(place.end)]

    async def hover(self):
        return await self.client.text_document_hover_async(types.HoverParams(self.id, self.at))

    async def complete(self):
        return await self.client.text_document_completion_async(types.CompletionParams(self.id, self.at))

    async def definition(self):
        return await self.client.text_document_definition_async(types.DefinitionParams(self.id, self.at))

    async def rename(self, name):
        return await self.client.text_document_rename_async(types.RenameParams(self.id, self.at, name))

    async def format(self):
        options = types.FormattingOptions(4, True)
        return await self.client.text_document_formatting_async(types.DocumentFormattingParams(self.id, options))

    def with_edits(self, edits) -> str:
        """The text with edits of the server made."""
        found = [(self.offset(edit.range.start), self.offset(edit.range.end), edit.new_text) for edit in edits]
        text = self.text
        for start, end, new in sorted(found, reverse=True):
            text = text[:start] + new + text[end:]
        return text


@IN_ONE_LOOP
async def test_mistakes_come_as_one_types(client, tmp_path):
    """With our messages, their codes, and where these are explained; past a character of two units of UTF-16."""
    file = File(client, tmp_path / "reach.loss", "# \U0001f600\n2*position")
    assert await file.mistakes() == []
    file.change("/* no */")
    file.change("# \U0001f600\r\n2*position  # \U0001f600\r\n+ 2*positon")
    (found,) = await file.mistakes()
    assert found.message == "there is no name `positon`\ndid you mean `position`?"
    assert (found.range.start.line, file.piece(found.range)) == (2, "positon")
    assert (found.code, found.source, found.severity) == ("unknown-name", "lossdsl", types.DiagnosticSeverity.Error)
    path, _, line = found.code_description.href.removeprefix("file://").partition("#L")
    assert Path(path).read_text().split("\n")[int(line) - 1].startswith("| `unknown-name` |")
    assert found.code in MESSAGES
    file.change("2*position")
    assert await file.mistakes() == []


@IN_ONE_LOOP
@pytest.mark.parametrize(
    ("name", "text", "pieces"),
    [
        ("a.loss", "x = '\U0001f600'", [("unknown-character", "'")]),
        ("a.yaml", 'loss: "\U0001f600\\u0020+ positon"', [("unknown-character", "\U0001f600")]),
        (
            "a.yaml",
            "terms: {\U0001d4a9: positon}\nloss: \U0001d4a9 + velocty",
            [("unknown-name", "positon"), ("unknown-name", "velocty")],
        ),
        (
            "a.toml",
            "# \U0001f600\nloss = 'positon + velocty'",
            [("unknown-name", "positon"), ("unknown-name", "velocty")],
        ),
        ("a.py", "import lossdsl as ld\nx = '\U0001f600', ld.compile('positon')", [("unknown-name", "positon")]),
    ],
)
async def test_mistakes_stand_where_they_are(client, tmp_path, name, text, pieces):
    file = File(client, tmp_path / name, text)
    found = [(one.code, file.piece(one.range)) for one in await file.mistakes()]
    assert found == pieces


@IN_ONE_LOOP
async def test_a_saved_vocabulary_is_seen_by_the_losses_that_use_it(client, tmp_path):
    (tmp_path / "arm.yaml").write_text("terms: {effort: sqnorm(net.output)}\n")
    file = File(client, tmp_path / "reach.yaml", "vocabulary: arm.yaml\nloss: effort + work")
    assert [file.piece(one.range) for one in await file.mistakes()] == ["work"]
    (tmp_path / "arm.yaml").write_text("terms: {effort: sqnorm(net.output), work: position}\n")
    client.text_document_did_save(types.DidSaveTextDocumentParams(file.id))
    assert await file.mistakes() == []


@IN_ONE_LOOP
async def test_what_a_word_means(client, tmp_path):
    found = await File(client, tmp_path / "a.loss", "# \U0001f600\n1e-5*effec|tor.vel@final").hover()
    assert (found.range.start.line, found.range.start.character, found.range.end.character) == (1, 5, 17)
    assert found.contents.kind == types.MarkupKind.Markdown
    for part in (
        "velocity of the effector",
        "`states.mechanics.effector.vel`",
        "(batch, time, xy)",
        "unit: m/s",
        r"\mathbf{x}",
    ):
        assert part in found.contents.value
    assert await File(client, tmp_path / "b.loss", "1|e-5*position").hover() is None


@IN_ONE_LOOP
async def test_what_can_be_written(client, tmp_path):
    file = File(client, tmp_path / "a.yaml", "parameters: {alpha: 1e-5}\nloss: 'position + fin|'")
    items = {item.label: item for item in await file.complete()}
    assert {"alpha", "final", "velocity", "step", "effector.pos"} <= set(items)
    assert items["final"].documentation.value.startswith("The value at the last time step")
    assert file.with_edits([items["final"].text_edit]).endswith("'position + final'")
    options = await File(client, tmp_path / "b.loss", "discount(position, |)").complete()
    assert [item.label for item in options[:3]] == ["exponent=", "where=", "axis="]


@IN_ONE_LOOP
async def test_where_a_name_is_defined(client, tmp_path):
    found = await File(client, tmp_path / "a.loss", "jerk = sqnorm(diff(net.output))\nposition + 2*je|rk").definition()
    assert (found.uri, found.range.start) == ((tmp_path / "a.loss").as_uri(), types.Position(0, 0))
    (tmp_path / "arm.yaml").write_text("vocabulary: none\nquantities:\n  torque: [states.torque, batch time joint]\n")
    found = await File(client, tmp_path / "b.yaml", "vocabulary: arm.yaml\nloss: sqnorm(tor|que)").definition()
    assert (found.uri, found.range.start) == ((tmp_path / "arm.yaml").as_uri(), types.Position(2, 2))
    found = await File(client, tmp_path / "c.loss", "posi|tion").definition()
    path = Path(found.uri.removeprefix("file://"))
    assert path.name == "feedbax.py"
    row = path.read_text().split("\n")[found.range.start.line]
    assert row[found.range.start.character : found.range.end.character] == "position"
    found = await File(client, tmp_path / "d.loss", "hub|er(position)").definition()
    assert found.uri.endswith("operators/penalties.py")


@IN_ONE_LOOP
async def test_another_name(client, tmp_path):
    text = "spread(z) = mean(square(z), axis=batch)\nspre|ad(effector.pos) + spread(z=velocity)  # spread"
    file = File(client, tmp_path / "a.loss", text)
    place = await client.text_document_prepare_rename_async(types.PrepareRenameParams(file.id, file.at))
    assert file.piece(place) == "spread"
    edit = await file.rename("width")
    assert file.with_edits(edit.changes[file.uri]) == (
        "width(z) = mean(square(z), axis=batch)\nwidth(effector.pos) + width(z=velocity)  # spread"
    )
    with pytest.raises(Exception, match="`spread` cannot be called `velocity`: that name means something here"):
        await file.rename("velocity")
    with pytest.raises(Exception, match="the definition hides the operator `huber`"):
        await file.rename("huber")
    other = File(client, tmp_path / "b.loss", "posi|tion")
    assert await client.text_document_prepare_rename_async(types.PrepareRenameParams(other.id, other.at)) is None


@IN_ONE_LOOP
async def test_a_loss_is_written_as_it_is_printed(client, tmp_path):
    file = File(client, tmp_path / "a.loss", "jerk=sqnorm( diff(net.output) )\n1.0*position # goal\n+(1e-05*jerk)")
    assert file.with_edits(await file.format()) == (
        "jerk = sqnorm(diff(net.output))\n1*position  # goal\n+ 1e-5*jerk\n"
    )
    assert not await File(client, tmp_path / "b.loss", "position +").format()
    assert not await File(client, tmp_path / "c.yaml", "loss: 1.0 * position").format()


@IN_ONE_LOOP
async def test_a_text_without_a_file(client):
    uri = "untitled:Untitled-1"
    item = types.TextDocumentItem(uri, "loss", 0, "positon")
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    assert [one.code for one in await mistakes(client, uri)] == ["unknown-name"]
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    assert await mistakes(client, uri) == []


@IN_ONE_LOOP
async def test_nothing_that_is_typed_ends_the_server(client, tmp_path):
    """Each beginning of a text, in each kind of file, the cursor at its end."""
    text = "f(z) = mean(z@-1, axis=(batch, xy))\nf(effector.pos)[1:] as goal + 2e-5*huber(velocity, delta=0.1)"
    files = {
        "a.loss": text,
        "a.yaml": f"terms: {{a: b}}\nloss: |\n  {text}",
        "a.toml": f'loss = """{text}"""\n[parameters]\na = 1',
        "a.py": f'import lossdsl as ld\nld.compile("""{text}""", parameters={{"a": 1}})',
    }
    for name, whole in files.items():
        file = File(client, tmp_path / name, "")
        for end in range(0, len(whole) + 1, 3):
            file.change(whole[:end])
            lines = whole[:end].split("\n")
            file.at = types.Position(len(lines) - 1, len(lines[-1]))
            await asyncio.gather(file.hover(), file.complete(), file.definition(), file.format())


@IN_ONE_LOOP
async def test_the_names_of_a_project(client, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'reach'\n[tool.lossdsl]\nterms.effort = 'sqnorm(net.output)'\nparameters.alpha = 1e-5\n"
    )
    (tmp_path / "losses").mkdir()
    file = File(client, tmp_path / "losses" / "a.loss", "alpha*effort + beta*eff|ort")
    assert [file.piece(one.range) for one in await file.mistakes()] == ["beta"]
    found = await file.definition()
    assert (found.uri, found.range.start) == ((tmp_path / "pyproject.toml").as_uri(), types.Position(3, 6))
    (tmp_path / "pyproject.toml").write_text(
        "[tool.lossdsl]\nterms.effort = 'sqnorm(net.outpt)'\nvocabulary = 'nope'\n"
    )
    client.text_document_did_save(types.DidSaveTextDocumentParams(file.id))
    assert [(one.code, "pyproject.toml:3: vocabulary" in one.message) for one in await file.mistakes()] == [
        ("unknown-vocabulary", True)
    ]


def test_without_the_extra_it_says_what_to_install():
    code = "import sys; sys.modules['pygls'] = None; sys.argv[1:] = ['lsp']; from lossdsl.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "the language server needs pygls, which is not installed\nrun `pip install 'lossdsl[lsp]'`"
    )
