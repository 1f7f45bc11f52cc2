"""LaTeX -> MathML as a tree of plain data, which a page makes elements of: it never reads a text as HTML."""

from typing import Any
from xml.etree import ElementTree

from math_core import LatexError

from lossdsl.mathematics.mathml import mathml

# HTML knows it by this name, XML does not.
_APPLY = "&ApplyFunction;", "\u2061"


def tree(latex: str) -> list[Any] | None:
    """A formula as `[tag, attributes, children]`, texts among them; None for what the renderer does not know.

    Example:
        >>> tree("x^{2}")
        ['math', {}, [['msup', {}, [['mi', {}, ['x']], ['mn', {}, ['2']]]]]]
    """
    try:
        return _node(ElementTree.fromstring(mathml(latex, block=False).replace(*_APPLY)))
    except (LatexError, ElementTree.ParseError):
        return None


def _node(element: ElementTree.Element) -> list[Any]:
    children: list[Any] = [element.text] if element.text else []
    for child in element:
        children += [_node(child), *([child.tail] if child.tail else [])]
    return [element.tag, dict(element.attrib), children]
