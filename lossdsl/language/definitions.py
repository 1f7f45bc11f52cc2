"""Definitions before a loss, those with arguments and their calls: `spread(z) = mean(square(z), axis=batch)`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lossdsl.errors import LossError, did_you_mean, error, listed
from lossdsl.language.expr import Call, Expr, Name
from lossdsl.language.text import ATOM, SUM, Written, program_text
from lossdsl.language.tree import lazy
from lossdsl.operators import OPS, STEP
from lossdsl.several import each


@dataclass(frozen=True, eq=False, repr=False)
class Let(Expr):
    """Local definitions and then the loss: `args` are the definitions in order, last the loss."""

    names: tuple[Name, ...] = ()

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Let", tuple(name.name for name in self.names))

    @lazy
    def written(self) -> Written:
        *values, loss = map(str, self.args)
        return Written(program_text(zip(self.heads, values, strict=True), loss), SUM)

    @property
    def heads(self) -> list[str]:
        """What stands before the `=` of each definition."""
        rows = zip(self.names, self.args, strict=False)
        return [value.called(str(name)) if isinstance(value, Function) else str(name) for name, value in rows]


@dataclass(frozen=True, eq=False, repr=False)
class Argument(Expr):
    """An argument in the body of a definition; no name of a loss, so nothing that replaces names meets it."""

    name: str = ""

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Argument", self.name)

    @lazy
    def written(self) -> Written:
        return Written(self.name, ATOM)

    @property
    def is_open(self) -> bool:
        return True


@dataclass(frozen=True, eq=False, repr=False)
class Function(Expr):
    """What a definition with arguments defines; the body is its only child."""

    arguments: tuple[Name, ...] = ()

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Function", tuple(name.name for name in self.arguments))

    @lazy
    def written(self) -> Written:
        return Written(str(self.args[0]), SUM)

    def called(self, name: str) -> str:
        """How it is called under a name: `name(x, y)`."""
        return f"{name}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, eq=False, repr=False)
class Called(Expr):
    """A call of a definition; what it is is looked up when the loss is bound.

    Attributes:
        args: What is given for its arguments.
        callee: The name of the definition.
        keys: For each of `args` the argument where it is given by name, or None.
    """

    callee: Name = field(kw_only=True)
    keys: tuple[Name | None, ...] = ()

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Called", self.callee.name, tuple(key and key.name for key in self.keys))

    @lazy
    def written(self) -> Written:
        given = [f"{key}={arg}" if key else str(arg) for key, arg in zip(self.keys, self.args, strict=True)]
        return Written(f"{self.callee}({', '.join(given)})", ATOM)


def function(name: Name, arguments: Sequence[Name], body: Expr) -> Function:
    """The definition of a name with arguments.

    Raises:
        LossNameError: For an argument that stands there twice, is not used or hides an operator; or a name that does.
    """
    if name.name in OPS:
        raise error("hides-operator", name.span, name=name.name)
    if not arguments:
        raise error("no-arguments", name.span, name=name.name)
    _check_arguments(name.name, arguments, body)
    known = {argument.name for argument in arguments}

    def argument(node: Expr) -> Expr:
        is_argument = isinstance(node, Name) and node.name in known
        return Argument(name=str(node), span=node.span) if is_argument else node

    return Function((body.replace(Name, argument),), arguments=tuple(arguments), span=body.span)


def _check_arguments(name: str, arguments: Sequence[Name], body: Expr) -> None:
    """Refuse arguments that stand there twice, are not used, are called, or hide an operator."""
    used = {node.name for node in body.walk() if isinstance(node, Name)}
    called = {node.callee.name: node.callee for node in body.walk() if isinstance(node, Called)}
    axes = {axis for node in body.walk() if isinstance(node, Call) for axis in _axes(node.static)}
    seen: set[str] = set()

    def check(argument: Name) -> None:
        is_new, fields = argument.name not in seen, {"name": argument.name, "function": name}
        seen.add(argument.name)
        if argument.name in OPS or argument.name == STEP:
            what = "the training iteration" if argument.name == STEP else "the operator of that name"
            raise error("argument-hides", argument.span, **fields, what=what)
        if not is_new:
            raise error("argument-twice", argument.span, option=argument.name, operator=name)
        if argument.name in called:
            what, advice = f"the argument `{argument}` of `{name}`", "an argument is a value: give what a call gives"
            raise error("not-called", called[argument.name].span, what=what, advice=advice)
        if argument.name not in used:
            advice = "use it, or take it away"
            if argument.name in axes:
                advice = f"an axis is no argument: `axis={argument}` is the axis of that name"
            raise error("unused-argument", argument.span, **fields, advice=advice)

    each(check, arguments)


def _axes(static: Any) -> tuple[Any, ...]:
    return static if isinstance(static, tuple) else (static,)


def given_to(callee: Function, node: Called) -> dict[str, Expr]:
    """What a call gives for each argument of a definition, by their names in order.

    Raises:
        LossNameError: For too few and too many, and names that are no arguments of it.
    """
    name, known = node.callee.name, [argument.name for argument in callee.arguments]
    found: dict[str, Expr] = {}
    by_name = False
    for i, (key, value) in enumerate(zip(node.keys, node.args, strict=True)):
        if key is None and by_name:
            raise error("option-first", value.span, operator=name, advice="")
        by_name = key is not None
        if key is None and i >= len(known):
            raise _wrong_count(callee, node)
        argument, span = (key.name, key.span) if key else (known[i], value.span)
        if argument not in known:
            advice = did_you_mean(argument, known, f"its arguments are {listed(known)}")
            if argument == "axis":
                advice = f"an axis is chosen where `{callee.called(name)}` is defined"
            raise error("unknown-argument", span, function=name, argument=argument, advice=advice)
        if argument in found:
            raise error("argument-twice", span, option=argument, operator=name)
        found[argument] = value
    if len(found) < len(known):
        raise _wrong_count(callee, node)
    return {argument: found[argument] for argument in known}


def _wrong_count(callee: Function, node: Called) -> LossError:
    number, name = len(callee.arguments), node.callee.name
    expected = f"{number} argument{'s' if number > 1 else ''} ({', '.join(map(str, callee.arguments))})"
    advice = f"it is defined as `{callee.called(name)} = {callee}`"
    return error("argument-count", node.span, operator=name, expected=expected, given=len(node.args), advice=advice)
