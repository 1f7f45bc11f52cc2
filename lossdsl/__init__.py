"""lossdsl: the loss of a JAX controller as one line of text."""

from importlib.metadata import version

from lossdsl.errors import (
    LossAxesError as LossAxesError,
    LossDataError as LossDataError,
    LossError as LossError,
    LossNameError as LossNameError,
    LossSyntaxError as LossSyntaxError,
    LossValueError as LossValueError,
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
    delayed_reach_loss as delayed_reach_loss,
    from_feedbax as from_feedbax,
    hold_loss as hold_loss,
    power_discount as power_discount,
    simple_reach_loss as simple_reach_loss,
)
from lossdsl.history import LossHistory as LossHistory
from lossdsl.loss import AbstractLoss as AbstractLoss, CompositeLoss as CompositeLoss, compile as compile
from lossdsl.parse import parse as parse
from lossdsl.plot import plot_loss_history as plot_loss_history
from lossdsl.targets import (
    TargetSpec as TargetSpec,
    TargetStateLoss as TargetStateLoss,
    target_final_state as target_final_state,
    target_zero as target_zero,
)
from lossdsl.values import LossDict as LossDict
from lossdsl.vocabulary import (
    FEEDBAX as FEEDBAX,
    Definition as Definition,
    Parameter as Parameter,
    Quantity as Quantity,
    Vocabulary as Vocabulary,
)

__version__ = version("lossdsl")
