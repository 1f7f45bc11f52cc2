"""What is given -> what a user holds: a loss, the `LossDict` it returns, and what changed between two."""

from lossdsl.loss.accumulate import accumulate as accumulate
from lossdsl.loss.added import step_loss as step_loss
from lossdsl.loss.compiler import check_used as check_used, shared_vocabulary as shared_vocabulary
from lossdsl.loss.diff import Change as Change, LossDiff as LossDiff, diff as diff
from lossdsl.loss.evaluate import given_step as given_step
from lossdsl.loss.gradients import (
    GradientReport as GradientReport,
    TermGradients as TermGradients,
    position as position,
    term_gradients as term_gradients,
)
from lossdsl.loss.loss import AbstractLoss as AbstractLoss, CompositeLoss as CompositeLoss
from lossdsl.loss.make import compile as compile
from lossdsl.loss.parts import check_single as check_single
from lossdsl.loss.scalars import is_traced as is_traced, on_device as on_device
from lossdsl.loss.stream import DELAY as DELAY
from lossdsl.loss.values import (
    LossDict as LossDict,
    cells as cells,
    finite as finite,
    in_json as in_json,
    shortest as shortest,
)
