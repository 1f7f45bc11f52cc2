"""Declarations -> `OPS`: what an operator is called, how it treats axes, what it computes and how it is written."""

# Each family declares its operators when it is imported; `OPS` has them in this order.
from lossdsl.operators import (  # isort: skip
    arithmetic as arithmetic,
    reductions as reductions,
    risk as risk,
    vectors as vectors,
    penalties as penalties,
    time as time,
    schedules as schedules,
    distributions as distributions,
    choices as choices,
    logic as logic,
    shapes as shapes,
    windows as windows,
    stepping as stepping,
    squares as squares,
)
from lossdsl.operators.axes import (
    BATCH as BATCH,
    FREE as FREE,
    TIME as TIME,
    Axes as Axes,
    Fit as Fit,
    Misfit as Misfit,
    dual as dual,
    elementwise as elementwise,
    named as named,
    stated as stated,
    without as without,
)
from lossdsl.operators.curves import bend as bend
from lossdsl.operators.custom import operator as operator
from lossdsl.operators.declaration import (
    BESIDE as BESIDE,
    OPS as OPS,
    STEP as STEP,
    Default as Default,
    Op as Op,
    Scaled as Scaled,
    number as number,
    ops as ops,
    wide as wide,
)
from lossdsl.operators.elsewhere import called_elsewhere as called_elsewhere
from lossdsl.operators.fold import folds as folds
from lossdsl.operators.logic import (
    HARD as HARD,
    SMOOTH as SMOOTH,
    Look as Look,
    Moment as Moment,
)
from lossdsl.operators.masks import (
    GRADIENT_WHERE as GRADIENT_WHERE,
    SINCE_FIRST as SINCE_FIRST,
    UNDIFFED as UNDIFFED,
    UNSLICED as UNSLICED,
    UNTIL_LAST as UNTIL_LAST,
)
from lossdsl.operators.signs import ONE as ONE, At as At, Known as Known, Range as Range, scaled as scaled
from lossdsl.operators.squares import RAVELED as RAVELED, ROOT as ROOT, WEIGHING as WEIGHING
from lossdsl.operators.windows import (
    END as END,
    LASTING as LASTING,
    OWN_SLICE as OWN_SLICE,
    PLACED as PLACED,
    Bound as Bound,
    Window as Window,
)
