"""An .npz file -> what a loss is evaluated on."""

from pathlib import Path
from typing import Any, NamedTuple

from lossdsl.disk import packaged, read_npz
from lossdsl.errors import did_you_mean, error, listed
from lossdsl.meaning import ROOTS, paths, steps


class Trajectories(NamedTuple):
    """What a loss is evaluated on, in the order of its arguments: `loss(*trajectories)`."""

    states: Any
    trial_specs: Any
    model: Any

    def __repr__(self) -> str:
        there = [
            path for root, value in zip(ROOTS, self, strict=True) if value is not None for path, _ in paths(value, root)
        ]
        return f"Trajectories of {listed(there, at_most=4)}"


def example() -> Trajectories:
    """Seven reaches of a point mass, 100 steps each, with what Feedbax's vocabulary names, for a first try.

    Example:
        >>> from lossdsl import compile
        >>> print(compile("position + 1e-5*nn_hidden")(*example()))
        term       weight      raw     weighted   share
        position        1  48.5405      48.5405  100.0%
        nn_hidden   1e-05  60.5371  0.000605371    0.0%
        total                           48.5411
    """
    return load_npz(packaged("examples", "reach.npz"))


def load_npz(path: str | Path) -> Trajectories:
    """Read trajectories from an `.npz` file whose keys are paths, such as `states.net.hidden`.

    Raises:
        LossDataError: If the file cannot be read, is damaged, or unpacks to more than 1 GiB and more than 100 times its
            size; for a key that does not begin with a root.
    """
    arrays = read_npz(Path(path), "bad-file", "give the path of an .npz file")
    tree: dict[str, Any] = {}
    for key, array in arrays.items():
        *parents, last = steps(key)
        if (parents or [last])[0] not in ROOTS:
            advice = did_you_mean(steps(key)[0], ROOTS, f"begin it with {listed(ROOTS)}")
            raise error("bad-key", path=str(path), key=key, advice=advice)
        here: Any = tree
        for part in parents:
            here = here.setdefault(part, {}) if isinstance(here, dict) else None
        if not isinstance(here, dict) or last in here:
            raise error("bad-key", path=str(path), key=key, advice="another key is a part of it; rename one")
        here[last] = array
    return Trajectories(*(tree.get(root) for root in ROOTS))
