"""The page about adaptive weights: what it shows, to the digit."""

import doctest


def test_what_the_page_shows():
    shown = doctest.testfile("../../docs/adaptive-weights.md")
    assert shown.failed == 0 < shown.attempted
