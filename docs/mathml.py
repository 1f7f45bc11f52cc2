r"""Sphinx: formulas as MathML, which browsers draw by themselves, in a font that the site carries.

The scripts of MathJax come from the internet, and many a phone has no font for mathematics, without which an index
stands on the line.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes

from lossdsl.mathematics.mathml import font, mathml

# What formulas have, letters in bold and script among them.
CHARACTERS = "20-17F 2B0-3FF 2000-20F0 2100-214F 2190-23FF 25A0-25FF 27C0-27EF FE00 1D400-1D7FF"


def inline(writer: Any, node: nodes.math) -> None:
    """A formula in a line."""
    writer.body.append(f'<span class="math">{mathml(node.astext(), block=False)}</span>')
    raise nodes.SkipNode


def block(writer: Any, node: nodes.math_block) -> None:
    """A formula of its own; on a narrow screen it is to be moved, so a keyboard must reach it."""
    writer.body.append(
        f'<div class="math" tabindex="0" role="group" aria-label="formula">{mathml(node.astext())}</div>\n'
    )
    raise nodes.SkipNode


def write_font(characters: Iterable[str], file: Path) -> None:
    """The font for mathematics, cut down to what formulas have."""
    from fontTools.subset import main

    ranges = ",".join(f"U+{span}" for span in characters)
    file.parent.mkdir(exist_ok=True)
    main([str(font()), f"--unicodes={ranges}", "--flavor=woff", "--name-IDs=*", f"--output-file={file}"])


def finish(app: Any, failure: Exception | None) -> None:
    """Put the font where the style sheet looks for it."""
    if failure is None and app.builder.format == "html":
        write_font(CHARACTERS.split(), Path(app.outdir, "_static", "math.woff"))


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
