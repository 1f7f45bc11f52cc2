"""What a text means, from the oracle alone: values, and gradients by central differences in float64."""

import re
from fractions import Fraction

import numpy as np

from lossdsl.language import parse
from lossdsl.language.expr import Name
from tests.conformance.stored import STEP, VOCABULARY, dataset, rounded
from tests.oracle import Named, Oracle

# Nothing is said about the gradient with respect to a mask where it is 0: what it leaves out may not be a number.
MASKS = [f"trial_specs.{name}" for name in ("hold", "valid", "soft", "use")]
_STEP = 1e-3
_LARGEST = 1e4


class Unfit(Exception):
    """A text that makes no good case: infinite, huge, or lost to rounding in float32."""


def expected(text, data, terms=None, step=STEP):
    """The terms, the total and its gradients; `terms` are rows of label, weight and body, one if it is not given."""
    arrays = dataset(data)
    oracle = meaning(arrays, step)
    tree = parse(text)
    try:
        total = oracle.total(tree)  # notes the definitions of the text
    except ValueError:  # addends of several lengths, under a factor: the oracle takes only a bare sum apart
        raise Unfit(text) from None
    rows = [
        [label, *_weight(oracle, weight), float(oracle.total(parse(body)))]
        for label, weight, body in terms or [(text, 1, text)]
    ]
    raw = [row[-1] for row in rows]
    if not np.isfinite([total, *raw]).all() or np.max(np.abs([total, *raw])) > _LARGEST:
        raise Unfit(text)
    summed = sum(value * row[-1] for row, value in zip(rows, map(_number, rows), strict=True))
    assert np.isclose(total, summed, rtol=1e-9, atol=1e-11), (text, total, rows)
    in_float32 = meaning({path: a.astype(np.float32) for path, a in arrays.items()}, np.float32(step), np.float32)
    rough = [in_float32.total(tree), *(in_float32.total(parse(body)) for _, _, body in terms or [])]
    if not np.allclose(rough, [total, *raw] if terms else total, rtol=2e-5, atol=2e-6):
        raise Unfit(text)
    oracle.stopped = {}
    oracle.total(tree)
    gradient = {
        path: _gradient(arrays[path], lambda: oracle.total(tree), path in MASKS) for path in _read(tree, arrays)
    }
    if any(np.nanmax(np.abs(g), initial=0) > _LARGEST for g in gradient.values()):
        raise Unfit(text)
    return {
        "terms": [[label, weight, rounded(value, 10)] for label, weight, value in rows],
        "total": rounded(float(total), 10),
        "gradient": {path: rounded(found.tolist(), 7) for path, found in gradient.items()},
    }


def meaning(arrays, step, number=np.float64):
    """The oracle on views of the arrays: it sees them change."""
    named = {}
    for name, row in VOCABULARY["quantities"].items():
        path, start, end, at = re.fullmatch(r"([\w.]+?)(?:\[\.\.\., (?:(\d*):(\d*)|(\d+))\])?", row["path"]).groups()
        if row["axes"] == "pytree":
            named[name] = Named([a for found, a in arrays.items() if found.startswith(f"{path}.")])
        elif path in arrays:
            index = int(at) if at else slice(int(start) if start else None, int(end) if end else None)
            named[name] = Named.declared(arrays[path] if start is end is at else arrays[path][..., index], row["axes"])
    definitions = {name: parse(row["expr"]) for name, row in VOCABULARY["terms"].items()}
    numbers = {name: number(value) for name, value in {**VOCABULARY["parameters"], "step": step}.items()}
    return Oracle(named, definitions, numbers, number=number)


def _weight(oracle, weight):
    """An exact number as a text; one made of parameters is a text already, and becomes a number."""
    if not isinstance(weight, str):
        return [str(Fraction(weight))]
    return [rounded(float(oracle(parse(weight)).data), 10)]


def _number(row):
    return float(Fraction(row[1])) if isinstance(row[1], str) else row[1]


def _read(tree, arrays):
    """The paths of the arrays that a text reads, definitions of the vocabulary included."""
    found, names = set(), {node.name for node in tree.walk() if isinstance(node, Name)}
    for name in names:
        if name in VOCABULARY["terms"]:
            found |= set(_read(parse(VOCABULARY["terms"][name]["expr"]), arrays))
        elif name in VOCABULARY["quantities"]:
            path = VOCABULARY["quantities"][name]["path"].split("[")[0]
            found |= {known for known in arrays if known == path or known.startswith(f"{path}.")}
    return [path for path in arrays if path in found]


def _gradient(array, total, mask):
    """By central differences; NaN where the total has a kink, or is not a number on one side."""
    result = np.zeros(array.shape)
    for index in np.ndindex(array.shape):
        result[index] = _derivative(array, index, total, mask)
    return result


def _derivative(array, index, total, mask):
    here = array[index]

    def at(value):
        array[index] = value
        try:
            return float(total())
        finally:
            array[index] = here

    if mask and here == 0:
        return np.nan
    if not np.isfinite(here):
        # Nothing depends on it if any number may stand there.
        return 0.0 if at(0.37) == at(-1.21) == at(here) else np.nan
    centre, ahead, behind = at(here), [], []
    for h in (_STEP, _STEP / 2):
        ahead.append((at(here + h) - centre) / h)
        behind.append((centre - at(here - h)) / h)
    if not np.isfinite([*ahead, *behind]).all():
        return np.nan
    bends = np.abs(np.subtract(ahead, behind))
    central = np.add(ahead, behind) / 2
    kink = bends[1] > 0.7 * bends[0] and bends[1] > 1e-7 * (1 + abs(central[1]))
    if kink or not abs(central[1] - central[0]) < 1e-3 * (1 + abs(central[1])):
        return np.nan
    slope = float(4 * central[1] - central[0]) / 3
    return 0.0 if abs(slope) < 1e-11 else slope
