"""lossdsl: the loss of a JAX model as one line of text."""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING, Any as _Any

from lossdsl import errors as errors
from lossdsl.backends import example as example, load_npz as load_npz, trainable as trainable
from lossdsl.errors import (
    LossAxesError as LossAxesError,
    LossDataError as LossDataError,
    LossError as LossError,
    LossNameError as LossNameError,
    LossSyntaxError as LossSyntaxError,
    LossValueError as LossValueError,
)
from lossdsl.language import parse as parse
from lossdsl.loss import (
    AbstractLoss as AbstractLoss,
    Change as Change,
    CompositeLoss as CompositeLoss,
    GradientReport as GradientReport,
    LossDict as LossDict,
    LossDiff as LossDiff,
    TermGradients as TermGradients,
    accumulate as accumulate,
    compile as compile,
    diff as diff,
    term_gradients as term_gradients,
)
from lossdsl.meaning import (
    FEEDBAX as FEEDBAX,
    Definition as Definition,
    Parameter as Parameter,
    Quantity as Quantity,
    Vocabulary as Vocabulary,
    from_sympy as from_sympy,
)
from lossdsl.operators import operator as operator

if _TYPE_CHECKING:
    from lossdsl.configs import (
        LossConfig as LossConfig,
        LossField as LossField,
        LossSchema as LossSchema,
        load as load,
        load_vocabulary as load_vocabulary,
        save as save,
    )
    from lossdsl.feedbax import (
        EffectorFinalVelocityLoss as EffectorFinalVelocityLoss,
        EffectorFixationLoss as EffectorFixationLoss,
        EffectorPositionLoss as EffectorPositionLoss,
        EffectorStraightPathLoss as EffectorStraightPathLoss,
        EffectorVelocityLoss as EffectorVelocityLoss,
        FuncTermsLoss as FuncTermsLoss,
        ModelLoss as ModelLoss,
        NetworkActivityLoss as NetworkActivityLoss,
        NetworkOutputLoss as NetworkOutputLoss,
        StopAtGoalLoss as StopAtGoalLoss,
        TargetSpec as TargetSpec,
        TargetStateLoss as TargetStateLoss,
        delayed_reach_loss as delayed_reach_loss,
        feedbax_spec as feedbax_spec,
        from_feedbax as from_feedbax,
        hold_loss as hold_loss,
        make_streaming_loss_fn as make_streaming_loss_fn,
        power_discount as power_discount,
        simple_reach_loss as simple_reach_loss,
        target_final_state as target_final_state,
        target_zero as target_zero,
    )
    from lossdsl.known import Report as Report, TermReport as TermReport, report as report
    from lossdsl.training import (
        LossHistory as LossHistory,
        plot_loss_history as plot_loss_history,
        plot_schedule as plot_schedule,
        scan as scan,
    )

__version__ = _version("lossdsl")

# What only some losses need is imported when it is first used. A test holds these names against those above.
_LATER = {
    name: folder
    for folder, names in {
        "configs": "LossConfig LossField LossSchema load load_vocabulary save",
        "feedbax": """EffectorFinalVelocityLoss EffectorFixationLoss EffectorPositionLoss EffectorStraightPathLoss
            EffectorVelocityLoss FuncTermsLoss ModelLoss NetworkActivityLoss NetworkOutputLoss StopAtGoalLoss
            TargetSpec TargetStateLoss delayed_reach_loss feedbax_spec from_feedbax hold_loss
            make_streaming_loss_fn power_discount simple_reach_loss target_final_state target_zero""",
        "known": "Report TermReport report",
        "training": "LossHistory plot_loss_history plot_schedule scan",
    }.items()
    for name in names.split()
}
_MODULES = ("adaptive", "feedbax")
_AT_ONCE = """AbstractLoss Change CompositeLoss Definition FEEDBAX GradientReport LossAxesError LossDataError LossDict
    LossDiff LossError LossNameError LossSyntaxError LossValueError Parameter Quantity TermGradients Vocabulary
    accumulate compile diff errors example from_sympy load_npz operator parse term_gradients trainable"""
__all__ = sorted([*_AT_ONCE.split(), *_LATER, "adaptive"])


def __getattr__(name: str) -> _Any:
    if name in _MODULES:
        return _import_module(f"lossdsl.{name}")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(_import_module(f"lossdsl.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
