"""Every loss of the gallery against the same loss in NumPy, values and gradients; the page is up to date."""

import inspect
import re
import shlex
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lossdsl as ld
from tests.program import finished

sys.path.insert(0, str(Path("examples/gallery").resolve()))
import figures
import page

pytestmark = pytest.mark.slow

# Of one length no two axes of an example; 2 and 3 are those of the plane and of space.
DISTINCT = {"batch": 5, "time": 6, "xy": 2}
DISTINCT |= {"hidden": 7, "output": 4, "muscle": 4, "unit": 7, "joint": 4, "foot": 7, "state": 4, "control": 3}
DISTINCT |= {"point": 7, "start": 4, "wall": 2, "pixel": 6, "latent": 4, "action": 4, "class": 4, "atom": 4}
DISTINCT |= {"quantile": 3, "critic": 2, "frame": 4, "word": 7, "row": 4, "column": 3, "member": 4, "place": 3}
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
# Of central differences.
GRADIENT_TOLERANCE = {"float32": 3e-4, "float64": 3e-6}


def lengths(name, sizes):
    """Where there is space, equal means 3."""
    spatial = name in ("legged_robot", "potential", "fape")
    return DISTINCT if sizes == "distinct" else dict.fromkeys(DISTINCT, 3 if spatial else 4)


def drawn(example, n, precision):
    def cast(leaf):
        leaf = np.asarray(leaf)
        return leaf.astype(precision) if np.issubdtype(leaf.dtype, np.floating) else leaf

    return jax.tree.map(cast, example.data(np.random.default_rng(0), n))


def as_float64(tree):
    return jax.tree.map(lambda leaf: leaf.astype(np.float64) if leaf.dtype == np.float32 else leaf, tree)


def slopes(function, tree, step=1e-6):
    """Central differences with respect to every number of the tree."""
    leaves, structure = jax.tree.flatten(tree)
    leaves = [leaf.copy() for leaf in leaves]

    def moved(leaf, at, by):
        there = leaf[at]
        leaf[at] = there + by
        value = function(jax.tree.unflatten(structure, leaves))
        leaf[at] = there
        return value

    def slope(leaf, at):
        return (moved(leaf, at, step) - moved(leaf, at, -step)) / (2 * step)

    return [np.reshape([slope(leaf, at) for at in np.ndindex(leaf.shape)], leaf.shape) for leaf in leaves]


@pytest.mark.parametrize("sizes", ["distinct", "equal"])
@pytest.mark.parametrize("name", page.NAMES)
def test_equal_to_its_source(name, sizes, precision):
    """Each term, and the gradient of the total with respect to states and model."""
    example = page.load(name)
    states, trial_specs, model = drawn(example, lengths(name, sizes), precision)
    step = getattr(example, "STEP", None)
    loss = ld.compile(example.LOSS, example.VOCABULARY)

    def total(moving):
        values = loss(moving[0], trial_specs, moving[1], step=step)
        return values.total, dict(values)

    found, values = jax.jit(jax.grad(total, has_aux=True))((states, model))
    exact = as_float64((states, trial_specs, model))
    expected = example.reference(*exact, step)
    assert set(values) == set(expected)
    for label, value in values.items():
        assert value.dtype == precision
        assert_allclose(value, expected[label], rtol=TOLERANCE[precision.name], err_msg=label)

    # What stands behind `stop_gradient` is held while the rest moves.
    held = {"held": (exact[0], exact[2])} if "held" in inspect.signature(example.reference).parameters else {}

    def reference(moving):
        return sum(example.reference(moving[0], exact[1], moving[1], step, **held).values())

    wanted = slopes(reference, (exact[0], exact[2]))
    largest = max(np.abs(slope).max() for slope in wanted)
    for gradient, slope in zip(jax.tree.leaves(found), wanted, strict=True):
        # Also where the padding is NaN, as it is in two of the examples.
        assert np.isfinite(gradient).all()
        tolerance = GRADIENT_TOLERANCE[precision.name]
        assert_allclose(gradient, slope, rtol=tolerance, atol=tolerance * largest)


@pytest.mark.parametrize("name", page.NAMES)
def test_equal_to_it_by_hand(name, precision):
    """The loss that benchmarks time ours against: each term, and all gradients but those of masks and labels."""
    example = page.load(name)
    states, trial_specs, model = drawn(example, DISTINCT, precision)
    step = getattr(example, "STEP", None)
    loss = ld.compile(example.LOSS, example.VOCABULARY)

    def ours(moving):
        values = loss(moving[0], trial_specs, moving[1], step=step)
        return values.total, dict(values)

    def by_hand(moving):
        with jax.numpy_rank_promotion("allow"):
            values = example.by_hand(moving[0], trial_specs, moving[1], step)
        return sum(values.values()), values

    found, wanted = (jax.jit(jax.grad(f, has_aux=True))((states, model)) for f in (ours, by_hand))
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    largest = max(jnp.abs(leaf).max() for leaf in jax.tree.leaves(wanted[0]))
    tolerance = TOLERANCE[precision.name]
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=tolerance, atol=tolerance * largest), found, wanted)


@pytest.mark.parametrize("name", page.NAMES)
def test_short_and_whole(name):
    """A stranger can read it: it prints back to itself, has its LaTeX, and fits on a screen."""
    example = page.load(name)
    loss = ld.compile(example.LOSS, example.VOCABULARY)
    assert ld.compile(str(loss), example.VOCABULARY).digest == loss.digest
    for formula in (loss.latex(form="aligned"), loss.latex(expand=True, form="aligned")):
        assert formula.count("{") == formula.count("}")
        assert formula in page.section(name)
    assert len(example.LOSS.splitlines()) <= 12
    assert len(Path(example.__file__).read_text().splitlines()) <= 100


def test_the_page_is_up_to_date():
    """If not: `python examples/gallery/page.py`."""
    assert (page.DOCS / "gallery.md").read_text(encoding="utf-8") == page.page()


def test_the_message_on_the_page_is_the_real_one():
    (command, shown) = re.search(r"```console\n\$ lossdsl (.*)\n((?:.*\n)*?)```", page.CLOSING).groups()
    assert finished(*shlex.split(command)).stderr == shown


@pytest.mark.parametrize("draw", figures.FIGURES, ids=lambda draw: draw.__name__)
def test_pictures(draw):
    """Each is drawn, and lies where the page looks for it."""
    figure = draw()
    assert all(axes.get_ylabel() and (axes.lines or axes.patches) for axes in figure.axes)
    assert f"pictures/gallery_{draw.__name__}.png" in page.section(draw.__name__)
    plt.close(figure)
