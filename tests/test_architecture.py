"""The rooms of the code: imports run one way, the registry is whole, the examples in docstrings are true."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossdsl as ld
from lossdsl.errors import MESSAGES
from lossdsl.operators import OPS

PACKAGE = Path(__file__).parent.parent / "lossdsl"
# The storeys, and the rooms on each: one may import those before it, on its own storey and on those above.
STOREYS = {
    "place": "",
    "wording": "",
    "errors": "",
    "several": "",
    "disk": "",
    "explain": "",
    "operators": """axes fold signs curves singular declaration along arithmetic reductions risk vectors penalties time
        schedules distributions choices extremes logic shapes masks windows stepping squares custom elsewhere""",
    "language": "exact text misfit tree expr definitions syntax lalr windows arguments parse fmt highlight",
    "meaning": """given path held symbol quantity propose rows clock vocabulary defined formulas rules spans
        ahead masked inside windows objects growth bind weights logical symbolic scale normal domains feedbax""",
    "backends": """model sizes data reader trajectories lower masks shared python emit joined mesh program apart
        residuals when lines meet stream stepwise added coverage feedbax""",
    "mathematics": "table notebook symbols steps pieces logic latex formula mathml picture",
    "loss": """scalars finite values gradients parts algebra compiler changed plain evaluate residuals stream added
        shown summed batch accumulate state loss make diff""",
    "known": "units reading dangers report",
    "configs": "keys yaml_text files project schema config store",
    "training": "history_feedbax history_file history_join history plot balance by_losses by_gradients scan",
    "adaptive": "",
    "feedbax": "terms functions targets reaches specs bridge streaming",
    "editor": """passage unit marks in_config static in_python read words cursor diagnose hover complete edits positions
        server""",
    "playground": "courses formulas words answers guard app serve",
    "shell": "terminal near given complete options watch evaluate show compare words tools play",
    "cli": "",
}
ROOMS = [f"{storey}.{room}" if room else storey for storey, rooms in STOREYS.items() for room in rooms.split() or [""]]


def path_of(room):
    return PACKAGE / f"{room.replace('.', '/')}.py"


def exported(storey):
    tree = ast.parse((PACKAGE / storey / "__init__.py").read_text())
    return {a.asname or a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names}


def imported(path):
    """What a file imports of this package: the storey or the room, and whether that happens in a function."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lossdsl":
            module = node.module.removeprefix("lossdsl").removeprefix(".")
            for alias in node.names:
                inner = f"{module}.{alias.name}".removeprefix(".")
                is_room = path_of(inner).exists() and not (STOREYS.get(module) and alias.name in exported(module))
                yield (inner if is_room else module), node not in tree.body


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room):
    before, storey = ROOMS[: ROOMS.index(room)], room.split(".")[0]
    above = list(STOREYS)[: list(STOREYS).index(storey)]
    assert [name for name, _ in imported(path_of(room)) if name not in before and name not in above] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_storey_is_entered_by_its_door(room):
    """Another storey is imported as such, but for what is only needed when it is used."""
    storey = room.split(".")[0]
    lazy = ("mathematics", "language.fmt", "language.highlight", "configs.schema")
    found = [n for n, inner in imported(path_of(room)) if "." in n and n.split(".")[0] != storey and not inner]
    assert [name for name in found if not name.startswith(lazy)] == []


def test_every_file_has_its_place():
    files = {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    assert {file for file in files if not file.endswith(("__init__", "__main__"))} == set(ROOMS)


@pytest.mark.parametrize("storey", [storey for storey, rooms in STOREYS.items() if rooms])
def test_a_storey_says_what_goes_in_and_out(storey):
    """And exports what other storeys or users take from it, nothing more."""
    tree = ast.parse((PACKAGE / storey / "__init__.py").read_text())
    assert len(ast.get_docstring(tree).splitlines()) == 1
    taken = set(ld.__all__) | set(STOREYS["operators"].split()) | set(vars(ld.adaptive))
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == f"lossdsl.{storey}":
                taken |= {alias.name for alias in node.names}
    assert exported(storey) - taken - ({"ops", "folds"} if storey == "operators" else set()) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_files_and_functions_can_be_read(room):
    text = path_of(room).read_text()
    assert len(text.splitlines()) <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            documented = len((ast.get_docstring(node, clean=False) or "").splitlines())
            assert node.end_lineno - node.lineno + 1 - documented <= 40, node.name


def test_only_one_file_knows_lark():
    users = {path.stem for path in PACKAGE.rglob("*.py") if "lark" in {n.split(".")[0] for n in _modules(path)}}
    assert users == {"lalr"}


def _modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_import_is_light():
    heavy = ("sympy", "optax", "lark", "typer", "rich", "matplotlib", "lossdsl.feedbax", "lossdsl.mathematics.latex")
    code = f"import sys, lossdsl; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_names_that_are_imported_later():
    """Those that type checkers see and those that are there when they are asked for are the same."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module.split(".")[-1] for node in block.body for alias in node.names}
    assert seen == ld._LATER
    assert ld.feedbax.EffectorPositionLoss is ld.EffectorPositionLoss
    code = f"import lossdsl as ld; assert not {set(seen)} - {{*dir(ld)}}; [getattr(ld, name) for name in {set(seen)}]"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        _ = ld.lode


def test_public_names_are_those_of_all():
    assert {name for name in vars(ld) if not name.startswith("_")} - {*ld.__all__} <= {*STOREYS}
    assert sorted(ld.__all__) == ld.__all__ == [name for name in dir(ld) if name != "__version__"]
    code = "from lossdsl import *; compile, LossHistory, adaptive.relobralo, errors.LossError, TargetSpec"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("room", ROOMS)
def test_examples_in_docstrings(room):
    module = importlib.import_module(f"lossdsl.{room}")
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


@pytest.mark.parametrize("name", OPS)
def test_every_operator_is_declared_whole(name):
    op = OPS[name]
    assert op.summary.endswith(".")
    reach = ld.load_npz(PACKAGE.parent / "examples" / "reach.npz")
    loss = ld.compile(op.example)
    hold = np.ones((*reach.trial_specs["target"]["pos"].shape[:2], 1))
    assert np.isfinite(loss(reach.states, {**reach.trial_specs, "inputs": {"hold": hold}}, step=3).total)


def test_every_message_is_used_and_has_a_case():
    source = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    tests = "".join(path.read_text() for path in Path(__file__).parent.rglob("*.*") if path.suffix in (".py", ".txt"))
    for code, (_, message, hint) in MESSAGES.items():
        assert f'"{code}"' in source.replace(f'    "{code}": (', ""), code
        assert code in tests or message.split("{")[-1].partition("}")[2] in tests, code
        assert not message.endswith(".") and not hint.endswith(".")
        assert message[0] in "`{" or message[0].islower()
