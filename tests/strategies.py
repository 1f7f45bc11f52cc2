"""Trees of any kind and losses over a vocabulary, drawn by hypothesis; data for them and what they then mean."""

import os
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from hypothesis import Phase, assume, settings, strategies as st

import lossdsl as ld
from lossdsl.language.definitions import Let
from lossdsl.language.expr import Label, Name, Number, by_default, call
from lossdsl.operators.declaration import OPS
from lossdsl.operators.logic import Look, Moment
from lossdsl.operators.windows import Bound, Window
from tests.oracle import Named, Oracle, plain

# For random losses each of which is compiled, a few or as many as `COMPILED` says. To make a failure smaller would take
# minutes, for each try is compiled too.
COMPILED = settings(max_examples=int(os.environ.get("COMPILED", "12")), phases=[Phase.generate])

SIZES = {"batch": 3, "time": 5, "xy": 2}
# `long` has one step more. `S` and `E` are reserved by SymPy, `lambda` by Python.
SHAPES = {
    "pos": "batch time xy",
    "turned": "xy time batch",
    "cost": "batch time",
    "hold": "batch 1 time",
    "long": "batch time",
    "S": "batch",
    "lambda": "time",
    "aim": "xy",
    "Q": "xy xy",
    "valid": "batch time",
    "net": "pytree",
}
TERMS = {"penalty": "sqnorm(pos)", "uneven": "cost - S/2", "rate": "2*alpha"}
NUMBERS = {"alpha": 0.75, "E": 1.25, "step": 3.0}
VOCABULARY = ld.Vocabulary(
    quantities={name: ld.Quantity(f"states.{name}", shape) for name, shape in SHAPES.items()},
    terms=TERMS,
    parameters={name: value for name, value in NUMBERS.items() if name != "step"},
)


# Trees of any kind, whether they mean something or not.

names = st.one_of(
    st.sampled_from(["position", "effector.pos", "S", "lambda", "beta", "time", "final", "sum", "e1", "as_", "ß.x"]),
    st.from_regex(r"[^\W\d]\w{0,4}(\.[^\W\d]\w{0,2})?", fullmatch=True).filter(lambda name: name != "as"),
)
numbers = st.builds(
    lambda digits, exponent: Number(value=digits * Fraction(10) ** exponent),
    st.one_of(st.integers(0, 20), st.integers(0, 10**20)),
    st.one_of(st.just(0), st.integers(-3, 3), st.integers(-60, 60)),
)
bounds = st.none() | st.integers(-20, 20)
steps = st.one_of(st.integers(-20, 20), st.tuples(bounds, bounds, bounds.filter(lambda stride: stride != 0)))
epochs = names.filter(lambda name: name not in ("final", "initial"))
# After a duration a name would be taken for its unit.
seconds = st.fractions(-2, 2, max_denominator=1).map(lambda n: n / 8)
ends = st.one_of(
    st.builds(Bound, names.filter("end".__ne__), seconds),
    st.builds(Bound, st.just("end"), seconds),
    st.builds(Bound, st.just(""), seconds.map(abs)),
)

moments = st.one_of(
    st.builds(Moment, st.integers(1, 50).map(Fraction), st.just(False)),
    st.builds(Moment, st.fractions(1, 3, max_denominator=8).filter(lambda n: 8 % n.denominator == 0), st.just(True)),
)
within = st.tuples(st.just(Moment()) | moments, moments).filter(
    lambda pair: pair[0].seconds != pair[1].seconds or pair[0].number <= pair[1].number
)
kinds = st.sampled_from(["logsumexp", "softmax", "gmsr"])


@st.composite
def calls(draw, operands):
    op = OPS[draw(st.sampled_from(sorted(OPS)))]
    if op.name == "+":
        return call("+", *draw(st.lists(operands, min_size=2, max_size=4)))
    if op.name == "@":
        return call("@", draw(operands), static=draw(static(op)))
    number = len(op.defaults) + len(op.repeats) * draw(st.integers(1, 2))
    args = [
        by_default(default) if default is not None and draw(st.booleans()) else draw(operands)
        for _, default in op.parameters(number)
    ]
    # Which a call has only where its text gives it.
    if op.optional and args[-1] == by_default(op.defaults[op.optional[-1]]):
        args.pop()
    return call(op.name, *args, static=draw(static(op)))


def static(op):
    """What a call is given that is no operand: a window, axes or axes with their new names."""
    several = st.lists(names, min_size=2, max_size=3, unique=True)
    if op.name == "[]":
        return steps
    if op.name == "@":
        return st.one_of(
            epochs.map(Window),
            st.builds(lambda start, stop: Window("", start, stop), ends, ends).filter(Window().__ne__),
        )
    if op.words:
        return st.none() | (within.map(Look) if "within" in op.words else kinds.map(lambda kind: Look(smooth=kind)))
    if op.renames:
        old = names.filter(lambda name: name not in op.defaults)
        pairs = st.lists(st.tuples(old, names), min_size=1, max_size=3, unique_by=lambda pair: pair[0])
        return st.none() | pairs.map(tuple)
    return st.none() | names | several.map(tuple) if op.axis else st.none()


def labels(operands):
    return st.builds(lambda operand, name: Label((operand,), name=name), operands, names)


trees = st.recursive(
    numbers | st.builds(lambda name: Name(name=name), names),
    lambda operands: calls(operands) | labels(operands),
    max_leaves=12,
)


@st.composite
def programs(draw):
    rows = draw(st.lists(st.tuples(names, trees), min_size=1, max_size=3))
    values = [value for _, value in rows]
    return Let((*values, draw(trees)), names=tuple(Name(name=name) for name, _ in rows))


# Losses that mean something: every expression is built for the axes that it should have.

LEAVES = {
    "batch time": ["cost", "hold", "penalty", "uneven", "long[1:]", "diff(long)", "norm(pos)", "dot(pos, turned)"],
    "batch": ["S", "final(cost)", "mean(hold)", "cost[-2]", "sqnorm(pos[0])", "final(cost, where=valid)"],
    "time": ["lambda", "mean(cost, axis=batch)", "max(hold, axis=batch)"],
    "batch time xy": ["pos", "turned", "2*pos - turned"],
    "": ["sqnorm(net)", "mean(S, axis=batch)", "min(lambda)"],
}
MORE_LEAVES = {
    "batch time": ["cost*index(axis=time)", "lambda*expand(S, axis=time)", "stop_gradient(alpha*cost)"],
    "batch": ["mean(dot(initial(pos), rename(initial(turned), batch=key), axis=xy), axis=key)"],
    "": ["length(axis=time, like=cost)"],
}
LEAVES = {
    frozenset(axes.split()): [ld.parse(text) for text in (*texts, *MORE_LEAVES.get(axes, ()))]
    for axes, texts in LEAVES.items()
}
TERM_AXES = [axes for axes in LEAVES if "xy" not in axes]
# Windows of a length of their own: a term may be one, but not a part of a longer sum.
WINDOWS = [
    ld.parse(text) for text in ("long", "cost[1:3]", "diff(cost)", "diff(long, n=3)", "sqnorm(pos[::2])", "long@-3:")
]
ELEMENTWISE = [
    "neg",
    "abs",
    "sqrt",
    "exp",
    "log",
    "log1p",
    "tanh",
    "sigmoid",
    "relu",
    "softplus",
    "sin",
    "cos",
    "square",
    "log_cosh",
    "sign",
    "erf",
    "tan",
    "stop_gradient",
]
# With a mask.
MASKED = [f"{name}({{x}}, where=valid, axis={{axis}})" for name in ("sum", "mean", "max", "min", "var", "std")]
MASKED += ["quantile({x}, 0.3, where=valid, axis={axis})", "logsumexp({x}, where=valid, axis={axis})"]

decimals = st.sampled_from(["0", "1", "2", "3", "0.5", "0.1", "1.25", "1e-3"]).map(ld.parse)


def powers(base):
    return st.builds(
        lambda base, power: call("**", base, ld.parse(power)), base, st.sampled_from(["0", "0.5", "2", "3"])
    )


def products(left, right):
    return st.builds(lambda sign, x, y: call(sign, x, y), st.sampled_from("+*/"), left, right)


schedules = st.sampled_from(
    [
        "linear(1, 0.1, 4)",
        "cosine(alpha, 2, 10)",
        "exponential(2, alpha, E)",
        "piecewise(1, E, alpha, 3, 0.5)",
        "warmup(rate, 5, at=E)",
        "cyclic(0.5, 1, 2, ratio=alpha)",
    ]
).map(ld.parse)
constants = st.recursive(
    decimals | st.sampled_from([*NUMBERS, "rate"]).map(lambda name: Name(name=name)) | schedules,
    lambda inner: products(inner, inner) | powers(inner) | st.builds(lambda x: call("neg", x), inner),
    max_leaves=4,
)


@st.composite
def expressions(draw, axes, depth=3):
    """An expression with these axes in which there is a quantity."""
    if depth == 0:
        return draw(st.sampled_from(LEAVES[axes]))
    inner = expressions(axes, depth - 1)
    part = st.sampled_from([other for other in LEAVES if other <= axes]).flatmap(lambda a: expressions(a, depth - 1))
    ways = [
        st.sampled_from(LEAVES[axes]),
        st.builds(call, st.sampled_from(ELEMENTWISE), inner),
        st.builds(lambda args: call("+", *args), st.permutations([draw(inner), draw(part), draw(part | constants)])),
        products(inner, part | constants),
        products(part | constants, inner),
        powers(inner),
        st.builds(
            lambda name, *values: call(name, *values),
            st.sampled_from(["minimum", "maximum"]),
            inner,
            part | constants,
            part,
        ),
        st.builds(lambda x, low, high: call("clip", x, low, high), inner, constants, part),
        st.builds(lambda x: ld.parse(f"huber({x}, delta=0.5) - smooth_abs({x}, eps=alpha)"), inner),
        st.builds(
            lambda name, x, y: call(name, x, y),
            st.sampled_from(["greater", "less", "equal", "atan2", "sigmoid_cross_entropy"]),
            inner,
            part,
        ),
        st.builds(lambda mask, x, y: call("where", call("greater", mask, ld.parse("0")), x, y), part, inner, part),
    ]
    if "xy" in axes:
        ways.append(st.builds(lambda name, x: call(name, x), st.sampled_from(["softmax", "log_softmax"]), inner))
    if "time" in axes:
        ways += [
            st.builds(call, st.sampled_from(["cumsum", "cummax", "cummin"]), inner),
            st.builds(lambda x, gamma, last: call("discounted_sum", x, gamma, last), inner, decimals, constants),
            st.builds(lambda x, power: call("discount", x, power), inner, decimals),
        ]
    for axis in {"batch", "time", "xy"} - axes:
        if (wider := axes | {axis}) in LEAVES:
            reductions = ["sum", "mean", "max", "min", "norm", "sqnorm", "l1norm", "logsumexp", "quadratic_form"]
            reductions += ["var", "std", "quantile"]
            over = st.sampled_from(reductions).map(lambda name, axis=axis: (name, axis))
            if axis == "time":
                over |= st.sampled_from([("final", None), ("initial", None), ("[]", -2)])
            ways.append(
                st.builds(lambda how, x: reduced(how[0], x, how[1]), over, expressions(wider, depth - 1)),
            )
            if {"batch", "time"} <= wider:
                ways.append(
                    st.builds(
                        lambda text, x, axis=axis: ld.parse(text.format(x=x, axis=axis)),
                        st.sampled_from(MASKED),
                        expressions(wider, depth - 1),
                    )
                )
    if axes == {"batch", "time"}:
        vectors = expressions(axes | {"xy"}, depth - 1)
        ways += [
            st.builds(lambda x: ld.parse(f"quadratic_form({x}, Q)"), vectors),
            st.builds(
                lambda name, x, y: call(name, x, y),
                st.sampled_from(["cross_entropy", "kl_divergence"]),
                vectors,
                vectors,
            ),
            st.builds(lambda x: ld.parse(f"cross_entropy({x}, valid)"), vectors),
        ]
    if axes == {"batch"}:
        pairs = st.sampled_from([("batch time xy", ("time", "xy")), ("batch time xy", ("xy", "time"))])
        ways.append(
            pairs.flatmap(
                lambda pair: st.builds(
                    lambda name, x: call(name, x, static=pair[1]),
                    st.sampled_from(["sum", "mean", "max", "sqnorm", "l1norm"]),
                    expressions(frozenset(pair[0].split()), depth - 1),
                )
            )
        )
    return draw(st.one_of(ways))


def reduced(name, x, axis):
    more = {"quadratic_form": "2", "quantile": "0.3"}
    return ld.parse(f"{name}({x}, {more[name]}, axis={axis})") if name in more else call(name, x, static=axis)


def with_label(tree, name):
    return Label((tree,), name=name)


@st.composite
def addends(draw, number):
    """A term of a loss: an expression, perhaps scaled, perhaps with a label."""
    tree = draw(st.sampled_from(TERM_AXES).flatmap(lambda axes: expressions(axes, 2)) | st.sampled_from(WINDOWS))
    if draw(st.integers(0, 3)) == 0:
        tree = with_label(tree, f"inner_{number}")
    scale = draw(constants)
    tree = draw(
        st.sampled_from(
            [tree, tree, call("*", scale, tree), call("*", tree, scale), call("/", tree, scale), call("neg", tree)]
        )
    )
    return with_label(tree, f"term_{number}") if draw(st.integers(0, 3)) == 0 else tree


@st.composite
def losses(draw):
    """A loss over `VOCABULARY`, with local definitions in half of the cases."""
    terms = [draw(addends(i)) for i in range(draw(st.integers(1, 3)))]
    defined = {f"d{i}": draw(expressions(draw(st.sampled_from(TERM_AXES)), 2)) for i in range(draw(st.integers(0, 2)))}
    terms += [
        draw(
            st.sampled_from(
                [Name(name=name), call("*", ld.parse("alpha"), Name(name=name)), call("tanh", Name(name=name))]
            )
        )
        for name in defined
    ]
    tree = terms[0] if len(terms) == 1 else call("+", *draw(st.permutations(terms)))
    return Let((*defined.values(), tree), names=tuple(Name(name=name) for name in defined)) if defined else tree


def compiled(loss, vocabulary=VOCABULARY, but=ld.LossValueError):
    """The loss; one whose weight is not a finite number is rightly refused."""
    try:
        return ld.compile(loss, vocabulary)
    except but:
        assume(False)


def sample(seed, special):
    """Random arrays; if `special`, a part of their numbers is 0, inf or NaN."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, shape in SHAPES.items():
        lengths = [SIZES.get(axis, 1) + (name == "long" and axis == "time") for axis in shape.split()]
        array = rng.normal(size=lengths if name != "net" else 4)
        odd = rng.choice([0.0, 0.0, 1.0, np.inf, -np.inf, np.nan], array.shape)
        arrays[name] = np.where(rng.random(array.shape) < 0.15, odd, array) if special else array
    arrays["valid"] = rng.integers(0, 2, arrays["cost"].shape).astype(float)
    arrays["net"] = [arrays["net"]]
    return arrays


def oracle(arrays, **how):
    named = {name: Named.declared(arrays[name], shape) for name, shape in SHAPES.items() if name in arrays}
    definitions = {name: ld.parse(text) for name, text in TERMS.items()}
    return Oracle(named, definitions, **{"numbers": NUMBERS, **how})


def lowered(arrays):
    """The oracle with the lowerings of lossdsl for formulas: the tree as it was written, to be differentiated."""
    numbers = {name: jnp.asarray(value) for name, value in NUMBERS.items()}
    return oracle(arrays, numbers=numbers, formulas={name: by_position(op) for name, op in OPS.items()}, number=plain)


def by_position(op):
    """The lowering of an operator with all its operands in order, options too."""

    def run(*args, **axis):
        by_name = [name for name in op.required if name in op.named]
        positional = max(len(op.required), len(args) - len(op.options)) - len(by_name)
        # What reduces a term at the end is given no options.
        options = zip([*by_name, *op.options], args[positional:], strict=False)
        return op.lower(*args[:positional], **dict(options), **axis)

    return run
