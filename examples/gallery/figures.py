"""Draws the pictures of docs/gallery.md, all numbers by losses: `python examples/gallery/figures.py`."""

import jax
import jax.numpy as jnp
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from page import DOCS, load

import lossdsl as ld

# Colours that the colour-blind can tell apart: Okabe and Ito.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#999999"
STYLE = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "legend.frameon": False}


def slope(text, x, **quantities):
    """The gradient of a loss with respect to a quantity `x`, for each of its steps."""
    rows = {name: (f"states.{name}", "batch time") for name in ("x", *quantities)}
    loss = ld.compile(text, ld.Vocabulary(rows))
    return jax.grad(lambda x: loss({"x": x, **quantities}, None).total)(x[None])[0]


def curve(text, x, **parameters):
    """A loss at each number of an array `x`."""
    loss = ld.compile(text, ld.Vocabulary({"x": ("states.x", "batch")}), parameters=parameters)
    return loss.per_trial({"x": jnp.asarray(x)}, None).total


def two(width=7.0, height=2.6):
    """A figure of two panels."""
    figure, axes = plt.subplots(1, 2, figsize=(width, height), layout="constrained")
    return figure, *axes


def delayed_reach() -> Figure:
    """What the straightness says of three paths, and the weight of each step in the two terms of position."""
    s = np.linspace(0, 1, 101)
    bulge = np.sin(np.pi * s)
    paths = {"straight": 0 * s, "bowed": 0.15 * bulge, "detour": 0.4 * bulge + 0.08 * np.sin(6 * np.pi * s)}
    straightness = ld.compile("effector_straight_path")
    figure, left, right = two()
    for (name, y), color in zip(paths.items(), (GREEN, BLUE, ORANGE), strict=True):
        pos = np.stack([0.3 * s, 0.3 * y], axis=-1)
        value = float(straightness({"mechanics": {"effector": {"pos": pos[None]}}}, None).total)
        left.plot(*pos.T, color=color)
        at = pos[np.argmax(y) if y.any() else 50]
        left.annotate(f"{name}: {value:.2f}", at, (0, 4), textcoords="offset points", ha="center", color=color)
    left.plot([0, 0.3], [0, 0], "o", color=GREY, markersize=5)
    left.set(xlabel="x (m)", ylabel="y (m)", ylim=(-0.02, 0.17), title="`effector_straight_path` of three paths")
    time = np.arange(1, 101)
    for trial, until in enumerate((20, 35, 50)):
        hold = jnp.asarray(time <= until, float)
        counted = slope("x*hold", jnp.ones(100), hold=hold[None])
        right.step(time, counted - 0.02 * trial, color=GREEN, where="post")
    right.plot(time, slope("discount(x, exponent=6)", jnp.ones(100)), color=BLUE)
    right.text(54, 0.9, "fixation,\nthree trials", color=GREEN, va="center")
    right.text(86, 0.6, "position,\n$(t/T)^6$", color=BLUE, ha="right", va="center")
    right.set(xlabel="time step", ylabel="weight of the step", title="when the squared distance counts")
    return figure


def smoothness() -> Figure:
    """The minimum-jerk reach of Flash and Hogan against two others, with their costs."""
    example, steps = load("smoothness"), 101
    s = np.linspace(0, 1, steps)
    # Between zero velocities: the cubic, the quintic of minimum jerk, and a septic.
    profiles = {"cubic": 3 * s**2 - 2 * s**3, "minimum jerk": 10 * s**3 - 15 * s**4 + 6 * s**5}
    profiles["septic"] = 35 * s**4 - 84 * s**5 + 70 * s**6 - 20 * s**7
    loss = ld.compile("0.5*dt*sqnorm(diff(hand.pos, n=3)/dt**3)", example.VOCABULARY).with_parameters(dt=0.01)
    figure, left, right = two()
    # At rest before and after, as the reach is.
    rest = 10
    costs = []
    for (name, x), color in zip(profiles.items(), (GREY, BLUE, ORANGE), strict=True):
        whole = np.concatenate([np.zeros(rest), x, np.ones(rest)])
        with jax.enable_x64(True):
            costs.append(float(loss({"hand": whole[None, :, None]}, None).total))
        left.plot(s, np.gradient(x, s), color=color, label=name)
    left.set(xlabel="time (s)", ylabel="speed (m/s)", title="three reaches of 1 m in 1 s")
    left.legend(loc="lower center")
    bars = right.bar(list(profiles), costs, color=[GREY, BLUE, ORANGE])
    right.bar_label(bars, fmt="%.0f")
    right.set(ylabel="cost", title="what `jerk` says of them")
    return figure


def burgers() -> Figure:
    """The three point sets."""
    rng = np.random.default_rng(0)
    figure, axes = plt.subplots(figsize=(7, 2.2), layout="constrained")
    axes.plot(*rng.uniform([0, -1], [1, 1], size=(400, 2)).T, ".", color=BLUE, markersize=2, label="400 of `point`")
    axes.plot(np.zeros(40), rng.uniform(-1, 1, 40), "x", color=ORANGE, label="40 of `start`", clip_on=False)
    walls = rng.uniform(0, 1, 30), rng.choice([-1, 1], 30)
    axes.plot(*walls, "s", color=GREEN, markersize=4, label="30 of `wall`", clip_on=False)
    axes.set(xlabel="t", ylabel="x", xlim=(0, 1), ylim=(-1, 1), yticks=(-1, 0, 1))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def beta_vae() -> Figure:
    """The weight of the divergence over training."""
    example = load("beta_vae")
    loss = ld.compile(example.LOSS, example.VOCABULARY)
    states, trial_specs, _ = example.data(np.random.default_rng(0), {"batch": 2, "pixel": 3, "latent": 2})
    steps = np.arange(0, 2001, 50)
    weights = {name: [loss(states, trial_specs, step=int(i)).weights[name] for i in steps] for name in loss.labels}
    figure, axes = plt.subplots(figsize=(4.5, 2.2), layout="constrained")
    for (name, weight), color in zip(weights.items(), (GREY, BLUE), strict=True):
        axes.plot(steps, weight, color=color)
        axes.text(2000, weight[-1] - 0.12, name, color=color, ha="right", va="top")
    axes.set(xlabel="step", ylabel="weight", ylim=(0, 4.4))
    return figure


def ppo() -> Figure:
    """The clipped surrogate against the ratio, for both signs of the advantage, as in figure 1 of the paper."""
    figure, *axes = two()
    ratio = np.linspace(0, 2, 201)
    for axis, sign in zip(axes, (1, -1), strict=True):
        clipped = f"minimum(x*{sign}, clip(x, 0.8, 1.2)*{sign})"
        axis.plot(ratio, curve(f"x*{sign}", ratio), color=GREY, linestyle="--", label="unclipped")
        axis.plot(ratio, curve(clipped, ratio), color=BLUE, label="clipped")
        axis.plot(1, sign, "o", color=ORANGE)
        axis.set(xlabel="ratio", ylabel="surrogate", title=f"advantage {sign:+d}")
    axes[0].legend(loc="upper left")
    return figure


def distillation() -> Figure:
    """The probabilities of one teacher at three temperatures."""
    logits = np.array([6.0, 4.0, 2.5, 1.0, -1.0], np.float32)
    figure, axes = plt.subplots(figsize=(4.5, 2.2), layout="constrained")
    vocabulary = ld.Vocabulary({"v": ("states.v", "class"), "one": ("states.one", "class")}, parameters={"T": 1.0})
    # The slope of `p . e` with respect to `e` is p.
    loss = ld.compile("dot(softmax(v/T), one)", vocabulary)
    for i, (temperature, color) in enumerate(zip((1, 4, 20), (GREY, BLUE, ORANGE), strict=True)):
        hot = loss.with_parameters(T=temperature)
        p = jax.grad(lambda one, hot=hot: hot({"v": logits, "one": one}, None).total)(jnp.ones(5))
        axes.bar(np.arange(5) + 0.27 * (i - 1), p, width=0.25, color=color, label=f"T = {temperature}")
    axes.set(xlabel="class", ylabel="probability")
    axes.legend()
    return figure


def legged_robot() -> Figure:
    """The tracking kernel against the error, and its slope: far away it does not pull."""
    figure, left, right = two()
    error = np.linspace(-2, 2, 201)
    for text, color in (("1 - exp(-x**2/0.25)", BLUE), ("x**2/0.25", GREY)):
        left.plot(error, curve(text, error), color=color)
        right.plot(error, slope(text, jnp.asarray(error)), color=color)
    left.set(xlabel="error (m/s)", ylabel="cost", ylim=(0, 2), title="tracking a velocity")
    right.set(xlabel="error (m/s)", ylabel="slope", ylim=(-4, 4), title="what the optimiser feels")
    left.text(0.75, 1.7, "quadratic", color=GREY)
    left.text(0.75, 0.8, "exponential\nkernel", color=BLUE, va="top")
    return figure


def causal_pinn() -> Figure:
    """The weight of each time while the network learns one time after the other."""
    example, time = load("causal_pinn"), np.linspace(0, 1, 101)
    text = example.LOSS.replace("mean(weight*residual)", "sum(weight*each)").split("+ 100")[0]
    rows = example.VOCABULARY.quantities | {"each": ("states.each", "time")}
    loss = ld.compile(text, ld.Vocabulary(rows, parameters=example.VOCABULARY.parameters))
    figure, left, right = two()
    for until, color in zip((0.0, 0.3, 0.7), (GREY, BLUE, ORANGE), strict=True):
        missed = 0.02 + 0.6 / (1 + np.exp(-(time - until) / 0.03))
        zero = jnp.zeros((101, 1))
        states = {"u": zero, "u_xx": zero, "u_t": jnp.asarray(missed)[:, None]}
        counted = jax.grad(lambda each, states=states: loss({**states, "each": each}, None).total)(jnp.ones(101))
        left.plot(time, missed**2, color=color, label=f"learnt up to t = {until:g}" if until else "at first")
        right.plot(time, counted, color=color)
    left.set(xlabel="t", ylabel="squared residual", ylim=(0, 0.65), title="what is left to learn")
    right.set(xlabel="t", ylabel="weight", ylim=(0, 1.05), title="what counts now")
    left.legend(loc="upper left")
    return figure


def crps() -> Figure:
    """The score of forecasts that are too sure, right, and too careful, of what has a spread of 1 K."""
    example = load("crps")
    loss = ld.compile(example.LOSS, example.VOCABULARY)
    # Of the normal distribution, at even steps of its probability.
    came, members = (jax.scipy.special.ndtri((jnp.arange(n) + 0.5) / n) for n in (500, 100))
    spreads = np.geomspace(0.25, 4, 33)
    trial_specs = {"observed": came[None], "latitude": jnp.zeros(500)}
    ensembles = [jnp.broadcast_to(spread * members[None, :, None], (1, 100, 500)) for spread in spreads]
    found = [loss({"forecast": forecast}, trial_specs) for forecast in ensembles]
    figure, axes = plt.subplots(figsize=(4.5, 2.4), layout="constrained")
    for label, color in (("error", GREY), ("spread", ORANGE)):
        axes.plot(spreads, [values[label] for values in found], color=color, label=f"`{label}`")
    total = np.array([values.total for values in found])
    axes.plot(spreads, total, color=BLUE, label="total")
    axes.plot(spreads[total.argmin()], total.min(), "o", color=BLUE)
    axes.set(xscale="log", xlabel="spread of the forecast (K)", ylabel="score (K)", ylim=(-1.5, 2.5))
    axes.set_xticks((0.25, 0.5, 1, 2, 4), ("0.25", "0.5", "1", "2", "4"))
    axes.set_xticks([], minor=True)
    axes.legend(loc="upper left")
    return figure


def heatmaps() -> Figure:
    """The focal loss against the probability, at a centre, beside it and far away."""
    p = np.linspace(0.001, 0.999, 401)
    figure, left, right = two()
    for text, name, color in (("-log(x)", "cross entropy", GREY), ("-square(1 - x)*log(x)", "focal", BLUE)):
        left.plot(p, curve(text, p), color=color, label=name)
    for heat, color in zip((0.0, 0.5, 0.9), (BLUE, ORANGE, GREEN), strict=True):
        right.plot(p, curve(f"-(1 - {heat})**4*square(x)*log(1 - x)", p), color=color, label=f"heat {heat:g}")
    left.set(xlabel="probability", ylabel="cost", ylim=(0, 3), title="at a centre")
    right.set(xlabel="probability", ylabel="cost", ylim=(0, 3), title="elsewhere")
    left.legend(), right.legend()
    return figure


def quantile_td() -> Figure:
    """Huber's loss of a quantile, for a low, the middle and a high one."""
    error = np.linspace(-3, 3, 301)
    figure, axes = plt.subplots(figsize=(4.5, 2.4), layout="constrained")
    for tau, color in zip((0.1, 0.5, 0.9), (BLUE, GREY, ORANGE), strict=True):
        axes.plot(error, curve(f"abs({tau} - less(x, 0))*huber(x)", error), color=color, label=f"tau = {tau}")
    axes.set(xlabel="target less quantile", ylabel="cost")
    axes.legend(loc="upper center")
    return figure


def fape() -> Figure:
    """What one atom costs, and how hard it pulls: not at all beyond the clamp."""
    figure, left, right = two()
    distance = np.linspace(0, 20, 401)
    for text, name, color in (("x**2/100", "squared", GREY), ("minimum(sqrt(x**2 + 1e-4), 10)/10", "clamped", BLUE)):
        left.plot(distance, curve(text, distance), color=color, label=name)
        right.plot(distance, slope(text, jnp.asarray(distance)), color=color)
    left.set(xlabel="distance (Å)", ylabel="cost", ylim=(0, 2), title="an atom in a frame")
    right.set(xlabel="distance (Å)", ylabel="slope (1/Å)", ylim=(0, 0.4), title="what the network feels")
    left.legend(loc="upper left")
    return figure


FIGURES = (
    *(delayed_reach, smoothness, burgers, causal_pinn, crps, beta_vae, distillation, heatmaps, ppo, quantile_td),
    *(legged_robot, fape),
)


def main() -> None:
    """Write all of them."""
    with plt.rc_context(STYLE):
        for draw in FIGURES:
            draw().savefig(DOCS / "pictures" / f"gallery_{draw.__name__}.png", dpi=110, metadata={"Software": None})
            plt.close("all")


if __name__ == "__main__":
    main()
