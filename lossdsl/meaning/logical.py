"""Formulas as functions of SymPy, and back: it has relations of its own, but would simplify them."""

from collections.abc import Sequence
from typing import Any

from lossdsl.language import Call, look_texts, parse
from lossdsl.meaning import weights
from lossdsl.meaning.weights import Exact
from lossdsl.operators import OPS, Look

_CALLED = {"<": "is_less", ">": "is_greater", "and": "all_of", "or": "any_of", "not": "is_not"}
_OPERATORS = {called: name for name, called in _CALLED.items()}


def of_formula(node: Call, values: Sequence[Exact]) -> Any:
    """The function of an operator of formulas; how it looks ahead are symbols behind its operands."""
    import sympy

    look = look_texts(node.static) if isinstance(node.static, Look) else []
    return weights.function(_CALLED.get(node.op.name, node.op.name), *values, *map(sympy.Symbol, look))


def looked(name: str, args: list[Any]) -> tuple[str, Look | None]:
    """The operator that a function of SymPy stands for, and how it looks ahead, taken from the end of its arguments."""
    name, texts = _OPERATORS.get(name, name), list[str]()
    while name in OPS and OPS[name].words and args and args[-1].is_Symbol and "=" in args[-1].name:
        texts.insert(0, args.pop().name)
    if not texts:
        return name, None
    static: Look = parse(f"{name}({', '.join([*OPS[name].required, *texts])})").static  # type: ignore[attr-defined]
    return name, static
