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
from lossdsl.backends.data import load_npz
from lossdsl.errors import MESSAGES
from lossdsl.operators.declaration import OPS

PACKAGE = Path(__file__).parent.parent / "lossdsl"
# A file may import those before it.
ORDER = """
errors scalars table axes ops expr syntax lalr parse fmt vocabulary bind weights symbolic normal emit steps symbols
latex formula data program notebook values gradients files schema config algebra bridge compiler loss store adaptive
diff feedbax targets history picture plot cli highlight
""".split()  # noqa: SIM905


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lossdsl"):
            names = [alias.name for alias in node.names] if node.module == "lossdsl" else [node.module.split(".")[1]]
            yield from names


@pytest.mark.parametrize("room", ORDER)
def test_imports_run_one_way(room):
    before = ORDER[: ORDER.index(room)]
    assert [name for name in imports(PACKAGE / f"{room}.py") if name not in before] == []


def test_every_file_has_its_place():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"} == set(ORDER)


def test_only_one_file_knows_lark():
    users = {path.stem for path in PACKAGE.glob("*.py") if "lark" in {n.split(".")[0] for n in _modules(path)}}
    assert users == {"lalr"}


def _modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_import_is_light():
    heavy = ("sympy", "optax", "lark", "typer", "rich", "matplotlib", "lossdsl.feedbax", "lossdsl.latex")
    code = f"import sys, lossdsl; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_names_that_are_imported_later():
    """Those that type checkers see and those that are there when they are asked for are the same."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module.split(".")[-1] for node in block.body for alias in node.names}
    assert seen == {**ld._LATER, "adaptive": "lossdsl"}
    assert ld.feedbax.EffectorPositionLoss is ld.EffectorPositionLoss
    code = f"import lossdsl as ld; assert not {set(seen)} - {{*dir(ld)}}; [getattr(ld, name) for name in {set(seen)}]"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        _ = ld.lode


@pytest.mark.parametrize("room", ORDER)
def test_examples_in_docstrings(room):
    module = importlib.import_module(f"lossdsl.{room}")
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


@pytest.mark.parametrize("name", OPS)
def test_every_operator_is_declared_whole(name):
    op = OPS[name]
    assert op.summary.endswith(".")
    reach = load_npz(PACKAGE.parent / "examples" / "reach.npz")
    loss = ld.compile(op.example)
    assert np.isfinite(loss(reach.states, reach.trial_specs, step=3).total)


def test_every_message_is_used_and_has_a_case():
    source = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    tests = "".join(path.read_text() for path in Path(__file__).parent.rglob("*.*") if path.suffix in (".py", ".txt"))
    for code, (_, message, hint) in MESSAGES.items():
        assert f'"{code}"' in source.replace(f'    "{code}": (', ""), code
        assert code in tests or message.split("{")[-1].partition("}")[2] in tests, code
        assert not message.endswith(".") and not hint.endswith(".")
        assert message[0] in "`{" or message[0].islower()
