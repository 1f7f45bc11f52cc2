"""The symbol of a row, in LaTeX: what it may hold, for it goes as it is into documents and notebooks."""

import re

from lossdsl.errors import error

# Letters, accents, fonts, signs, fractions and brackets: nothing that reads, links, defines or leaves the formula.
_COMMANDS = frozenset(
    """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi omicron pi
    varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega digamma
    Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    hat bar tilde vec dot ddot dddot acute grave breve check mathring widehat widetilde overline underline
    overrightarrow overleftarrow overset underset stackrel
    mathrm mathbf mathit mathcal mathbb mathsf mathtt mathfrak mathscr mathnormal boldsymbol bm operatorname
    text textrm textbf textit textsf texttt rm bf it displaystyle textstyle scriptstyle
    frac dfrac tfrac sqrt binom sum prod int oint partial nabla infty pm mp times div cdot cdots ldots dots vdots ddots
    circ bullet ast star dagger ddagger prime ell hbar imath jmath Re Im aleph emptyset angle degree top bot perp
    parallel wedge vee cap cup oplus ominus otimes odot mid in ni notin subset subseteq to mapsto leftarrow rightarrow
    leftrightarrow uparrow downarrow Leftarrow Rightarrow lt gt le leq ge geq ne neq equiv approx sim simeq cong propto
    ll gg forall exists neg min max inf sup lim log ln exp sin cos tan sinh cosh tanh arcsin arccos arctan arg det dim
    ker deg gcd diag tr
    left right big Big bigg Bigg langle rangle lvert rvert lVert rVert vert Vert lfloor rfloor lceil rceil lbrace rbrace
    quad qquad
    """.split()  # noqa: SIM905 - a list of them would be two hundred lines
)
_TOKEN = re.compile(r"\\([A-Za-z]+)|\\(.)|(.)", re.DOTALL)
_ESCAPED = "{}|_,;:! "
_SIGNS = " {}^_'*+-=/|()[].,:;!?"


def check_symbol(latex: object) -> None:
    """Refuse a symbol with a command or a sign that a formula has no use for, or with braces that do not match.

    Raises:
        LossValueError: Which one it is.
    """
    if not isinstance(latex, str):
        raise error("bad-symbol", latex=str(latex), reason="it is not a text")
    depth = 0
    for command, escaped, sign in _TOKEN.findall(latex):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        known = command in _COMMANDS if command else escaped in _ESCAPED if escaped else _is_plain(sign)
        if not known:
            found = f"\\{command or escaped}" if command or escaped else sign
            raise error("bad-symbol", latex=latex, reason=f"`{found}` cannot stand in it")
        if depth < 0:
            break
    if depth:
        raise error("bad-symbol", latex=latex, reason="its braces do not match")
    if "^^" in latex:
        raise error("bad-symbol", latex=latex, reason="`^^` cannot stand in it")


def _is_plain(sign: str) -> bool:
    return sign.isalnum() or sign in _SIGNS
