"""Messages, verbatim: those of bad texts from a case file, those of bad data and bad weights here."""

import copy
import pickle
import re
import time
import traceback
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.backends import load_npz
from lossdsl.errors import MESSAGES
from tests import cases

PARAMETERS = {"alpha": 1e-5}
NOT_TEXT = "give a text, or a mapping from label to text; in YAML and on a command line it may need quotes"


@cases.parametrize("errors.txt")
def test_bad_text(case):
    with pytest.raises(ld.LossError) as caught:
        ld.compile(case.text, ld.FEEDBAX.extend(parameters=PARAMETERS))
    assert str(caught.value) == case.expected
    assert caught.value.code == case.title
    assert type(caught.value) is MESSAGES[case.title][0]


def test_error_has_its_parts():
    with pytest.raises(ld.LossNameError) as caught:
        ld.compile("1.0*positon")
    failure = caught.value
    assert (failure.code, str(failure.span), failure.term) == ("unknown-name", "positon", None)
    assert failure.message == "there is no name `positon`"
    assert failure.hint == "did you mean `position`?"
    assert str(pickle.loads(pickle.dumps(failure))) == str(failure)


def test_errors_in_several_terms_come_together():
    with pytest.raises(ld.LossError) as caught:
        ld.compile(
            {"a": "positon", "b": "2 velocity", "c": "final(velocty)", "d": {"weight": "alpa", "expr": "position"}}
        )
    failure = caught.value
    assert [(one.code, one.term) for one in failure.errors] == [("missing-operator", "b")]
    with pytest.raises(ld.LossError) as caught:
        ld.compile({"a": "positon", "c": "final(velocty)", "d": {"weight": "alpa", "expr": "position"}})
    failure = caught.value
    assert [(str(one.span), one.term) for one in failure.errors] == [("positon", "a"), ("velocty", "c"), ("alpa", None)]
    assert str(failure).count("did you mean") == 2 and str(failure).count("\n\n") == 2
    assert str(pickle.loads(pickle.dumps(failure))) == str(failure)


def test_at_most_ten_errors_are_told():
    with pytest.raises(ld.LossError) as caught:
        ld.compile(" + ".join(f"undefined{i}" for i in range(1_000)))
    assert len(caught.value.errors) == 10


def test_traceback_ends_in_our_message_alone():
    for text in ("1.0*positon", "position +", "finl(position)", "9**9**9*position", "(" * 200 + "position" + ")" * 200):
        try:
            ld.compile(text)
        except ld.LossError as failure:
            shown = "".join(traceback.format_exception(failure))
            assert shown.endswith(f"{failure!s}\n")
            assert shown.count("Traceback") == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * 100_000 + "position" + ")" * 100_000, "too-deep"),
        ("-" * 100_000 + "position", "too-deep"),
        ("position" + "[1:]" * 1_000, "too-deep"),
        ("position" + "*2" * 1_000, "too-deep"),
        ("x" * 2**20, "too-long"),
        ("position + " * 2**17, "too-long"),
        ("9**9**9*position", "too-large"),
        ("position + 9**9**9", "too-large"),
        ("big = 9**9**9\nposition + big", "too-large"),
        ("1e-100000000*position", "number-range"),
        ("1e999*position", "number-range"),
        ("9" * 5_000 + "*position", "number-range"),
        ("2**(1/99999)*position", "too-large"),
    ],
    ids=lambda value: value[:20],
)
def test_hostile_text_is_refused_at_once(text, code):
    ld.compile("position")  # the parser is built
    start = time.perf_counter()
    with pytest.raises(ld.LossError) as caught:
        ld.compile(text)
    assert caught.value.code == code
    assert time.perf_counter() - start < 5  # the alternative is for ever
    assert len(str(caught.value)) < 1_000
    assert str(caught.value).count("\n") == 3  # message, line, caret, hint


def test_definitions_that_unfold_to_a_huge_weight_are_refused():
    lines = ["d0 = exp(alpha) + sin(alpha)"]
    lines += [f"d{i} = exp(d{i - 1}) + sin(d{i - 1})" for i in range(1, 60)]
    with pytest.raises(ld.LossValueError, match="too large"):
        ld.compile("\n".join([*lines, "d59*position"]), parameters=PARAMETERS)


def test_long_chains_of_definitions_are_read():
    lines = ["d0 = position"] + [f"d{i} = d{i - 1} + velocity" for i in range(1, 3_000)]
    loss = ld.compile("\n".join([*lines, "d2999"]))
    assert loss.labels == ("d2999",)
    assert len(loss.digest) == 16


def test_nothing_is_executed(tmp_path):
    target = tmp_path / "executed"
    for text in (
        f"__import__('os').system('touch {target}')",
        f"position + open('{target}', 'w')",
        "(lambda: position)()",
        "effector.__class__.__bases__",
        f"label = 1 # \n position as x\n__import__('os').mkdir('{target}')",
    ):
        with pytest.raises(ld.LossError):
            ld.compile(text)
    assert not target.exists()


# Data.


@pytest.fixture(scope="module")
def reach():
    return load_npz(Path("examples/reach.npz"))


def changed(tree, path, value):
    """The nested dicts with one leaf replaced, or removed where the value is `...`."""
    tree = copy.deepcopy(tree)
    *parents, last = path.split(".")
    here = tree
    for part in parents:
        here = here[part]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return tree


LOSS = "position + 1e-5*nn_hidden + final(velocity)"

DATA = [
    (
        LOSS,
        "mechanics.effector.pos",
        ...,
        "`states.mechanics.effector.pos` is not there: `states.mechanics.effector` has no `pos`, "
        "in the term `position`\n"
        "the nearest there are: `states.mechanics.effector.force`, `states.mechanics.effector.vel`",
    ),
    (
        LOSS,
        "mechanics",
        ...,
        "`states.mechanics.effector.pos` is not there: `states` has no `mechanics`, in the term `position`\n"
        "there are: `states.net.hidden`, `states.net.output`",
    ),
    (
        LOSS,
        "net.hidden",
        None,
        "`net.hidden` is None, not an array of real numbers, in the term `nn_hidden`\n"
        "`states.net.hidden` must hold an array with the axes (batch, time, hidden)",
    ),
    (
        LOSS,
        "net.hidden",
        "abc",
        "`net.hidden` is a str, not an array of real numbers, in the term `nn_hidden`\n"
        "`states.net.hidden` must hold an array with the axes (batch, time, hidden)",
    ),
    (
        LOSS,
        "net.hidden",
        np.zeros((7, 100, 50), complex),
        "`net.hidden` is an array of complex64, not an array of real numbers, in the term `nn_hidden`\n"
        "`states.net.hidden` must hold an array with the axes (batch, time, hidden)",
    ),
    (
        LOSS,
        "net.hidden",
        np.zeros((7, 100)),
        "`net.hidden` has the shape (7, 100), its axes are (batch, time, hidden), in the term `nn_hidden`\n"
        "`states.net.hidden` must have 3 dimensions; a single trial is a batch of one: "
        "`jax.tree.map(lambda x: x[None], states)`",
    ),
    (
        LOSS,
        "net.hidden",
        np.zeros((2, 7, 100, 50)),
        "`net.hidden` has the shape (2, 7, 100, 50), its axes are (batch, time, hidden), in the term `nn_hidden`\n"
        "`states.net.hidden` must have 3 dimensions; over an ensemble of models map the loss: `jax.vmap(loss, ...)`",
    ),
    (
        "nn_hidden",
        "net.hidden",
        np.zeros((0, 100, 50)),
        "`net.hidden` has no trials: its shape is (0, 100, 50), in the term `nn_hidden`\n"
        "give at least one; a loss is a mean over `batch`",
    ),
    (
        "norm(effector.pos - target.pos)",
        None,
        None,
        "`effector.pos` and `target.pos` differ in the length of `time`: 100 and 99, "
        "in the term `norm(effector.pos - target.pos)`\n"
        "    norm(effector.pos - target.pos)\n"
        "         ^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "`effector.pos` is (7, 100, 2), `target.pos` is (7, 99, 2); "
        "states are one step longer than targets, for they begin with the initial one: write `effector.pos[1:]`",
    ),
    (
        LOSS,
        "mechanics.effector.pos",
        np.zeros((7, 99, 2)),
        "`effector.pos[1:]` and `target.pos` differ in the length of `time`: 98 and 99, in the term `position`\n"
        "    sqnorm(effector.pos[1:] - target.pos)\n"
        "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "`effector.pos` is (7, 99, 2), `target.pos` is (7, 99, 2); states are one step longer than targets, for they "
        "begin with the initial one: put it before these, or write `effector.pos` without `[1:]`",
    ),
    (
        LOSS,
        "net.hidden",
        np.zeros((8, 100, 50)),
        "`batch` has two lengths: `effector.pos` is (7, 100, 2), `net.hidden` is (8, 100, 50), "
        "in the term `nn_hidden`\n"
        "give the two axes two names in the vocabulary, or one length; only `time` may differ",
    ),
    (
        "nn_hidden[200]",
        None,
        None,
        "`nn_hidden[200]` lies outside of `nn_hidden`, which has 100 steps in `time`, in the term `nn_hidden[200]`\n"
        "    nn_hidden[200]\n"
        "    ^^^^^^^^^\n"
        "choose an index from -100 to 99",
    ),
    (
        "nn_hidden[200:]",
        None,
        None,
        "`nn_hidden[200:]` is empty: `nn_hidden` has the length 100 along `time`, in the term `nn_hidden[200:]`\n"
        "    nn_hidden[200:]\n"
        "    ^^^^^^^^^\n"
        "choose a window that lies within it",
    ),
    (
        "2*position/length(axis=time) + sum(position)/length(axis=time)",
        None,
        None,
        "`length(axis=time)` could be 100 or 99: `effector.pos` is (7, 100, 2), `target.pos` is (7, 99, 2), "
        "in the term `sum(position)/length(axis=time)`\n"
        "    2*position/length(axis=time) + sum(position)/length(axis=time)\n"
        "                                                 ^^^^^^^^^^^^^^^^^\n"
        "say of which, as in `length(axis=time, like=effector.pos)`",
    ),
    (
        "sqnorm(model)",
        None,
        None,
        "`model` is not there: `model` is None, in the term `sqnorm(model)`\n"
        "give `model`, as in `loss(states, trial_specs, model=model)`; in an .npz file, keys that begin with `model.`",
    ),
    (
        "step*position",
        None,
        None,
        "the loss needs the training iteration `step`\n"
        "call it as `loss(states, trial_specs, step=i)`; `lossdsl eval` has `--step`",
    ),
]


def call(loss, states, trial_specs):
    return loss(states, trial_specs)


def per_trial(loss, states, trial_specs):
    return loss.per_trial(states, trial_specs)


def jitted(loss, states, trial_specs):
    arrays = jax.tree.map(lambda leaf: leaf if hasattr(leaf, "shape") else None, states)
    return jax.jit(lambda s: loss(s, trial_specs))(arrays)


@pytest.mark.parametrize("how", [call, per_trial])
@pytest.mark.parametrize(("text", "path", "value", "expected"), DATA)
def test_bad_data(reach, how, text, path, value, expected):
    states = reach.states if path is None else changed(reach.states, path, value)
    with pytest.raises(ld.LossError) as caught:
        how(ld.compile(text), states, reach.trial_specs)
    assert str(caught.value).replace("complex128", "complex64") == expected


def test_bad_data_under_jit(reach):
    states = changed(reach.states, "mechanics.effector.pos", np.zeros((7, 99, 2)))
    with pytest.raises(ld.LossDataError, match="differ in the length of `time`: 98 and 99"):
        jitted(ld.compile(LOSS), states, reach.trial_specs)


def test_a_good_shape_after_a_bad_one_and_the_other_way_round(reach):
    loss = ld.compile(LOSS)
    loss(reach.states, reach.trial_specs)
    states = changed(reach.states, "mechanics.effector.pos", np.zeros((7, 99, 2)))
    for _ in range(2):
        with pytest.raises(ld.LossDataError):
            loss(states, reach.trial_specs)
    assert np.isfinite(loss(reach.states, reach.trial_specs).total)


def test_missing_trial_specs(reach):
    with pytest.raises(ld.LossDataError) as caught:
        ld.compile(LOSS)(reach.states, None)
    assert str(caught.value) == (
        "`trial_specs.target.pos` is not there: `trial_specs` is None, in the term `position`\n"
        "give `trial_specs`, as in `loss(states, trial_specs, model=model)`; "
        "in an .npz file, keys that begin with `trial_specs.`"
    )


def test_axis_of_size_one(reach):
    hold = {**reach.trial_specs, "inputs": {"hold": np.zeros((7, 99, 2))}}
    with pytest.raises(ld.LossDataError) as caught:
        ld.compile("effector_fixation")(reach.states, hold)
    assert str(caught.value) == (
        "axis 2 of `inputs.hold` has the length 2, the vocabulary says 1: its shape is (7, 99, 2), "
        "in the term `effector_fixation`\n`trial_specs.inputs.hold` must have the axes (batch, time, 1)"
    )


def test_no_jax_frames_in_the_traceback(reach):
    states = changed(reach.states, "net.hidden", np.zeros((7, 100)))
    with pytest.raises(ld.LossDataError) as caught:
        ld.compile(LOSS)(states, reach.trial_specs)
    assert not any("jax" in str(entry.path) for entry in caught.traceback)
    assert caught.value.__cause__ is None


# Weights and parameters.


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (float("nan"), "`nan`"),
        (float("inf"), "`inf`"),
        ("abc", "`abc`"),
        (None, "None"),
        (True, "`True`"),
        ([1, 2], "a list"),
        (np.ones(3), "an array of shape (3,)"),
        (1j, "`1j`"),
        (jnp.complex64(1j), "an array of complex64"),
        (1e-50, "1e-50, which float32 cannot hold"),
        (1e40, "1e+40, which float32 cannot hold"),
        pytest.param(10**5000, "`1e+5000`", id="10**5000"),  # Python has no text for it
        (Fraction(1, 10**400), "`1e-400`"),
        (Fraction(-(10**400), 3), "`-3.33333e+399`"),
        (jax.random.key(0), "an array of key<fry>"),
        (np.datetime64("2020"), "an array of datetime64[Y]"),
        (np.ma.masked, "an array of float64"),
        ("1_0", "`1_0`"),
        ("\N{ARABIC-INDIC DIGIT THREE}", "`\N{ARABIC-INDIC DIGIT THREE}`"),
    ],
)
def test_bad_weight(value, got):
    loss = ld.compile("alpha*position + velocity", ld.FEEDBAX.extend(parameters=PARAMETERS))
    for what, name, change in (
        ("the weight of", "velocity", loss.with_weights),
        ("the parameter", "alpha", loss.with_parameters),
    ):
        with pytest.raises(ld.LossValueError) as caught:
            change({name: value})
        assert str(caught.value) == f"{what} `{name}` is {got}\ngive a finite real number"


def test_weights_in_the_text_that_float32_cannot_hold():
    with pytest.raises(ld.LossValueError, match="which float32 cannot hold"):
        ld.compile("1e-50*position")
    with jax.enable_x64(True):
        assert float(ld.compile("1e-50*position").weights["position"]) == 1e-50


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda loss: loss.with_weights(velocty=1), "the loss has no term `velocty`\ndid you mean `velocity`?"),
        (
            lambda loss: loss.with_weights(position=1),
            "the weight of `position` is `alpha`\nchange it with `with_parameters(alpha=...)`",
        ),
        (lambda loss: loss.with_parameters(alpa=1), "the loss has no parameter `alpa`\ndid you mean `alpha`?"),
        (lambda loss: loss.without("velocty"), "the loss has no term `velocty`\ndid you mean `velocity`?"),
        (lambda loss: loss.without("position", "velocity"), "no term would be left\na loss has at least one term"),
        (
            lambda loss: loss * loss,
            "a loss cannot be multiplied by a loss\n"
            "multiply by a number; to multiply two penalties write them in a text: `a*b`",
        ),
        (
            lambda loss: np.ones(3) * loss,
            "a loss cannot be multiplied by an array of shape (3,)\n"
            "multiply by a number; to multiply two penalties write them in a text: `a*b`",
        ),
        (lambda loss: loss / 0, "a loss cannot be divided by 0\ndivide by another number"),
        (
            lambda loss: loss + loss.with_parameters(alpha=2),
            "the parameter `alpha` is 1e-05 in one loss and 2 in the other\n"
            "give it one value with `with_parameters` first",
        ),
        (
            lambda loss: ld.compile("a = position; a") + ld.compile("a = velocity; a as b"),
            "`a` is defined differently in the two losses\ngive one of the definitions another name",
        ),
        (
            lambda loss: ld.compile("velocity as p") + ld.compile("nn_output as p"),
            "two terms are labelled `p`: `velocity` and `nn_output`\n    nn_output as p\n    ^^^^^^^^^\n"
            "name one of them: `... as p_2`",
        ),
        (
            lambda loss: jax.jit(lambda scale: (loss * scale).numbers)(2.0),
            "the weight of `position` is made of parameters, it cannot be multiplied by a traced number\n"
            "make the factor a parameter too, and change it with `with_parameters`",
        ),
    ],
)
def test_bad_change(change, expected):
    loss = ld.compile("alpha*position + velocity", ld.FEEDBAX.extend(parameters=PARAMETERS))
    with pytest.raises(ld.LossError) as caught:
        change(loss)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (
            None,
            "a loss cannot be made from None\n" + NOT_TEXT,
        ),
        (
            {"a": 3},
            "a loss cannot be made from an int, in the term `a`\n" + NOT_TEXT,
        ),
        ({}, "the loss is empty\nwrite a loss such as `1.0*position + final(velocity)`"),
        (
            {"a b": "position"},
            "`a b` is not a name that a term can have\n"
            "a name is made of letters, digits and `_`, with dots between: `final_velocity`",
        ),
        (
            {"a": "position", "b": "2*velocty"},
            "there is no name `velocty`, in the term `b`\n    2*velocty\n      ^^^^^^^\ndid you mean `velocity`?",
        ),
        (
            {"a": "position +"},
            "the text ends where a value should follow, in the term `a`\n    position +\n              ^\n"
            "add what comes after `+`, or take it away",
        ),
    ],
)
def test_bad_loss_object(loss, expected):
    with pytest.raises(ld.LossError) as caught:
        ld.compile(loss)
    assert str(caught.value) == expected


# Vocabularies.


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: ld.Quantity("states.__class__", "batch"), "bad-path"),
        (lambda: ld.Quantity("model.__dict__.x", "batch"), "bad-path"),
        (lambda: ld.Quantity("somewhere.pos", "batch"), "bad-path"),
        (lambda: ld.Quantity("states.a-b", "batch"), "bad-path"),
        (lambda: ld.Quantity("states.pos", "batch, time"), "bad-axes"),
        (lambda: ld.Quantity("states.pos", "batch batch"), "bad-axes"),
        (lambda: ld.Quantity("states.pos", "time xy time"), "bad-axes"),
        (lambda: ld.Quantity("states.pos", "xy xy xy"), "bad-axes"),
        (lambda: ld.Quantity("states.pos", "xy xy'"), "bad-axes"),
        (lambda: ld.Quantity("states.pos[0]", "batch"), "bad-path"),
        (lambda: ld.Quantity("states.pos[..., ::2]", "batch"), "bad-path"),
        (lambda: ld.Vocabulary(quantities={"a b": ld.Quantity("states.pos", "batch")}), "reserved-name"),
        (lambda: ld.Vocabulary(parameters={"step": 1}), "reserved-name"),
        (lambda: ld.Vocabulary(parameters={"as": 1}), "reserved-name"),
        (lambda: ld.FEEDBAX.extend(parameters={"position": 1}), "reserved-name"),
        (lambda: ld.Quantity(3, "batch"), "bad-path"),
        (lambda: ld.Quantity("states.pos", 3), "bad-axes"),
        (lambda: ld.Quantity("states.pos", "Batch time"), "bad-axes"),
        (lambda: ld.Quantity("states.pos", "trial time xy"), "bad-axes"),
        (lambda: ld.Quantity("states.pos", "batch times xy"), "bad-axes"),
        (lambda: ld.Vocabulary({"x": "states.x"}), "bad-row"),
        (lambda: ld.Vocabulary(["x"]), "bad-argument"),
        (lambda: ld.Vocabulary(terms={"x": 3}), "bad-row"),
        (lambda: ld.Vocabulary(terms={"x": lambda states, trial_specs: 0}), "bad-row"),
        (lambda: ld.Vocabulary(terms={"x": ld.AbstractLoss}), "bad-row"),
        (lambda: ld.Vocabulary(parameters={"x": "fast"}), "bad-weight"),
        (lambda: ld.compile("position", {"x": 1}), "bad-argument"),
        (lambda: ld.compile("position", None), "bad-argument"),
        (lambda: ld.compile("position", parameters=["alpha"]), "bad-argument"),
        (lambda: ld.compile("position", parameters={"velocity": 1}), "reserved-name"),
        (lambda: ld.compile("position", terms={"velocity": "nn_output"}), "reserved-name"),
        (lambda: ld.compile("position", terms=[ld.AbstractLoss]), "bad-argument"),
        (lambda: ld.compile("position", terms=3), "bad-argument"),
        (lambda: ld.compile("position").with_weights(2), "bad-argument"),
        (lambda: ld.compile("position") + 1, "add"),
        (lambda: 1 - ld.compile("position"), "add"),
        (lambda: ld.compile("norm(x)", ld.Vocabulary({"x": ld.Quantity("states.x", "batch a b")})), "which-axis"),
    ],
)
def test_bad_vocabulary(make, code):
    with pytest.raises(ld.LossError) as caught:
        make()
    assert caught.value.code == code


def test_an_error_in_a_definition_of_the_vocabulary_names_it():
    vocabulary = ld.FEEDBAX.extend(terms={"mine": "2*velocty"})
    with pytest.raises(ld.LossNameError, match="there is no name `velocty`, in the term `mine`"):
        ld.compile("position + 0.1*mine", vocabulary)


def test_an_own_vocabulary_says_how_a_message_goes():
    with pytest.raises(ld.LossError) as caught:
        ld.compile("x", ld.Vocabulary({"x": ("states.x", "batch trials")}))
    assert str(caught.value) == (
        "`batch trials` are not the axes of a quantity: write `batch` for `trials`\n"
        "write their names with spaces between, as `batch time xy`, or `pytree`"
    )


ROBOT = ld.Vocabulary(
    quantities={
        "Q": ("trial_specs.Q", "xyz xyz"),
        "base.vel": ("states.base.vel", "batch time xyz"),
        "base.vel_xy": ("states.base.vel[..., :2]", "batch time xy"),
        "base.vel_z": ("states.base.vel[..., 2]", "batch time"),
    }
)


@pytest.mark.parametrize(
    ("text", "vel", "expected"),
    [
        (
            "quadratic_form(base.vel, Q)",
            (4, 5, 3),
            "`Q` has the shape (3, 2), but two axes `xyz`, in the term `quadratic_form(base.vel, Q)`\n"
            "`trial_specs.Q` must hold a square matrix",
        ),
        (
            "square(base.vel_z)",
            (4, 5, 2),
            "`states.base.vel[..., 2]` is not there: `states.base.vel` is an array of shape (4, 5, 2), "
            "in the term `square(base.vel_z)`\nthe index lies within the last axis of an array",
        ),
        (
            "sqnorm(base.vel_xy)",
            (4, 5, 1),
            "`states.base.vel[..., :2]` is not there: `states.base.vel` is an array of shape (4, 5, 1), "
            "in the term `sqnorm(base.vel_xy)`\nthe index lies within the last axis of an array",
        ),
        (
            "sqnorm(base.vel_xy)",
            None,
            "`states.base.vel[..., :2]` is not there: `states.base.vel` is None, "
            "in the term `sqnorm(base.vel_xy)`\nthe index lies within the last axis of an array",
        ),
        (
            "sqnorm(base.vel_xy)",
            (4, 3),
            "`base.vel_xy` has the shape (4, 2), its axes are (batch, time, xy), in the term `sqnorm(base.vel_xy)`\n"
            "`states.base.vel[..., :2]` must have 3 dimensions; a single trial is a batch of one: "
            "`jax.tree.map(lambda x: x[None], states)`",
        ),
        (
            "sqnorm(base.vel_xy)",
            ...,
            "`states.base.vel` is not there: `states.base` has no `vel`, in the term `sqnorm(base.vel_xy)`\n"
            "the nearest there are: `states.base.vals`",
        ),
    ],
)
def test_bad_matrices_and_components(text, vel, expected):
    base = {"vals": np.zeros(2)} if vel is ... else {"vel": None if vel is None else np.zeros(vel)}
    with pytest.raises(ld.LossDataError) as caught:
        ld.compile(text, ROBOT)({"base": base}, {"Q": np.zeros((3, 2))})
    assert str(caught.value) == expected


def test_a_number_that_is_declared_with_an_axis():
    vocabulary = ld.Vocabulary({"height": ("states.height", "1"), "cost": ("states.cost", "batch time")})
    with pytest.raises(ld.LossDataError) as caught:
        ld.compile("height*cost", vocabulary)({"height": jnp.array(2.0), "cost": jnp.ones((3, 4))}, None)
    assert str(caught.value) == (
        "`height` has the shape (), its axes are (1,), in the term `height*cost`\n"
        '`states.height` must have 1 dimension; declare a number with no axes, `""`'
    )


def test_messages_call_the_second_axis_of_a_matrix_by_its_prime():
    with pytest.raises(ld.LossAxesError, match="the axis `xyz'` is left over"):
        ld.compile("sum(Q, axis=xyz)", ROBOT)


@pytest.mark.parametrize(
    ("step", "got"),
    [
        (np.arange(3), "the training iteration `step` is an array of shape (3,)"),
        (jnp.arange(3), "the training iteration `step` is an array of shape (3,)"),
        ("3", "the training iteration `step` is `3`"),
        (float("nan"), "the training iteration `step` is `nan`"),
    ],
)
def test_bad_step(reach, step, got):
    with pytest.raises(ld.LossValueError) as caught:
        ld.compile("step*position")(reach.states, reach.trial_specs, step=step)
    assert str(caught.value).split("\n")[0] == got


def test_a_step_may_be_any_whole_number(reach):
    loss = ld.compile("minimum(step, 2)*position")
    for step in (3, 2**40, np.int64(7), jnp.int32(5), 2.5):
        assert loss(reach.states, reach.trial_specs, step=step).weights["position"] == 2


# The docs.


def documented():
    """The rows of the tables of codes, by the class that they stand under."""
    page = (Path(__file__).parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")
    for section in page.split("\n## ")[1:]:
        for row in re.findall(r"^\| (`[\w-]+` \|.*) \|$", section, re.MULTILINE):
            code, message, *cause_and_cure = (cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row))
            yield code.strip("`"), section.split("\n")[0], message, cause_and_cure


def test_every_code_is_documented_as_it_is():
    found = [(code, kind, message) for code, kind, message, _ in documented()]
    blank = re.compile(r"\{[^}]*\}")
    known = [(code, kind.__name__, blank.sub("…", message)) for code, (kind, message, _) in MESSAGES.items()]
    assert sorted(found) == sorted(known)


def test_every_code_has_a_cause_and_a_cure():
    for code, *_, sentences in documented():
        assert len(sentences) == 2, code
        assert all(re.fullmatch(r"[A-Z`].+\.", sentence) for sentence in sentences), code


def test_a_text_that_is_too_deep_only_with_its_definitions_points_at_the_name():
    text = "minimum(" * 99 + "position" + ", 1)" * 99
    with pytest.raises(ld.LossSyntaxError) as caught:
        ld.compile(text)
    assert (caught.value.code, str(caught.value.span), caught.value.span.text) == ("too-deep", "position", text)
    assert len(caught.value.errors) == 1


def test_definitions_in_a_term_of_the_vocabulary():
    with pytest.raises(ld.LossSyntaxError) as caught:
        ld.compile("2*a", ld.Vocabulary(terms={"a": "q = 1; 2*q"}))
    assert str(caught.value) == (
        "a term of the vocabulary has no definitions of its own, here `q`, in the term `a`\n"
        "    q = 1; 2*q\n    ^\nmake it a row of `terms` itself"
    )


def test_weights_of_step_are_told_apart_from_those_of_parameters():
    with pytest.raises(ld.LossNameError) as caught:
        ld.compile("step*position").with_weights(position=2)
    assert str(caught.value) == (
        "the weight of `position` is `step`\n"
        "it follows `step`; for a factor that changes write `alpha*position` with a parameter `alpha`"
    )


@pytest.mark.parametrize("step", [True, np.True_, 10**400, float("nan"), "3", [1], np.ones(2)])
def test_bad_steps(reach, step):
    with pytest.raises(ld.LossValueError, match="the training iteration `step` is "):
        ld.compile("step*position")(reach.states, reach.trial_specs, step=step)


def test_dot_refuses_a_matrix_and_offers_its_product():
    arm = ld.Vocabulary({"Q": ("trial_specs.Q", "xy xy"), "z": ("states.z", "batch time xy")})
    with pytest.raises(ld.LossAxesError) as caught:
        ld.compile("dot(Q, z, axis=xy)", arm)
    assert str(caught.value) == (
        "`Q` is a square matrix: its axes are (xy, xy')\n"
        "    dot(Q, z, axis=xy)\n        ^\n"
        "write `matvec(Q, x)` for its product with a vector, `quadratic_form(x, Q)` for that with a vector on each side"
    )


LENGTH = {"length": {"path": "trial_specs.n", "axes": "batch"}}
TWO_MEANINGS = {
    "x": ({"quantities": {"x": ("states.y", "batch time")}}, "square(x)"),
    "cost": ({"terms": {"cost": "norm(x, axis=time)"}}, "cost"),
    "mask": ({"quantities": {"mask": ("states.mask", "batch time")}}, "x@hold"),
    "hold": ({"epochs": {"hold": "go..end"}}, "x@hold"),
    "still": ({"epochs": {"still": "less(x, 2)"}}, "x@still"),
    "go": ({"events": {"go": {"path": "states.go", "axes": "batch"}}}, "x@go..end"),
    "dt": ({"dt": 0.5}, "x@1s..end"),
    "length": (LENGTH, "square(x)"),
    "valid": ({"valid": "mask"}, "square(x)"),
    "trials_begin": ({"trials_begin": 0}, "goal@1s..end"),
}
MEANINGS = ld.Vocabulary(
    {
        "x": "batch time",
        "mask": ("trial_specs.mask", "batch time"),
        "goal": ("trial_specs.goal", "batch time"),
    },
    {"cost": "square(x)"},
    epochs={"hold": "mask", "still": "less(x, 1)"},
    events={"go": {"path": "trial_specs.go", "axes": "batch"}},
    dt=0.25,
)


@pytest.mark.parametrize("name", TWO_MEANINGS)
def test_losses_of_two_vocabularies_mean_one_thing_by_a_name(name):
    rows, text = TWO_MEANINGS[name]
    one, other = (ld.compile({label: text}, v) for label, v in (("a", MEANINGS), ("b", MEANINGS.extend(**rows))))
    joins = (lambda: one + other, lambda: 2 * other + one, lambda: one | other, lambda: ld.CompositeLoss([one, other]))
    for join in joins:
        with pytest.raises(ld.LossNameError) as caught:
            join()
        assert caught.value.message == f"`{name}` is defined differently in the two losses"
    # What is not in the result has no meaning in it.
    assert (one | ld.compile({"a": text}, MEANINGS.extend(**rows))).labels == ("a",)


def test_python_terms_of_one_name_are_told_apart():
    class Scaled(ld.AbstractLoss):
        label: str = "scaled"
        factor: float = 1.0

        def term(self, states, trial_specs, model):
            return self.factor * states["x"]

    one, two, three = Scaled(), Scaled(factor=2.0), Scaled(factor=3.0)
    states = {"x": np.ones(4)}
    for joined, expected in (
        (ld.CompositeLoss({"a": one, "b": two, "c": three}), {"a": 1, "b": 2, "c": 3}),
        (ld.CompositeLoss({"b": two}) + one, {"b": 2, "scaled": 1}),
        (ld.compile({"a": one, "b": 2 * two}) | ld.CompositeLoss({"a": three}), {"a": 3, "b": 2}),
        (ld.CompositeLoss({"a": two, "b": one}) + ld.CompositeLoss({"c": two}), {"a": 2, "b": 1, "c": 2}),
    ):
        assert dict(joined(states).raw) == expected
    with pytest.raises(ld.LossNameError, match="two terms are labelled `scaled`"):
        one + two
