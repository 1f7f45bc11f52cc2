"""Losses over training: weights that adapt, histories, figures."""

from lossdsl.training.balance import AdaptiveWeights as AdaptiveWeights
from lossdsl.training.by_gradients import (
    AnnealingState as AnnealingState,
    GradNormState as GradNormState,
    grad_norm as grad_norm,
    learning_rate_annealing as learning_rate_annealing,
)
from lossdsl.training.by_losses import (
    RelobraloState as RelobraloState,
    SoftAdaptState as SoftAdaptState,
    UncertaintyState as UncertaintyState,
    relobralo as relobralo,
    soft_adapt as soft_adapt,
    uncertainty as uncertainty,
)
from lossdsl.training.history import LossHistory as LossHistory
from lossdsl.training.plot import plot_loss_history as plot_loss_history, plot_schedule as plot_schedule
from lossdsl.training.scan import scan as scan
