"""Cases of every operator, with every option and axis that it takes."""

from fractions import Fraction

from tests.conformance.texts import add, call, negative, over, power, steps, subtract, times

ALL = ("distinct", "equal", "ones", "one-trial", "one-step", "one-component")
MOST = ("distinct", "equal", "ones")
SMOOTH = (
    "exp",
    "log1p",
    "tanh",
    "sigmoid",
    "softplus",
    "sin",
    "cos",
    "square",
    "log_cosh",
    "relu",
    "abs",
    "sqrt",
    "log",
)
POSITIVE = ("sqrt", "log", "log1p")
# An operand for each set of axes, those of a pair fit each other.
PAIRS = [
    ("cost", "body.height"),
    ("cost", "S"),
    ("S", "cost"),
    ("cost", "lambda"),
    ("lambda", "cost"),
    ("cost", "0.45"),
    ("alpha", "cost"),
    ("S", "beta"),
    ("cost", "final(cost)"),
    ("cost", "long[1:]"),
    ("mean(cost, axis=batch)", "lambda"),
]
VECTORS = [
    ("pos", "turned"),
    ("turned", "pos"),
    ("pos", "aim"),
    ("aim", "turned"),
    ("pos", "cost"),
    ("lambda", "turned"),
    ("pos", "S"),
]


def everywhere(texts, data=MOST):
    return [(str(text), name) for name in data for text in texts]


def arithmetic():
    signs = {"+": add, "-": subtract, "*": times, "/": over}
    for name in [name for name in SMOOTH if name not in ("relu", "softplus", "log_cosh")]:
        yield from _unary(name)
    for sign in signs.values():
        yield from everywhere([call("tanh", sign(x, y)) for x, y in PAIRS], ("distinct", "equal", "ones"))
        yield from everywhere([call("sqnorm", sign(x, y), axis="xy") for x, y in VECTORS], ("distinct", "equal"))
    yield from everywhere([call("cos", negative("cost")), call("exp", negative(power("cost", 2))), "(-cost)**2"])
    for name in MOST:
        yield "sqnorm(-pos)", name, [("sqnorm(pos)", 1, "sqnorm(pos)")]
        yield "-S", name, [("S", -1, "S")]
        yield "-cost**2", name, [("cost**2", -1, "cost**2")]
        yield "2**3**0.5*cost", name, [("cost", "2**3**0.5", "cost")]
        yield "cost/S/2", name, [("cost/S", Fraction(1, 2), "cost/S")]
        yield "2 - cost*S", name
        yield "-S*cost", name, [("S*cost", -1, "S*cost")]
    powers = [("cost", "2"), ("cost", "3"), ("cost", "0"), ("cost", "1"), ("cost", "-1"), ("cost", "-2"), ("cost", "4")]
    powers += [
        ("abs(cost)", "0.5"),
        ("abs(cost)", "alpha"),
        ("abs(cost)", "S"),
        ("2", "cost"),
        ("abs(S)", "cost"),
        ("alpha", "cost"),
    ]
    powers += [("abs(cost)", "cost"), ("abs(lambda)", "cost"), ("abs(cost)", "-1.5"), ("abs(cost)", "2**0.5")]
    yield from everywhere([power(*pair) for pair in powers])
    yield from everywhere(["cost/(S/lambda[0])", "exp(-(cost - 1)**2)", "exp(-cost - 1)"], ("distinct", "equal"))


def penalties():
    for name in ("relu", "softplus", "log_cosh"):
        yield from _unary(name)
    for name, option, default in (("huber", "delta", "1"), ("smooth_abs", "eps", "0.001")):
        for value in ("0.1", "0.5", "alpha", "10"):
            found = [call(name, x, **{option: value}) for x in ("cost", "S", "cost - S", "norm(pos)")]
            yield from everywhere(found)
            yield from everywhere([call("sum", call(name, "pos", **{option: value}), axis="xy")], ("distinct", "equal"))
        yield from everywhere([call(name, x) for x in ("cost", "S", "cost - lambda", "3*cost")], ALL)
        yield from everywhere([call(name, "cost", **{option: "square(S) + 0.1"})])
        for data in MOST:
            yield f"{name}(cost, 0.3)", data, [(f"{name}(cost, {option}=0.3)", 1, f"{name}(cost, 0.3)")]
            yield f"{name}(S, {option}={default})", data, [(f"{name}(S)", 1, f"{name}(S)")]


def choices():
    for name in ("minimum", "maximum", "greater"):
        pairs = [call(name, x, y) for x, y in PAIRS]
        yield from everywhere(pairs)
        yield from everywhere([call("sum", call(name, x, y), axis="xy") for x, y in VECTORS[:7]], ("distinct", "equal"))
        yield from everywhere([times(call(name, "cost", "S"), "cost"), call("final", call(name, "S", "cost"))])
    limits = [
        ("-0.5", "0.5"),
        ("0", "1"),
        ("-1", "S"),
        ("S", "2"),
        ("-alpha", "alpha"),
        ("S - 1", "S + 1"),
        ("-3", "3"),
    ]
    yield from everywhere([call("clip", x, *pair) for x in ("cost", "penalty", "long[1:]") for pair in limits])
    yield from everywhere([call("sqnorm", call("clip", "turned", "-0.7", "aim + 2"))])
    masks = ("greater(cost, 0)", "valid", "hold", "soft", "use", "greater(S, lambda)")
    others = [("cost", "S"), ("cost", "0"), ("1", "cost"), ("S*cost", "cost**2"), ("lambda", "cost")]
    yield from everywhere([call("where", m, x, y) for m in masks[:5] for x, y in others])
    yield from everywhere([call("sqnorm", call("where", m, "pos", "turned")) for m in masks[:5]], ("distinct", "equal"))
    yield from everywhere([call("where", "greater(S, 0)", "S", "2*S"), call("where", "use", "cost", "cost/2")])


def reductions():
    axes = {
        "cost": [None, "time", "batch", ("batch", "time"), ("time", "batch")],
        "S": ["batch"],
        "lambda": [None, "time"],
    }
    axes["penalty"] = axes["long"] = [None, "batch", ("batch", "time")]
    whole = ("batch", "time", "xy")
    axes["pos"] = axes["turned"] = [("time", "xy"), ("xy", "time"), ("batch", "xy"), whole, whole[::-1], "xy"]
    axes["sheet"] = [("col", "xy"), ("xy", "col"), ("batch", "xy", "col")]
    axes["aim"], axes["Q"] = ["xy"], []
    for name in ("sum", "mean", "max", "min"):
        found = [call(name, x, axis=axis) for x, several in axes.items() for axis in several]
        found += [
            call("sqnorm", call(name, x, axis=axis))
            for x in ("pos", "turned")
            for axis in (None, "time", "batch", ("batch", "time"))
        ]
        found += [call(name, call(other, "pos", axis="xy"), axis="batch") for other in ("sum", "mean", "max", "min")]
        found += [call("tanh", call(name, "cost*S", axis="time")), times(call(name, "cost"), "cost")]
        yield from everywhere(found, ALL)


def masked():
    """`where=` with masks of 0 and 1 and with weights, over data that is finite."""
    for name in ("sum", "mean"):
        for mask in (
            "valid",
            "hold",
            "soft",
            "use",
            "greater(cost, 0)",
            "greater(lambda, S)",
            "lambda**2",
            "S*S",
            "1 - valid/2",
            "0",
            "2",
            "alpha",
        ):
            for axis in (None, "batch", ("batch", "time")):
                yield from everywhere(
                    [
                        call(name, x, where=mask, axis=axis)
                        for x in ("cost", "cost - S")
                        if mask != "greater(lambda, S)"
                    ],
                    ("distinct", "ones"),
                )
        masks = ("valid", "hold", "soft", "use", "aim**2")
        found = [call("sqnorm", call(name, x, where=mask)) for x in ("pos", "turned") for mask in masks]
        found += [call(name, x, where=mask, axis=("xy", "time")) for x in ("pos", "turned") for mask in masks]
        found += [
            call(name, "pos", where="valid", axis=("batch", "time", "xy")),
            call(name, "S", where="use", axis="batch"),
        ]
        found += [call(name, call("norm", "pos"), where="valid"), call(name, "cost", where="S", axis="batch")]
        yield from everywhere(found, ALL)


def behind():
    """What stands behind a mask is NaN, infinite or 0, and so is what is computed from it: neither counts."""
    bodies = [
        "cost",
        "cost**2",
        "sqrt(abs(cost))",
        "log(abs(cost))",
        "1/cost",
        "exp(cost)",
        "cost*lambda",
        "tanh(cost)",
    ]
    bodies += [
        "norm(pos)",
        "sqnorm(pos)",
        "l1norm(turned)",
        "dot(pos, turned)",
        "penalty",
        "norm(pos)/cost",
        "cost - lambda",
    ]
    bodies += [
        "huber(cost)",
        "log1p(cost**2)",
        "abs(cost)**0.5",
        "softplus(cost)",
        "clip(cost, -1, 1)",
        "sigmoid(1/cost)",
    ]
    bodies += [
        "logsumexp(pos)",
        "cross_entropy(pos, probs)",
        "quadratic_form(pos, Q)",
        "abs(cost)**cost",
        "smooth_abs(cost)",
    ]
    bodies += [
        "where(greater(cost, 0), sqrt(abs(cost)), cost)",
        "max(pos, axis=xy)",
        "sum(sqrt(abs(pos)), axis=xy)",
        "log(norm(pos))",
    ]
    for name in ("sum", "mean"):
        for mask in ("valid", "hold", "soft"):
            found = [call(name, body, where=mask) for body in bodies]
            found += [call(name, body, where=mask, axis=("batch", "time")) for body in bodies[:5]]
            found += [call(name, "sqrt(abs(pos))", where=mask, axis=("time", "xy"))]
            found += [call("tanh", call(name, "1/cost", where=mask)), call(name, "cost", where=f"{mask}*lambda**2")]
            yield from everywhere(found, ("behind",))
        found = [call(name, body, where="use", axis="batch") for body in ("S", "S**2", "sqrt(abs(S))", "1/S", "exp(S)")]
        yield from everywhere(found, ("behind",))
    chosen = [
        "where(valid, cost, 0)",
        "where(hold, cost, lambda)",
        "where(soft, cost, cost**0)",
        "where(use, S, 1)",
        "where(valid, sqnorm(pos), 2)",
    ]
    yield from everywhere(chosen, ("behind",))


def vectors():
    for name in ("norm", "sqnorm", "l1norm"):
        found = [
            call(name, x)
            for x in ("pos", "turned", "pos - turned", "pos - aim", "body.plane", "final(pos)", "pos[1:]", "2*pos")
        ]
        found += [call(name, "pos", axis=axis) for axis in ("xy",)] + [
            call(name, "cost", axis=axis) for axis in ("time", "batch")
        ]
        found += [
            call(name, call(name, "pos", axis="time")),
            call(name, call(name, "sheet", axis="col")),
            call(name, "aim"),
        ]
        yield from everywhere([text for text in found if "[1:]" not in str(text)], ALL)
        yield from everywhere([text for text in found if "[1:]" in str(text)], ("distinct", "equal"))
    for name in ("sqnorm", "l1norm"):
        several = [("col", "xy"), ("xy", "col"), None]
        yield from everywhere([call(name, "sheet", axis=axis) for axis in several], ALL)
        found = [call(name, "net"), call("sqrt", call(name, "net")), call(name, "pos", axis=("time", "xy"))]
        yield from everywhere(found, MOST)
    pairs = [
        ("pos", "turned"),
        ("turned", "pos"),
        ("pos", "aim"),
        ("aim", "pos"),
        ("pos", "pos"),
        ("pos - aim", "turned"),
        ("final(pos)", "aim"),
    ]
    yield from everywhere([call("dot", *pair) for pair in pairs], ALL)
    yield from everywhere(
        [call("dot", "cost", y, axis=axis) for y in ("lambda", "body.height", "S") for axis in ("time", "batch")]
    )
    yield from everywhere(
        [call("dot", "pos", "turned", axis=axis) for axis in ("xy",)]
        + [call("norm", call("dot", "pos", "turned", axis="time"))]
    )
    matrices = ("Q", "gains", "aim", "2", "alpha", "S", "cost", "aim**2", "pos", "turned", "Q*2", "lambda")
    yield from everywhere(
        [
            call("quadratic_form", x, m)
            for x in ("pos", "turned", "final(turned)")
            for m in matrices
            if (x, m)
            not in (
                ("final(turned)", "cost"),
                ("final(turned)", "pos"),
                ("final(turned)", "turned"),
                ("final(turned)", "lambda"),
            )
        ],
        MOST,
    )
    yield from everywhere(
        [
            call("quadratic_form", "pos", "Q", axis="xy"),
            call("quadratic_form", "cost", "lambda", axis="time"),
            call("quadratic_form", "cost", "S", axis="batch"),
            call("quadratic_form", "pos - aim", "Q"),
        ],
        ALL,
    )


def time():
    for name in ("final", "initial"):
        yield from everywhere(
            [
                call(name, x)
                for x in ("cost", "long", "lambda", "penalty", "cost*S", "norm(pos)", "tanh(cost)", "cumsum(cost)")
            ],
            ALL,
        )
        yield from everywhere([call("sqnorm", call(name, x)) for x in ("pos", "turned", "pos - turned")], ALL)
    for n in (None, 2, 3):
        yield from everywhere(
            [call("sqnorm", call("diff", x, n=n)) for x in ("pos", "turned")], ("distinct", "one-trial")
        )
        yield from everywhere(
            [call("diff", x, n=n) for x in ("cost", "long", "cost**2", "S*cost")], ("distinct", "one-trial")
        )
    yield from everywhere(
        [call("diff", "long"), call("square", call("diff", "long")), call("sum", call("abs", call("diff", "long")))],
        ALL,
    )
    yield from everywhere(
        [call("cumsum", x) for x in ("cost", "long", "lambda", "penalty", "S*cost")]
        + [call("sqnorm", call("cumsum", "turned")), call("max", call("cumsum", "cost"))],
        ALL,
    )
    exponents = ("0", "1", "2", "6", "0.5", "alpha", "E", "alpha + 1", "-1")
    yield from everywhere(
        [call("discount", x, exponent=e) for x in ("cost", "lambda", "penalty") for e in exponents], MOST
    )
    yield from everywhere([call("sqnorm", call("discount", "turned", exponent=e)) for e in exponents[:4]], ALL)
    for at in ("0", "-1", "0:", ":1", "-1:", "::2", "::-1"):
        yield from everywhere([steps(x, at) for x in ("cost", "long", "lambda", "penalty")], ALL)
        yield from everywhere([call("sqnorm", steps(x, at)) for x in ("pos", "turned")], MOST)


def schedules():
    """Weights that follow `step`, and `at` where it is given, at several steps."""
    found = [
        "linear(1, 0.1, 4",
        "linear(0, alpha, 10",
        "cosine(1, 0.1, 4",
        "cosine(alpha, 2, 7",
        "exponential(2, 0.5, 3",
    ]
    found += ["exponential(1, alpha, E", "piecewise(1, 2, 0.5", "piecewise(0, 1, alpha, 3, 2, 6, -1", "warmup(0.1, 5"]
    found += ["warmup(E, 2", "cyclic(0, 1, 4", "cyclic(0.5, 2, 3, ratio=0.25", "cyclic(1, E, 5, ratio=1"]
    for written in [*found, "cyclic(0, alpha, 2, ratio=alpha"]:
        for step in (0, 1, 3, 4, 12.5):
            yield f"{written})*cost", "distinct", [("cost", f"{written})", "cost")], step
        for at in ("E", "2", "step/2", "alpha*step", "step + 1", "0"):
            yield f"{written}, at={at})*S", "distinct", [("S", f"{written}, at={at})", "S")]
            yield f"tanh({written}, at={at})*cost)", "equal"
    found = ["1/(1 + step)", "step**0.5", "exp(-step/3)", "minimum(step, 2)", "clip(step, 0, 2.5)", "greater(step, 2)"]
    for weight in [*found, "where(greater(step, 2), alpha, 2)", "step*alpha - alpha*step + 1*E", "tanh(step)*beta"]:
        for step in (0, 3, 7.25):
            yield f"({weight})*S", "distinct", [("S", weight, "S")], step


def distributions():
    for name in ("softmax", "log_softmax"):
        yield from everywhere(
            [call("dot", call(name, x), y) for x in ("pos", "turned", "pos - aim", "3*pos") for y in ("turned", "aim")],
            ALL,
        )
        yield from everywhere(
            [call("dot", call(name, "cost", axis=axis), "body.height", axis=axis) for axis in ("time", "batch")], MOST
        )
        yield from everywhere(
            [
                call("sqnorm", call(name, "pos", axis="time")),
                call("sum", call(name, "aim*pos", axis="xy"), axis="xy"),
                call("max", call(name, "pos"), axis="xy"),
                call("dot", call(name, "aim"), "pos"),
            ],
            MOST,
        )
    yield from everywhere(
        [
            call("logsumexp", x)
            for x in ("pos", "turned", "aim", "pos - turned", "5*pos", "final(turned)", "body.plane")
        ],
        ALL,
    )
    yield from everywhere([call("logsumexp", "cost", axis=axis) for axis in ("time", "batch")], ALL)
    labels = ("probs", "softmax(turned)", "classes", "0", "aim", "classes*valid", "use*0", "lambda*0", "turned")
    yield from everywhere([call("cross_entropy", x, y) for x in ("pos", "turned", "2*pos - aim") for y in labels], MOST)
    yield from everywhere([call("cross_entropy", "pos", y, axis="xy") for y in ("probs", "classes")], ALL)
    yield from everywhere(
        [
            call("cross_entropy", "cost", y, axis=axis)
            for axis in ("time", "batch")
            for y in ("softmax(body.height, axis=time)", "0", "valid*0 + 0*cost")[:2]
        ],
        MOST,
    )
    pairs = [
        ("pos", "turned"),
        ("turned", "pos"),
        ("pos", "2*pos"),
        ("pos", "aim"),
        ("aim", "pos"),
        ("pos", "pos - aim"),
    ]
    yield from everywhere([call("kl_divergence", *pair) for pair in pairs], ALL)
    yield from everywhere(
        [
            call("kl_divergence", "cost", "lambda", axis="time"),
            call("kl_divergence", "pos", "turned", axis="xy"),
            call("kl_divergence", "cost", "body.height", axis="batch"),
        ],
        MOST,
    )
    pairs = [*PAIRS[:7], ("cost", "valid"), ("cost", "hold"), ("5*cost", "use"), ("cost", "sigmoid(S)")]
    yield from everywhere([call("sigmoid_cross_entropy", *pair) for pair in pairs])
    yield from everywhere(
        [call("sum", call("sigmoid_cross_entropy", "pos", y), axis="xy") for y in ("probs", "turned", "valid", "0.3")],
        ("distinct", "equal"),
    )


def _unary(name):
    inside = (lambda x: call("abs", x)) if name in POSITIVE else (lambda x: x)
    found = [
        call(name, inside(x))
        for x in ("cost", "S", "lambda", "cost*S", "cost - lambda", "body.height", "final(cost)", "3*cost")
    ]
    found += [call("sum", call(name, inside(x)), axis="xy") for x in ("pos", "turned")]
    found += [
        call("sqnorm", call(name, inside("turned"))),
        call("mean", call(name, inside("cost"))),
        call("max", call(name, inside("cost")), axis="batch"),
        call("final", call(name, inside("long"))),
    ]
    yield from everywhere(found, MOST)
