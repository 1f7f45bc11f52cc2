"""Expressions -> how often each operation in them is needed, and which are made of another one that is there too."""

from collections import Counter
from collections.abc import Iterable

from lossdsl.language import Call, Expr, call
from lossdsl.operators import OPS

_OF_LOGITS = ("softmax", "cross_entropy")


def uses(exprs: Iterable[Expr]) -> tuple[Counter[bytes], dict[bytes, Call]]:
    """How often each operation is needed, its own operands counted once; what some of them are made of instead."""
    found: Counter[bytes] = Counter()
    nodes: dict[bytes, Call] = {}
    stack = list(exprs)
    while stack:
        node = stack.pop()
        if isinstance(node, Call):
            content = node.content
            found[content] += 1
            if content not in nodes:
                nodes[content] = node
                stack += node.args
    instead: dict[bytes, Call] = {}
    for content, node in nodes.items():
        if node.op.name in _OF_LOGITS:
            logarithms = Call(node.args[:1], OPS["log_softmax"], node.static)
            made = _made(node, logarithms) if logarithms.content in nodes else None
            if made is not None:
                instead[content] = made
                found[made.content] += found[content]
                found[logarithms.content] += 1
    return found, instead


def _made(node: Call, logarithms: Call) -> Call | None:
    """What an operator of logits is of the logarithms of the probabilities that they stand for."""
    if node.op.name == "softmax":
        return call("exp", logarithms) if len(node.args) == 1 else None
    (axis, *others), labels = node.fit.along or ("",), node.args[-1]
    is_number = not others and axis not in (labels.axes or ())
    return call("neg", call("gather", logarithms, labels, static=axis)) if is_number else None
