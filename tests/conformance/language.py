"""Cases of the language itself: alignment, steps of time, definitions, weights, labels, sums, the last reduction."""

from fractions import Fraction

from tests.conformance.operators import MOST, everywhere
from tests.conformance.texts import (
    BINARY,
    SUM,
    Text,
    add,
    call,
    constant,
    negative,
    over,
    steps,
    subtract,
    times,
)

# Bodies of one kind of axes, printed as a loss prints them.
BODIES = {
    "batch time": [
        "cost",
        "body.height",
        "penalty",
        "norm(pos)",
        "cost*S",
        "tanh(cost)",
        "cost**2",
        "lambda*cost",
        "cost/S",
    ],
    "batch": ["S", "final(cost)", "mean(cost)", "sqnorm(pos[0])", "cost[-1]", "S**2", "max(cost)"],
    "time": ["lambda", "mean(cost, axis=batch)", "lambda**2"],
}
# Linear in what they are given; the first two leave it as long as it is.
LINEAR = [
    lambda x: call("cumsum", x),
    lambda x: call("discount", x, exponent=2),
    lambda x: call("final", x),
    lambda x: call("initial", x),
    lambda x: call("mean", x),
    lambda x: call("diff", x),
    lambda x: call("sum", x, where="valid"),
    lambda x: call("sum", x, axis="batch"),
    lambda x: steps(x, "1:"),
    lambda x: steps(x, "-1"),
]


def body(rng, axes=None):
    return _read(rng.choice(BODIES[axes or rng.choice(list(BODIES))]))


def _read(written):
    """A body with how tightly it binds, to be put into others."""
    level = 1 if "*" in written.replace("**", "") or "/" in written else 3 if "**" in written else 4
    return Text(written, level)


def axes(rng):
    """Operands that are aligned by name, whichever stands first and however their dimensions are ordered."""
    timed = [
        "cost",
        "body.height",
        "long[1:]",
        "hold",
        "norm(pos)",
        "max(turned, axis=xy)",
        "S",
        "lambda",
        "use",
        "classes",
    ]
    frames = ["pos", "turned", "body.plane"]
    for sign in BINARY.values():
        for name in ("distinct", "equal"):
            for left, right in [(x, y) for x in timed[:6] for y in timed]:
                if sign is not BINARY["**"] and rng.random() < 0.3:
                    yield str(call("sin", sign(left, right))), name
            for x in frames:
                for y in ("cost", "S", "hold", "aim", "lambda", "turned"):
                    if (x, y) != ("turned", "turned") and not (x == "body.plane" and y in ("aim", "turned")):
                        whole = call("sum", sign(*rng.sample([x, y], 2)), axis="plane" if "plane" in x else "xy")
                        yield str(call("mean", call("cos", whole), axis="batch")), name
    three = [("cost", "S", "lambda"), ("lambda", "cost", "S"), ("S", "cost", "long[1:]"), ("hold", "cost", "use")]
    yield from everywhere([call("tanh", add(*operands)) for operands in three], MOST)
    yield from everywhere(
        [call("sqnorm", add("turned", *operands)) for operands in (("pos", "aim"), ("cost", "S"))], MOST
    )
    yield from everywhere(
        [
            "where(greater(S, 0), cost, lambda*cost)",
            "clip(cost, -1*abs(S), abs(lambda[0])*1)",
            "dot(turned, pos)*S",
            "lambda*norm(turned)",
            "sqnorm(turned - pos[0])",
        ],
        ("distinct", "equal", "one-trial"),
    )


def windows():
    """Every slice and index of 4 steps, in brackets and after `@`."""
    bounds, strides = ["", "0", "1", "3", "9", "-1", "-3", "-9"], ["", ":2", ":-1", ":-2", ":3", ":1"]
    for i, at in enumerate(f"{low}:{high}{stride}" for low in bounds for high in bounds for stride in strides):
        if not range(4)[eval(f"slice({','.join(part or 'None' for part in at.split(':'))})")]:  # our own text
            continue
        written = _slice(at)
        if i % 3 == 0:
            yield f"cost@{at}" if i % 2 else f"cost[{at}]", "distinct", [(f"cost[{written}]", 1, f"cost[{at}]")]
        elif i % 3 == 1:
            yield f"sqnorm(turned[{written}])", "distinct"
        else:
            yield f"3*(cost*S)@{at}", "distinct", [(f"(cost*S)[{written}]", 3, f"(cost*S)[{at}]")]
    for at in (*range(-4, 4), "final", "initial"):
        written = f"cost[{at}]" if isinstance(at, int) else f"{at}(cost)"
        yield f"cost@{at}", "distinct", [(written, 1, written)]
        yield (
            f"0.5*norm(pos)@{at} - S",
            "distinct",
            [
                (written.replace("cost", "norm(pos)"), Fraction(1, 2), written.replace("cost", "norm(pos)")),
                ("S", -1, "S"),
            ],
        )
        yield f"lambda@{at}*S", "one-trial", [(written.replace("cost", "lambda") + "*S", 1, f"lambda@{at}*S")]
    chained = ["cost[1:][0]", "cost[1:][:2]", "long[1:][-1]", "cost[::2][::-1]", "final(cost[:2])", "initial(cost[2:])"]
    chained += [
        "sum(cost[1:])",
        "mean(cost[:2])",
        "max(long[2:])",
        "cumsum(cost)[-1]",
        "diff(long)[1:]",
        "sqnorm(pos[1:] - turned[:-1])",
    ]
    chained += [
        "discount(cost[1:], exponent=2)",
        "cost[1:]*cost[:-1]",
        "norm(pos[1:])*long[2:]",
        "norm(pos)[0]",
        "tanh(cost)[1:3]",
        "(cost*S)[2]",
    ]
    yield from everywhere(chained, ("distinct", "one-trial"))
    for name in ("distinct", "equal"):
        yield "cost@1: - S", name, [("cost[1:]", 1, "cost[1:]"), ("S", -1, "S")]
        yield "cost@-1-S", name, [("cost[-1]", 1, "cost[-1]"), ("S", -1, "S")]
        yield "-cost@0:2*2", name, [("cost[0:2]", -2, "cost[0:2]")]
        yield "cost@1:@final", name, [("final(cost[1:])", 1, "final(cost[1:])")]
        yield "cost[ - 1 ]", name, [("cost[-1]", 1, "cost[-1]")]
        yield "cost[ 1 : ]", name, [("cost[1:]", 1, "cost[1:]")]


def _slice(at):
    """A slice as it is printed."""
    low, high, *stride = at.split(":")
    return f"{low}:{high}" + (f":{stride[0]}" if stride and stride[0] else "")


def definitions(rng):
    """Local definitions: one row each, used several times, after newlines and `;`, with comments."""
    for _ in range(60):
        first, second, scale = body(rng, "batch time"), body(rng), rng.choice(["2", "0.5", "alpha", "1.25"])
        gap = rng.choice(["; ", "\n", ";\n", " # why\n", "\n\n", "\n# a line of its own\n"])
        exact = scale if scale == "alpha" else Fraction(scale)
        yield f"a = {first}{gap}{scale}*a", "distinct", [("a", exact, str(first))]
        yield f"a = {first}{gap}b = {scale}*a + {second.at(1)}{gap}b + a", "distinct", [("b", 1, "b"), ("a", 1, "a")]
        yield f"a = {first}{gap}tanh(a) - final(a)", "equal", [("tanh(a)", 1, "tanh(a)"), ("final(a)", -1, "final(a)")]
        yield f"b = a*{scale}{gap}a = {first}{gap}b", "distinct", [("b", 1, "b")]
        yield (
            f"k = {scale}*2{gap}k*({second}) - {second.at(1)}/k",
            "distinct",
            [
                (
                    str(second),
                    f"{scale}*2 - 1/({scale}*2)" if exact == "alpha" else 2 * exact - 1 / (2 * exact),
                    str(second),
                )
            ],
        )
    whole = ["speed = norm(pos)\nspeed@final + 0.1*max(speed) as peak", "x.y = cost; x.y[1:] + x.y[0]", "é = S\né"]
    rows = [
        [("final(speed)", 1, "final(speed)"), ("peak", Fraction(1, 10), "max(speed)")],
        [("x.y[1:]", 1, "x.y[1:]"), ("x.y[0]", 1, "x.y[0]")],
        [("é", 1, "é")],
    ]
    whole += [
        "a = cost\n  + S\na",
        "a = (cost\n + S)\na",
        "a = cost +\nS\na",
        "\n\na = cost\n\n\na\n\n",
        "a = cost;;\n;a;",
    ]
    rows += [[("a", 1, "a")]] * 5
    whole += [
        "penalty",
        "uneven + penalty",
        "2*uneven",
        "uneven as u",
        "rate*S",
        "final(penalty)",
        "a = uneven; a + S",
        "a = S + cost; tanh(S)*a",
    ]
    rows += [
        None,
        [("uneven", 1, "uneven"), ("penalty", 1, "penalty")],
        [("uneven", 2, "uneven")],
        [("u", 1, "uneven")],
        [("S", "2*alpha", "S")],
        None,
        [("a", 1, "a"), ("S", 1, "S")],
        [("tanh(S)*a", 1, "tanh(S)*a")],
    ]
    yield from ((written, name, terms) for written, terms in zip(whole, rows, strict=True) for name in MOST[:2])


def with_arguments(rng):
    """Definitions with arguments: a call is what its text says, written out."""
    for _ in range(25):
        first, second, scale = body(rng, "batch time"), body(rng), rng.choice(["2", "0.5", "alpha", "1.25"])
        gap = rng.choice(["; ", "\n", ";\n", " # why\n", "\n# a line of its own\n"])
        exact = scale if scale == "alpha" else Fraction(scale)
        yield f"f(x) = {scale}*x{gap}f({first})", "distinct", [(str(first), exact, str(first))]
        yield (
            f"f(x) = tanh(x) - final(x){gap}f({first})",
            "equal",
            [(f"tanh({first})", 1, f"tanh({first})"), (f"final({first})", -1, f"final({first})")],
        )
        larger = str(call("sum", call("maximum", first, 2)))
        yield f"f(x, y,) = maximum(x, y){gap}sum(f(y=2, x={first}))", "distinct", [(larger, 1, larger)]
        if str(first) != str(second):
            rows = [(str(first), exact, str(first)), (str(second), exact, str(second))]
            yield f"f(w, x) = w*x + w*({second}){gap}f({scale}, {first})", "distinct", rows
            rows = [(str(first), Fraction(1, 2), str(first)), (str(second), Fraction(1, 4), str(second))]
            yield f"f(x) = g(2*x){gap}g(y) = y/4{gap}f({first}) + g(y={second})", "distinct", rows
            rows = [("d", 1, f"0.75*({first})"), ("e", Fraction(3, 2), str(second))]
            yield (
                f"d = f({first}){gap}f(x) = g(x, k){gap}k = 0.75{gap}g(x, y) = x*y{gap}d + 2*f({second}) as e",
                "equal",
                rows,
            )


def weights(rng):
    """Exact arithmetic of decimals; parameters; equal terms; rows of weight 0."""
    for i in range(110):
        (written, value), x = constant(rng, 3), body(rng)
        if i % 4 == 0:
            yield str(times(written, x)), "distinct", [(str(x), value, str(x))]
        elif i % 4 == 1:
            yield str(times(x, written)), "distinct", [(str(x), value, str(x))]
        elif i % 4 == 2 and value:
            yield str(over(x, written)), "equal", [(str(x), 1 / value, str(x))]
        else:
            other, second = constant(rng, 1)
            yield str(add(times(written, x), times(other, x))), "distinct", [(str(x), value + second, str(x))]
    for written in (
        "alpha",
        "alpha*2 - alpha",
        "alpha/E",
        "-beta",
        "alpha**2",
        "(alpha + E)*beta",
        "1/alpha",
        "rate",
        "rate/alpha",
        "alpha**0.5",
        "exp(beta)",
        "2**alpha",
        "tanh(alpha - E)",
        "alpha*step",
        "minimum(alpha, E)",
        "abs(beta)",
        "0.1*alpha + 0.2*alpha",
        "sqrt(alpha**2)",
        "log(E)",
        "beta**3",
        "-(-alpha)/7",
    ):
        for name in ("distinct", "ones"):
            x = body(rng)
            yield f"({written})*{x.at(2)}", name, [(str(x), written, str(x))]
            yield f"{x.at(1)}/(2 + square({written}))", name, [(str(x), f"1/(2 + square({written}))", str(x))]
    yield "(0.1 + 0.2)*cost", "distinct", [("cost", Fraction(3, 10), "cost")]
    yield "0.1*cost + 0.2*cost", "distinct", [("cost", Fraction(3, 10), "cost")]
    yield "cost - cost", "distinct", [("cost", 0, "cost")]
    yield "0*cost", "distinct", [("cost", 0, "cost")]
    yield "0*cost + S", "equal", [("cost", 0, "cost"), ("S", 1, "S")]
    yield "alpha*cost - alpha*cost + S", "equal", [("cost", "alpha - alpha", "cost"), ("S", 1, "S")]
    yield "1e-300*(1e300*cost)", "distinct", [("cost", 1, "cost")]
    yield "0.1**20*1e20*cost", "distinct", [("cost", 1, "cost")]
    yield "cost/3*3", "distinct", [("cost", 1, "cost")]
    yield "-(-cost)/7", "distinct", [("cost", Fraction(1, 7), "cost")]
    yield "(2*cost)*(3*S)", "distinct", [("cost*S", 6, "cost*S")]
    yield "(cost/2)/(S*4)", "distinct", [("cost/S", Fraction(1, 8), "cost/S")]
    yield "2*(3*(4*cost))", "distinct", [("cost", 24, "cost")]
    yield "1.1**30*S", "distinct", [("S", Fraction("1.1") ** 30, "S")]
    yield (
        "0.12345678901234*0.98765432109876*S",
        "distinct",
        [("S", Fraction("0.12345678901234") * Fraction("0.98765432109876"), "S")],
    )


def normal_form(rng):
    """Sums split, through linear operators too; labels; what stays whole."""
    for i in range(230):
        written, rows = _split(rng, 3, "batch time" if i % 2 else None)
        yield str(written), rng.choice(["distinct", "distinct", "equal"]), _merged(rows)
    for i in range(40):
        inner, _ = _split(rng, 2, "batch time", inside=True)
        (scale, value), other = constant(rng, 1), body(rng, "batch")
        whole = inner if inner.level == SUM else add(inner, "cost")
        yield (
            f"{times(scale, whole)} as part_{i} + {other.at(1)}",
            "distinct",
            [(f"part_{i}", value, str(whole)), (str(other), 1, str(other))],
        )
        yield f"-({whole}) as part", "equal", [("part", -1, str(whole))]
        yield f"({whole})/4 as part", "distinct", [("part", Fraction(1, 4), str(whole))]
    same = [
        ("norm(pos)**2", "sqnorm(pos)"),
        ("square(norm(pos))", "sqnorm(pos)"),
        ("sqnorm(-pos)", "sqnorm(pos)"),
        ("norm(-pos)", "norm(pos)"),
        ("abs(-cost)", "abs(cost)"),
        ("tanh(--cost)", "tanh(cost)"),
        ("norm(cost, axis=time)**2", "sqnorm(cost, axis=time)"),
        ("norm(-turned)**2", "sqnorm(turned)"),
    ]
    outside = [
        ("sqnorm(-2*pos)", "sqnorm(pos)", 4),
        ("norm(pos/-4)", "norm(pos)", Fraction(1, 4)),
        ("l1norm(-pos/5)", "l1norm(pos)", Fraction(1, 5)),
        ("sqnorm(2**0.5*pos)", "sqnorm(pos)", 2),
        ("sum(square(alpha*turned), axis=xy)", "sum(square(turned), axis=xy)", "alpha**2"),
        ("norm(-alpha*pos/4)", "norm(pos)", "alpha/4"),
        ("max(-2*cost)", "max(-cost)", 2),
        ("min(alpha**2*cost)", "min(cost)", "alpha**2"),
        ("final(norm(2*pos))", "final(norm(pos))", 2),
        ("norm(final(3*(pos + turned)))", "norm(final(pos + turned))", 3),
        ("quadratic_form(2*pos, 3*Q)", "quadratic_form(pos, Q)", 12),
        ("dot(2*pos, -turned)", "dot(pos, turned)", -2),
        ("(2*cost)**3", "cost**3", 8),
        ("S/(2*exp(cost))", "S/exp(cost)", Fraction(1, 2)),
        ("norm(3*pos)**2", "sqnorm(pos)", 9),
        ("max(alpha*cost)", "max(alpha*cost)", 1),
        ("tanh(norm(2*pos))", "tanh(norm(2*pos))", 1),
        ("sqnorm(0*pos)", "sqnorm(0*pos)", 1),
        ("mean(cost, where=2*valid)", "mean(cost, where=2*valid)", 1),
    ]
    for name in MOST:
        for before, after in same:
            yield before, name, [(after, 1, before)]
            yield f"3*{before} + {after}", name, [(after, 4, before)]
        for stays in (
            "1 - cost",
            "cost/cost",
            "sqrt(abs(cost))**2",
            "(cost + S)**2",
            "(cost + S)*lambda",
            "exp(cost + S)",
            "max(cost + S)",
            "cost*cost",
            "cost**1",
            "norm(pos)**3",
            "(cost + 1)*S",
            "S/(cost + 3)",
            "cost + 0",
        ):
            yield stays, name
        yield "1 - cost + S", name, [("1 + sum(-cost) + S", 1, "1 - cost + S")]
        yield "0.1*cost as a + 0.2*S as b.c", name, [("a", Fraction(1, 10), "cost"), ("b.c", Fraction(1, 5), "S")]
        yield "cost as a + cost as a", name, [("a", 2, "cost")]
        yield "cost + cost as copy", name, [("cost", 1, "cost"), ("copy", 1, "cost")]
        yield "(cost as x + S) - 2*(lambda as y)", name, [("x", 1, "cost"), ("S", 1, "S"), ("y", -2, "lambda")]
        yield "final(cost as last)", name, [("last", 1, "final(cost)")]
        for before, after, weight in outside:
            yield before, name, [(after, weight, after)]
            yield f"{before} as out - S", name, [("out", weight, after), ("S", -1, "S")]
        yield "S + cost + S", name, [("S", 2, "S"), ("cost", 1, "cost")]
        yield "cost*S + S*cost", name, [("cost*S", 1, "cost*S"), ("S*cost", 1, "S*cost")]


def _split(rng, depth, axes, inside=False):
    """A sum with the terms that it splits into, as weight and body; `inside` an operator, all have the same axes."""
    kind = rng.random()
    if depth == 0 or kind < 0.15:
        one = body(rng, axes)
        return one, [(Fraction(1), one)]
    if kind < 0.5:
        left, rows = _split(rng, depth - 1, axes, inside)
        right, others = _split(rng, depth - 1, axes, inside)
        if rng.random() < 0.5:
            return add(left, right), rows + others
        return subtract(left, right), rows + [(-weight, one) for weight, one in others]
    if kind < 0.65 and axes == "batch time":
        inner, rows = _split(rng, depth - 1, axes, True)
        linear = rng.choice(LINEAR[:2] if inside else LINEAR)
        return linear(inner), [(weight, linear(one)) for weight, one in rows]
    inner, rows = _split(rng, depth - 1, axes, inside)
    if kind < 0.72:
        return negative(inner), [(-weight, one) for weight, one in rows]
    scale, value = constant(rng, 1)
    if kind < 0.82 and value:
        return over(inner, scale), [(weight / value, one) for weight, one in rows]
    return times(scale, inner) if kind < 0.9 else times(inner, scale), [(weight * value, one) for weight, one in rows]


def _merged(rows):
    """Equal bodies are one row, where the first stands; a row of weight 0 stays."""
    weights = {}
    for weight, one in rows:
        weights[str(one)] = weights.get(str(one), 0) + weight
    return [(one, weight, one) for one, weight in weights.items()]


def reduction():
    """What is left of a term: `time` is summed, `batch` averaged; in an uneven sum each addend by itself."""
    one = [x for several in BODIES.values() for x in several] + [
        "long",
        "long[1:]",
        "sqnorm(net)",
        "sqnorm(aim)",
        "mean(S, axis=batch)",
        "diff(long)",
        "hold",
        "use",
    ]
    yield from everywhere(one, ("distinct", "equal", "ones", "one-trial", "one-step"))
    uneven = [
        "cost + S",
        "cost - final(cost)",
        "S + lambda*cost + mean(cost)",
        "2*S + 0.5*penalty",
        "S + (cost + S)/2",
        "S - (cost - 2*S)",
        "cost*0.5 + S/3",
        "lambda + sqnorm(net)",
        "mean(lambda) + S",
    ]
    for name in ("distinct", "equal", "one-trial"):
        for i, written in enumerate(uneven):
            yield f"({written}) as whole", name, [("whole", 1, written)]
            yield f"-2*({written}) as whole", name, [("whole", -2, written)]
            yield f"a = {written}; a", name, [("a", 1, "a")]
            yield f"a = {written}; alpha*a + cost", name, [("a", "alpha", "a"), ("cost", 1, "cost")]
            yield f"a = {written}; 3*a as b_{i}", name, [(f"b_{i}", 3, "a")]
        yield "uneven", name
        yield "cost + long + S", name, [(x, 1, x) for x in ("cost", "long", "S")]
        yield "cost[1:] + cost[:1] + diff(cost)", name, [(x, 1, x) for x in ("cost[1:]", "cost[:1]", "diff(cost)")]
