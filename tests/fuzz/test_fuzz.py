"""A few thousand of the inputs of each kind; `python -m tests.fuzz` runs more."""

import pytest

from tests.fuzz.kinds import KINDS, run


@pytest.mark.parametrize("kind", KINDS)
def test_only_our_errors_come_out(kind, tmp_path):
    taken, failed = run(kind, 0, 2_000, tmp_path)
    assert failed == []
    # Where next to nothing is taken, next to nothing behind the first check is tried.
    assert 20 < taken < 2_000
