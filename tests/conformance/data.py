"""The data sets: small arrays of short decimals, away from 0, from each other and from round numbers."""

import random

SIZES = {
    "distinct": {"batch": 3, "time": 4, "xy": 2, "col": 5},
    "equal": {"batch": 3, "time": 3, "xy": 3, "col": 3},
    "ones": {"batch": 1, "time": 1, "xy": 1, "col": 1},
    "one-trial": {"batch": 1, "time": 4, "xy": 2, "col": 3},
    "one-step": {"batch": 3, "time": 1, "xy": 2, "col": 4},
    "one-component": {"batch": 2, "time": 3, "xy": 1, "col": 1},
}
_ODD = ["nan", "inf", "-inf", 0.0]


def datasets():
    made = {name: _dataset(random.Random(name), sizes) for name, sizes in SIZES.items()}
    made["behind"] = _behind(_dataset(random.Random("behind"), SIZES["distinct"]))
    made["zeros"] = _zeros(_dataset(random.Random("zeros"), SIZES["distinct"]))
    # Small enough to work out by hand.
    made["tiny"] = {
        "states": {
            "cost": [[1.0, 2.0], [3.0, 5.0]],
            "S": [2.0, 4.0],
            "pos": [[[3.0, 4.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 2.0]]],
        },
        "trial_specs": {"valid": [[1.0, 0.0], [1.0, 1.0]], "lambda": [10.0, 1.0]},
    }
    return made


def _dataset(rng, sizes):
    batch, time, xy, col = sizes.values()
    pool = [i / 1000 for i in range(60, 1940) if i % 5]
    rng.shuffle(pool)

    def numbers(*shape, sign=True):
        if not shape:
            return pool.pop() * (rng.choice([1, -1]) if sign else 1)
        return [numbers(*shape[1:], sign=sign) for _ in range(shape[0])]

    valid = [[float(rng.random() < 0.6) for _ in range(time)] for _ in range(batch)]
    valid[-1][-1] = 1.0
    if batch > 1:
        valid[1] = [0.0] * time  # a mean over nothing
    return {
        "states": {
            "pos": numbers(batch, time, xy),
            "turned": numbers(xy, time, batch),
            "cost": numbers(batch, time),
            "long": numbers(batch, time + 1),
            "S": numbers(batch),
            "sheet": numbers(batch, col, xy),
            "body": numbers(batch, time, 3),
        },
        "trial_specs": {
            "lambda": numbers(time),
            "aim": numbers(xy),
            "Q": numbers(xy, xy),
            "gains": numbers(batch, xy, xy),
            "probs": numbers(batch, time, xy, sign=False),
            "classes": [[float(rng.randrange(xy)) for _ in range(time)] for _ in range(batch)],
            "hold": [[[1.0 - v for v in row]] for row in valid],
            "valid": valid,
            "soft": [[v * rng.choice([0.25, 0.5, 2.0]) for v in row] for row in valid],
            "use": [float(i % 2 == 0) for i in range(batch)],
        },
        "model": {"net": {"weight": numbers(2, 3), "bias": numbers(2)}},
    }


def _behind(data):
    """What is NaN, infinite or 0 wherever the masks are 0."""
    states, specs = data["states"], data["trial_specs"]
    specs["valid"] = [[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0]]
    specs["soft"] = [[0.5, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.25, 1.0, 0.5]]
    specs["hold"] = [[row] for row in specs["valid"]]
    specs["use"] = [1.0, 0.0, 1.0]
    odd = 0
    for i, row in enumerate(specs["valid"]):
        for t, kept in enumerate(row):
            if not kept:
                states["cost"][i][t] = _ODD[odd % 4]
                states["pos"][i][t] = [_ODD[(odd + 1) % 4], _ODD[odd % 4]]
                states["turned"][odd % 2][t][i] = _ODD[(odd + 2) % 4]
                odd += 1
    states["S"][1] = "nan"
    return data


def _zeros(data):
    """Vectors, numbers and whole arrays of 0, where a gradient is easily NaN."""
    states = data["states"]
    states["pos"][0][1] = [0.0, 0.0]
    states["pos"][2] = [[0.0, 0.0] for _ in states["pos"][2]]
    states["cost"][1] = [0.0 for _ in states["cost"][1]]
    states["S"][0] = 0.0
    data["model"]["net"]["bias"] = [0.0, 0.0]
    return data
