"""Losses whose formulas every renderer must take: all operators, all terms, odd names, and generated ones."""

from hypothesis import HealthCheck, Phase, given, settings

import lossdsl as ld
from lossdsl.operators.declaration import OPS
from tests import cases
from tests.strategies import compiled, losses

# Names that look like mathematics or need care, and symbols of the user's own.
ODD = ld.Vocabulary(
    quantities={
        "q": ld.Quantity("states.q", "batch time joint", r"q_e", "rad", "angle of 5 % & more: $_{x}^2 ~\\ #1"),
        "v": ld.Quantity("states.v", "batch time joint", r"\dot{q}_{e}'", "rad/s"),
        "torque_max": ld.Quantity("states.torque", "batch time joint", unit="N m"),
        "S": ("states.S", "batch"),
    },
    terms={"eff": ld.Definition("sqnorm(torque_max)", latex=r"E^{2}_\text{eff}", doc="effort"), "x_1": "norm(q)"},
    parameters={"lambda": 1.0, "beta_1": 2.0, "lambda_vel": 3.0, "größe": 4.0, "Sigma": ld.Parameter("Sigma", 1.0)},
)
ODD_TEXTS = [
    "lambda*eff**2 + beta_1*x_1 - lambda_vel*S**2",
    "größe*sum(v**2, axis=joint)[1:] as tempo_größe - Sigma*max(abs(q), axis=joint)",
    "square(eff)**0.5 + cumsum(cumsum(x_1)) + x_1[::2] - x_1[::-3] + eff[3]/x_1[-2]",
]
PAGE = {"alpha": 1e-5, "gain_x": 2.0}


# Those of the cases, of each operator and each term, and of odd names.
FIXED = [
    *((case.text, {"vocabulary": ld.FEEDBAX.extend(parameters=PAGE)}) for case in cases.read("latex.txt")),
    *((text, {}) for text in [*(op.example for op in OPS.values()), *ld.FEEDBAX.terms]),
    *((text, {"vocabulary": ODD}) for text in ODD_TEXTS),
]


def fixed():
    """The losses."""
    return [ld.compile(text, **how) for text, how in FIXED]


def generated(number):
    """Losses of the generator of the properties, always the same."""
    found = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(losses())
    def collect(tree):
        found.append(compiled(tree))

    collect()
    return found


def formulas(loss):
    """Every way to write it."""
    for expand in (False, True):
        for form in ("line", "aligned"):
            for where in (False, True):
                yield loss.latex(expand=expand, form=form, where=where)
