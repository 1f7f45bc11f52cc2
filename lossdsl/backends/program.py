"""Source to function: the compiled form of a loss, and its evaluation under `jit`."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any
from weakref import WeakValueDictionary

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.backends import data
from lossdsl.backends.emit import emit
from lossdsl.backends.joined import joined
from lossdsl.backends.mesh import Sharing, automatic
from lossdsl.backends.python import functions
from lossdsl.backends.reader import reader
from lossdsl.errors import LossError, described, error, listed
from lossdsl.language import Expr, Number
from lossdsl.meaning import ROOTS, Defined, Object, Parameter, Quantity, Term, each_name, expression
from lossdsl.operators import BATCH, STEP, Axes, Scaled, number, wide


@dataclass(frozen=True, eq=False)
class Program:
    """What of a loss is compiled; two of the same source are one, and share what XLA made of it.

    Attributes:
        source: The Python source.
        terms: The labels with their bodies, in order.
        numbers: The labels of the terms whose weight is a number, sorted as JAX sorts a dict, so that a file of
            leaves fits the same terms in another order.
        quantities: What it reads, in the order of the arrays.
        parameters: The parameters that it uses, `step` left out.
        objects: The Python terms that it was built with, by name; a loss holds those that it calls.
        uses_step: Whether it needs `step`.
        masks: The quantities that stand as masks, which stay booleans if they are.
    """

    source: str
    terms: Mapping[str, Expr]
    numbers: tuple[str, ...]
    quantities: Mapping[str, Quantity]
    parameters: tuple[str, ...]
    objects: Mapping[str, Object]
    uses_step: bool
    masks: frozenset[str]

    def __repr__(self) -> str:
        return f"Program of {listed(self.terms)}"

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Program) and self.source == other.source)

    def __hash__(self) -> int:
        return hash(self.source)

    def __reduce__(self) -> Any:
        return _interned, tuple(getattr(self, field.name) for field in fields(self))

    @cached_property
    def functions(self) -> dict[str, Callable[..., Any]]:
        """The functions of the source."""
        return functions(self.source, self, ("quantities", "per_trial", "weights"))

    @cached_property
    def _read(self) -> list[Callable[..., tuple[Any, ...] | None]]:
        """How the arrays were found the last time."""
        return [reader((), {})]

    def pick(self, states: Any, trial_specs: Any, model: Any) -> tuple[Any, ...]:
        """The arrays that the loss reads; one that is not there is refused, with its term."""
        found = self._read[0](states, trial_specs, model)
        return found or self._taken(states, trial_specs, model)

    def _taken(self, *roots: Any) -> tuple[Any, ...]:
        try:
            arrays: tuple[Any, ...] = self.functions["quantities"](*roots)
        except LossError as failure:
            raise data.missing_in(failure, self.quantities, self.terms) from None
        given = dict(zip(ROOTS, roots, strict=True))
        data.warn_of_others(self.quantities.values(), given)
        self._read[0] = reader(self.quantities.values(), given)
        return arrays

    def check(self, arrays: Sequence[Any], terms: Mapping[str, Expr] | None = None) -> None:
        """Refuse arrays that are missing, of another rank, or of lengths that do not match; for these bodies."""
        data.check(self.quantities, arrays, self.terms if terms is None else terms)

    def per_trial(self, parameters: Any, step: Any, arrays: Sequence[Any], objects: Any = ()) -> dict[str, Array]:
        """The terms before the mean over `batch`, without weights; data that does not fit is refused."""
        found = self._scaled(parameters, step, arrays, objects)
        return {label: one.scaled(one.value) for label, one in zip(self.terms, found, strict=True)}

    def _scaled(self, parameters: Any, step: Any, arrays: Sequence[Any], objects: Any) -> list[Scaled]:
        self.check(arrays)
        if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
            check_literals(self.terms)
        batch = next((a.shape[q.dimensions.index(BATCH)] for q, a in self._batched(arrays)), None)
        called = {name: _called(name, term, self.objects[name].axes, batch) for name, term in dict(objects).items()}
        return as_scaled(self.functions["per_trial"](self._numbers(arrays), parameters, whole_step(step), called))

    def _numbers(self, arrays: Sequence[Any]) -> list[Any]:
        """The arrays as floats, but a mask of booleans as it is."""
        given = zip(self.quantities, arrays, strict=True)
        is_flag = [name in self.masks and getattr(array, "dtype", None) == np.bool_ for name, array in given]
        return [a if flag else jax.tree.map(number, a) for a, flag in zip(arrays, is_flag, strict=True)]

    def _batched(self, arrays: Sequence[Any]) -> list[tuple[Quantity, Any]]:
        return [(q, a) for q, a in zip(self.quantities.values(), arrays, strict=True) if BATCH in q.dimensions]

    def weights(self, numbers: Array, parameters: Any, step: Any) -> list[Array]:
        """The weights of all terms, in order."""
        made = self.functions["weights"](parameters, whole_step(step))
        given = self.by_label(numbers)
        return [jnp.asarray(made[label]) if label in made else given[label] for label in self.terms]

    def by_label(self, numbers: Iterable[Any]) -> dict[str, Any]:
        """The weights that are numbers by label, in the order of the terms."""
        known = dict(zip(self.numbers, numbers, strict=True))
        return {label: known[label] for label in self.terms if label in known}

    def evaluate(
        self,
        numbers: Array,
        parameters: Any,
        step: Any,
        arrays: Sequence[Any],
        objects: Any = (),
        *,
        trials: bool = False,
    ) -> Any:
        """Weighted values, values without weights, weights and total, averaged over `batch` or for each trial.

        Weights that are numbers stay with the caller, who has them: an array handed back takes time.
        """
        given = numbers, parameters, step, arrays
        sharing = Sharing(self.quantities.values(), arrays)
        if sharing.mesh is None or not (sharing.others or self.joins):
            return self._evaluate(*given, objects, trials)
        kept = [BATCH for expr in self.terms.values() if trials and BATCH in (expr.axes or ())]
        each = [sharing.over((BATCH,) if trials and BATCH in (expr.axes or ()) else ()) for expr in self.terms.values()]
        made = [sharing.over(()) for label in self.terms if label not in self.numbers]
        out = each, each, made, sharing.over(kept[:1])
        # Terms in Python are no part of it, for they may name how arrays are shared out.
        called = {name: call() for name, call in dict(objects).items()}

        def run(numbers: Any, parameters: Any, step: Any, arrays: Any, called: Mapping[str, Any]) -> Any:
            known = {name: partial(lambda value: value, value) for name, value in called.items()}
            return self._evaluate(numbers, parameters, step, arrays, known, trials)

        return automatic(run, out)(*given, called)

    def _evaluate(
        self, numbers: Any, parameters: Any, step: Any, arrays: Sequence[Any], objects: Any, trials: bool
    ) -> Any:
        found = self._scaled(parameters, step, arrays, objects)
        return self.weighed(numbers, parameters, step, found, trials=trials)

    @cached_property
    def joins(self) -> bool:
        """Whether a term needs more than one trial at a time."""
        return joined(self.terms.values()) is not None

    def weighed(self, numbers: Array, parameters: Any, step: Any, scaled: Iterable[Scaled], *, trials: bool) -> Any:
        """What `evaluate` gives, of the values of the terms."""
        # What is handed back is a copy: the caller may donate what is given or what is returned.
        over = jnp.array if trials else jnp.mean
        raw = [one.scaled(over(wide(one.value))) for one in scaled]
        weights = self.weights(numbers, parameters, step)
        values = [weighted(value, weight) for value, weight in zip(raw, weights, strict=True)]
        copies = zip(weights, values, self.terms, strict=True)
        made = [jnp.array(weight, value.dtype) for weight, value, label in copies if label not in self.numbers]
        return values, raw, made, sum(values[1:], start=values[0])

    @cached_property
    def run(self) -> Callable[..., Any]:
        """`evaluate`, compiled."""
        return jax.jit(self.evaluate)

    @cached_property
    def run_trials(self) -> Callable[..., Any]:
        """`evaluate` for each trial, compiled."""
        return jax.jit(partial(self.evaluate, trials=True))

    @cached_property
    def run_with_objects(self) -> Callable[..., Any]:
        """Either, compiled, with Python terms: they see the whole PyTrees, which may hold anything."""

        @eqx.filter_jit
        def run(trials: bool, numbers: Any, parameters: Any, step: Any, arrays: Any, objects: Any, given: Any) -> Any:
            return self.evaluate(numbers, parameters, step, arrays, bound_terms(objects, given), trials=trials)

        return run


def as_scaled(found: Mapping[str, Any]) -> list[Scaled]:
    """The values of terms as `per_trial` gives them, each with its factor."""
    return [value if isinstance(value, Scaled) else Scaled(value) for value in found.values()]


def weighted(value: Array, weight: Array) -> Array:
    """The product, and 0 for a weight of 0 also where the value is NaN or infinite: the term is off.

    No gradient goes into such a value; one into the weight goes where the value is finite.
    """
    weight = jnp.asarray(weight, value.dtype)
    return jnp.where((weight == 0) & ~jnp.isfinite(value), 0, value) * weight


def bound_terms(objects: Mapping[str, Any], given: tuple[Any, ...]) -> dict[str, Callable[[], Any]]:
    """The `term` of each object on the states, the trials and, where it takes it, the model.

    Terms with the same `build_context` share what it returns.
    """
    contexts: dict[Any, Any] = {}

    def in_context(term: Any) -> Any:
        if term.build_context not in contexts:
            contexts[term.build_context] = term.build_context(*given)
        return term.term_in(contexts[term.build_context])

    return {
        name: partial(in_context, term)
        if hasattr(term, "build_context") and hasattr(term, "term_in")
        else partial(term.term, *given[: len(inspect.signature(term.term).parameters)])
        for name, term in objects.items()
    }


_PROGRAMS: WeakValueDictionary[str, Program] = WeakValueDictionary()


def build(terms: tuple[Term, ...], *, windowed: bool = True) -> Program:
    """The program of a normal form, or of bodies whose windows are masks already."""
    source, names, masks = emit(terms, windowed=windowed)
    scales = each_name([expression(term.factor) for term in terms if term.number is None])
    meanings: dict[str, Any] = {name: node.meaning for name, node in {**scales, **names}.items()}
    parameters = [name for name, meaning in meanings.items() if isinstance(meaning, Parameter)]
    return _interned(
        source,
        terms={term.label: term.expr for term in terms},
        numbers=tuple(sorted(term.label for term in terms if term.number is not None)),
        quantities={n: node.meaning for n, node in names.items() if isinstance(node.meaning, Quantity)},
        parameters=tuple(name for name in parameters if name != STEP),
        objects={n: node.meaning for n, node in names.items() if isinstance(node.meaning, Object)},
        uses_step=STEP in parameters,
        masks=masks,
    )


def _interned(*parts: Any, **more: Any) -> Program:
    program = Program(*parts, **more)
    return program if program.objects else _PROGRAMS.setdefault(program.source, program)


def check_literals(terms: Mapping[str, Expr]) -> None:
    """Refuse numbers in bodies that float32 cannot hold: they would be 0 or infinite."""
    limits, names = np.finfo(np.float32), each_name(terms.values()).items()
    defined = [(name, node.meaning.expr) for name, node in names if isinstance(node.meaning, Defined)]
    for name, expr in [*terms.items(), *defined]:
        for node in expr.walk():
            if isinstance(node, Number) and node.value and not limits.tiny <= abs(node.value) <= limits.max:
                failure = error("literal-range", number=str(node))
                failure.term = name if name in terms else data.term_with(terms, name)
                raise failure


def whole_step(step: Any) -> Any:
    """The training iteration; a whole one stays so, since float32 does not hold all of those beyond 2**24."""
    if step is None or jnp.issubdtype(jnp.result_type(step), jnp.integer):
        return step
    return jnp.asarray(step, jnp.result_type(float))


def _called(name: str, term: Callable[[], Any], axes: Axes, batch: int | None) -> Callable[[], Array]:
    """The term of a Python object, its result held against the axes that it must have."""

    def call() -> Array:
        value = term()
        if not axes and isinstance(value, int | float):
            value = jnp.asarray(value, jnp.result_type(float))
        advice = "`term` returns one number per trial, with `time` and all other axes reduced"
        if not hasattr(value, "shape"):
            raise error("term-shape", name=name, got=described(value), advice=advice)
        if value.ndim != len(axes) or (batch is not None and BATCH in axes and value.shape[0] != batch):
            got = f"an array of shape {tuple(value.shape)}" + (f", for {batch} trials" if batch is not None else "")
            none = "; if no trial changes it, write `axes = ()` in the class" if value.ndim == 0 else ""
            raise error("term-shape", name=name, got=got, advice=advice + none)
        return value

    return call
