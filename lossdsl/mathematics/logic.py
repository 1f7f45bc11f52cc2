"""A formula and the pieces of its operands -> its LaTeX, as papers on temporal logic write it."""

from collections.abc import Sequence

from lossdsl.language import Call, number_text
from lossdsl.mathematics.pieces import FACTOR, SUM, Piece, minus, summed
from lossdsl.mathematics.steps import window_latex, window_of
from lossdsl.operators import HARD, Look, Moment

# How tightly a formula binds, loosest first, and looser than a sum: what stands behind a sign, `\square (x < 1)`, has
# parentheses if it has no such sign itself.
EITHER, BOTH, UNTIL, COMPARED, SIGNED = range(SUM - 5, SUM)
_SIGNS = {"not": r"\lnot", "always": r"\square", "eventually": r"\lozenge"}


def formula_piece(node: Call, parts: Sequence[Piece], *, expand: bool) -> Piece:
    """A formula, its robustness or its violation."""
    match node.op.name:
        case "<" | ">" as sign:
            return Piece(f"{parts[0].at(SUM)} {sign} {parts[1].at(SUM)}", COMPARED)
        case "and":
            return Piece(r" \land ".join(part.at(COMPARED) for part in parts), BOTH)
        case "or":
            return Piece(r" \lor ".join(part.at(BOTH) for part in parts), EITHER)
        case "until":
            p, q = (part.at(SIGNED) for part in parts[:2])
            return Piece(rf"{p} \mathbin{{\mathcal{{U}}}}{_ahead(node, expand)} {q}", UNTIL)
        case "robustness":
            return _robustness(node, parts[0])
        case "violation":
            missed = minus(_robustness(node, parts[0]))
            if parts[1].text != "0":
                missed = summed([parts[1], missed])
            return Piece(rf"\max\left(0, {missed}\right)", FACTOR)
    return Piece(f"{_SIGNS[node.op.name]}{_ahead(node, expand)} {parts[0].at(SIGNED)}", SIGNED)


def _robustness(node: Call, formula: Piece) -> Piece:
    look = node.static or Look()
    scripts = "" if look.smooth == HARD else rf"^{{\mathrm{{{look.smooth}}}}}"
    return Piece(rf"\rho{scripts}\left({formula.at(EITHER)}\right)", FACTOR)


def _ahead(node: Call, expand: bool) -> str:
    """How far it looks ahead, as a subscript; expanded, the window too, which its operands then do not show."""
    if node.op.name == "not":
        return ""
    look, window = node.static or Look(), window_of(node.args[0])
    found = []
    if look.within:
        found.append(f"[{_moment(look.within[0])}, {_moment(look.within[1])}]")
    if expand and window:
        found.append(window_latex(window))
    return f"_{{{', '.join(found)}}}" if found else ""


def _moment(moment: Moment) -> str:
    text = number_text(moment.number)
    return rf"{text}\,\mathrm{{s}}" if moment.seconds else text
