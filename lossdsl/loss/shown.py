"""A loss -> what people and files see of it: mathematics, tables, text, digest."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import equinox as eqx

from lossdsl.errors import LossError, error
from lossdsl.language import Name, described_number, exact_number, program_text
from lossdsl.loss.parts import Parts
from lossdsl.mathematics import html_table
from lossdsl.meaning import Defined, Term, expression, written


class Shown(eqx.Module):
    """What has parts can be shown as mathematics."""

    @property
    @abstractmethod
    def parts(self) -> Parts:
        """What it is made of."""

    def latex(self, *, expand: bool = False, form: str = "line", where: bool = False) -> str:
        r"""The loss in LaTeX.

        Args:
            expand: Unfold definitions, and write the sum over time and the mean over trials.
            form: `"line"`, or `"aligned"` with one term a row.
            where: Also say what the symbols mean, one a row.

        Raises:
            LossValueError: For another form.

        Example:
            >>> from lossdsl import compile
            >>> print(compile("1e-5*position + final(velocity)").latex())
            \mathcal{L} = 10^{-5}\,\ell_{\mathrm{position}} + \left. \ell_{\mathrm{velocity}} \right|_{T}
        """
        # Mathematics is imported when it is used, a tenth of the time of `import lossdsl`.
        from lossdsl.mathematics.formula import FORMS, formula

        if form not in FORMS:
            advice = f"write {' or '.join(map(repr, FORMS))}"
            raise error("bad-argument", argument="form", got=described_number(form), advice=advice)
        given = self.parts.written
        return formula(given.terms, given.local, expand=expand, where=where).latex(form)

    def _repr_latex_(self) -> str | None:
        """Mathematics for a notebook, which shows `repr` for several losses at once."""
        try:
            return rf"$\displaystyle {self.latex()}$"
        except LossError:
            return None

    def _repr_html_(self) -> str | None:
        from lossdsl.mathematics.formula import bodies

        try:
            given = self.parts.written
        except LossError:
            return None
        formulas = zip(given.terms, bodies(given.terms, given.local), strict=True)
        rows = [[term.label, str(expression(term.factor)), rf"$\displaystyle {body}$"] for term, body in formulas]
        return html_table(["term", "weight", "formula"], rows)


def text(terms: tuple[Term, ...], local: Sequence[Name]) -> str:
    """Definitions, then the weighted terms."""
    definitions = [(str(n), str(n.meaning.expr)) for n in local if isinstance(n.meaning, Defined)]
    return program_text(definitions, str(written(terms)))


def digest(terms: tuple[Term, ...], parameters: Mapping[str, Any]) -> str:
    """A hash of terms, weights and parameters, in whatever order they stand."""
    rows = [f"{t.label} {expression(t.factor)} {t.expr.content.hex()}" for t in terms]
    rows += [f"{name} {exact_number(value)}" for name, value in parameters.items()]
    return sha256("\n".join(sorted(rows)).encode()).hexdigest()[:16]
