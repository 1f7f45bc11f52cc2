"""Values as tables and for loggers; vocabularies together."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import lossdsl as ld

# TensorBoard: tensorboardX and PyTorch replace what is not in [-/\w.] and strip leading slashes (`_clean_tag` in
# summary.py). Weights & Biases: a name sorts and filters if it matches [_a-zA-Z][_a-zA-Z0-9]* (docs.wandb.ai, "Metric
# naming constraints"); `/` groups panels in both.
TENSORBOARD = re.compile(r"(?!/)[-/\w.]+", re.ASCII)
WANDB = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*(/[_a-zA-Z0-9]+)*")


def values_of(*labels):
    return ld.LossDict(
        {label: jnp.float32(i + 1) for i, label in enumerate(labels)}, dict.fromkeys(labels, jnp.float32(0.5))
    )


def test_flat_names_and_values():
    found = values_of("position", "final(velocity)").flat()
    assert {name: float(value) for name, value in found.items()} == {
        "loss/position": 0.5,
        "loss/final_velocity__48062a": 1.0,
        "loss_raw/position": 1.0,
        "loss_raw/final_velocity__48062a": 2.0,
        "loss_weight/position": 0.5,
        "loss_weight/final_velocity__48062a": 0.5,
        "loss/total": 1.5,
    }
    assert list(values_of("x").flat("val/loss")) == [
        "val/loss/x",
        "val/loss_raw/x",
        "val/loss_weight/x",
        "val/loss/total",
    ]


def terms(*labels):
    found = values_of(*labels).flat()
    return [name.removeprefix("loss_raw/") for name in found if name.startswith("loss_raw/")]


LABELS = st.text(min_size=1, max_size=6) | st.sampled_from(["total", "a.b", "a_b", "a b", "a_b_2", "a(b)", "a[b]"])


@given(st.lists(LABELS, unique=True), st.randoms())
def test_a_flat_name_depends_on_its_label_alone(labels, random):
    alone = [terms(label)[0] for label in labels]
    assert terms(*labels) == alone
    assert len(set(alone)) == len(labels)
    shuffled = random.sample(labels, len(labels))
    assert dict(zip(shuffled, terms(*shuffled), strict=True)) == dict(zip(labels, alone, strict=True))


def test_flat_names_of_plain_labels_are_they_themselves():
    assert terms("a_b", "x2", "_x", "a__b", "final_velocity") == ["a_b", "x2", "_x", "a__b", "final_velocity"]
    # Also of a label that is the name of another.
    (name,) = terms("a(b)")
    assert name.startswith("a_b__") and len(set(terms("a(b)", name, "a_b", *terms(name)))) == 4
    assert terms("total", "é")[0].startswith("total__") and terms("é")[0].startswith("term__")


@given(st.lists(LABELS, unique=True))
def test_flat_names_are_taken_by_both_loggers(labels):
    found = values_of(*labels).flat()
    assert len(found) == 3 * len(labels) + 1
    for name in found:
        assert TENSORBOARD.fullmatch(name) and WANDB.fullmatch(name)


def test_flat_under_jit_and_of_many_steps():
    found = jax.jit(lambda values: values.flat())(values_of("a", "b"))
    assert float(found["loss/total"]) == 1.5
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), values_of("a"), values_of("a"))
    assert stacked.flat()["loss/a"].shape == (2,)


@pytest.mark.parametrize("prefix", ["", "/loss", "loss/", "my loss", "1st", None])
def test_flat_refuses_a_prefix(prefix):
    with pytest.raises(ld.LossValueError, match="`prefix` cannot be"):
        values_of("a").flat(prefix)


def test_text_is_a_table():
    assert str(values_of("position", "v")) == (
        "term      weight  raw  weighted  share\n"
        "position     0.5    1       0.5  33.3%\n"
        "v            0.5    2         1  66.7%\n"
        "total                       1.5"
    )
    assert repr(values_of("v")) == "{'v': Array(1., dtype=float32)}".replace("1.", "0.5")
    assert "nan" in str(ld.LossDict({"a": jnp.float32(np.nan)}, {"a": 1.0}))
    assert "total" in str(jax.tree.map(float, values_of("v")))


def test_text_of_what_is_not_known_or_no_scalar():
    texts = []
    jax.jit(lambda values: texts.append(str(values)))(values_of("v"))
    assert texts[0].startswith("{'v': ") and "\n" not in texts[0]
    stacked = jax.tree.map(lambda leaf: leaf[None], values_of("v"))
    assert str(stacked) == repr(stacked)
    assert str(jax.tree.map(lambda leaf: None, values_of("v"))) == "{'v': None}"


def test_vocabularies_together():
    left = ld.Vocabulary(
        quantities={"x": ("states.x", "batch"), "y": ("states.y", "batch")}, terms={"t": "x"}, parameters={"p": 1.0}
    )
    right = ld.Vocabulary(quantities={"t": ("states.t", "batch"), "x": ("states.z", "batch")}, terms={"p": "2*x"})
    both = left | right
    assert list(both.quantities) == ["x", "y", "t"]
    assert both.quantities["x"].path == "states.z"
    assert list(both.terms) == ["p"] and not both.parameters
    assert list(left.quantities) == ["x", "y"]
    assert str(ld.compile("p + t", both)) == "p + t"
    assert (left | ld.Vocabulary()) == left == (ld.Vocabulary() | left)
    with pytest.raises(TypeError):
        left | {"x": 1}


@pytest.mark.parametrize(
    "text", ["mean(x, axis=(time, xy))", "alpha*mean(x, axis=(time, xy))", "sum(x, axis=(time, xy))"]
)
def test_a_term_that_ends_with_a_mean_is_one_reduction_with_that_over_trials(text):
    alpha = {"alpha": 0.5} if "alpha" in text else {}
    loss = ld.compile({"term": text}, "none", quantities={"x": "batch time xy"}, parameters=alpha)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5, 2)), jnp.float32)
    compiled = jax.jit(lambda x: loss({"x": x}).total).lower(x).compile()
    assert compiled.as_text().count(" reduce(") == 1
    each = loss.per_trial({"x": x})["term"]
    assert each.shape == (3,)
    np.testing.assert_allclose(compiled(x), jnp.mean(each), rtol=1e-6)
