"""`Term`s -> functions: the source, what it is compiled to, and the arrays that it is given."""

from lossdsl.backends.data import (
    Trajectories as Trajectories,
    check_tree as check_tree,
    load_npz as load_npz,
    take as take,
)
from lossdsl.backends.feedbax import feedbax_loss as feedbax_loss
from lossdsl.backends.program import Program as Program, build as build, weighted as weighted
