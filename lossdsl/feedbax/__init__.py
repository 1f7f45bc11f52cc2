"""Feedbax's losses as Python objects, and a loss of Feedbax -> one of ours."""

from lossdsl.feedbax.bridge import from_feedbax as from_feedbax
from lossdsl.feedbax.functions import FuncTermsLoss as FuncTermsLoss, ModelLoss as ModelLoss
from lossdsl.feedbax.reaches import (
    delayed_reach_loss as delayed_reach_loss,
    hold_loss as hold_loss,
    power_discount as power_discount,
    simple_reach_loss as simple_reach_loss,
)
from lossdsl.feedbax.specs import feedbax_spec as feedbax_spec
from lossdsl.feedbax.streaming import make_streaming_loss_fn as make_streaming_loss_fn
from lossdsl.feedbax.targets import (
    TargetSpec as TargetSpec,
    TargetStateLoss as TargetStateLoss,
    target_final_state as target_final_state,
    target_zero as target_zero,
)
from lossdsl.feedbax.terms import (
    EffectorFinalVelocityLoss as EffectorFinalVelocityLoss,
    EffectorFixationLoss as EffectorFixationLoss,
    EffectorPositionLoss as EffectorPositionLoss,
    EffectorStraightPathLoss as EffectorStraightPathLoss,
    EffectorVelocityLoss as EffectorVelocityLoss,
    NetworkActivityLoss as NetworkActivityLoss,
    NetworkOutputLoss as NetworkOutputLoss,
    StopAtGoalLoss as StopAtGoalLoss,
)
