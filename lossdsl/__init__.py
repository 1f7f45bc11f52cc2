"""lossdsl: the loss of a JAX controller as one line of text."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lossdsl.data import load_npz as load_npz
from lossdsl.diff import Change as Change, LossDiff as LossDiff, diff as diff
from lossdsl.errors import (
    LossAxesError as LossAxesError,
    LossDataError as LossDataError,
    LossError as LossError,
    LossNameError as LossNameError,
    LossSyntaxError as LossSyntaxError,
    LossValueError as LossValueError,
)
from lossdsl.gradients import (
    GradientReport as GradientReport,
    TermGradients as TermGradients,
    term_gradients as term_gradients,
)
from lossdsl.loss import AbstractLoss as AbstractLoss, CompositeLoss as CompositeLoss, compile as compile
from lossdsl.parse import parse as parse
from lossdsl.symbolic import from_sympy as from_sympy
from lossdsl.values import LossDict as LossDict
from lossdsl.vocabulary import (
    FEEDBAX as FEEDBAX,
    Definition as Definition,
    Parameter as Parameter,
    Quantity as Quantity,
    Vocabulary as Vocabulary,
)

if TYPE_CHECKING:
    from lossdsl import adaptive as adaptive
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
        delayed_reach_loss as delayed_reach_loss,
        from_feedbax as from_feedbax,
        hold_loss as hold_loss,
        power_discount as power_discount,
        simple_reach_loss as simple_reach_loss,
    )
    from lossdsl.history import LossHistory as LossHistory
    from lossdsl.plot import plot_loss_history as plot_loss_history, plot_schedule as plot_schedule
    from lossdsl.store import (
        LossConfig as LossConfig,
        LossField as LossField,
        LossSchema as LossSchema,
        load as load,
        load_vocabulary as load_vocabulary,
        save as save,
    )
    from lossdsl.targets import (
        TargetSpec as TargetSpec,
        TargetStateLoss as TargetStateLoss,
        target_final_state as target_final_state,
        target_zero as target_zero,
    )

__version__ = version("lossdsl")

# What only some losses need is imported when it is first used. A test holds these names against those above.
_LATER = {
    name: room
    for room, names in {
        "adaptive": "adaptive",
        "feedbax": """EffectorFinalVelocityLoss EffectorFixationLoss EffectorPositionLoss EffectorStraightPathLoss
            EffectorVelocityLoss FuncTermsLoss ModelLoss NetworkActivityLoss NetworkOutputLoss StopAtGoalLoss
            delayed_reach_loss from_feedbax hold_loss power_discount simple_reach_loss""",
        "history": "LossHistory",
        "plot": "plot_loss_history plot_schedule",
        "store": "LossConfig LossField LossSchema load load_vocabulary save",
        "targets": "TargetSpec TargetStateLoss target_final_state target_zero",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name in _LATER.values():
        return import_module(f"lossdsl.{name}")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"lossdsl.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
