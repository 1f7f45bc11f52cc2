"""`Term`s -> functions: the source, what it is compiled to, and the arrays that it is given."""

from lossdsl.backends.added import Added as Added, added as added
from lossdsl.backends.apart import Apart as Apart, apart as apart
from lossdsl.backends.coverage import Coverage as Coverage, coverage as coverage
from lossdsl.backends.data import (
    check_each as check_each,
    check_tree as check_tree,
    missing_in as missing_in,
    take as take,
    taken_at as taken_at,
    unfit as unfit,
    warn_of_others as warn_of_others,
)
from lossdsl.backends.feedbax import feedbax_loss as feedbax_loss
from lossdsl.backends.lower import Lowering as Lowering
from lossdsl.backends.mesh import is_explicit as is_explicit
from lossdsl.backends.model import Aside as Aside, trainable as trainable
from lossdsl.backends.program import (
    Program as Program,
    as_scaled as as_scaled,
    bound_terms as bound_terms,
    build as build,
    check_literals as check_literals,
    weighted as weighted,
    whole_step as whole_step,
)
from lossdsl.backends.residuals import Residuals as Residuals, residuals as residuals
from lossdsl.backends.stepwise import StreamProgram as StreamProgram, build_stream as build_stream
from lossdsl.backends.trajectories import Trajectories as Trajectories, example as example, load_npz as load_npz
