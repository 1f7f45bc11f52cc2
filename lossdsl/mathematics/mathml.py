r"""LaTeX of formulas -> MathML, which browsers draw by themselves, without a script."""

import re
from importlib.util import find_spec
from pathlib import Path

from math_core import LatexToMathML

RENDERER = LatexToMathML(fancy_error=False)


def mathml(latex: str, block: bool = True) -> str:
    r"""A formula for a browser.

    Raises:
        LatexError: For what the renderer does not know.

    Example:
        >>> mathml("x^{2}", block=False)
        '<math><msup><mi>x</mi><mn>2</mn></msup></math>'
    """
    # It would write out the length after `\\`, and an empty row stands as far off; it would lose the space after `\%`.
    latex = re.sub(r"(\\[&%#$_{}]) ", r"\1{} ", latex.replace(r"\\[1ex]", r"\\ & \\"))
    shown = RENDERER.convert_with_local_state(latex, displaystyle=block)
    # The bars of a norm that is high are wider than the place that browsers keep for them.
    return shown.replace("<mo>‖</mo>", '<mo lspace="0.1em" rspace="0.1em">‖</mo>')


def font() -> Path:
    """The STIX font for mathematics (SIL Open Font License) that ziamath brings: many a phone has none."""
    # To import it would take time, and nothing of its code is needed.
    spec = find_spec("ziamath")
    assert spec and spec.origin
    return Path(spec.origin).with_name("fonts") / "STIXTwoMath-Regular.ttf"
