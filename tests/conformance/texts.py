"""Texts as a loss prints them: operands in parentheses only where they bind looser."""

from fractions import Fraction
from typing import NamedTuple

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)


class Text(NamedTuple):
    written: str
    level: int = ATOM

    def __str__(self):
        return self.written

    def at(self, level):
        return self.written if self.level >= level else f"({self.written})"


def text(value):
    return value if isinstance(value, Text) else Text(str(value))


def add(*addends):
    first, *others = map(text, addends)
    return Text(" + ".join([first.at(SUM), *(other.at(PRODUCT) for other in others)]), SUM)


def subtract(left, right):
    return Text(f"{text(left).at(SUM)} - {text(right).at(PRODUCT)}", SUM)


def times(left, right):
    return Text(f"{text(left).at(PRODUCT)}*{text(right).at(UNARY)}", PRODUCT)


def over(left, right):
    return Text(f"{text(left).at(PRODUCT)}/{text(right).at(UNARY)}", PRODUCT)


def power(base, exponent):
    return Text(f"{text(base).at(ATOM)}**{text(exponent).at(UNARY)}", POWER)


def negative(operand):
    return Text(f"-{text(operand).at(UNARY)}", UNARY)


def call(name, *operands, **options):
    """An operator; options in the order of its declaration, `axis` last."""
    given = [str(operand) for operand in operands]
    if "axis" in options:
        options["axis"] = options.pop("axis")
    given += [f"{key}={_option(value)}" for key, value in options.items() if value is not None]
    return Text(f"{name}({', '.join(given)})")


def _option(value):
    return f"({', '.join(value)})" if isinstance(value, tuple) else str(value)


def steps(operand, at):
    return Text(f"{text(operand).at(ATOM)}[{at}]")


BINARY = {"+": add, "-": subtract, "*": times, "/": over, "**": power}


def decimal(rng):
    """A short decimal as a person may write it, and its value."""
    written = rng.choice(["2", "3", "0.5", "0.1", "0.2", ".25", "1.50", "1e-3", "2.5e1", "7", "0.3", "1E1", "4."])
    return Text(written), Fraction(written)


def constant(rng, depth):
    """Arithmetic of decimals, and its exact value."""
    if depth == 0 or rng.random() < 0.2:
        return decimal(rng)
    if rng.random() < 0.1:
        inner, value = constant(rng, depth - 1)
        return negative(inner), -value
    if rng.random() < 0.1:
        inner, value = constant(rng, depth - 1)
        return power(inner, 2), value**2
    sign = rng.choice("+-*/")
    (left, a), (right, b) = constant(rng, depth - 1), constant(rng, depth - 1)
    if sign == "/" and b == 0:
        sign = "+"
    value = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[sign]()
    return BINARY[sign](left, right), value
