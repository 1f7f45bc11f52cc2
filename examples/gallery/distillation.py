"""Knowledge distillation: the labels, and the teacher's probabilities at a higher temperature."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import lossdsl as ld

SOURCE = """
Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network, section 2 and eq. (1). The cross entropy
with the teacher is the divergence up to a constant.
"""
EASIER = "`cross_entropy` and `kl_divergence` take logits; the axes say whether labels are probabilities or numbers."
VOCABULARY = ld.Vocabulary(
    quantities={
        "student": ld.Quantity("states.logits", "batch class", r"\mathbf{z}"),
        "teacher": ld.Quantity("trial_specs.teacher", "batch class", r"\mathbf{v}"),
        "label": ld.Quantity("trial_specs.label", "batch", "y", doc="the number of the class"),
    },
    parameters={"alpha": 0.9, "T": 4.0},
)
LOSS = """\
(1 - alpha)*cross_entropy(student, label) as hard
+ alpha*T**2*kl_divergence(teacher/T, student/T) as soft
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    logits = (n["batch"], n["class"])
    trial_specs = {"teacher": rng.normal(size=logits), "label": rng.integers(0, n["class"], size=n["batch"])}
    return {"logits": rng.normal(size=logits)}, trial_specs, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""

    def probabilities(logits, temperature):
        return np.exp(logits / temperature) / np.sum(np.exp(logits / temperature), axis=1, keepdims=True)

    student, teacher = states["logits"], trial_specs["teacher"]
    chosen = probabilities(student, 1)[np.arange(len(student)), trial_specs["label"].astype(int)]
    p, q = probabilities(teacher, 4), probabilities(student, 4)
    return {
        "hard": (1 - 0.9) * np.mean(-np.log(chosen)),
        "soft": 0.9 * 16 * np.mean(np.sum(p * np.log(p / q), axis=1)),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    student, teacher, label = states["logits"], trial_specs["teacher"], trial_specs["label"].astype(int)
    hard = optax.softmax_cross_entropy_with_integer_labels(student, label)
    log_p, log_q = jax.nn.log_softmax(teacher / 4), jax.nn.log_softmax(student / 4)
    return {
        "hard": (1 - 0.9) * jnp.mean(hard),
        "soft": 0.9 * 16 * jnp.mean(jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=1)),
    }
