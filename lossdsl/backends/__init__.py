"""`Term`s -> functions: the source, what it is compiled to, and the arrays that it is given."""

from lossdsl.backends.coverage import Coverage as Coverage, coverage as coverage
from lossdsl.backends.data import (
    check_tree as check_tree,
    take as take,
    taken_at as taken_at,
    unfit as unfit,
)
from lossdsl.backends.feedbax import feedbax_loss as feedbax_loss
from lossdsl.backends.model import Aside as Aside, trainable as trainable
from lossdsl.backends.program import Program as Program, build as build, weighted as weighted
from lossdsl.backends.residuals import Residuals as Residuals, residuals as residuals
from lossdsl.backends.trajectories import Trajectories as Trajectories, example as example, load_npz as load_npz
