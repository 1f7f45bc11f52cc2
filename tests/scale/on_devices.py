"""Losses whose batch is shared out over 8 devices: what is sent between them, and that the values are the same.

A process of its own, for the number of devices is set before JAX starts: `python -m tests.scale.on_devices gallery`
writes what it finds as JSON, and `python -m tests.scale.on_devices page` the table of docs/scale.md.
"""

import json
import os
import re
import sys
from pathlib import Path

# Only as a program: a test that imports it has one device.
if __name__ == "__main__":
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld
from lossdsl.backends import apart as apart_of
from lossdsl.operators import OPS
from tests.scale.shared import apart, batch_axes, meshes, placed, run
from tests.test_gallery import DISTINCT, drawn, page

PAGE = Path("docs/scale.md")
ROOTS = ("states", "trial_specs", "model")


def of_gallery(name):
    """A loss of the gallery, its step, and data of 16 trials."""
    example = page.load(name)
    loss = ld.compile(example.LOSS, example.VOCABULARY)
    return loss, getattr(example, "STEP", None), drawn(example, {**DISTINCT, "batch": 16}, np.dtype("float32"))


def of_operator(name):
    """The example of an operator on the reaches, with a mask."""
    states, trial_specs, _ = jax.tree.map(lambda x: np.resize(x, (16, *x.shape[1:])), ld.example())
    hold = np.random.default_rng(0).integers(0, 2, (16, 99, 1)).astype(np.float32)
    model = {"w": np.ones((2, 3), np.float32)}
    return ld.compile({"x": OPS[name].example}), 3, (states, {**trial_specs, "inputs": {"hold": hold}}, model)


def measured(loss, step, given, ways=("values", "gradient", "per_trial")):
    """What it sends on each kind of mesh, and how far what it gives is from what one device gives."""

    def total(states, trial_specs, model):
        return loss(states, trial_specs, model, step=step).total

    runs = {
        "values": lambda *given: loss(*given, step=step),
        "gradient": jax.value_and_grad(total, argnums=(0, 2), allow_int=True),
        "per_trial": lambda *given: loss.per_trial(*given, step=step),
    }
    alone = {way: run(runs[way], *given)[0] for way in ways}
    found = {}
    for kind, mesh in meshes().items():
        there = [placed(mesh, tree, batch_axes(loss, root, tree)) for root, tree in zip(ROOTS, given, strict=True)]
        results = {way: run(runs[way], *there) for way in ways}
        found[kind] = {way: sent for way, (_, sent) in results.items()}
        found[kind]["apart"] = max(apart(alone[way], result) for way, (result, _) in results.items())
    return found


def reaches(n):
    """Reaches, states and trials."""
    states, trials, _ = jax.tree.map(lambda x: np.resize(x, (n, *x.shape[1:])), ld.example())
    return states, trials


def streamed(mesh):
    """What a loss sends that is computed step by step, and how far it is from the loss of whole trajectories."""
    loss = ld.compile("position + 0.1*final(velocity) + 1e-5*max(nn_hidden) + mean(nn_output)")

    def total(states, trials):
        stream = loss.stream(trials, steps=100)

        def at(t):
            return jax.tree.map(lambda x: x[:, t], states)

        carry = ld.scan(lambda carry, t: stream.update(carry, at(t), t), stream.init(at(0)), range(1, 100))
        return stream.finish(carry).total

    alone = jax.value_and_grad(lambda *given: loss(*given).total)(*reaches(16))
    result, sent = run(jax.value_and_grad(total), *placed(mesh, reaches(16), 0))
    return {"sent": sent, "apart": apart(alone, result)}


LOSS = "position + 0.1*final(velocity) + 1e-5*nn_hidden"


def moved(gain, trials):
    return jax.tree.map(lambda x: gain * x, trials["states"])


def in_parts(mesh):
    """The same of parts of the batch, and of a batch that is padded."""
    loss, gain = ld.compile(LOSS), jnp.ones(())
    states, trials = reaches(32)
    given = {**trials, "states": states}
    wanted = ld.accumulate(loss, moved, gain, given)
    result, sent = run(
        lambda gain, trials: ld.accumulate(loss, moved, gain, trials, size=8), gain, placed(mesh, given, 0)
    )
    real = (np.arange(32) < 27).astype(np.float32)
    padded = ld.accumulate(loss, moved, gain, placed(mesh, given, 0), where=placed(mesh, real, 0), size=16)
    there = ld.accumulate(loss, moved, gain, jax.tree.map(lambda x: x[:27], given))
    return {"parts": {"sent": sent, "apart": apart(wanted, result)}, "padded": apart(there, padded)}


def fetched(call):
    """The numbers of elements of the arrays that come to the host in a call, and what it says if it fails."""
    kind = type(jnp.ones(1))
    found, real = [], kind._value

    def seen(array):
        found.append(list(array.shape))
        return real.fget(array)

    kind._value = property(seen)
    try:
        call()
        return found, ""
    except ld.LossError as failure:
        return found, failure.hint
    finally:
        kind._value = real


def looked_at(mesh):
    """What the host sees of arrays that are shared out, and where it finds what is not finite."""
    loss = ld.compile(LOSS)
    states, trials = placed(mesh, reaches(16), 0)
    # What may be meant by another name is compared.
    other = {**states, "efferent": {"output": 1 * states["net"]["output"]}}
    calls = [lambda: loss(states, trials), lambda: loss.per_trial(states, trials), lambda: loss.check(states, trials)]
    calls.append(lambda: ld.compile("sqnorm(net.output)")(other, trials))
    shapes = [shape for call in calls for shape in fetched(call)[0]]
    wrong, _ = reaches(16)
    wrong["net"]["hidden"][11, 3, 2] = np.nan
    more, said = fetched(lambda: loss.check(placed(mesh, wrong, 0), trials))
    return {
        "largest": max([int(np.prod(shape)) for shape in [*shapes, *more]], default=0),
        "not finite": said,
    }


class Mine(ld.AbstractLoss):
    """A term in Python, beside terms that compare trials."""

    label: str = "mine"

    def term(self, states, trial_specs=None, model=None):
        return jnp.sum(states["net"]["hidden"], axis=(1, 2))


def others():
    """What else is computed on each kind of mesh."""
    found = {}
    for kind, mesh in meshes().items():
        loss, given = ld.compile(LOSS), reaches(16)
        residuals = apart(loss.residuals(*given), loss.residuals(*placed(mesh, given, 0)))
        both = ld.compile("cvar(sum(nn_output), 0.9) + nn_hidden") + Mine()
        python = apart(both(*given), both(*placed(mesh, given, 0)))
        found[kind] = {"stream": streamed(mesh), **in_parts(mesh), "residuals": residuals, "python": python}
        found[kind] |= looked_at(mesh)
    return found


def row(name, found):
    """A row of the table of the page."""

    def told(sent):
        return ", ".join(f"{number} {what}" for what, number in sorted(sent.items(), reverse=True)) or "nothing"

    loss = of_gallery(name)[0]
    try:
        apart_of(loss.terms)
        parts = "yes" if any("batch" in quantity.dimensions for quantity in loss.program.quantities.values()) else ""
    except ld.LossError as failure:
        parts = f"no: `{failure.fields['found']}`"
    one = found["automatic"]
    assert one["values"] == found["explicit"]["values"] and one["gradient"] == found["explicit"]["gradient"]
    return f"| `{name}` | {told(one['values'])} | {told(one['gradient'])} | {told(one['per_trial'])} | {parts} |\n"


def filled(text, gallery):
    """The page with the table of the gallery."""
    head = "| loss | values | value and gradient | of each trial | in parts |\n|---|---|---|---|---|\n"
    table = head + "".join(row(name, found) for name, found in gallery.items())
    between = re.compile(r"(<!-- measured: gallery -->\n).*?(<!-- end -->)", re.DOTALL)
    return between.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", text)


REPORTS = {
    "gallery": lambda: {name: measured(*of_gallery(name)) for name in page.NAMES},
    "operators": lambda: {name: measured(*of_operator(name), ["gradient"]) for name in OPS},
    "others": others,
}

if __name__ == "__main__":
    jax.config.update("jax_numpy_rank_promotion", "raise")
    if sys.argv[1] == "page":
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), REPORTS["gallery"]()), encoding="utf-8")
    else:
        json.dump(REPORTS[sys.argv[1]](), sys.stdout)
