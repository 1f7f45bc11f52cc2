"""Feedbax's declarative losses, trees of `LossTermSpec`, -> one of ours as text, and back."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

from lossdsl.errors import LossError, error, listed
from lossdsl.language import Call, Number, described_number, exact_number, number_text
from lossdsl.loss import AbstractLoss, CompositeLoss, compile
from lossdsl.meaning import FEEDBAX, Defined, Quantity, each_name
from lossdsl.operators import BATCH, TIME

_GROUPS, _TERMS = ("Composite", "CompositeLoss"), ("TargetStateLoss", "target_state")
_TARGETS = {"effector.pos": "target.pos", "effector.vel": "target.vel", "effector.force": "target.force"}
# What a difference becomes, with the axis of its components.
_NORMS = {
    "squared_l2": "sqnorm({x})",
    "l2": "norm({x})",
    "l1": "sum(abs({x}), axis={axis})",
    "huber": "sum(huber({x}, delta=1), axis={axis})",
}
_KNOWN = {f"sqnorm({name}[1:] - {_TARGETS[name]})": short for name, short in
          [("effector.pos", "position"), ("effector.vel", "velocity")]}  # fmt: skip
Names = dict[str, Quantity]


def is_spec(value: Any) -> bool:
    """Whether it is a declarative loss, as data or as Feedbax's own class."""
    given = _plain(value)
    return isinstance(given, Mapping) and "type" in given and "label" in given


def from_spec(spec: Any, name_of: Any, probes: Mapping[str, str]) -> CompositeLoss:
    """The loss that a specification says, its labels made names by a function."""
    names: Names = {}
    texts = [
        (label, weight, _text(label, term, names, probes)) for label, weight, term in _leaves(_plain(spec), name_of)
    ]
    loss = {label: {"weight": weight, "expr": text} for label, weight, text in texts}
    if len(loss) < len(texts):
        label = next(label for i, (label, *_) in enumerate(texts) if label in [other for other, *_ in texts[:i]])
        raise error("same-name", first=label, second=label, name=label)
    return compile(loss, quantities=names)


def _plain(spec: Any) -> Any:
    return spec.model_dump(exclude_none=True) if hasattr(spec, "model_dump") else spec


def _leaves(spec: Mapping[str, Any], name_of: Any, above: str = "", scale: Fraction = Fraction(1)) -> Iterator[Any]:
    label, given = above or name_of(spec["label"]), spec.get("weight", 1.0)
    if (number := exact_number(given)) is None:
        raise error("bad-weight", what="the weight of", name=label, got=described_number(given))
    weight = scale * number
    children = spec.get("children") or {}
    if children:
        for key, child in children.items():
            yield from _leaves(_plain(child), name_of, f"{above}_{name_of(key)}" if above else name_of(key), weight)
    elif spec.get("type") in _TERMS:
        yield label, number_text(weight), spec
    else:
        got = f"is of the type `{spec.get('type')}`" if spec.get("type") not in _GROUPS else "has no `children`"
        raise _failure(label, got, f"those of the types {listed([*_TERMS, *_GROUPS[:1]])} can be said as a text")


def _failure(label: str, reason: str, advice: str) -> LossError:
    return error("feedbax-spec", label=label, reason=reason, advice=advice)


def _text(label: str, spec: Mapping[str, Any], names: Names, probes: Mapping[str, str]) -> str:
    # Since it has versions, its states are those after the steps alone, and it averages over time.
    versioned = "schema_version" in spec
    name = _read(label, spec.get("selector"), names, probes)
    state = name if versioned else f"{name}[1:]"
    body = _NORMS.get(spec.get("norm") or "squared_l2")
    if body is None:
        raise _failure(label, f"has the norm `{spec['norm']}`", f"the norms are {listed(_NORMS)}")
    difference = f"{state}{_target(label, spec, name, names, probes, versioned=versioned)}"
    axes = {**FEEDBAX.quantities, **names}[name].dimensions
    text = body.format(x=difference, axis=next(axis for axis in axes if axis not in (BATCH, TIME)))
    return _in_time(label, _plain(spec.get("time_agg")) or {}, _KNOWN.get(text, text), "mean" if versioned else "sum")


def _read(label: str, selector: Any, names: Names, probes: Mapping[str, str]) -> str:
    """The name of what a selector selects, a new one for what Feedbax's vocabulary does not have."""
    if not isinstance(selector, str) or not selector:
        raise _failure(label, "has no `selector`", "give the path of a state: `mechanics.effector.pos`")
    kind, _, path = selector.rpartition(":")
    if kind == "probe" and path not in probes:
        advice = f'say where it lies: `from_feedbax(spec, probes={{"{path}": "mechanics.effector.pos"}})`'
        raise _failure(label, f"reads the probe `{path}`", advice)
    if kind not in ("", "path", "probe"):
        raise _failure(
            label, f"reads `{selector}`, of a graph that is not there", "give the path of a state, or a probe"
        )
    path = probes[path] if kind == "probe" else path
    root, _, rest = path.partition(".")
    full = path if root in ("states", "trial_specs") else f"states.{rest if root == 'state' else path}"
    for name, quantity in FEEDBAX.quantities.items():
        if any(place.base == full for place in quantity.places):
            return name
    name = full.partition(".")[2]
    names[name] = Quantity(full, "batch time component")
    return name


def _target(
    label: str, spec: Mapping[str, Any], name: str, names: Names, probes: Mapping[str, str], *, versioned: bool
) -> str:
    selector, value = spec.get("target_selector"), spec.get("target_value")
    if selector is not None:
        return f" - {_read(label, selector, names, probes)}"
    if value is not None:
        values = set(value) if isinstance(value, list | tuple) else {value}
        if len(values) != 1 or not isinstance(number := next(iter(values)), int | float):
            raise _failure(
                label, "has a target of several numbers", "make it a quantity, and give its `target_selector`"
            )
        return f" - {number!r}" if number else ""
    return "" if versioned or name not in _TARGETS else f" - {_TARGETS[name]}"


def _in_time(label: str, agg: Mapping[str, Any], body: str, usual: str) -> str:
    """The steps that count."""
    discount, mode = agg.get("discount") or "none", agg.get("mode") or "all"
    if discount not in ("none", "linear", "power"):
        raise _failure(label, f"has the discount `{discount}`", "the discounts are `none`, `linear`, `power`")
    if discount != "none":
        exponent = 1 if discount == "linear" else agg.get("discount_exp")
        if not isinstance(exponent, int | float):
            raise _failure(label, "has no `discount_exp`", "give the exponent of the power")
        body = f"discount({body}, exponent={exponent!r})"
    start, end, steps = agg.get("start"), agg.get("end"), agg.get("time_idxs") or ()
    match usual if mode == "all" else mode:
        case "sum":
            return body
        case "mean":
            return f"mean({body}, axis=time)"
        case "final":
            return f"final({body})"
        case "range" if isinstance(start, int) and isinstance(end, int):
            return f"{_bracketed(body)}[{start}:{end}]"
        case "custom" if steps and all(isinstance(step, int) for step in steps):
            return " + ".join(f"{_bracketed(body)}[{step}]" for step in steps)
        case "segment":
            advice = "write it as a text with the window of an epoch: `position@hold`"
            raise _failure(label, f"counts in the segment `{agg.get('segment_name')}`", advice)
    advice = "the modes are `all`, `final`, `range` with `start` and `end`, `custom` with `time_idxs`"
    raise _failure(label, f"has the mode `{mode}`, or lacks what that needs", advice)


def _bracketed(body: str) -> str:
    return body if body.isidentifier() or body.endswith(")") else f"({body})"


def feedbax_spec(loss: AbstractLoss) -> dict[str, Any]:
    """A loss as Feedbax's declarative specification, `LossTermSpec`, of plain data; `from_feedbax` takes it back.

    A state without a target counts from the first step on there, without the initial one.

    Raises:
        LossValueError: For a term that cannot be said so, or whose weight is made of parameters.

    Example:
        >>> spec = feedbax_spec(compile("position + 0.5*final(velocity) as stop"))
        >>> spec["children"]["stop"]  # doctest: +NORMALIZE_WHITESPACE
        {'type': 'TargetStateLoss', 'label': 'stop', 'weight': 0.5, 'selector': 'mechanics.effector.vel',
         'norm': 'squared_l2', 'time_agg': {'mode': 'final'}}
    """
    whole = loss.composite
    children = {}
    for term in whole.terms:
        if term.number is None:
            raise _failure(term.label, "has a weight that is made of parameters", "give the parameters numbers")
        spec = _spec_of(term.label, term.expr)
        children[term.label] = {"type": spec.pop("type"), "label": term.label, "weight": float(term.number), **spec}
    return {"type": "Composite", "label": whole.label or "loss", "weight": 1.0, "children": children}


def _spec_of(label: str, expr: Any) -> dict[str, Any]:
    """The specification whose text means the same."""
    names = {n: node.meaning for n, node in each_name([expr]).items() if isinstance(node.meaning, Quantity)}
    states = {n: quantity for n, quantity in names.items() if quantity.places[0].root == "states"}
    # Where the task has a target of the state, none must be said.
    targets: list[dict[str, Any]] = [{}, {"target_value": 0.0}]
    for (name, quantity), norm, time, target in product(states.items(), _NORMS, _times(expr), targets):
        selector = quantity.places[0].base.removeprefix("states.")
        spec = {"type": _TERMS[0], "selector": selector, "norm": norm, **target, "time_agg": time}
        if len([axis for axis in quantity.dimensions if axis not in (BATCH, TIME)]) != 1 or quantity.is_tree:
            continue
        text = _text(label, spec, {}, {}) if name in FEEDBAX.quantities else ""
        for same in (text, text.replace("[1:]", "", 1)):
            if same and compile(same).terms[0].expr.content == expr.content:
                return spec
    raise _failure(
        label, "cannot be said in a specification", "it takes one state, a norm of it, and the steps that count"
    )


def _times(expr: Any) -> list[dict[str, Any]]:
    """The ways of counting steps for which the expression has the numbers."""
    found: list[dict[str, Any]] = [{"mode": "all"}, {"mode": "final"}, {"mode": "mean"}]
    stack = [expr]
    while stack:
        node = stack.pop()
        stack += [*node.args, *([node.meaning.expr] if isinstance(getattr(node, "meaning", None), Defined) else [])]
        if isinstance(node, Call) and node.op.name == "discount" and isinstance(node.args[1], Number):
            exponent = float(node.args[1].value)
            found.append({"mode": "all", "discount": "power", "discount_exp": exponent})
        if isinstance(node, Call) and node.op.name == "[]":
            index = node.static
            whole = isinstance(index, tuple) and None not in index[:2]
            found += [{"mode": "range", "start": index[0], "end": index[1]}] if whole else []
            found += [{"mode": "custom", "time_idxs": [index]}] if isinstance(index, int) else []
    return found
