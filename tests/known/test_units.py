"""Units of quantities, of products, and what does not fit."""

from fractions import Fraction

import pytest

import lossdsl as ld
from lossdsl.known.units import NUMBER, UNKNOWN, pure, same, times, unit_of


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("m", "m"),
        ("m/s", "m/s"),
        ("m s^-1", "m/s"),
        ("m s-1", "m/s"),
        ("m/s/s", "m/s/s"),
        ("m/s^2", "m/s^2"),
        ("m/s**2", "m/s^2"),
        ("m·s⁻²", "m/s^2"),
        ("kg m^2/s^2", "kg m^2/s^2"),
        ("N*m", "N m"),
        ("1/s", "1/s"),
        ("m/m", "none"),
        ("1", "none"),
        ("", "unknown"),
        ("  ", "unknown"),
        ("a.u.", "a.u."),
        ("°", "°"),
        ("%", "%"),
        ("Å", "Å"),
        ("per trial (mean)", "per trial (mean)"),
        ("/s", "/s"),
        ("m^", "m^"),
        ("m^99999999999", "m^99999999999"),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_units_as_they_are_written(written, shown):
    assert str(unit_of(written)) == shown.replace("m/s/s", "m/s^2")


def test_products():
    speed, force = unit_of("m/s"), unit_of("N")
    assert str(times([speed, force], [1, 1])) == "m N/s"
    assert str(times([speed, speed], [1, -1])) == "none"
    assert str(times([speed], [Fraction(1, 2)])) == "m^(1/2)/s^(1/2)"
    assert str(times([unit_of("a.u.")], [2])) == "(a.u.)^2"
    assert times([speed, UNKNOWN], [1, 1]) is UNKNOWN
    assert times([NUMBER, NUMBER], [1, 1]).free and not times([NUMBER, speed], [1, 1]).free


def test_what_fits_and_what_does_not():
    m, mm, n = unit_of("m"), unit_of("mm"), unit_of("N")
    assert same("sum", [m, NUMBER, m]) == m
    assert str(same("sum", [m, mm])) == "sum of m and mm"
    assert same("sum", [n, unit_of("kg m/s^2")]) == n
    assert same("sum", [m, UNKNOWN]) is UNKNOWN
    assert same("sum", [NUMBER]) is NUMBER
    assert str(pure("exp", [m])) == "exp of m"
    for number in ("rad", "a.u.", "1"):
        assert str(pure("exp", [unit_of(number)])) == "none"
    assert str(pure("exp", [UNKNOWN])) == "unknown"
    odd = same("sum", [m, mm])
    assert str(times([odd], [2])) == str(pure("exp", [odd])) == str(same("sum", [odd, m])) == "sum of m and mm"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("norm(effector.vel)", "m/s"),
        ("sum(effector.vel*effector.force, axis=xy)", "m N/s"),
        ("velocity/position", "1/s^2"),
        ("velocity**1.5", "m^3/s^3"),
        ("sum(huber(effector.vel), axis=xy)", "m^2/s^2"),
        ("max(minimum(velocity, 1))", "m^2/s^2"),
        ("greater(position, velocity)*position", "greater of m^2 and m^2/s^2"),
        ("greater(position, 1)*position", "m^2"),
        ("sum(atan2(effector.vel, effector.force), axis=xy)", "atan2 of m/s and N"),
        ("2*sum(diff(effector.pos), axis=xy)", "m"),
        ("discounted_sum(velocity, 0.9, last=final(position))", "discounted_sum of m^2/s^2 and m^2"),
        ("violation(always(velocity < 1))", "m^2/s^2"),
        ("position*inputs.hold", "unknown"),
        ("velocity@hold", "m^2/s^2"),
    ],
)
def test_units_of_terms(text, unit):
    assert ld.report(text).terms[0].unit == unit
