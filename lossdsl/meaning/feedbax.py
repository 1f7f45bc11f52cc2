"""The vocabularies that have a name: the rows for Feedbax's reaches, which are the default, and none at all."""

from lossdsl.errors import did_you_mean, error, listed
from lossdsl.meaning.quantity import Quantity
from lossdsl.meaning.vocabulary import Definition, Vocabulary


def _target(part: str) -> str:
    """Where trials have a target: in `target`, since April 2024 in a mapping, or for delayed reaches in `targets`."""
    of_state = f'trial_specs.targets["mechanics.effector.{part}"].value'
    return f"trial_specs.target.{part} | {of_state} | trial_specs.targets.{part}"


FEEDBAX = Vocabulary(
    quantities={
        "effector.pos": Quantity(
            "states.mechanics.effector.pos", "batch time xy", r"\mathbf{x}", "m", "position of the effector"
        ),
        "effector.vel": Quantity(
            "states.mechanics.effector.vel",
            "batch time xy",
            r"\dot{\mathbf{x}}",
            "m/s",
            "velocity of the effector",
        ),
        "effector.force": Quantity(
            "states.mechanics.effector.force", "batch time xy", r"\mathbf{f}", "N", "force on the effector"
        ),
        "net.hidden": Quantity(
            "states.net.hidden", "batch time hidden", r"\mathbf{h}", "a.u.", "activity of the hidden units"
        ),
        "net.output": Quantity(
            "states.net.output", "batch time output", r"\mathbf{u}", "a.u.", "output of the network"
        ),
        "efferent.output": Quantity(
            "states.efferent.output",
            "batch time output",
            r"\mathbf{c}",
            "a.u.",
            "output of the network as it reaches the plant, delayed and with noise",
        ),
        "target.pos": Quantity(
            _target("pos"),
            "batch time xy",
            r"\mathbf{x}^{*}",
            "m",
            "target position, from the first step on",
        ),
        "target.vel": Quantity(
            # Tasks with a mapping have no target of the velocity; what they show of it to the model is 0 at all steps.
            _target("vel") + " | trial_specs.inputs.effector_target.vel",
            "batch time xy",
            r"\dot{\mathbf{x}}^{*}",
            "m/s",
            "target velocity, likewise",
        ),
        "target.force": Quantity(_target("force"), "batch time xy", r"\mathbf{f}^{*}", "N", "target force, likewise"),
        "inputs.hold": Quantity(
            "trial_specs.inputs.hold",
            "batch time 1",
            r"\eta",
            "",
            "1 while the effector should hold still, else 0",
        ),
        "model": Quantity("model", "pytree", r"\theta", "", "the arrays of the model"),
    },
    # States have the initial state at index 0 and targets do not, hence `[1:]`.
    terms={
        "position": Definition("sqnorm(effector.pos[1:] - target.pos)", doc="squared distance from the target"),
        "velocity": Definition("sqnorm(effector.vel[1:] - target.vel)", doc="squared velocity error"),
        "nn_output": Definition("sqnorm(net.output)", doc="squared output of the network"),
        "nn_command": Definition("sqnorm(efferent.output)", doc="squared output of the network that reaches the plant"),
        "nn_hidden": Definition("sqnorm(net.hidden)", doc="squared activity of the hidden units"),
        "effector_position": Definition(
            "discount(position, exponent=6)", doc="squared distance, mostly that of the last steps"
        ),
        "effector_final_velocity": Definition("final(velocity)", doc="squared velocity error at the last step"),
        "effector_fixation": Definition("position*inputs.hold", doc="squared distance during the hold period"),
        "effector_straight_path": Definition(
            "sum(norm(diff(effector.pos)))/norm(final(effector.pos) - initial(effector.pos))",
            doc="length of the path over the straight distance",
        ),
    },
    # Reaches are held at first, until the cue to go.
    epochs={"hold": "inputs.hold", "move": "go..end"},
    events={"go": "sum(inputs.hold)"},
)

# What may be meant by a path where the other is there too: since April 2024 Feedbax's own losses take the other.
MISTAKABLE = {FEEDBAX.quantities["net.output"].path: FEEDBAX.quantities["efferent.output"].path}

# What a config may call by name: Feedbax's, and none at all.
NAMED = {"feedbax": FEEDBAX, "none": Vocabulary()}


def named_vocabulary(name: str) -> Vocabulary:
    """The built-in vocabulary of that name.

    Raises:
        LossNameError: If there is none.
    """
    if name not in NAMED:
        advice = did_you_mean(name, NAMED, f"the built-in ones are {listed(NAMED)}; in a file it may be another file")
        raise error("unknown-vocabulary", name=name, advice=advice)
    return NAMED[name]
