"""Write the stored cases: `python -m tests.conformance.generate`, the same files each time.

Texts come from the modules beside this one, what they mean from the oracle.
"""

import json
import random
import sys
from collections import Counter

from tests.conformance import language, operators, stored, wider, written
from tests.conformance.data import datasets
from tests.conformance.expected import Unfit, expected
from tests.conformance.randoms import losses
from tests.conformance.wrong import errors

# At most so many of a family; the others are left out at random.
_MOST = {"operators-arithmetic": 320, "operators-penalties": 150, "operators-choices": 200, "operators-reductions": 280}
_MOST |= {
    "operators-vectors": 200,
    "operators-time": 200,
    "operators-distributions": 180,
    "masks": 180,
    "axes": 200,
    "operators-schedules": 180,
    "reduction": 200,
}

# Texts whose factor goes before the operator: the body and its weight.
_FACTORED = {
    "abs(3*cost)": ("abs(cost)", 3),
    "relu(3*cost)": ("relu(cost)", 3),
    "square(3*cost)": ("square(cost)", 9),
    "(-cost)**2": ("cost**2", 1),
    "norm(2*pos)": ("norm(pos)", 2),
    "sqnorm(2*pos)": ("sqnorm(pos)", 4),
    "quadratic_form(pos, Q*2)": ("quadratic_form(pos, Q)", 2),
    "quadratic_form(turned, Q*2)": ("quadratic_form(turned, Q)", 2),
    "quadratic_form(final(turned), Q*2)": ("quadratic_form(final(turned), Q)", 2),
}


def families():
    rng = random.Random
    return {
        "operators-arithmetic": operators.arithmetic(),
        "operators-penalties": operators.penalties(),
        "operators-choices": operators.choices(),
        "operators-reductions": operators.reductions(),
        "operators-vectors": operators.vectors(),
        "operators-time": operators.time(),
        "operators-schedules": operators.schedules(),
        "operators-distributions": operators.distributions(),
        "masks": operators.masked(),
        "masks-behind": operators.behind(),
        "stops": wider.stops(),
        "functions": wider.functions(),
        "spreads": wider.spreads(),
        "running": wider.running(),
        "joined": wider.joined(),
        "masked-reductions": wider.masked(),
        "axes": language.axes(rng("axes")),
        "windows": language.windows(),
        "definitions": language.definitions(rng("definitions")),
        "definitions-with-arguments": language.with_arguments(rng("definitions with arguments")),
        "weights": language.weights(rng("weights")),
        "normal-form": language.normal_form(rng("normal form")),
        "reduction": language.reduction(),
        "random": losses(rng("random")),
    }


def made(rows, most, name):
    """The cases of rows of text, data, terms and step; those that make no good case are left out."""
    rows = list(dict.fromkeys((row[0], row[1], *_plain(row[2:])) for row in rows))
    if most and len(rows) > most:
        kept = sorted(random.Random(name).sample(range(len(rows)), most))
        rows = [rows[i] for i in kept]
    found, left_out = [], Counter()
    for text, data, terms, step in rows:
        if text in _FACTORED:
            body, weight = _FACTORED[text]
            terms = [(body, weight, body)]
        try:
            case = {"text": text, "data": data} | ({"step": step} if step != stored.STEP else {})
            found.append(case | expected(text, data, terms, step))
        except Unfit:
            left_out["unfit"] += 1
    print(f"{name:22} {len(found):5} cases, {left_out['unfit']} left out", flush=True)
    return found


def by_hand():
    """The cases that were worked out by hand, which hold the oracle too."""
    rows, totals = zip(*written.rows(), strict=True)
    cases = made(rows, None, "written")
    assert [round(case["total"], 9) for case in cases] == [round(total, 9) for total in totals]
    return cases


def _plain(more):
    terms, step = [*more, None, stored.STEP][:2] if len(more) != 1 else (more[0], stored.STEP)
    return (tuple(terms) if terms else None, step)


def main(only=()):
    (stored.FOLDER / "cases").mkdir(exist_ok=True)
    (stored.FOLDER / "data").mkdir(exist_ok=True)
    for name, data in datasets().items():
        path = stored.FOLDER / "data" / f"{name}.json"
        path.write_text(json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n", encoding="utf-8")
    for name, rows in families().items():
        if not only or name in only:
            _write(name, made(rows, _MOST.get(name), name))
    if not only or "written" in only:
        _write("written", by_hand())
    if not only or "errors" in only:
        _write("errors", errors())


def _write(family, cases):
    text = "".join(f"{stored.line(case)}\n" for case in cases)
    (stored.FOLDER / "cases" / f"{family}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
