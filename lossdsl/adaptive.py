"""Losses, and the gradients of terms -> new weights: methods that balance the terms while training."""

from lossdsl.training import (
    AdaptiveWeights as AdaptiveWeights,
    AnnealingState as AnnealingState,
    GradNormState as GradNormState,
    RelobraloState as RelobraloState,
    SoftAdaptState as SoftAdaptState,
    UncertaintyState as UncertaintyState,
    grad_norm as grad_norm,
    learning_rate_annealing as learning_rate_annealing,
    relobralo as relobralo,
    soft_adapt as soft_adapt,
    uncertainty as uncertainty,
)
