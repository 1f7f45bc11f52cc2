"""LaTeX, in a case file."""

import lossdsl as ld
from tests import cases


@cases.parametrize("latex.txt")
def test_latex(case):
    loss = ld.compile(case.text, parameters={"alpha": 1e-5, "gain_x": 2.0})
    assert f"{loss.latex()}\n{loss.latex(expand=True)}" == case.expected


def test_definitions_that_unfold_without_end_stay_names():
    lines = ["d0 = position"] + [f"d{i} = d{i - 1}*d{i - 1}" for i in range(1, 40)]
    assert len(ld.compile("\n".join([*lines, "d39"])).latex(expand=True)) < 100_000
