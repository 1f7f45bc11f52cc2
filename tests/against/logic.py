"""Formulas against stljax and rtamt, values and gradients; run by hand, see CONTRIBUTING.md.

Where a window lies in the trial all three are the same; what they put behind its end differs, and is left out. In
`until` the step at which `q` holds is one where `p` does, as for stljax; for rtamt it need not be.
"""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import rtamt
from stljax import formula as stl
from stljax.utils import gmsr_min

import lossdsl as ld

STEPS, TRIALS, SHARPNESS = 30, 20, 4.0
AXES = {"x": "batch time", "y": "batch time"}
SMOOTH = {"hard": "true", "logsumexp": "logsumexp", "softmax": "softmax"}
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
p, q = stl.Predicate("x", lambda s: s[:, 0]) < 1.0, stl.Predicate("y", lambda s: s[:, 1]) > 0.5
# Ours, that of stljax, that of rtamt.
FORMULAS = [
    ("always(x < 1)", stl.Always(p), "always(x <= 1)"),
    ("eventually(y > 0.5, within=(3, 12))", stl.Eventually(q, [3, 12]), "eventually[3,12](y >= 0.5)"),
    (
        "always(x < 1 and y > 0.5, within=20)",
        stl.Always(stl.And(p, q), [0, 20]),
        "always[0,20]((x <= 1) and (y >= 0.5))",
    ),
    ("always(x < 1) or not always(y > 0.5)", stl.Or(stl.Always(p), stl.Negation(stl.Always(q))), None),
    (
        "eventually(always(x < 1, within=5), within=20)",
        stl.Eventually(stl.Always(p, [0, 5]), [0, 20]),
        "eventually[0,20](always[0,5](x <= 1))",
    ),
    ("until(x < 1, y > 0.5)", stl.Until(p, q), "(x <= 1) until[0,29] ((x <= 1) and (y >= 0.5))"),
    (
        "until(x < 1, y > 0.5, within=(4, 15))",
        stl.Until(p, q, [4, 15]),
        "(x <= 1) until[4,15] ((x <= 1) and (y >= 0.5))",
    ),
    (
        "always(until(x < 1, y > 0.5, within=(1, 6)), within=10)",
        stl.Always(stl.Until(p, q, [1, 6]), [0, 10]),
        "always[0,10]((x <= 1) until[1,6] ((x <= 1) and (y >= 0.5)))",
    ),
]


def ours(text, smooth):
    written = f"robustness({text}, smooth={smooth}, sharpness={SHARPNESS})"
    rows = {name: ld.Quantity(f"states.{name}", axes) for name, axes in AXES.items()}
    loss = ld.compile(f"({written}) as r", ld.Vocabulary(rows))
    return lambda s: loss.per_trial({name: s[None, :, i] for i, name in enumerate(AXES)})["r"][0]


def of_rtamt(text, signals):
    found = []
    for signal in signals:
        spec = rtamt.StlDiscreteTimeSpecification()
        for name in AXES:
            spec.declare_var(name, "float")
        spec.spec = text
        spec.parse()
        x, y = np.asarray(signal, float).T.tolist()
        found.append(spec.evaluate({"time": [*range(STEPS)], "x": x, "y": y})[0][1])
    return np.array(found)


def apart(found, wanted):
    """The largest difference, relative where it is large."""
    return float(np.max(np.abs(found - wanted) / (1 + np.abs(wanted))))


def both(mine, other, signals):
    """How far apart values are, and gradients; theirs in float64, from which those in float32 are as far as 2e-6."""
    found = jax.jit(jax.vmap(jax.value_and_grad(mine)))(signals)
    with jax.enable_x64(True):
        exact = jax.jit(jax.vmap(jax.value_and_grad(other)))(jnp.asarray(np.asarray(signals), float))
        exact = jax.tree.map(np.asarray, exact)
    return found[0], [apart(np.asarray(one), other) for one, other in zip(found, exact, strict=True)]


def check(precision):
    signals = jnp.asarray(np.random.default_rng(0).normal(size=(TRIALS, STEPS, 2)), precision)
    worst = np.zeros(2)
    for (text, theirs, spec), smooth in product(FORMULAS, SMOOTH):
        how = {"approx_method": SMOOTH[smooth], "temperature": SHARPNESS}
        values, found = both(ours(text, smooth), partial(of_stljax, theirs, how), signals)
        if spec and smooth == "hard":
            found.append(apart(values, of_rtamt(spec, signals)))
        worst = np.maximum(worst, [max(found[::2]), found[1]])
        print(f"{precision}  {smooth:10} {text:58}", *(f"{each:.0e}" for each in found))
    # stljax counts what it pads, so its means are held without a formula around them.
    for low in (-1, 0.5):
        signals = jnp.asarray(np.random.default_rng(0).uniform(low, 2, (TRIALS, STEPS, 2)), precision)
        _, found = both(ours("always(x > 0)", "gmsr"), of_means, signals)
        worst = np.maximum(worst, found)
        print(f"{precision}  {'gmsr':10} {'always(x > 0)':58}", *(f"{each:.0e}" for each in found))
    assert (worst <= TOLERANCE[precision]).all(), worst


def of_stljax(formula, how, signal):
    return formula(signal, **how)[0]


def of_means(signal):
    return gmsr_min(signal[:, 0], SHARPNESS**-2, 1, axis=0, keepdims=False)


if __name__ == "__main__":
    for precision in TOLERANCE:
        with jax.enable_x64(precision == "float64"):
            check(precision)
