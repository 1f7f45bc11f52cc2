"""The tutorial runs from its first cell to its last in any folder, and shows the outputs that it gives."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TUTORIAL = Path(__file__).parent.parent / "examples" / "tutorial.ipynb"
NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]\d+)?")


@pytest.fixture(scope="module")
def kept():
    return nbformat.read(TUTORIAL, as_version=4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    notebook = nbformat.read(TUTORIAL, as_version=4)
    folder = tmp_path_factory.mktemp("elsewhere")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in found if output.output_type == "error" or output.get("name") == "stderr"]
    return notebook


def printed(cell):
    return "".join(output.text for output in cell.get("outputs", []) if output.output_type == "stream")


def shown(cell):
    """What is printed and the kinds of what is not, without the numbers that another machine rounds otherwise."""
    outputs = cell.get("outputs", [])
    data = [item for output in outputs for item in output.get("data", {}).items()]
    seen = [(kind, "" if kind == "image/png" else text) for kind, text in sorted(data)]
    return NUMBER.sub("#", f"{printed(cell)}{seen}")


def test_it_shows_what_it_gives(kept, made):
    assert [shown(cell) for cell in kept.cells] == [shown(cell) for cell in made.cells]
    assert [cell.execution_count for cell in kept.cells if cell.cell_type == "code"] == [*range(1, 16)]


def test_it_shows_formulas_and_figures(kept):
    kinds = [kind for cell in kept.cells for output in cell.get("outputs", []) for kind in output.get("data", {})]
    assert kinds.count("text/latex") == 2
    assert kinds.count("image/png") == 2


def tables(notebook):
    for cell in notebook.cells:
        if printed(cell).startswith("effector_position "):
            yield float(printed(cell).split()[-1])


def test_its_loss_is_that_of_the_example(kept, made):
    for notebook in (kept, made):
        assert next(tables(notebook)) == pytest.approx(14.226151, rel=1e-3)


def test_its_network_learns(kept, made):
    for notebook in (kept, made):
        losses = [float(text) for cell in notebook.cells for text in re.findall(r"loss (\S+)\n", printed(cell))]
        assert len(losses) == 3 and losses[-1] < losses[0] / 100
