"""What texts mean, in case files."""

from fractions import Fraction

import pytest
import sympy

import lossdsl as ld
from lossdsl.language.expr import Call, Name
from tests import cases

SHARED = ld.FEEDBAX.extend(parameters={"alpha": 1e-5, "beta": 2.0, "lambda": 0.5, "E": 1.0})


@cases.parametrize("parse.txt")
def test_parse(case):
    tree = ld.parse(case.text)
    assert str(tree) == case.expected
    assert ld.parse(str(tree)) == tree


@cases.parametrize("normal.txt")
def test_normal_form(case):
    loss = ld.compile(case.text, SHARED)
    rows = "\n".join(f"{term.label} | {term.weight} | {term.expr}" for term in loss.terms)
    assert f"{rows}\n\n{loss}" == case.expected
    again = ld.compile(str(loss), SHARED)
    assert again.terms == loss.terms
    assert str(again) == str(loss)
    assert again.digest == loss.digest


def test_trees_rebuild_themselves():
    tree = ld.parse("a = 2*x; huber(a[1:], delta=b) as c + -norm(y, axis=xy)**2")
    for node in tree.walk():
        assert node == node.func(*node.args)
        assert hash(node) == hash(node.func(*node.args))
    assert {str(name) for name in tree.free_symbols} == {"x", "a", "b", "y"}


def test_spans_take_no_part_in_equality():
    first, second = ld.parse("a  +  b"), ld.parse("a+b")
    assert first == second
    assert str(first.span) == "a  +  b"


def test_xreplace():
    tree = ld.parse("a + 2*final(a)")
    assert str(tree.xreplace({Name(name="a"): ld.parse("b + c")})) == "(b + c) + 2*final(b + c)"
    assert tree.xreplace({Name(name="z"): Name(name="b")}) is tree


def test_nodes_are_immutable():
    tree = ld.parse("a + b")
    with pytest.raises(AttributeError):
        tree.args = ()
    assert isinstance(tree, Call)


def test_weights_are_exact():
    terms = ld.compile("0.1*position + 0.2*position + alpha*2*velocity - alpha*velocity", SHARED).terms
    alpha = sympy.Symbol("alpha", real=True)
    assert [term.weight for term in terms] == [sympy.Rational(3, 10), alpha]


def test_a_mapping_gives_one_term_each():
    loss = ld.compile({"goal": "2*position", "effort": "nn_output + nn_hidden", "stop": ld.parse("final(velocity)")})
    assert [(term.label, term.weight, str(term.expr)) for term in loss.terms] == [
        ("goal", 2, "position"),
        ("effort", 1, "nn_output + nn_hidden"),
        ("stop", 1, "final(velocity)"),
    ]
    assert ld.compile(str(loss)).terms == loss.terms


def test_a_tree_and_a_loss_compile_too():
    loss = ld.compile(ld.parse("position"))
    assert loss.labels == ("position",)
    assert ld.compile(loss) is loss


def test_digest_is_the_same_everywhere():
    loss = ld.compile("1.0*position + 1e-5*nn_hidden + final(velocity)")
    assert loss.digest == "424d37306cd7a197"
    assert ld.compile("position + 1e-05*nn_hidden + 1*velocity@final").digest == loss.digest
    assert loss.with_weights(position=2).digest == ld.compile("2*position + 1e-5*nn_hidden + final(velocity)").digest
    assert loss.with_weights(position=2).digest != loss.digest


def test_digest_sees_definitions_weights_and_parameters():
    digests = {
        ld.compile(text, parameters=parameters).digest
        for text, parameters in [
            ("a = position; a", {}),
            ("a = velocity; a", {}),
            ("a = position; 2*a", {}),
            ("a = position; w*a", {"w": 2.0}),
            ("a = position; w*a", {"w": 3.0}),
            ("a = position; a as b", {}),
        ]
    }
    assert len(digests) == 6
    assert ld.compile("position + velocity").digest == ld.compile("velocity + position").digest
    assert ld.compile("b = position; b as a").digest == ld.compile("a = position; a").digest


def test_numbers_of_a_text_survive_the_rounding_to_float32():
    loss = ld.compile("position/3 + 0.1*velocity")
    assert [term.factor for term in loss.terms] == [Fraction(1, 3), Fraction(1, 10)]
    assert str(loss.with_weights(velocity=0.7)) == "1/3*position + 0.7*velocity"


def test_source_of_the_mission():
    assert ld.compile("1.0*position + 1e-5*nn_hidden + alpha*final(velocity)", SHARED).python() == SOURCE


SOURCE = """\
# position + 1e-5*nn_hidden + alpha*final(velocity)
import jax.numpy as jnp

from lossdsl.backends.data import floats, take
from lossdsl.operators import ops


def quantities(states, trial_specs, model):
    return (
        take(states, "states.mechanics.effector.pos"),  # effector.pos: batch time xy
        take(
            trial_specs,
            "trial_specs.target.pos",
            'trial_specs.targets["mechanics.effector.pos"].value',
            "trial_specs.targets.pos",
        ),  # target.pos: batch time xy
        take(states, "states.net.hidden"),  # net.hidden: batch time hidden
        take(states, "states.mechanics.effector.vel"),  # effector.vel: batch time xy
        take(
            trial_specs,
            "trial_specs.target.vel",
            'trial_specs.targets["mechanics.effector.vel"].value',
            "trial_specs.targets.vel",
            "trial_specs.inputs.effector_target.vel",
        ),  # target.vel: batch time xy
    )


def per_trial(quantities, parameters, step, objects):
    effector_pos, target_pos, net_hidden, effector_vel, target_vel = quantities
    # position = sqnorm(effector.pos[1:] - target.pos)
    position = ops.sqnorm(effector_pos[:, 1:] - target_pos, axis=(2,))
    # nn_hidden = sqnorm(net.hidden)
    nn_hidden = ops.sqnorm(net_hidden, axis=(2,))
    # sqnorm(final(effector.vel[1:]) - final(target.vel))
    t1 = ops.sqnorm(ops.final(effector_vel[:, 1:], axis=1) - ops.final(target_vel, axis=1), axis=(1,))
    return {
        "position": ops.sum(position, axis=1),
        "nn_hidden": ops.sum(nn_hidden, axis=1),
        "final(velocity)": t1,
    }


def weights(parameters, step):
    alpha = parameters["alpha"]
    return {
        "final(velocity)": alpha,  # alpha
    }
"""


def test_definitions_may_stand_in_any_order_up_to_a_depth():
    chain = [f"a{i} = a{i - 1}" for i in range(1, 90)]
    assert ld.compile("\n".join([*reversed(chain), "a0 = position", "a89"])).labels == ("a89",)
    chain = [f"a{i} = a{i - 1}" for i in range(1, 3000)]
    with pytest.raises(ld.LossSyntaxError, match="nested more than 100 levels deep"):
        ld.compile("\n".join([*reversed(chain), "a0 = position", "a2999"]))
