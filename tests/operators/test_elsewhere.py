"""Names of other libraries: what is offered for them compiles, and is told in the text and on the command line."""

import re

import pytest

import lossdsl as ld
from lossdsl.operators.declaration import OPS
from lossdsl.operators.elsewhere import _HERE, called_elsewhere
from tests.program import finished

WORDS = ld.Vocabulary(
    quantities={
        "x": "batch time xy",
        "y": "batch time xy",
        "Q": "xy xy",
        "mask": "batch time",
    }
)


@pytest.mark.parametrize("name", _HERE)
def test_what_is_offered_compiles(name):
    """As it stands, or with what is left of its axes taken away."""
    assert name not in OPS
    text = re.search("`(.+)`", called_elsewhere(name))[1]
    assert compiles(text) or compiles(f"sqnorm({text})")


def compiles(text):
    try:
        return ld.compile(text, WORDS).labels
    except ld.LossAxesError:
        return ()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("mse(position)", "write for example `mean(square(x - y), axis=(time, xy))`"),
        ("mae(position)", "write for example `mean(abs(x - y), axis=(time, xy))`"),
        ("jnp.sum(effector.pos)", "write `sum`"),
        ("jnp.linalg.norm(effector.pos)", "write `norm`"),
        ("torch.pow(position, 2)", "write for example `x**2`"),
        ("jnp.fft.rfft(position)", "the command `lossdsl ops` lists the operators"),
    ],
)
def test_in_a_text(text, hint):
    with pytest.raises(ld.LossNameError) as caught:
        ld.compile(text)
    assert (caught.value.code, caught.value.hint) == ("unknown-operator", hint)


def test_on_the_command_line():
    said = finished("ops", "mse").stderr
    assert said == (
        "there is no operator `mse`\nwrite for example `mean(square(x - y), axis=(time, xy))` [unknown-operator]\n"
    )


def test_what_is_defined_is_called():
    assert ld.compile("mse(z) = mean(square(z), axis=(time, xy)); mse(effector.pos)").labels
