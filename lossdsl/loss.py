"""What a user holds: a loss, made from text, from a mapping, or by algebra; called on trajectories."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.algebra import (
    Parts,
    Row,
    Written,
    assemble,
    check_single,
    exact_scale,
    join,
    override,
    relabelled,
    rows,
    scales,
)
from lossdsl.axes import BATCH
from lossdsl.bind import Defined, Object, each_name
from lossdsl.bridge import feedbax_loss
from lossdsl.compiler import collector_paused, mapping, parts_of, told_by_term
from lossdsl.data import check_tree
from lossdsl.errors import LossError, described, did_you_mean, error, listed
from lossdsl.expr import Expr, Name, program_text
from lossdsl.gradients import GradientReport, gradient_report
from lossdsl.normal import Term, written
from lossdsl.notebook import html_table
from lossdsl.parse import is_name
from lossdsl.program import Program, build
from lossdsl.scalars import as_scalar, as_vector, described_number, exact_number, held_number, with_values
from lossdsl.symbolic import expression
from lossdsl.values import LossDict
from lossdsl.vocabulary import FEEDBAX, ROOTS, Vocabulary


def compile(
    loss: "str | Mapping[str, Any] | Expr | AbstractLoss",
    vocabulary: Vocabulary | str = FEEDBAX,
    *,
    quantities: Mapping[str, Any] | None = None,
    terms: "Mapping[str, Any] | Sequence[AbstractLoss] | None" = None,
    parameters: Mapping[str, Any] | None = None,
) -> "CompositeLoss":
    """Compile a loss.

    The arguments are the keys of a config, and may be what a config gives: plain mappings, `DictConfig` of OmegaConf,
    rows of a vocabulary as mappings, numbers as texts.

    Args:
        loss: A text; a mapping from label to a text, or to `{weight, expr}`, one term each; a tree from `parse`; or
            a loss.
        vocabulary: What its names mean; `"feedbax"` if none is given, `"none"` for an empty one.
        quantities: More quantities, as in `Vocabulary`.
        terms: More terms: objects with `label` and `term(states, trial_specs, model)`, or texts by name.
        parameters: More parameters with their defaults.

    Returns:
        The loss, an Equinox module whose leaves are its weights and parameters.

    Raises:
        LossError: What is wrong, the place in the text, and a hint.

    Example:
        >>> loss = compile("1.0*position + 1e-5*nn_hidden + final(velocity)")
        >>> [term.label for term in loss.terms]
        ['position', 'nn_hidden', 'final(velocity)']
    """
    if isinstance(loss, AbstractLoss):
        return loss.composite
    with collector_paused(), told_by_term(loss):
        return CompositeLoss(parts_of(loss, vocabulary, quantities, terms, parameters))


class AbstractLoss(eqx.Module):
    """A loss term: a label and a value per trial.

    Subclass it with `label` and `term`; `+`, `-`, `*` and `/` with numbers make a `CompositeLoss`.

    Attributes:
        label: The key of its value in a `LossDict`.
        axes: What `term` returns: a number per trial; `()` in a class whose number no trial changes.
    """

    label: eqx.AbstractVar[str]
    axes: ClassVar[tuple[str, ...]] = (BATCH,)

    # NumPy then leaves `2.0 * loss` to us, where it would make an array of losses.
    __array_ufunc__ = None

    @abstractmethod
    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
        """The value of each trial: the axes (batch,), everything else reduced."""

    @cached_property
    def composite(self) -> "CompositeLoss":
        """The loss as a weighted sum of terms; a term alone has the weight 1.

        Raises:
            LossSyntaxError: If the label is not a name.
        """
        if not is_name(self.label):
            raise error("bad-label", found=f"`{self.label}`")
        name = Name(name=self.label, meaning=Object(self.label, self))
        return CompositeLoss(Parts(Written((Term(self.label, Fraction(1), name),)), {}, {}))

    def latex(self, *, expand: bool = False, form: str = "line", where: bool = False) -> str:
        r"""The loss in LaTeX.

        Args:
            expand: Unfold definitions, and write the sum over time and the mean over trials.
            form: `"line"`, or `"aligned"` with one term a row.
            where: Also say what the symbols mean, one a row.

        Raises:
            LossValueError: For another form.

        Example:
            >>> print(compile("1e-5*position + final(velocity)").latex())
            \mathcal{L} = 10^{-5}\,\ell_{\mathrm{position}} + \left. \ell_{\mathrm{velocity}} \right|_{T}
        """
        # Mathematics and configs are imported when they are used, a tenth of the time of `import lossdsl`.
        from lossdsl.formula import FORMS, formula

        if form not in FORMS:
            advice = f"write {' or '.join(map(repr, FORMS))}"
            raise error("bad-argument", argument="form", got=described_number(form), advice=advice)
        loss = self.composite
        return formula(loss.terms, loss.written.local, expand=expand, where=where).latex(form)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex()}$"

    def _repr_html_(self) -> str:
        from lossdsl.formula import bodies

        loss = self.composite
        formulas = zip(loss.terms, bodies(loss.terms, loss.written.local), strict=True)
        rows = [[term.label, str(expression(term.factor)), rf"$\displaystyle {body}$"] for term, body in formulas]
        return html_table(["term", "weight", "formula"], rows)

    def __call__(self, states: Any, trial_specs: Any, model: Any = None, step: Any = None) -> LossDict:
        """The weighted value of every term, see `CompositeLoss`."""
        return self.composite(states, trial_specs, model, step)

    def __add__(self, other: Any) -> "CompositeLoss":
        if isinstance(other, AbstractLoss):
            return CompositeLoss(join([(self.composite, 1), (other.composite, 1)]))
        return _unless_number(other, self.composite)

    def __radd__(self, other: Any) -> "CompositeLoss":
        return _unless_number(other, self.composite)

    def __sub__(self, other: Any) -> "CompositeLoss":
        return self + -other if isinstance(other, AbstractLoss) else _unless_number(other, self.composite)

    def __rsub__(self, other: Any) -> "CompositeLoss":
        return _unless_number(other, -self)

    def __neg__(self) -> "CompositeLoss":
        return CompositeLoss(join([(self.composite, -1)]))

    def __mul__(self, scale: Any) -> "CompositeLoss":
        return CompositeLoss(join([(self.composite, scale)]))

    __rmul__ = __mul__

    def __truediv__(self, scale: Any) -> "CompositeLoss":
        number = exact_scale(scale)
        if number == 0:
            raise error("divide")
        return self * (1 / scale if number is None else 1 / number)

    def __or__(self, other: "AbstractLoss") -> "CompositeLoss":
        """Both, where a term of the other takes the place of one with the same label."""
        if not isinstance(other, AbstractLoss):
            return NotImplemented
        return CompositeLoss(override(self.composite, other.composite))


class CompositeLoss(AbstractLoss):
    """A weighted sum of terms: what `compile`, the algebra of losses and this constructor give.

    An Equinox module. Its leaves are arrays, so a new weight or parameter never retraces.

    Args:
        terms: A list of losses, or a mapping from label to loss; a text will do for a loss. The terms of a loss that
            has several are flattened, with `group_` before their labels, where the group is the key, or the
            label of the loss.
        weights: A list for a list, or a mapping by label; each weight multiplies those of the loss. 1 if not given.
        label: What prefixes the labels of the terms when this loss becomes part of another.

    Raises:
        LossNameError: For weights that do not match the terms, and two different terms of one label.
        LossValueError: For a weight that is not a finite real number.

    Attributes:
        numbers: The weights that are numbers, in the order of the terms.
        parameters: The parameters, by name.
        program: What is compiled, with the source that runs.

    Example:
        >>> loss = compile("position + 0.1*velocity").with_weights(velocity=0.2)
        >>> str(loss)
        'position + 0.2*velocity'
        >>> str(CompositeLoss({"reach": loss, "effort": "nn_output"}, weights={"reach": 1.0, "effort": 1e-5}))
        'position as reach_position + 0.2*velocity as reach_velocity + 1e-5*nn_output as effort'
    """

    numbers: Array
    parameters: dict[str, Array]
    objects: dict[str, Any]
    program: Program = eqx.field(static=True)
    written: Written = eqx.field(static=True)
    rest: Any = eqx.field(static=True)
    label: str = eqx.field(static=True)

    def __init__(
        self,
        terms: "Mapping[str, AbstractLoss | str] | Sequence[AbstractLoss | str] | Parts",
        weights: Mapping[str, Any] | Sequence[Any] | None = None,
        label: str = "",
    ):
        parts = terms if isinstance(terms, Parts) else _grouped(terms, weights)
        written, traced, parameters = parts.written, parts.weights, parts.parameters
        self.label = label
        self.written = written
        self.program = build(written.terms)
        numbers = [term for term in written.terms if term.number is not None]
        spans = {term.label: term.span for term in numbers}
        self.numbers = as_vector({term.label: traced.get(term.label, term.number) for term in numbers}, spans)
        self.parameters = {n: as_scalar(parameters[n], "the parameter", n) for n in self.program.parameters}
        called = {name: meaning.object for name, meaning in self.program.objects.items()}
        self.objects, self.rest = eqx.partition(called, eqx.is_array)

    def __call__(self, states: Any, trial_specs: Any, model: Any = None, step: Any = None) -> LossDict:
        """The weighted value of every term, averaged over `batch`.

        Args:
            states: The trajectories of the model.
            trial_specs: The trials.
            model: The model, for a loss that reads it.
            step: The training iteration, for a loss that needs it. As an argument of your own jitted function give it
                as an array, `jnp.asarray(i)`: a Python number is compiled in, and would retrace each time.

        Returns:
            A `LossDict` in the order of the terms.

        Raises:
            LossDataError: For arrays that are missing or do not fit.
            LossValueError: If the loss needs `step` and is not given it.
        """
        return _evaluated(self, states, trial_specs, model, step)

    @property
    def composite(self) -> "CompositeLoss":
        """The loss itself."""
        return self

    def __hash__(self) -> int:
        # `jax.jit(loss)` asks for it. A loss is immutable, so the object itself will do.
        return id(self)

    def per_trial(self, states: Any, trial_specs: Any, model: Any = None, step: Any = None) -> LossDict:
        """The same before the mean over `batch`: each value has the axes (batch,), `raw` is without weights.

        A term that no trial changes is one number.
        """
        return _evaluated(self, states, trial_specs, model, step, trials=True)

    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
        """The total of each trial."""
        return self.per_trial(states, trial_specs, model).total

    def gradient_report(self, rollout: Any, model: Any, trial_specs: Any, step: Any = None) -> GradientReport:
        """How hard each term pulls on a model, and which terms pull against each other, in one compiled call.

        The gradients are those with respect to the arrays of floats of the model. It is compiled once for a function
        `rollout`, so define that once; other values of the model, the trials, the weights and `step` never retrace.

        Args:
            rollout: The states of a model on some trials: `rollout(model, trial_specs)`.
            model: The model, which a loss that reads it is given too.
            trial_specs: The trials.
            step: The training iteration, for a loss that needs it.

        Returns:
            The norms of the gradients with and without weights, and the cosines between them; printed, a table.

        Raises:
            LossDataError: For arrays that are missing or do not fit.
            LossValueError: If the loss needs `step` and is not given it, or the model has no arrays of floats.
        """
        return gradient_report(self, rollout, model, trial_specs, _given_step(self.program, step))

    def to_feedbax(self) -> Any:
        """The loss as one of Feedbax, for its tasks and its trainer: a term of its own class for each of ours.

        Returns:
            A `feedbax.loss.CompositeLoss` with the same labels and weights; each term gives a value per trial.

        Raises:
            LossValueError: If Feedbax is not installed, or the loss needs `step`, which Feedbax does not give.
        """
        if self.program.uses_step:
            raise error("feedbax-step")
        alone = {
            row.term.label: CompositeLoss(assemble([Row(replace(row.term, factor=Fraction(1)))], [self]))
            for row in rows(self)
        }
        weights = self.program.weights(self.numbers, self.parameters, None)
        return feedbax_loss(alone, dict(zip(alone, weights, strict=True)), self.label)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the terms, in order."""
        return tuple(self.program.terms)

    @property
    def weights(self) -> Mapping[str, Array]:
        """The weights that are numbers, by label; those made of parameters or `step` are in `terms`."""
        return dict(zip(self.program.numbers, self.numbers, strict=True))

    @property
    def terms(self) -> tuple[Term, ...]:
        """The normal form, with the weights as they are now; traced or mapped over, as they were written."""
        known = isinstance(self.numbers, jax.Array | np.ndarray) and not isinstance(self.numbers, jax.core.Tracer)
        known = known and self.numbers.ndim == 1
        now = dict(zip(self.program.numbers, np.asarray(self.numbers), strict=True)) if known else {}
        called = eqx.combine(self.objects, self.rest)
        objects: dict[Expr, Expr] = {
            Name(name=name, meaning=meaning): Name(name=name, meaning=Object(name, called[name]))
            for name, meaning in self.program.objects.items()
        }
        return tuple(
            replace(
                term,
                factor=term.factor
                if term.label not in now or term.number is None
                else held_number(now[term.label], term.number, term.factor, term.label),
                expr=term.expr.xreplace(objects) if objects else term.expr,
            )
            for term in self.written.terms
        )

    @property
    def expr(self) -> Expr:
        """The weighted sum of the terms as a tree."""
        return written(self.terms)

    @property
    def digest(self) -> str:
        """A hash of the objective, its terms with their definitions unfolded, its weights and parameters.

        The same on every machine and in every process, and in every order of the terms. A term in Python counts with
        its class and its fields.
        """
        check_single(self)
        rows = [f"{t.label} {expression(t.factor)} {t.expr.content.hex()}" for t in self.terms]
        rows += [f"{name} {exact_number(value)}" for name, value in self.parameters.items()]
        return sha256("\n".join(sorted(rows)).encode()).hexdigest()[:16]

    def with_weights(self, weights: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """The loss with some weights changed; nothing is traced or compiled again.

        Args:
            weights: New weights by label, for labels such as `final(velocity)`.
            more: New weights by label.

        Raises:
            LossNameError: For a label that is not there, or whose weight is made of parameters.
            LossValueError: For a weight that is not a finite real number.
        """
        new = {**mapping(weights, "weights", "them by label: `with_weights(position=2.0)`"), **more}
        for label in new:
            if label not in self.program.terms:
                advice = did_you_mean(str(label), self.labels, f"its terms are {listed(self.labels)}")
                raise error("unknown-label", name=str(label), advice=advice)
            if label not in self.program.numbers:
                raise self._made_of_parameters(label)
        if not new:
            return self
        # All at once: a method that adapts weights sets them in each training step.
        places = np.array([self.program.numbers.index(label) for label in new])
        numbers = with_values(self.numbers, (..., places), as_vector(new, dtype=self.numbers.dtype))
        return eqx.tree_at(lambda loss: loss.numbers, self, numbers)

    def _made_of_parameters(self, label: str) -> LossError:
        term = next(term for term in self.written.terms if term.label == label)
        weight = expression(term.factor)
        names = [name for name in each_name([weight]) if name in self.parameters]
        advice = f"change it with `with_parameters({'=..., '.join(names)}=...)`"
        if not names:
            advice = f"it follows `step`; for a factor that changes write `alpha*{label}` with a parameter `alpha`"
        return error("weight-of-parameters", label=label, weight=str(weight), advice=advice)

    def with_parameters(self, parameters: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """The loss with some parameters changed; nothing is traced or compiled again.

        Raises:
            LossNameError: For a parameter that the loss does not have.
            LossValueError: For a value that is not a finite real number.
        """
        new = {**mapping(parameters, "parameters", "them by name: `with_parameters(alpha=2.0)`"), **more}
        for name in new:
            if name not in self.parameters:
                there = f"its parameters are {listed(self.parameters)}" if self.parameters else "it has none"
                raise error(
                    "unknown-parameter",
                    name=str(name),
                    advice=did_you_mean(str(name), self.parameters, there),
                )
        old = self.parameters
        changed = {
            name: with_values(old[name], ..., as_scalar(value, "the parameter", name, old[name].dtype))
            for name, value in new.items()
        }
        return eqx.tree_at(lambda loss: loss.parameters, self, {**old, **changed})

    def without(self, *labels: str) -> "CompositeLoss":
        """The loss without some of its terms.

        Raises:
            LossNameError: For a label that is not there, or if none would be left.
        """
        for label in labels:
            if label not in self.program.terms:
                advice = did_you_mean(label, self.labels, f"its terms are {listed(self.labels)}")
                raise error("unknown-label", name=label, advice=advice)
        return CompositeLoss(assemble([row for row in rows(self) if row.term.label not in labels], [self]))

    def to_config(self) -> dict[str, Any]:
        """The loss as plain data, with the weights and parameters of now; `load` and `compile` take it back.

        Returns:
            `vocabulary`, the rows of `quantities`, `terms` and `parameters` that the loss needs, and `loss`, its text.
            Compiled again it has the same digest.

        Raises:
            LossValueError: For a term that is a Python object.

        Example:
            >>> compile("alpha*position", parameters={"alpha": 0.1}).with_parameters(alpha=0.2).to_config()
            {'vocabulary': 'feedbax', 'parameters': {'alpha': 0.2}, 'loss': 'alpha*position'}
        """
        from lossdsl.config import config_of

        check_single(self)
        definitions = [name for name in self.written.local if isinstance(name.meaning, Defined)]
        return config_of(str(self), each_name([self.expr, *definitions]), self.parameters)

    def python(self) -> str:
        """The Python/JAX source that runs."""
        return "".join(f"# {line}\n" for line in str(self).splitlines()) + self.program.source

    def __str__(self) -> str:
        """The text: definitions, then the weighted terms; compiled again it is the same loss."""
        return program_text(
            [(name, name.meaning.expr) for name in self.written.local if isinstance(name.meaning, Defined)], self.expr
        )

    def __repr__(self) -> str:
        mapped = getattr(self.numbers, "shape", ())[:-1]
        try:
            return f"<losses {mapped} of {str(self)!r}>" if mapped else f"compile({str(self)!r})"
        except LossError as failure:  # a weight that is not finite, which a debugger should show
            return f"<a loss: {failure.message}>"


def _evaluated(
    loss: CompositeLoss, states: Any, trial_specs: Any, model: Any, step: Any, *, trials: bool = False
) -> LossDict:
    """What a loss returns, for each trial or averaged.

    Not a method: Equinox builds a module each time a method of one is looked up, a tenth of a small call.
    """
    own = loss.__dict__  # each look-up of an attribute goes through Python code of Equinox
    program, numbers, parameters = own["program"], own["numbers"], own["parameters"]
    step, arrays = _given_step(program, step), None
    try:
        arrays = program.pick(states, trial_specs, model)
        if program.objects:
            given = (states, trial_specs, model)
            for root, value in zip(ROOTS, given, strict=True):
                check_tree(root, value)
            objects = eqx.combine(loss.objects, loss.rest)
            out = program.run_with_objects(trials, numbers, parameters, step, arrays, objects, given)
        else:
            out = (program.run_trials if trials else program.run)(numbers, parameters, step, arrays)
    except LossError as failure:
        raise failure.with_traceback(None) from None
    except (TypeError, ValueError):
        if arrays is not None:
            program.check(arrays)
        raise
    values, raw, weights, total = out
    return LossDict.of(zip(program.terms, values, strict=True), raw, numbers if weights is None else weights, total)


def _given_step(program: Program, step: Any) -> Any:
    """The training iteration in the one type that the loss is compiled for, so that no kind of number retraces."""
    if not program.uses_step:
        return None
    if step is None:
        raise error("no-step")
    dtype = jnp.result_type(float)
    if isinstance(step, int) and not isinstance(step, bool) and abs(step) < 2**31:
        return np.asarray(step, dtype)
    if getattr(step, "shape", ()) != () or isinstance(step, str):
        raise error("bad-step", got=described_number(step))
    if isinstance(step, jax.Array) and jnp.issubdtype(step.dtype, jnp.number) and not jnp.iscomplexobj(step):
        is_held = step.dtype == dtype and not step.weak_type
        return step if is_held else jax.lax.convert_element_type(step, dtype)
    return as_scalar(step, "the training iteration", "step")


def _grouped(terms: Any, weights: Any) -> Parts:
    """The parts of a group of losses."""
    if not isinstance(terms, Mapping | Sequence) or isinstance(terms, str):
        advice = "give a list of losses, or a mapping from label to loss"
        raise error("bad-argument", argument="terms", got=described(terms), advice=advice)
    named = list(terms.items()) if isinstance(terms, Mapping) else [("", term) for term in terms]
    losses = [(key, _as_loss(term)) for key, term in named]
    for key, _ in losses:
        if isinstance(terms, Mapping) and not (isinstance(key, str) and is_name(key)):
            raise error("bad-label", found=f"`{key}`")
    labels = [key or loss.label or loss.labels[0] for key, loss in losses]
    factors = scales(labels, weights, by_label=isinstance(terms, Mapping))
    found: list[Row] = []
    for (key, loss), scale in zip(losses, factors, strict=True):
        group = bool(loss.label) or len(loss.labels) > 1
        name = key or loss.label
        found += relabelled(rows(loss, scale), name, group=group) if name else rows(loss, scale)
    return assemble(found, [loss for _, loss in losses])


def _as_loss(term: Any) -> CompositeLoss:
    if isinstance(term, type) or not isinstance(term, AbstractLoss | str | Mapping | Expr):
        advice = f"give an instance: `{term.__name__}()`" if isinstance(term, type) else "give losses or texts"
        raise error("bad-argument", argument="terms", got=described(term), advice=advice)
    return compile(term)


def _unless_number(other: Any, loss: CompositeLoss) -> Any:
    """What becomes of a loss and something else that is added: `sum(...)` begins with 0, another number is refused."""
    if isinstance(other, int | float) and other == 0:
        return loss
    if isinstance(other, int | float | np.generic | np.ndarray | jax.Array):
        raise error("add", got=described_number(other))
    return NotImplemented
