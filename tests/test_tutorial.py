"""The tutorial runs from its first cell to its last, and its outputs are what it speaks of."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TUTORIAL = Path(__file__).parent.parent / "examples" / "tutorial.ipynb"


@pytest.fixture(scope="module")
def outputs():
    """The outputs of all cells: texts, and the kinds of what is not one."""
    notebook = nbformat.read(TUTORIAL, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(TUTORIAL.parent)}}).execute()
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in found if output.output_type == "error" or output.get("name") == "stderr"]
    return found


def texts(outputs):
    return [output["text"] for output in outputs if output.output_type == "stream"]


def test_it_shows_formulas_and_figures(outputs):
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("text/latex") == 2
    assert kinds.count("image/png") == 2


def test_its_loss_is_that_of_the_example(outputs):
    table = next(text for text in texts(outputs) if text.startswith("effector_position "))
    assert float(table.split()[-1]) == pytest.approx(14.226151, rel=1e-3)


def test_its_network_learns(outputs):
    losses = [float(line.split()[-1]) for line in "".join(texts(outputs)).splitlines() if "validation loss" in line]
    assert losses[-1] < losses[0] / 100


def test_it_is_kept_without_outputs():
    notebook = nbformat.read(TUTORIAL, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
