"""The stored files: read into arrays, and written."""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
VOCABULARY = json.loads((FOLDER / "vocabulary.json").read_text(encoding="utf-8"))
STEP = VOCABULARY["step"]


def cases(family):
    lines = (FOLDER / "cases" / f"{family}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def families():
    return sorted(path.stem for path in (FOLDER / "cases").glob("*.jsonl"))


def dataset(name):
    """The arrays of a data set by path: lists are arrays, objects are what lies around them."""
    return dict(_flat(json.loads((FOLDER / "data" / f"{name}.json").read_text(encoding="utf-8"))))


def array(value):
    """From numbers and the texts `nan`, `inf`, `-inf`; null is NaN, a place about which nothing is said."""
    return np.array(value, float)


def _flat(value, path=""):
    if not isinstance(value, dict):
        return [(path, array(value))]
    return [found for key, inner in value.items() for found in _flat(inner, f"{path}.{key}".lstrip("."))]


def nested(flat):
    """Dicts in dicts, from paths."""
    tree = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        here = tree
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = value
    return tree


def change(tree, path, value):
    """Put at a path what a case of an error says: a shape of ones, `missing`, or a value as it is."""
    *parents, last = path.split(".")
    for part in parents:
        tree = tree[part]
    if value == "missing":
        del tree[last]
    else:
        tree[last] = np.ones(value) if isinstance(value, list) else value


def text_of(written):
    """A text, or one made of pieces that stand there many times: `[["(", 200], ["cost", 1]]`."""
    return "".join(piece * times for piece, times in written) if isinstance(written, list) else written


def line(case):
    return json.dumps(case, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def rounded(values, digits):
    """Short numbers for a file: NaN as null where it is allowed."""
    if isinstance(values, list):
        return [rounded(value, digits) for value in values]
    return None if values != values else float(f"{values:.{digits}g}")
