"""The symbols of rows, and the paths of quantities: what they may hold."""

import pytest
from hypothesis import given, strategies as st

import lossdsl as ld


@pytest.mark.parametrize(
    ("latex", "reason"),
    [
        (r"\href{javascript:alert(1)}{x}", r"`\href` cannot stand in it"),
        (r"\input{/etc/passwd}", r"`\input` cannot stand in it"),
        ("^^5cinput{x}", "`^^` cannot stand in it"),
        ("<script>", "`<` cannot stand in it"),
        ("x$ y", "`$` cannot stand in it"),
        ("x\\", r"`\` cannot stand in it"),
        ("{x}}{", "its braces do not match"),
        ("{x", "its braces do not match"),
        (3, "it is not a text"),
    ],
)
def test_symbols_that_a_formula_has_no_use_for(latex, reason):
    for row in (
        lambda: ld.Quantity("states.x", "batch", latex=latex),
        lambda: ld.Definition("position", latex=latex),
        lambda: ld.Parameter("alpha", 1.0, latex=latex),
    ):
        with pytest.raises(ld.LossValueError) as caught:
            row()
        assert caught.value.message == f"the symbol `{latex}` cannot stand in a formula: {reason}"


@pytest.mark.parametrize("latex", [r"\tau", r"E^{2}_\text{eff}", r"\bar{g}", r"q_e'", r"\left|\mathbf{x}\right|", "τ"])
def test_symbols_of_mathematics(latex):
    assert latex in ld.compile("q", ld.Vocabulary({"q": ld.Quantity("states.q", "batch", latex=latex)})).latex()


@given(st.text(alphabet="\\{}^_$<>&%#~abhrefinput.$\n\"'", max_size=12))
def test_no_symbol_leaves_its_formula(latex):
    try:
        ld.Quantity("states.x", "batch", latex=latex)
    except ld.LossValueError:
        return
    assert not set('$<>&%#~\n"') & set(latex) and "^^" not in latex


def test_a_label_of_a_group_is_a_name():
    for label in ("a b", "<b>", 3, "\x1b[31m"):
        with pytest.raises(ld.LossSyntaxError, match="is not a name that a term can have"):
            ld.CompositeLoss(["position"], label=label)
