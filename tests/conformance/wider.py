"""Cases of axes that are given, joined, renamed and counted, of spreads and risks, and of masks in every reduction."""

from tests.conformance.operators import ALL, MOST, everywhere
from tests.conformance.texts import call, power, subtract, times

_BODIES = ("cost", "long", "cost*S", "norm(pos)", "penalty")
_STEPS = [call("index", axis="time"), call("index", axis="time", like="cost")]
_PAIRS = call("dot", "sheet", call("rename", "sheet", batch="key"), axis=("xy", "col"))


def stops():
    """Gradients that stop: what stands in front stays a weight."""
    yield from everywhere([call("stop_gradient", x) for x in _BODIES], MOST)
    yield from everywhere(
        [
            times(call("stop_gradient", "cost"), "long[1:]"),
            call("square", subtract("cost", call("stop_gradient", "penalty"))),
            call("sqnorm", subtract("pos", call("stop_gradient", "turned"))),
        ],
        ALL,
    )


def functions():
    for name in ("sign", "erf", "tan"):
        yield from everywhere(
            [call(name, x) for x in ("cost", call("gather", "pos", 0, axis="xy"), "S", "cost*S")], MOST
        )
    yield from everywhere([call("sqnorm", call(name, "turned")) for name in ("erf", "tan")], ALL)
    for x, y in (("cost", "S"), ("lambda", "cost"), ("cost", "0.45"), ("alpha", "cost"), ("cost", "cost")):
        yield from everywhere([times(call(name, x, y), "cost") for name in ("less", "equal")], MOST)
        yield from everywhere([call("atan2", x, y)], MOST)
    for name in ("minimum", "maximum"):
        yield from everywhere([call(name, "cost", "S", y) for y in ("0.45", "lambda", "alpha")], ALL)


def spreads():
    """Of one axis, several, and the elements of a mask."""
    for name in ("var", "std"):
        for mask in (None, "valid", "soft"):
            yield from everywhere([call(name, x, axis="time", where=mask) for x in ("cost", "penalty")], ALL)
        yield from everywhere([call(name, x, ddof=1, axis="time") for x in _BODIES], ("distinct", "equal"))
        yield from everywhere([call("sum", call(name, "pos", axis=("batch", "time")))], MOST)
    for q in ("0", "0.3", "0.5", "1"):
        for mask in (None, "valid"):
            yield from everywhere([call("quantile", x, q, axis="time", where=mask) for x in ("cost", "penalty")], ALL)


def running():
    """Up to each step, or from each step on."""
    for name in ("cummax", "cummin", "cumsum"):
        for mask in (None, "valid"):
            yield from everywhere([call("square", call(name, x, where=mask)) for x in ("cost", "penalty")], ALL)
        yield from everywhere([call("sum", call(name, "pos", axis="xy"), axis="xy")], MOST)
    for gamma in ("0", "0.9", "1"):
        for last in (None, "S", "2"):
            found = call("discounted_sum", "cost", gamma, last=last)
            yield from everywhere([call("square", found), call("initial", found)], ALL)
    for name in ("final", "initial"):
        yield from everywhere([call("square", call(name, "pos", axis="xy"))], ("distinct", "equal"))
    yield from everywhere([call("sqnorm", call("diff", "pos", axis="xy"))], ("distinct", "equal"))


def joined():
    """Axes that a value lacks, a second copy of one, the place along one, and how many there are."""
    for axis in ("time", "xy"):
        yield from everywhere([call("sqnorm", times("pos", call("index", axis=axis)), axis="xy")], MOST)
        yield from everywhere([times(call("length", axis=axis, like="pos"), "cost")], MOST)
    yield from everywhere([times(power("0.9", i), "cost") for i in _STEPS], ALL)
    yield from everywhere([times(call("less", i, y), "cost") for i in _STEPS for y in ("2", "alpha*4")], ALL)
    yield from everywhere([call("square", subtract(call("expand", "S", axis="time"), "lambda"))], ALL)
    yield from everywhere([call("sqnorm", subtract("pos", call("expand", "aim", axis=("batch", "time"))))], MOST)
    yield from everywhere([call("logsumexp", _PAIRS, axis="key"), call("max", _PAIRS, axis="key")], ALL)
    distances = subtract("S", call("expand", call("rename", "S", batch="key"), axis="batch"))
    yield from everywhere([call("mean", call("square", distances), axis=("batch", "key"))], ALL)
    yield from everywhere(
        [call("cross_entropy", "probs", call("one_hot", "classes", axis="xy"))], ("distinct", "equal")
    )
    yield from everywhere([call("gather", "aim", "classes", axis="xy")], ("distinct", "equal"))
    yield from everywhere([call("sum", call("power_spectrum", "cost", axis="time"), axis="time")], ALL)


def masked():
    """The reductions that took no mask before, with one that is 0 or 1, and one that is anything."""
    for name in ("max", "min", "logsumexp", "norm", "l1norm", "sqnorm"):
        yield from everywhere([call(name, "cost", axis="time", where=mask) for mask in ("valid", "soft")], ALL)
        yield from everywhere([call("sum", call(name, "pos", axis="xy", where="valid"))], MOST)
    for name in ("softmax", "log_softmax"):
        found = call(name, "cost", axis="time", where="valid")
        yield from everywhere([call("sum", times(found, "penalty"))], ALL)
    for name in ("final", "initial"):
        yield from everywhere([call(name, x, where="valid") for x in ("cost", "cost*S", "norm(pos)", "penalty")], ALL)
    yield from everywhere([call("discount", x, exponent=2, where="valid") for x in ("cost", "penalty")], ALL)
