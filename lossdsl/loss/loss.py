"""What a user holds: a loss, made from text, from a mapping, or by algebra; called on trajectories."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import numpy as np
from jax import Array

from lossdsl.backends import Program, feedbax_loss
from lossdsl.errors import LossError, error
from lossdsl.language import Expr
from lossdsl.loss.algebra import grouped, single, without
from lossdsl.loss.changed import check_labels, new_numbers, new_parameters
from lossdsl.loss.compiler import check_label, mapping, named_losses, piece
from lossdsl.loss.evaluate import evaluated, given_step
from lossdsl.loss.finite import check_finite
from lossdsl.loss.gradients import GradientReport, gradient_report
from lossdsl.loss.parts import Parts, Written, check_single, fields_of, is_ensemble, term_parts, terms_now
from lossdsl.loss.plain import config_of
from lossdsl.loss.residuals import residuals_of
from lossdsl.loss.scalars import Held, copied
from lossdsl.loss.shown import digest, text
from lossdsl.loss.state import Stateful
from lossdsl.loss.stream import Streams, stream_source
from lossdsl.loss.summed import Summed
from lossdsl.loss.values import LossDict
from lossdsl.meaning import Defined, Term, each_name, ends_of, time_rows, written
from lossdsl.operators import BATCH


class AbstractLoss(Summed):
    """A loss term: a label and a value per trial.

    Subclass it with `label` and `term`; `+`, `-`, `*` and `/` with numbers make a `CompositeLoss`.

    Attributes:
        label: The key of its value in a `LossDict`.
        axes: What `term` returns: a number per trial; `()` in a class whose number no trial changes.
    """

    label: eqx.AbstractVar[str]
    axes: ClassVar[tuple[str, ...]] = (BATCH,)

    @abstractmethod
    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        """The value of each trial: the axes (batch,), everything else reduced."""

    @cached_property
    def composite(self) -> "CompositeLoss":
        """The loss as a weighted sum of terms; a term alone has the weight 1.

        Raises:
            LossSyntaxError: If the label is not a name.
        """
        return CompositeLoss.of(term_parts(self))

    @property
    def parts(self) -> Parts:
        """What it is made of."""
        return self.composite.parts

    def __call__(self, states: Any, trial_specs: Any = None, model: Any = None, step: Any = None) -> LossDict:
        """The weighted value of every term, see `CompositeLoss`."""
        return self.composite(states, trial_specs, model, step)

    def to_feedbax(self) -> Any:
        """The loss as one of Feedbax, for its tasks and its trainer: a term of its own class for each of ours.

        Returns:
            A `feedbax.loss.CompositeLoss` with the same labels and weights; each term gives a value per trial.

        Raises:
            LossValueError: If Feedbax is not installed, or the loss needs `step`, which Feedbax does not give.
        """
        loss = self.composite
        if loss.program.uses_step:
            raise error("feedbax-step")
        parts = loss.parts
        alone = {label: CompositeLoss.of(single(parts, label)) for label in loss.labels}
        weights = loss.program.weights(loss.numbers, loss.parameters, None)
        return feedbax_loss(alone, dict(zip(alone, weights, strict=True)), loss.label)


class CompositeLoss(Stateful, Streams, AbstractLoss):
    """A weighted sum of terms: what `compile`, the algebra of losses and this constructor give.

    An Equinox module whose leaves are arrays, so that a new weight or parameter never retraces.

    Args:
        terms: A list of losses, or a mapping from label to loss; a text will do for a loss. The terms of a loss that
            has several are flattened, with `group_` before their labels, where the group is the key, or the
            label of the loss. What is None in a mapping is left out.
        weights: A list for a list, or a mapping by label; each weight multiplies those of the loss. 1 if not given.
        label: What prefixes the labels of the terms when this loss becomes part of another.

    Raises:
        LossNameError: For weights that do not match the terms, and two different terms of one label.
        LossSyntaxError: For a label that is not a name.
        LossValueError: For a weight that is not a finite real number.

    Attributes:
        held: The weights that are numbers as one array, `numbers`, sorted by label.
        parameters: The parameters, by name.
        program: What is compiled, with the source that runs.

    Example:
        >>> from lossdsl import compile
        >>> loss = compile("position + 0.1*velocity").with_weights(velocity=0.2)
        >>> str(loss)
        'position + 0.2*velocity'
        >>> str(CompositeLoss({"reach": loss, "effort": "nn_output"}, weights={"reach": 1.0, "effort": 1e-5}))
        'position as reach_position + 0.2*velocity as reach_velocity + 1e-5*nn_output as effort'
    """

    held: Held
    parameters: dict[str, Array]
    objects: dict[str, Any]
    program: Program = eqx.field(static=True)
    written: Written = eqx.field(static=True)
    rest: Any = eqx.field(static=True)
    label: str = eqx.field(static=True)

    def __init__(
        self,
        terms: "Mapping[str, AbstractLoss | str] | Sequence[AbstractLoss | str]",
        weights: Mapping[str, Any] | Sequence[Any] | None = None,
        label: str = "",
    ):
        named, weights = named_losses(terms, weights)
        if label != "":
            check_label(label)
        parts = grouped([(key, *piece(term)) for key, term in named], weights, by_label=isinstance(terms, Mapping))
        self._hold(parts, label)

    @classmethod
    def of(cls, parts: Parts) -> "CompositeLoss":
        """The loss that is made of these parts."""
        loss = object.__new__(cls)
        loss._hold(parts, "")
        return loss

    def _hold(self, parts: Parts, label: str) -> None:
        for name, value in {**fields_of(parts), "label": label}.items():
            object.__setattr__(self, name, value)

    def __call__(self, states: Any, trial_specs: Any = None, model: Any = None, step: Any = None) -> LossDict:
        """The weighted value of every term, averaged over `batch`.

        Args:
            states: The trajectories of the model.
            trial_specs: The trials, for a loss that reads them.
            model: The model, for a loss that reads it.
            step: The training iteration, for a loss that needs it. As an argument of your own jitted function give it
                as an array, `jnp.asarray(i)`: a Python number is compiled in, and would retrace each time.

        Returns:
            A `LossDict` in the order of the terms.

        Raises:
            LossDataError: For arrays that are missing or do not fit.
            LossValueError: If the loss needs `step` and is not given it.
        """
        return evaluated(self, states, trial_specs, model, step)

    @property
    def composite(self) -> "CompositeLoss":
        """The loss itself."""
        return self

    # `jax.jit(loss)` needs a hash that agrees with `==`: a loss is itself alone, `diff` tells what two compute.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def per_trial(self, states: Any, trial_specs: Any = None, model: Any = None, step: Any = None) -> LossDict:
        """The same before the mean over `batch`: each value has the axes (batch,), `raw` is without weights.

        A term that no trial changes is one number.
        """
        return evaluated(self, states, trial_specs, model, step, trials=True)

    def check(self, states: Any, trial_specs: Any = None, model: Any = None, step: Any = None) -> LossDict:
        """The loss as it is called, if all its values are finite.

        Raises:
            LossDataError: With the terms that are not, and what is not finite in the arrays that they read, and where.
        """
        values = self(states, trial_specs, model, step)
        check_finite(values, self.program, self.program.pick(states, trial_specs, model))
        return values

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        """The total of each trial."""
        return self.per_trial(states, trial_specs, model).total

    def gradient_report(self, rollout: Any, model: Any, trial_specs: Any = None, step: Any = None) -> GradientReport:
        """How hard each term pulls on a model, and which terms pull against each other, in one compiled call.

        The gradients are those with respect to the arrays of floats of the model. It is compiled once for a function
        `rollout`, so define that once; other values of the model, the trials, the weights and `step` never retrace.

        Args:
            rollout: The states of a model on some trials: `rollout(model, trial_specs)`.
            model: The model, which a loss that reads it is given too.
            trial_specs: The trials; without them `rollout` is given None.
            step: The training iteration, for a loss that needs it.

        Returns:
            The norms of the gradients with and without weights, and the cosines between them; printed, a table.

        Raises:
            LossDataError: For arrays that are missing or do not fit.
            LossValueError: If the loss needs `step` and is not given it, or the model has no arrays of floats.
        """
        check_single(self.numbers, self.parameters)
        return gradient_report(self, rollout, model, trial_specs, given_step(self.program, step))

    def residuals(self, states: Any, trial_specs: Any = None, model: Any = None, step: Any = None) -> dict[str, Array]:
        """What squares to the loss, for solvers of nonlinear least squares such as Gauss-Newton's.

        Args:
            states: The trajectories of the model.
            trial_specs: The trials, for a loss that reads them.
            model: The model, for a loss that reads it.
            step: The training iteration, for a loss that needs it.

        Returns:
            An array for each term by its label, flat: the sum of its squares is the weighted value of the term,
            averaged over `batch`. A solver that minimises half of that sum finds the same minimum.

        Raises:
            LossDataError: For arrays that are missing or do not fit.
            LossValueError: For a term that is not a sum of squares, and a weight or a factor that is negative; traced
                ones give NaN.

        Example:
            >>> from lossdsl import compile
            >>> loss = compile("2*sum(square(x))", "none", quantities={"x": "batch time"})
            >>> loss.residuals({"x": jax.numpy.ones((1, 3))})["sum(square(x))"]
            Array([1.4142135, 1.4142135, 1.4142135], dtype=float32)
        """
        return residuals_of(self, states, trial_specs, model, step)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the terms, in order."""
        return tuple(self.program.terms)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The normal form, with the weights as they are now; traced, as they were written."""
        check_single(self.numbers, self.parameters)
        return terms_now(self.written, self.program, self.numbers, self.objects, self.rest)

    @property
    def parts(self) -> Parts:
        """What it is made of, as it is now."""
        traced = self.weights if isinstance(self.numbers, jax.core.Tracer) else {}
        return Parts(Written(self.terms, self.written.local), traced, self.parameters)

    @property
    def expr(self) -> Expr:
        """The weighted sum of the terms as a tree."""
        return written(self.terms)

    @property
    def digest(self) -> str:
        """A hash of the objective, its terms with their definitions unfolded, its weights and parameters.

        The same on every machine, in every process and order of the terms. A term in Python counts with its fields.
        """
        return digest(self.terms, self.parameters)

    def with_weights(self, weights: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """The loss with some weights changed; nothing is traced or compiled again.

        Args:
            weights: New weights by label, for labels such as `final(velocity)`.
            more: New weights by label.

        Raises:
            LossNameError: For a label that is not there, or whose weight is made of parameters.
            LossValueError: For a weight that is not a finite real number.
        """
        if not (new := {**mapping(weights, "weights", "them by label: `with_weights(position=2.0)`"), **more}):
            return self
        numbers = new_numbers(self.program, self.written, self.numbers, new)
        # Losses made from one another share no buffer: either may be donated.
        return eqx.tree_at(lambda loss: loss.numbers, jax.tree.map(copied, self), numbers)

    def with_parameters(self, parameters: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """The loss with some parameters changed; nothing is traced or compiled again.

        Raises:
            LossNameError: For a parameter that the loss does not have.
            LossValueError: For a value that is not a finite real number.
        """
        new = {**mapping(parameters, "parameters", "them by name: `with_parameters(alpha=2.0)`"), **more}
        return eqx.tree_at(
            lambda loss: loss.parameters, jax.tree.map(copied, self), new_parameters(self.parameters, new)
        )

    def without(self, *labels: str) -> "CompositeLoss":
        """The loss without some of its terms.

        Raises:
            LossNameError: For a label that is not there, or if none would be left.
        """
        check_labels(labels, self.program)
        return CompositeLoss.of(without(self.parts, labels))

    def to_config(self) -> dict[str, Any]:
        """The loss as plain data, with the weights and parameters of now; `load` and `compile` take it back.

        Returns:
            `vocabulary`, the rows of `quantities`, `terms` and `parameters` that the loss needs, and `loss`, its text.
            Compiled again it has the same digest.

        Raises:
            LossValueError: For a term that is a Python object.

        Example:
            >>> from lossdsl import compile
            >>> compile("alpha*position", parameters={"alpha": 0.1}).with_parameters(alpha=0.2).to_config()
            {'vocabulary': 'feedbax', 'parameters': {'alpha': 0.2}, 'loss': 'alpha*position'}
        """
        definitions = [name for name in self.written.local if isinstance(name.meaning, Defined)]
        exprs = [self.expr, *definitions]
        return config_of(str(self), each_name([*exprs, *ends_of(exprs)]), self.parameters, time_rows(exprs))

    def python(self, form: str = "batch") -> str:
        """The Python/JAX source that runs: of whole trajectories, or with `form="stream"` of one step at a time."""
        lines = [f"# {line}\n" for line in str(self).splitlines()]
        return "".join([*lines, self.program.source if form == "batch" else stream_source(self, form)])

    def __str__(self) -> str:
        """The text: definitions, then the weighted terms; compiled again it is the same loss."""
        return text(self.terms, self.written.local)

    def __repr__(self) -> str:
        if is_ensemble(self.numbers, self.parameters):
            members = np.broadcast_shapes(np.shape(self.numbers)[:-1], *map(np.shape, self.parameters.values()))
            return f"<losses {members} of {text(self.written.terms, self.written.local)!r}>"
        try:
            return f"compile({str(self)!r})"
        except LossError as failure:  # a weight that is not finite, which a debugger should show
            return f"<a loss: {failure.message}>"
