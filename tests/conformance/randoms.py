"""Random losses: expressions built for the axes that they should have."""

from fractions import Fraction

from tests.conformance.texts import BINARY, add, call, constant, power, steps, subtract, text, times

LEAVES = {
    "batch time": [
        "cost",
        "body.height",
        "penalty",
        "long[1:]",
        "diff(long)",
        "norm(pos)",
        "dot(pos, turned)",
        "soft",
        "hold",
    ],
    "batch": ["S", "final(cost)", "mean(cost)", "cost[-1]", "sqnorm(pos[0])", "sqnorm(sheet)", "max(cost)"],
    "time": ["lambda", "mean(cost, axis=batch)", "max(cost, axis=batch)"],
    "batch time xy": ["pos", "turned", "probs", "pos - turned"],
    "": ["sqnorm(net)", "mean(S, axis=batch)", "min(lambda)"],
}
LEAVES = {frozenset(axes.split()): leaves for axes, leaves in LEAVES.items()}
SMOOTH = ["abs", "tanh", "sigmoid", "relu", "softplus", "sin", "cos", "square", "log_cosh", "exp"]
CONSTANTS = [
    "0.5",
    "2",
    "1.25",
    "alpha",
    "beta",
    "E",
    "rate",
    "linear(1, 0.1, 4)",
    "cosine(alpha, 2, 10)",
    "warmup(rate, 5, at=E)",
    "0.3*alpha",
]


def losses(rng, number=250):
    """Sums of labelled and bare terms: the operator on top of each is one that no sum is split through."""
    for i in range(number):
        rows, addends = {}, []
        for j in range(rng.choice([1, 1, 1, 2, 2, 3])):
            axes = rng.choice([axes for axes in LEAVES if "xy" not in axes and axes])
            inner = call(
                rng.choice(["tanh", "sin", "softplus", "log_cosh"]), expression(rng, axes, rng.choice([1, 2, 2, 3]))
            )
            bare = not any(part in str(inner) for part in ("norm(", "--", "abs(-")) and rng.random() < 0.5
            label = str(inner) if bare else f"term_{j}"
            if label in rows:
                continue
            scale, value = constant(rng, 1) if rng.random() < 0.5 else (None, Fraction(1))
            scaled = times(scale, inner) if scale else inner
            addends.append(scaled.written if bare else f"{scaled} as {label}")
            rows[label] = (label, value, str(inner))
        yield " + ".join(addends), rng.choice(["distinct", "equal"]) if i % 6 else "ones", list(rows.values())


def expression(rng, axes, depth):
    """An expression with these axes in which there is a quantity."""
    if depth == 0:
        return _leaf(rng, axes)
    ways = [
        _applied,
        _applied,
        _binary,
        _binary,
        _scaled,
        _chosen,
        *([_reduced] * 3 if axes != {"batch", "time", "xy"} else []),
    ]
    return rng.choice(ways)(rng, axes, depth - 1)


def _leaf(rng, axes):
    written = rng.choice(LEAVES[axes])
    return subtract(*written.split(" - ")) if " - " in written else text(written)


def _applied(rng, axes, depth):
    inner = expression(rng, axes, depth)
    kind = rng.random()
    if kind < 0.15:
        return call("huber", inner, delta=rng.choice(["0.5", "2", "alpha"]))
    if kind < 0.3 and "time" in axes:
        return rng.choice([call("cumsum", inner), call("discount", inner, exponent=rng.choice(["2", "0.5", "alpha"]))])
    if kind < 0.4:
        return call(rng.choice(["sqrt", "log"]), add(call("abs", inner), rng.choice(["0.1", "1.5"])))
    if "xy" in axes and kind < 0.6:
        return call("softmax", inner)
    return call(rng.choice(SMOOTH), inner)


def _part(rng, axes, depth):
    return expression(rng, rng.choice([other for other in LEAVES if other <= axes]), depth)


def _binary(rng, axes, depth):
    pair = [expression(rng, axes, depth), _part(rng, axes, depth)]
    rng.shuffle(pair)
    sign = rng.choice("+-**/")
    if sign == "/":
        return BINARY["/"](pair[0], add(call("square", pair[1]), rng.choice(["0.5", "alpha", "1"])))
    return BINARY[sign](*pair)


def _scaled(rng, axes, depth):
    inner, scale = expression(rng, axes, depth), rng.choice(CONSTANTS)
    kind = rng.random()
    if kind < 0.4:
        return times(scale, inner)
    if kind < 0.6:
        return add(inner, scale) if kind < 0.5 else subtract(scale, inner)
    return power(inner, rng.choice(["2", "3"])) if kind < 0.8 else BINARY["/"](inner, scale)


def _chosen(rng, axes, depth):
    inner, part = expression(rng, axes, depth), _part(rng, axes, 0)
    name = rng.choice(["minimum", "maximum", "clip", "where", "sigmoid_cross_entropy"])
    if name == "clip":
        return call("clip", inner, "-0.4", rng.choice(["0.7", "E"]))
    if name == "where":
        return call("where", call("greater", part, "0.2"), inner, part)
    return call(name, inner, part)


def _reduced(rng, axes, depth):
    """From an expression that has one axis more."""
    axis = rng.choice(
        [axis for axis in ("batch", "time", "xy") if axis not in axes and axes | {axis} in LEAVES] or [""]
    )
    if not axis:
        return _leaf(rng, axes)
    inner = expression(rng, axes | {axis}, depth)
    if axis == "time" and rng.random() < 0.4:
        return rng.choice([call("final", inner), call("initial", inner), steps(inner, "-1")])
    if axis == "xy" and rng.random() < 0.4:
        return rng.choice(
            [
                call("quadratic_form", inner, "Q"),
                call("cross_entropy", inner, "probs"),
                call("kl_divergence", inner, "turned"),
                call("dot", inner, "aim"),
            ]
        )
    name = rng.choice(["sum", "mean", "max", "min", "sqnorm", "l1norm", "norm", "logsumexp"])
    masked = name in ("sum", "mean") and axes | {axis} >= {"batch", "time"} and rng.random() < 0.5
    return call(name, inner, where=rng.choice(["valid", "soft"]) if masked else None, axis=axis)
