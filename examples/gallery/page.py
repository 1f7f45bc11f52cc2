"""Writes docs/gallery.md from the examples: `python examples/gallery/page.py`."""

import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import lossdsl as ld

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs"
NAMES = """
delayed_reach muscles smoothness lqr burgers causal_pinn crps beta_vae contrastive vicreg distillation tokens heatmaps
ppo quantile_td sac legged_robot potential fape cox
""".split()  # noqa: SIM905 - in the order of the page
INTRODUCTION = """\
# A gallery of losses

Twenty losses that people use, from as many corners, each as a text with the vocabulary that says what its names mean.
The files of `examples/gallery` hold both, with random data, the same loss written apart in NumPy, and once more by hand
in JAX; the tests hold values and gradients against both, and [the benchmarks](performance.md) time. In the formulas `b`
are trials, `t` time steps, angle brackets means, and what stands after a colon is a mask.
"""
CLOSING = """\
## What the language has for them

None of these is for one example. `lossdsl ops` lists all operators.

| form | means |
|---|---|
| `mean(x, axis=(batch, time))` | over several axes at once; also `sum`, `max`, `min`, `sqnorm`, `l1norm` |
| `mean(x, where=m)`, `sum(x, where=m)` | what a mask leaves out reaches neither value nor gradient, though it be NaN |
| `diff(x, n=3)` | the third difference; `n` is a whole number in the text |
| `"state state"` | the axes of a square matrix; in messages the second is `state'` |
| `quadratic_form(x, Q)` | a vector and such a matrix, or its diagonal, or a number |
| `matvec(Q, x)` | the product of such a matrix and a vector, a vector; `dot` refuses a matrix |
| `"states.base.vel[..., :2]"` | components of a vector, as a quantity of their own |
| `softmax`, `log_softmax`, `logsumexp` | along the axis of a vector |
| `cross_entropy(logits, labels)` | labels with the axis of the classes are probabilities, else numbers of classes |
| `kl_divergence(logits_p, logits_q)`, `sigmoid_cross_entropy(logits, labels)` | from logits, also large ones |
| `l1norm(model)` | with `sqnorm(model)` the elastic net |
| `greater(x, y)`, `less`, `equal`, `where(m, x, y)` | indicators, and a choice |
| `rename(x, batch=other)` | a second copy of an axis, for pairs of trials, members or quantiles |
| `expand(x, axis=other)` | the same along an axis that `x` lacks; nothing is stretched unasked |
| `dot(x, y, axis=xyz)` | where each has axes of its own all pairs are made, by one `einsum` |
| `index(axis=quantile)`, `length(axis=batch)` | the places along an axis, from 0, and how many there are |
| `gather(x, i, axis=action)`, `one_hot(i, axis=other)` | the value at a place, and a 1 there |
| `stop_gradient(x)` | the value, into which no gradient goes: targets, weights, what another loss trains |

A mean with a mask of nothing but 0 is 0. Axes that do not fit are told when the loss is compiled:

```console
$ lossdsl check "mean(velocity, where=effector.vel)"
the mask `effector.vel` has the axis `xy`, which `velocity` has not: (batch, time, xy) and (batch, time)
    mean(velocity, where=effector.vel)
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
reduce the mask, as in `max(effector.vel, axis=xy)` [mask-axes]
```
"""


def load(name: str) -> ModuleType:
    """An example."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    return import_module(name)


def section(name: str) -> str:
    """One example on the page."""
    example = load(name)
    loss = ld.compile(example.LOSS, example.VOCABULARY)
    title, _, what = inspect.getdoc(example).partition(": ")
    picture = f"gallery_{name}.png"
    parts = [
        f"## {title}",
        f"{what[0].upper()}{what[1:]}",
        f"```loss\n{example.LOSS}```",
        f"```math\n{loss.latex(form='aligned')}\n```",
        "<details><summary>In full</summary>",
        f"```math\n{loss.latex(expand=True, form='aligned')}\n```",
        "</details>",
        "<details><summary>By hand in JAX</summary>",
        f"```python\n{inspect.getsource(example.by_hand)}```",
        "</details>",
        *([f"![{title}](pictures/{picture})"] if (DOCS / "pictures" / picture).exists() else []),
        f"*What became easier:* {example.EASIER}",
        f"Source: {example.SOURCE.strip()}",
        f"[The file](../examples/gallery/{name}.py)",
    ]
    return "\n\n".join(parts)


def page() -> str:
    """The whole page."""
    return "\n\n".join([INTRODUCTION.strip(), *map(section, NAMES), CLOSING.strip()]) + "\n"


if __name__ == "__main__":
    (DOCS / "gallery.md").write_text(page(), encoding="utf-8")
