"""The digests of stored losses, which outlive every change of the code."""

import jax.numpy as jnp
import pytest

import lossdsl as ld

ARM = ld.Vocabulary(
    quantities={
        "torque": ld.Quantity("states.arm.torque", "batch time joint"),
        "Q": ("trial_specs.Q", "joint joint"),
        "valid": ("trial_specs.valid", "batch time"),
    },
    terms={"effort": "sqnorm(torque)"},
    parameters={"alpha": 1e-3},
)
LOSSES = {
    "page": lambda: ld.compile("1.0*position + 1e-5*nn_hidden + final(velocity)"),
    "reach": ld.simple_reach_loss,
    "delayed": ld.delayed_reach_loss,
    "hold": ld.hold_loss,
    "definitions": lambda: ld.compile(
        "speed = norm(effector.vel); far = 2*position\nfar + 0.1*max(speed) as peak - 1e-3*mean(far, axis=time)"
    ),
    "parameters": lambda: ld.compile("alpha*position + (1 - alpha)**2*velocity/3", parameters={"alpha": 0.25}),
    "schedules": lambda: ld.compile(
        "warmup(0.1, 1000)*position + piecewise(0, 10, 0.5, 20, 1)*velocity + cosine(1, 0.1, 500)*nn_hidden"
    ),
    "irrational": lambda: ld.compile("2**0.5*position + sqrt(2)*velocity"),
    "mapping": lambda: ld.compile({"goal": "position", "effort": {"weight": "1e-5", "expr": "nn_output"}}),
    "vocabulary": lambda: ld.compile("alpha*effort + quadratic_form(torque, Q) + mean(effort, where=valid)", ARM),
    "steps": lambda: ld.compile("velocity[10:50] + velocity@-1 + sqnorm(diff(net.output, 2)) + cumsum(velocity)@final"),
    "choices": lambda: ld.compile("where(greater(position, 1), sqrt(position), position) + clip(velocity, 0, 1)"),
    "penalties": lambda: ld.compile(
        "sum(huber(effector.pos[1:] - target.pos, delta=0.1), axis=xy) + sum(smooth_abs(net.output), axis=output)"
    ),
    "categories": lambda: ld.compile(
        "cross_entropy(net.output, softmax(2*net.output)) + kl_divergence(net.output, 2*net.output)"
    ),
    "model": lambda: ld.compile("position + 1e-4*sqnorm(model)"),
    "changed": lambda: ld.compile("position + velocity").with_weights(position=1 / 3),
    "algebra": lambda: (
        2 * ld.EffectorPositionLoss(discount_exp=2) + ld.NetworkActivityLoss() - ld.compile("0.1*final(velocity)")
    ),
    "group": lambda: ld.CompositeLoss(
        {"reach": ld.compile("position + 0.1*velocity"), "effort": "nn_output"}, {"reach": 2, "effort": 1e-5}
    ),
    "straight": lambda: 1 * ld.EffectorStraightPathLoss(normalize_by="goal"),
    "stop": lambda: 0.5 * ld.StopAtGoalLoss(method="soft-or", window_len=7),
    "target": lambda: (
        1
        * ld.TargetStateLoss(
            "end", "mechanics.effector.pos", spec=ld.TargetSpec(jnp.zeros(2), time_idxs=jnp.array([-1]))
        )
    ),
    "target final": lambda: 1 * ld.TargetStateLoss("end", "mechanics.effector.vel", spec=ld.target_final_state),
    "discount": lambda: 1 * ld.EffectorPositionLoss(discount_func=ld.power_discount),
}
DIGESTS = {
    "page": "424d37306cd7a197",
    "reach": "8b11d61f8fed3848",
    "delayed": "ed69473c65c98924",
    "hold": "ca3979aa3741f584",
    "definitions": "e974f4e4ad077906",
    "parameters": "f6b4acf13fe16ac7",
    "schedules": "e033e6541def567d",
    "irrational": "78ab457786f1bbb5",
    "mapping": "1454ef12c2ae604b",
    "vocabulary": "738c6c02b52019ea",
    "steps": "0ebbadc228f44ca0",
    "choices": "84470d3494a49ee4",
    "penalties": "910fd39e0e9ffc56",
    "categories": "59a1d6713ab893ef",
    "model": "1bb736632e78191c",
    "changed": "a1e71d625b02aba8",
    "algebra": "964984c39a62ba76",
    "group": "3cbf314ce2794464",
    "straight": "915bb6d24021b31f",
    "stop": "3470fb9cf49f6ab9",
    "target": "3cf5e1e3884200b4",
    "target final": "b8df98d5dbf36b89",
    "discount": "ad4f438d78bd998e",
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_digest_of_a_loss_stays(name):
    assert LOSSES[name]().digest == DIGESTS[name]
