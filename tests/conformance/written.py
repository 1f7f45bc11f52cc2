"""Cases whose values were worked out by hand, on the data set `tiny`; the oracle must say the same."""

from fractions import Fraction

# cost = [[1, 2], [3, 5]], S = [2, 4], lambda = [10, 1], valid = [[1, 0], [1, 1]],
# pos = [[[3, 4], [0, 1]], [[1, 2], [2, 2]]]; rows are trials.
VALUES = {
    "cost": 5.5,
    "S": 3,
    "lambda": 11,
    "sqnorm(pos)": 19.5,
    "l1norm(pos)": 7.5,
    "dot(pos, pos)": 19.5,
    "quadratic_form(pos, 2)": 39,
    "norm(pos[0])": (5 + 5**0.5) / 2,
    "final(cost)": 3.5,
    "initial(cost)": 2,
    "cost[::-1][0]": 3.5,
    "cost[1:]": 3.5,
    "mean(cost)": 2.75,
    "sum(cost, where=valid)": 4.5,
    "mean(cost, where=valid)": 2.5,
    "mean(cost, where=valid, axis=(batch, time))": 3,
    "mean(cost, axis=batch)": 5.5,
    "min(cost, axis=(batch, time))": 1,
    "max(cost, axis=batch)": 8,
    "cost*lambda": 23.5,
    "cost*S": 19,
    "cost - cost*S": -13.5,
    "discount(cost, exponent=1)": 4.5,
    "cumsum(cost)": 7.5,
    "diff(cost)": 1.5,
    "greater(cost, 2)*cost": 4,
    "clip(cost, 2, 3)": 5,
    "huber(cost, delta=2)": 7.25,
    "where(valid, cost, S)": 5.5,
}
SUMS = [
    ("(0.1 + 0.2)*cost + S/3", [("cost", Fraction(3, 10), "cost"), ("S", Fraction(1, 3), "S")], 2.65),
    ("(cost + S) as a", [("a", 1, "cost + S")], 8.5),
    ("a = cost + S; 2*a", [("a", 2, "a")], 17),
    ("2*final(cost - 0.5*cost*S)", [("final(cost)", 2, "final(cost)"), ("final(cost*S)", -1, "final(cost*S)")], -5),
    ("cost - cost", [("cost", 0, "cost")], 0),
    ("alpha*S - S/4", [("S", "alpha - 1/4", "S")], 1.5),
]


def rows():
    """Text, data and terms, and the total that they must have."""
    for written, total in VALUES.items():
        # The difference of two terms is two rows.
        terms = [(one, sign, one) for one, sign in (("cost", 1), ("cost*S", -1))] if " - " in written else None
        yield (written, "tiny", terms), total
    yield from (((written, "tiny", terms), total) for written, terms, total in SUMS)
