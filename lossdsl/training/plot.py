"""Pictures of a history and of schedules. Matplotlib is imported when one is drawn, for not everyone has it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lossdsl.errors import clip, described, error
from lossdsl.loss import AbstractLoss, CompositeLoss, LossDict, compile, on_device
from lossdsl.training.history import LossHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The first seven are Okabe and Ito's, which the colour-blind tell apart, without yellow; total is black.
_COLOURS = """
#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #882255 #999933 #5e4fa2 #44aa99
#8c510a #7f7f7f #c51b1b #8fbf3f #e377c2 #01665e #c7a76c #1f3b73 #ff7f7f #6a8f2f
""".split()  # noqa: SIM905
_CROSS: dict[str, Any] = {"linestyle": "", "marker": "x", "markersize": 6, "markeredgewidth": 1.5, "zorder": 3}
_STYLES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))


# More points than pixels are not seen.
_MOST_STEPS = 4000


@dataclass(frozen=True)
class _Series:
    """What is drawn in one colour: the values of the members, (members, steps), NaN where absent, inf if not finite."""

    label: str
    train: np.ndarray
    look: dict[str, Any]
    validation: np.ndarray = field(default_factory=lambda: np.empty((1, 0)))


def plot_loss_history(
    history: Any,
    *,
    weighted: bool = True,
    log: bool = True,
    validation: bool = True,
    total: bool = True,
    ax: "Axes | None" = None,
) -> "Figure":
    """Draw every term and the total of a history, (steps,) or (..., steps), against its training iterations.

    Of an ensemble a line is the mean of the members, and the band around it goes from the least to the greatest:
    both are positive where the losses are, which a mean minus a standard deviation is not. A 0 lies below a
    logarithmic axis, and a term that is 0 throughout is marked so in the legend. Rows that are absent are left out.

    Where a recorded loss is not finite the line breaks off, with an x on the last value before; of an ensemble it goes
    on with the members that are finite. The legend says how many are not.

    Args:
        history: The history, or the one that Feedbax's trainer returns.
        weighted: Whether to draw the weighted values; else the raw ones, and the total remains the weighted sum.
        log: Whether the axis of the losses is logarithmic; where a loss is negative it is so on both sides of 0.
        validation: Whether to draw the losses of validation, as circles; of an ensemble the mean and the range.
        total: Whether to draw the total.
        ax: The axes to draw on, else those of a new figure that pyplot does not know. The legend stands to the
            right of them: a figure of `layout="constrained"` makes room for it.

    Returns:
        The Matplotlib figure; nothing is shown or saved.

    Raises:
        LossError: If Matplotlib is not installed.
        LossDataError: If the members of an ensemble do not have the same steps.
        LossValueError: If it is no history.

    Example:
        >>> history = LossHistory.start(["a"], 3).record(0, LossDict({"a": np.float32(2.0)}, {"a": 1.0}))
        >>> figure = plot_loss_history(history)
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['total', 'a']
    """
    if not isinstance(history, LossHistory | LossDict) and hasattr(history, "loss"):
        history = LossHistory.from_feedbax(history)
    if not isinstance(history, LossHistory):
        advice = "give a `LossHistory`; of stacked losses `LossHistory.from_scan` makes one"
        raise error("bad-argument", argument="history", got=described(history), advice=advice)
    target = _new_axes() if ax is None else ax
    steps = np.asarray(history.steps).reshape(-1, history.steps.shape[-1])
    if (steps != steps[0]).any():
        raise error("history-steps", got="other ones for each member")
    series = list(_series(history, weighted, validation, total))
    name = "weighted loss" if weighted else "loss without weights"
    return _figure(target, steps[0], series, name, log=log, own=ax is None)


def plot_schedule(loss: AbstractLoss, steps: Any, ax: "Axes | None" = None) -> "Figure":
    """Draw the weight of every term over training, that of a term without a schedule too.

    The axis of the weights is logarithmic where the largest weights of two terms differ by more than a factor of 100.

    Args:
        loss: The loss.
        steps: The last training iteration, which begins with 0, of many some thousand are drawn; or an array of
            iterations.
        ax: The axes to draw on, else those of a new figure, as for `plot_loss_history`.

    Returns:
        The Matplotlib figure; nothing is shown or saved.

    Raises:
        LossError: If Matplotlib is not installed.
        LossValueError: If the steps are not a number or an array of numbers.

    Example:
        >>> figure = plot_schedule(compile("position + linear(0, 0.1, 1000)*velocity"), 2000)
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['position', 'velocity']
    """
    composite, at = compile(loss), _iterations(steps)
    target = _new_axes() if ax is None else ax
    series = [
        # Constant weights are often equal: a dashed line lets the one below it through.
        _Series(label, _marked(values, [np.zeros(at.shape)]), {"linewidth": 1.4, "zorder": 2.1, **_look(i, i)})
        for i, (label, values) in enumerate(_weights_over(composite, at).items())
    ]
    peaks = [peak for one in series if (peak := np.max(np.abs(one.train), initial=0, where=np.isfinite(one.train)))]
    log = max(peaks, default=1) > 100 * min(peaks, default=1)
    return _figure(target, at, series, "weight", log=log, own=ax is None)


def _iterations(steps: Any) -> np.ndarray:
    advice = "give the last training iteration, or an array of them"
    try:
        given = np.asarray(steps)
        at = given
        if given.ndim == 0 and given.dtype.kind in "iu":
            number = min(int(given), _MOST_STEPS) + 1
            at = np.rint(np.linspace(0, int(given), number)).astype(int) if number > 0 else np.empty(0)
    except (TypeError, ValueError):
        at = np.empty(0)
    if at.ndim != 1 or not at.size or at.dtype.kind not in "iuf" or not np.isfinite(at).all():
        got = f"`{steps}`" if isinstance(steps, int | float | str) else described(steps)
        raise error("bad-argument", argument="steps", got=got, advice=advice)
    return at


def _weights_over(loss: CompositeLoss, steps: np.ndarray) -> dict[str, Any]:
    """The weights at all steps, (steps,), of an ensemble of losses (..., steps)."""

    def weights(loss: CompositeLoss, step: Any) -> list[Any]:
        return loss.program.weights(loss.numbers, loss.parameters, step)

    if steps.dtype.kind in "iu" and max(abs(steps.min()), steps.max()) > jnp.iinfo(jnp.result_type(int)).max:
        steps = steps.astype(float)
    over = jax.vmap(weights, in_axes=(None, 0))
    for _ in loss.numbers.shape[:-1]:
        over = jax.vmap(over, in_axes=(0, None))
    return dict(zip(loss.labels, jax.jit(over)(loss, on_device(steps)), strict=True))


def _figure(ax: "Axes", steps: np.ndarray, series: list[_Series], name: str, *, log: bool, own: bool) -> "Figure":
    _scale(ax, series, log)
    for one in series:
        _draw(ax, steps, one)
    _furnish(ax, name)
    wide = _legend(ax, series)
    figure = ax.get_figure(root=True)
    assert figure is not None
    if own:
        figure.set_size_inches(4.9 + wide, 3.6)
    return figure


def _series(history: LossHistory, weighted: bool, validation: bool, total: bool) -> Iterator[_Series]:
    shown = history.validation if validation else None
    if total:
        # Below the terms and thicker: a term that is nearly all of the total stays visible on it.
        look = {"color": "black", "linestyle": "-", "linewidth": 2.4, "zorder": 2.0}
        absent = np.full((1, history.steps.shape[-1]), np.nan)
        checked = absent if shown is None else _total(shown)
        yield _Series("total" if weighted else "total (weighted)", _total(history.train), look, checked)
    for i, (label, train) in enumerate(_terms(history.train, weighted).items()):
        look = {"linewidth": 1.1, "zorder": 2.1, **_look(i, i // len(_COLOURS))}
        checked = np.full_like(train, np.nan) if shown is None else _terms(shown, weighted)[label]
        yield _Series(label, train, look, checked)


def _look(colour: int, style: int) -> dict[str, Any]:
    return {"color": _COLOURS[colour % len(_COLOURS)], "linestyle": _STYLES[style % len(_STYLES)]}


def _terms(losses: LossDict, weighted: bool) -> dict[str, np.ndarray]:
    raw, weights, shown = losses.raw, losses.weights, losses if weighted else losses.raw
    return {label: _marked(shown[label], [losses[label], raw[label], weights[label]]) for label in losses}


def _total(losses: LossDict) -> np.ndarray:
    return _marked(losses.total, jax.tree.leaves(losses))


def _marked(values: Any, recorded: list[Any]) -> np.ndarray:
    """The values of the members, infinite where they are not finite; NaN where nothing was recorded at all."""
    numbers = _members(values)
    absent = np.logical_and.reduce([np.isnan(_members(part)) for part in recorded])
    return np.where(absent, np.nan, np.where(np.isfinite(numbers), numbers, np.inf))


def _members(values: Any) -> np.ndarray:
    return np.asarray(values).astype(float).reshape(-1, values.shape[-1])


def _new_axes() -> "Axes":
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise error("not-installed", use="a plot", package="Matplotlib", install="'lossdsl[plot]'") from None
    ax = Figure(dpi=150, layout="constrained").subplots()
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))
    return ax


def _scale(ax: "Axes", series: list[_Series], log: bool) -> None:
    """A logarithmic scale that holds all values: Matplotlib drops negative ones, and warns if there is nothing else."""
    values = np.concatenate([np.ravel(part) for one in series for part in (one.train, one.validation)])
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not log or not sizes.size:
        ax.set_yscale("linear")
    elif (values[np.isfinite(values)] < 0).any():
        # More decades on each side of 0 would be mostly the noise of what crosses it. Ticks stand at powers of ten.
        power = np.floor(np.log10(max(sizes.min(), sizes.max() * 1e-4)))
        ax.set_yscale("symlog", linthresh=10.0**power)
    else:
        ax.set_yscale("log")


def _draw(ax: "Axes", steps: np.ndarray, one: _Series) -> None:
    x, mean, least, greatest = _spread(steps, one.train)
    # A point between gaps would not be seen on a line.
    gaps = np.isnan(np.pad(mean, 1, constant_values=np.nan))
    alone = np.flatnonzero(gaps[:-2] & ~gaps[1:-1] & gaps[2:]).tolist()
    dots: dict[str, Any] = {"marker": ".", "markersize": 4 * one.look["linewidth"], "markevery": alone} if alone else {}
    ax.plot(x, mean, label=one.label, **dots, **one.look)
    if len(one.train) > 1:
        ax.fill_between(x, least, greatest, color=one.look["color"], alpha=0.18, linewidth=0, zorder=1.9)
    if len(ends := _ends(steps, one.train)):
        ax.plot(*ends.T, label=f"{one.label} (not finite)", color=one.look["color"], **_CROSS)
    x, mean, least, greatest = _spread(steps, one.validation)
    x, mean, least, greatest = (part[~np.isnan(mean)] for part in (x, mean, least, greatest))
    if not len(x):
        return
    size = min(4.5, max(1.5, 25 / np.sqrt(len(x))))
    look = {"label": f"{one.label} (validation)", "linestyle": "", "color": one.look["color"], "zorder": 3}
    ax.plot(x, mean, **look, **_circle(size))
    if len(one.validation) > 1:
        ax.vlines(x, least, greatest, colors=one.look["color"], linewidth=size / 4.5, zorder=2.9)


def _spread(steps: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, least and greatest of the members that are finite, at the steps that any has; NaN where none is."""
    present = ~np.isnan(members).all(axis=0)
    steps, members = steps[present], members[:, present]
    finite = np.isfinite(members)
    number = finite.sum(axis=0)
    with np.errstate(over="ignore"):
        mean = np.sum(members, axis=0, where=finite) / np.maximum(number, 1)
    known = (number > 0) & np.isfinite(mean)
    least = np.min(members, axis=0, where=finite, initial=np.inf)
    greatest = np.max(members, axis=0, where=finite, initial=-np.inf)
    return steps, *(np.where(known, part, np.nan) for part in (mean, least, greatest))  # type: ignore[return-value]


def _ends(steps: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Where and how large each member was before it was not finite, (ends, 2)."""
    found = [np.empty((0, 2))]
    for member in members:
        known = ~np.isnan(member)
        points = np.column_stack([steps[known], member[known]])
        finite = np.isfinite(points[:, 1])
        found.append(points[:-1][finite[:-1] & ~finite[1:]])
    return np.concatenate(found)


def _furnish(ax: "Axes", name: str) -> None:
    ax.set_xlabel("training iteration")
    ax.set_ylabel(name)
    ax.grid(True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.02)


def _legend(ax: "Axes", series: list[_Series]) -> float:
    """The legend, to the right of the axes, and about how many inches wide it is."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Line2D([], [], **one.look) for one in series]
    labels = [_legend_text(one, ax.get_yscale()) for one in series]
    members = max((len(one.train) for one in series), default=1)
    if members > 1:
        handles.append(Patch(facecolor="0.5", alpha=0.3, linewidth=0))
        labels.append(f"range of {members} members")
    if any(np.isfinite(one.validation).any() for one in series):
        handles.append(Line2D([], [], linestyle="", color="0.4", **_circle(4.5)))
        labels.append("validation")
    if any(len(_ends(np.arange(one.train.shape[1]), one.train)) for one in series):
        handles.append(Line2D([], [], color="0.4", **_CROSS))
        labels.append("the last finite value")
    if not handles:
        return 0.0
    columns = -(-len(handles) // 20)
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.2}
    ax.legend(handles, labels, ncols=columns, frameon=False, fontsize="small", handlelength=2.4, **place)
    return columns * (0.6 + 0.07 * max(map(len, labels)))


def _circle(size: float) -> dict[str, Any]:
    return {"marker": "o", "markersize": size, "markerfacecolor": "white", "markeredgewidth": size / 4.5}


def _legend_text(one: _Series, scale: str) -> str:
    known = one.train[np.isfinite(one.train)]
    notes = ["0"] * bool(scale == "log" and known.size and not known.any())
    broken = sum(np.isinf(one.train).any(axis=1) | np.isinf(one.validation).any(axis=1))
    if broken:
        notes.append(f"{broken} of {len(one.train)} not finite" if len(one.train) > 1 else "not finite")
    # Between two dollars Matplotlib reads mathematics.
    return " ".join([clip(one.label, 40).replace("$", r"\$"), *(f"({note})" for note in notes)])
