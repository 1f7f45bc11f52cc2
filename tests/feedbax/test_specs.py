"""Feedbax's declarative losses as text and back: what they say by hand, and what cannot be said."""

import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import BaseModel

import lossdsl as ld
from tests.feedbax import stand_ins

PROBES = {"effector_pos": "mechanics.effector.pos", "effector_vel": "mechanics.effector.vel", "hidden": "net.hidden"}


def leaf(selector, **more):
    return {"type": "TargetStateLoss", "label": "Term", "selector": selector, **more}


def power(exponent):
    return {"mode": "all", "discount": "power", "discount_exp": exponent}


def test_the_reach_of_the_specification():
    spec = {
        "type": "Composite",
        "label": "reach_loss",
        "children": {
            "position": leaf("probe:effector_pos", weight=1.0, norm="squared_l2", time_agg=power(6)),
            "final velocity": leaf("probe:effector_vel", weight=0.5, time_agg={"mode": "final"}),
            "effort": {
                "type": "Composite",
                "label": "Effort",
                "weight": 0.1,
                "children": {"hidden": leaf("probe:hidden", weight=0.1)},
            },
        },
    }
    loss = ld.from_feedbax(spec, probes=PROBES)
    assert str(loss) == (
        "discount(position, exponent=6) as position + 0.5*final(velocity) as final_velocity"
        " + 0.01*sqnorm(net.hidden[1:]) as effort_hidden"
    )
    assert ld.from_feedbax(ld.feedbax_spec(loss)).digest == loss.digest
    values = loss(*stand_ins.masked())
    np.testing.assert_allclose(values["position"], 14.086376, rtol=1e-5)


EFFECTOR, NET, TARGET, _ = stand_ins.parts()
OFF = EFFECTOR.pos[:, 1:] - TARGET.pos
HIDDEN = NET.hidden[:, 1:]
SQUARES, STEPS = jnp.sum(OFF**2, axis=-1), jnp.arange(1, 100) / 99
CASES = [
    (leaf("mechanics.effector.pos"), SQUARES),
    (leaf("state.mechanics.effector.pos", norm="l2"), jnp.sqrt(SQUARES)),
    (leaf("path:mechanics.effector.pos", norm="l1"), jnp.sum(jnp.abs(OFF), axis=-1)),
    (
        leaf("states.mechanics.effector.pos", norm="huber"),
        jnp.sum(jnp.where(jnp.abs(OFF) < 1, OFF**2 / 2, jnp.abs(OFF) - 0.5), axis=-1),
    ),
    (leaf("mechanics.effector.pos", time_agg={"mode": "all", "discount": "linear"}), SQUARES * STEPS[None]),
    (leaf("mechanics.effector.pos", time_agg=power(2.5)), SQUARES * (STEPS**2.5)[None]),
    (leaf("mechanics.effector.pos", time_agg={"mode": "range", "start": 10, "end": 20}), SQUARES[:, 10:20]),
    (leaf("mechanics.effector.pos", time_agg={"mode": "custom", "time_idxs": [3, -1]}), SQUARES[:, jnp.array([3, -1])]),
    (leaf("mechanics.effector.pos", time_agg={"mode": "mean"}), SQUARES / 99),
    (leaf("mechanics.effector.pos", target_value=[0.0, 0.0]), jnp.sum(EFFECTOR.pos[:, 1:] ** 2, axis=-1)),
    (leaf("net.hidden", target_value=0.25), jnp.sum((HIDDEN - 0.25) ** 2, axis=-1)),
    (leaf("net.hidden", target_selector="net.hidden"), jnp.sum((HIDDEN - NET.hidden[:, 1:]) ** 2, axis=-1)),
]


@pytest.mark.parametrize(("spec", "expected"), CASES, ids=lambda case: str(case)[:60] if isinstance(case, dict) else "")
def test_what_it_says_by_hand(spec, expected):
    if "target_selector" in spec:
        with pytest.raises(ld.LossDataError, match="differ in the length of `time`"):
            ld.from_feedbax(spec)(*stand_ins.page())
        spec = {**spec, "schema_version": "2"}  # states from the first step on, and a mean
    loss = ld.from_feedbax(spec)
    found = loss(*stand_ins.page())
    np.testing.assert_allclose(found["term"], jnp.mean(jnp.sum(expected, axis=1)), rtol=1e-5)


def test_since_it_has_versions_it_averages():
    spec = leaf("net.hidden", schema_version="feedbax.spec.training.loss_term.v2", target_value=0.0)
    assert str(ld.from_feedbax(spec)) == "mean(sqnorm(net.hidden), axis=time) as term"


def test_an_array_of_ones_own_and_the_class_of_feedbax():
    class LossTermSpec(BaseModel):
        type: str
        label: str
        weight: float = 1.0
        selector: str | None = None
        norm: str | None = None
        time_agg: dict | None = None
        children: dict[str, "LossTermSpec"] | None = None

    inner = LossTermSpec(type="target_state", label="len", weight=2.0, selector="mechanics.muscle.length", norm="l1")
    loss = ld.from_feedbax(LossTermSpec(type="Composite", label="all", children={"len": inner}))
    assert str(loss) == "2*sum(abs(mechanics.muscle.length[1:]), axis=component) as len"
    states = {"mechanics": {"muscle": {"length": np.ones((2, 5, 3), np.float32)}}}
    assert float(loss(states).total) == 2 * 4 * 3
    again = LossTermSpec.model_validate(ld.feedbax_spec(ld.compile("position + 0.1*norm(effector.vel[1:])")))
    assert set(again.children) == {"position", "norm(effector.vel[1:])"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            leaf("probe:arm"),
            "the term `term` reads the probe `arm`\n"
            'say where it lies: `from_feedbax(spec, probes={"arm": "mechanics.effector.pos"})`',
        ),
        (
            leaf("port:network.output"),
            "the term `term` reads `port:network.output`, of a graph that is not there\n"
            "give the path of a state, or a probe",
        ),
        (leaf(None), "the term `term` has no `selector`\ngive the path of a state: `mechanics.effector.pos`"),
        (
            {**leaf("net.hidden"), "type": "MatrixQuadraticLoss"},
            "the term `term` is of the type `MatrixQuadraticLoss`\n"
            "those of the types `TargetStateLoss`, `target_state`, `Composite` can be said as a text",
        ),
        ({"type": "Composite", "label": "all"}, "the term `all` has no `children`\n"),
        (leaf("net.hidden", norm="l3"), "the term `term` has the norm `l3`\nthe norms are `squared_l2`, `l2`,"),
        (
            leaf("net.hidden", time_agg={"mode": "segment", "segment_name": "hold"}),
            "the term `term` counts in the segment `hold`\n"
            "write it as a text with the window of an epoch: `position@hold`",
        ),
        (leaf("net.hidden", time_agg={"mode": "range", "start": 1}), "the term `term` has the mode `range`, or lacks"),
        (leaf("net.hidden", time_agg={"mode": "custom"}), "the term `term` has the mode `custom`, or lacks what"),
        (leaf("net.hidden", time_agg={"discount": "power"}), "the term `term` has no `discount_exp`\n"),
        (leaf("net.hidden", time_agg={"discount": "log"}), "the term `term` has the discount `log`\n"),
        (leaf("net.hidden", target_value=[1.0, 2.0]), "the term `term` has a target of several numbers\n"),
        (leaf("net.hidden[0]; x"), "the path `states.net.hidden[0]; x` of `a quantity` has a part that is neither"),
        (leaf("net.hidden", target_value=float("nan")), "there is no name `nan`"),
        (leaf("net.hidden", weight=float("nan")), "the weight of `term` is `nan`\n"),
        ({**leaf("net.hidden"), "label": ""}, "`` is not a name that a term can have\n"),
        (
            {"type": "Composite", "label": "all", "children": {"A b": leaf("net.hidden"), "a_b": leaf("net.output")}},
            "the labels `a_b` and `a_b` are both the name `a_b`\n",
        ),
    ],
)
def test_what_cannot_be_said_says_why(spec, expected):
    with pytest.raises(ld.LossError) as caught:
        ld.from_feedbax(spec)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    "text",
    [
        "position + 1e-5*nn_hidden + final(velocity)",
        "0.1*norm(effector.vel[1:] - target.vel) + mean(velocity, axis=time) as mean",
        "velocity[10:50] + velocity[-1] as last + discount(velocity, exponent=2) as ramp",
        "sum(huber(effector.pos[1:] - target.pos, delta=1), axis=xy) as far",
    ],
)
def test_there_and_back(text):
    loss = ld.compile(text)
    back = ld.from_feedbax(ld.feedbax_spec(loss))
    states, trials = stand_ins.page()
    found, expected = back(states, trials), loss(states, trials)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (ld.compile("position*inputs.hold as held"), "the term `held` cannot be said in a specification\n"),
        (ld.StopAtGoalLoss(), "the term `effector_stop_at_goal` cannot be said in a specification\n"),
        (ld.compile("cumsum(position)@final as way"), "the term `way` cannot be said in a specification\n"),
        (
            ld.compile("alpha*position", parameters={"alpha": 1.0}),
            "the term `position` has a weight that is made of parameters\n",
        ),
    ],
)
def test_a_loss_that_no_specification_can_say(loss, expected):
    with pytest.raises(ld.LossValueError) as caught:
        ld.feedbax_spec(loss)
    assert str(caught.value).startswith(expected)
