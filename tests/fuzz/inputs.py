"""Random texts, configs and damaged bytes; the same for the same generator."""

import json
import random

import tomli_w
import yaml

import lossdsl as ld
from lossdsl.operators import OPS

NAMES = [*ld.FEEDBAX.names, "alpha", "positon"]
TERMS = [*ld.FEEDBAX.terms]
NUMBERS = ["0", "1", "2.5", "1e-5", "1e308", "1e-308", "1.1**30", "3", "-1", "1/3", ".5"]
WINDOWS = ["@final", "@initial", "@-1", "@10:50", "[1:]", "[:-1]", "[::2]", "[0]", "[5:2]"]
WINDOWS += ["@hold", "@move", "@go..end", "@..go", "@0.1s..", "@last 20ms", "@go..go", "@nope"]
PIECES = [*"()[]{}+-*/@=,;:.#'\"\\^|&<>% \n\t", "**", " as ", "axis=", "1e", "\0", "\x85", "é", "ﬁ", "\ud800", "½", "٣"]
UNARY = ["square", "abs", "sqrt", "exp", "huber", "softplus", "final", "cumsum"]
FUNCTIONS = [name for name in OPS if name.isidentifier()]
MASKED = [name for name in FUNCTIONS if "where" in OPS[name].named]
# Calls that give, rename or count axes, or pick along one.
SHAPED = [
    "expand({0}, axis={axis})",
    "({0})*index(axis={axis})",
    "({0})/length(axis={axis})",
    "rename({0}, {axis}=other)",
    "gather(net.output, {0}, axis=output)",
    "sqnorm(net.output - one_hot({0}, axis=output))",
    "mean(expand({0}, axis=other)*rename({1}, batch=other), axis=other)",
    "norm(effector.vel*expand({0}, axis=xy), where=({1}), axis=(xy, {axis}))",
]


def expression(rng: random.Random, depth: int) -> str:
    """A text that the grammar, and often the meaning too, accepts."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(rng.choice([TERMS, TERMS, TERMS, NAMES, NUMBERS]))
    inner = [expression(rng, depth - 1) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    axis = rng.choice(["time", "time", "xy", "batch"])
    match rng.randrange(8):
        case 0:
            return f"{rng.choice(rng.choice([FUNCTIONS, UNARY, UNARY]))}({', '.join(inner)})"
        case 1:
            return OPS[rng.choice(FUNCTIONS)].example
        case 2:
            return f"({inner[0]}){rng.choice(WINDOWS)}"
        case 3:
            return f"(-{inner[0]})"
        case 4:
            return f"{rng.choice(['sum', 'mean', 'norm', 'diff', *FUNCTIONS])}({inner[0]}, axis={axis})"
        case 5:
            return f"{rng.choice(MASKED)}({inner[0]}, where={inner[-1]}, axis={axis})"
        case 6:
            return rng.choice(SHAPED).format(inner[0], inner[-1], axis=axis)
    return f"({rng.choice([' + ', ' - ', '*', '/', '**']).join(inner)})"


def loss_text(rng: random.Random) -> str:
    """A loss: definitions, terms with weights and labels; in a third of the cases with a few characters changed."""
    terms = [f"{rng.choice(NUMBERS)}*{expression(rng, rng.randrange(5))}" for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.3:
        terms[-1] += f" as label{rng.randrange(3)}"
    text = " + ".join(terms)
    if rng.random() < 0.3:
        text = f"d = {expression(rng, 2)}\n{text} {rng.choice(['+ d', '- 2*sum(d)', '+ alpha*d**2', ''])}"
    if rng.random() < 0.3:
        text = with_arguments(rng, rng.choice([text, *TERMS]))
    return mutated(rng, text, PIECES) if rng.random() < 0.33 else text


def with_arguments(rng: random.Random, text: str) -> str:
    """A loss with definitions with arguments before it and calls of them in it, some of them wrong."""
    rows, calls = [], []
    for name in rng.sample(["f", "g", "wide.f", "é", "h2"], rng.randrange(1, 4)):
        arguments = rng.sample(["x", "y", "z_1", "ß"], rng.choice([1, 1, 1, 2, 3]))
        body = [
            rng.choice([expression(rng, 2), *NUMBERS[:3], *TERMS]),
            *arguments,
            *rng.sample(calls, min(len(calls), 1)),
        ]
        rng.shuffle(body)
        body = rng.choice([" + ", "*", " - ", "/"]).join(body)
        rows.append(f"{name}({', '.join(arguments)}) = {rng.choice([body, body, f'sum({body})', f'tanh(-({body}))'])}")
        given = [rng.choice(rng.choice([TERMS, TERMS, NUMBERS, ["alpha", "d", "x", name]])) for _ in arguments]
        if rng.random() < 0.3:
            given[-1] = f"{arguments[-1]}={given[-1]}"
        calls.append(f"{name}({', '.join(given if rng.random() < 0.95 else given[1:])})")
    if rng.random() < 0.1:
        rng.shuffle(rows)
    used = "".join(
        rng.choice([f" + {call}", f" - 2*mean({call})", f" + {call} as {'abc'[i]}"]) for i, call in enumerate(calls)
    )
    return rng.choice(["\n", "; ", "\r\n", ";\n# why\n"]).join([*rows, text + used])


def mutated(rng: random.Random, text: str, pieces: list[str]) -> str:
    """A text with a few pieces put in, taken away, doubled or moved."""
    for _ in range(rng.randrange(1, 5)):
        at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + 20)
        match rng.randrange(4):
            case 0:
                text = text[:at] + rng.choice(pieces) * rng.choice([1, 1, 1, 30]) + text[at:]
            case 1:
                text = text[:at] + text[end:]
            case 2:
                text = text[:end] + text[at:end] + text[end:]
            case 3:
                text = text[end:] + text[:at]
    return text


CONFIG_PIECES = [
    *PIECES, "&a ", "*a", "!!int ", "!!bool ", "<<: ", "- ", "? ", ": ", "{", "[", "null", "~", "true", "1e999", '"""',
    "'''", "\\u0000", "\\ud800", "\\U00110000", "2001-99-99", "%TAG ! x\n", "---\n", "...\n", "[[", "]]", "9" * 30,
]  # fmt: skip


def config_text(rng: random.Random, suffix: str) -> str:
    """A config, in more than half of the cases with a few characters changed."""
    loss = loss_text(rng).encode("utf-8", "replace").decode()
    rows = {
        "path": rng.choice(["states.x", "states.x[..., 0]", "trial_specs.y", "model.y", "x"]),
        "axes": rng.choice(["batch", "batch time"]),
    }
    data = {
        "vocabulary": rng.choice([*["feedbax"] * 5, "none", "other.yaml", "self" + suffix, "feedbacks"]),
        "quantities": {"q": rng.choice([rows, {**rows, "latex": r"\tau"}, ["states.x", "batch"]])},
        "terms": {
            "effort": rng.choice(["sqnorm(q)", {"expr": "q", "doc": "a\nb"}]),
            "spread(z)": "mean(z**2, axis=batch)",
        },
        "parameters": {"alpha": rng.choice([1, 0.5, "1e-5", {"default": 2}])},
        "loss": rng.choice(
            [
                loss,
                f"alpha*position + {loss}",
                "alpha*position + sum(q)",
                "spread(position) + spread(z=alpha*velocity)",
                {"a": loss},
                {"a": {"weight": "alpha", "expr": "effort"}},
            ]
        ),
    }
    kept = {key: value for key, value in data.items() if key == "loss" or rng.random() < 0.5}
    dump = {".json": json.dumps, ".toml": tomli_w.dumps, ".yaml": lambda kept: yaml.safe_dump(kept, sort_keys=False)}
    text = dump[suffix](kept)
    return mutated(rng, text, CONFIG_PIECES) if rng.random() < 0.6 else text


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Bytes with some changed, put in or cut away."""
    changed = bytearray(content)
    match rng.randrange(6):
        case 0:
            return bytes(changed[: rng.randrange(len(changed))])
        case 1:
            at = rng.randrange(len(changed))
            del changed[at : at + rng.randrange(1, 40)]
        case 2:
            at = rng.randrange(len(changed))
            changed[at:at] = rng.randbytes(rng.randrange(1, 40))
        case _:
            # Most that is decided stands at the beginning and in the directory at the end.
            span = rng.choice([len(changed), min(300, len(changed))])
            for _ in range(rng.choice([1, 1, 1, 2, 5])):
                at = rng.randrange(span)
                changed[rng.choice([at, -at - 1])] ^= 1 << rng.randrange(8)
    return bytes(changed)
