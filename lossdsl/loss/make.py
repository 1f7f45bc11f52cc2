"""What a user gives -> a loss."""

from collections.abc import Mapping, Sequence
from typing import Any

from lossdsl.language import Expr
from lossdsl.loss.compiler import check_unnamed, collector_paused, parts_of, told_by_term
from lossdsl.loss.loss import AbstractLoss, CompositeLoss
from lossdsl.meaning import FEEDBAX, Vocabulary, plain


def compile(
    loss: str | Mapping[str, Any] | Expr | AbstractLoss,
    vocabulary: Vocabulary | str = FEEDBAX,
    *,
    quantities: Mapping[str, Any] | None = None,
    terms: Mapping[str, Any] | Sequence[AbstractLoss] | None = None,
    parameters: Mapping[str, Any] | None = None,
    epochs: Mapping[str, Any] | None = None,
    events: Mapping[str, Any] | None = None,
    dt: Any = None,
    trials_begin: int | None = None,
    valid: Any = None,
    length: Any = None,
) -> CompositeLoss:
    """Compile a loss.

    The arguments are the keys of a config, and may be what a config gives: plain mappings, `DictConfig` of OmegaConf,
    rows of a vocabulary as mappings, numbers as texts.

    Args:
        loss: A text; a mapping from label to a text, or to `{weight, expr}`, one term each, or to a loss, where what is
            None is left out; a tree from `parse`; or a loss.
        vocabulary: What its names mean; `"feedbax"` if none is given, `"none"` for an empty one.
        quantities: More quantities, as in `Vocabulary`.
        terms: More terms: objects with `label` and `term(states, trial_specs, model)`, or texts by name.
        parameters: More parameters with their defaults, each of which the loss uses. Those that several losses share
            stand in a `Vocabulary`.
        epochs: More epochs for windows such as `x@hold`, as in `Vocabulary`.
        events: More events for windows such as `x@go..end`, likewise.
        dt: How long a step is in seconds, as in `Vocabulary`.
        trials_begin: The step at which what belongs to the trials begins, likewise.
        valid: Where trials end, a mask over `time`, likewise.
        length: Where trials end, the number of steps of each, likewise.

    Returns:
        The loss, an Equinox module whose leaves are its weights and parameters.

    Raises:
        LossError: What is wrong, the place in the text, and a hint.

    Example:
        >>> loss = compile("1.0*position + 1e-5*nn_hidden + final(velocity)")
        >>> [term.label for term in loss.terms]
        ['position', 'nn_hidden', 'final(velocity)']
    """
    loss = plain(loss)
    time = {
        "epochs": epochs,
        "events": events,
        "dt": dt,
        "trials_begin": trials_begin,
        "valid": valid,
        "length": length,
    }
    if isinstance(loss, AbstractLoss):
        check_unnamed(quantities=quantities, terms=terms, parameters=parameters, **time)
        return loss.composite
    with collector_paused(), told_by_term(loss):
        return CompositeLoss.of(parts_of(loss, vocabulary, quantities, terms, parameters, time))
