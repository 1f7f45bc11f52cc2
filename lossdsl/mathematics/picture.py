"""A formula to a file: a document for LaTeX, or a picture. Matplotlib draws it, for not everyone has LaTeX."""

import re
from pathlib import Path
from typing import Any

from lossdsl.disk import write_whole
from lossdsl.errors import error
from lossdsl.mathematics.formula import Formula

PICTURES = (".svg", ".png", ".pdf")
# Matplotlib has fonts like those of Times, text and mathematics alike; what they lack comes from the second.
_FONTS: dict[str, Any] = {"family": ["STIXGeneral", "DejaVu Sans"], "math_fontfamily": "stix", "fontsize": 14}
_GAP = 0.6
# Innermost; Matplotlib has no rows, so they stand behind each other.
_ELSE = r"\;\mathrm{if}\; \text{else}"
_CASES = re.compile(r"\\begin\{cases\}((?:(?!\\begin\{cases\}).)*?)\\end\{cases\}")


def save(formula: Formula, form: str, path: Path) -> None:
    """Write a formula to a file: `.tex`, `.svg`, `.png` or `.pdf`.

    Raises:
        LossError: For another ending, if Matplotlib is not installed, or if the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix != ".tex" and suffix not in PICTURES:
        advice = "give a name that ends in `.tex`, `.svg`, `.png` or `.pdf`"
        raise error("bad-argument", argument="-o", got=f"`{path}`", advice=advice)
    if suffix == ".tex":
        text = document(formula.latex(form))
        write_whole(path, lambda file: file.write(text.encode()))
    else:
        figure = _drawn(formula, form)
        # Without a date, so that one formula is one file.
        dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        how: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.1, "metadata": dates.get(suffix)}
        write_whole(path, lambda file: figure.savefig(file, format=suffix[1:], **how))


def document(latex: str) -> str:
    """A LaTeX document of one page, as large as the formula."""
    return "\n".join(
        [
            r"\documentclass[border=4pt]{standalone}",
            r"\usepackage{amsmath,amssymb}",
            r"\begin{document}",
            rf"$\displaystyle {latex}$",
            r"\end{document}",
            "",
        ]
    )


def _drawn(formula: Formula, form: str) -> Any:
    """Row by row, for Matplotlib knows no `aligned`: what stands left of the line of alignment ends there."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise error("not-installed", use="a picture", package="Matplotlib", install="'lossdsl[plot]'") from None
    figure = Figure(figsize=(1, 1), dpi=200)
    renderer = FigureCanvasAgg(figure).get_renderer()
    unit = _FONTS["fontsize"] / 72 * figure.dpi
    bottom = 0.0
    for left, right in texts(formula, form):
        x = 0.3 * unit / figure.bbox.width
        cells = [
            figure.text(-x * bool(right), 0, left, ha="right", va="baseline", **_FONTS),
            figure.text(0, 0, right, ha="left", va="baseline", **_FONTS),
        ]
        boxes = [_extent(cell, renderer) for cell in cells if cell.get_text()]
        above = max((box.y1 for box in boxes), default=0.0)
        for cell in cells:
            cell.set_y((bottom - above) / figure.bbox.height)
        bottom -= above - min((box.y0 for box in boxes), default=0.0) + _GAP * unit
    return figure


def _extent(cell: Any, renderer: Any) -> Any:
    try:
        return cell.get_window_extent(renderer)
    except ValueError:
        raise error("cannot-draw", formula=cell.get_text()) from None


def texts(formula: Formula, form: str) -> list[tuple[str, str]]:
    """The rows as Matplotlib reads them, left and right of the line of alignment."""
    rows = [(_math(left), _math(right)) for left, right in formula.rows(form)]
    if formula.meanings:
        rows.append(("where", ""))
    for row in formula.meanings:
        equals = _math(f"= {row.equals},") if row.equals and row.text else _math(f"= {row.equals}")
        text = _math(r"\quad") + row.text.replace("$", r"\$") if row.text else ""
        rows.append((_math(row.symbol), (equals if row.equals else "") + text))
    return rows


# What it sets in another way, or knows by another name.
_INSTEAD = {
    r"\frac": r"\dfrac",
    r"\square": "\N{WHITE SQUARE}",
    r"\lozenge": "\N{LOZENGE}",
    r"\land": r"\wedge",
    r"\lor": r"\vee",
    r"\lnot": r"\neg",
    r"\mathbin{\mathcal{U}}": r"\;\mathcal{U}",
}


def _math(latex: str) -> str:
    """Mathematics for Matplotlib, which sets fractions small, bars in any weight, and brackets close to a factor."""
    while found := _CASES.search(latex):
        rows = [
            row.replace("&", r"\;\mathrm{if}\;").replace(_ELSE, r"\;\mathrm{else}") for row in found[1].split(r"\\")
        ]
        inline = r" ;\; ".join(rows)
        latex = latex.replace(found[0], rf"\left\{{ {inline} \right\}}")
    for command, instead in _INSTEAD.items():
        latex = latex.replace(command, instead)
    latex = re.sub(r"\\(?:left|right)\\([vV]ert)", r"\\\1", latex)
    latex = re.sub(r"(?<=[\w}]) \\left", r"\\,\\left", latex)
    return f"${latex}$" if latex else ""
