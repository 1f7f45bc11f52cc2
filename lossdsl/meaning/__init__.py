"""`Expr` -> weighted `Term`s: names get their meanings, axes are checked, weights collected."""

from lossdsl.meaning.bind import bind as bind, check_row as check_row
from lossdsl.meaning.clock import BY_NAME as BY_NAME, TIME_ROWS as TIME_ROWS, Clock as Clock, row_text as row_text
from lossdsl.meaning.defined import (
    Defined as Defined,
    aliased as aliased,
    each_name as each_name,
    in_order as in_order,
    lacks_length as lacks_length,
)
from lossdsl.meaning.domains import check_domains as check_domains
from lossdsl.meaning.feedbax import (
    FEEDBAX as FEEDBAX,
    MISTAKABLE as MISTAKABLE,
    NAMED as NAMED,
    named_vocabulary as named_vocabulary,
)
from lossdsl.meaning.formulas import (
    READ as READ,
    formula_of as formula_of,
    is_formula as is_formula,
    joins as joins,
    seen_together as seen_together,
)
from lossdsl.meaning.given import plain as plain
from lossdsl.meaning.held import paths as paths
from lossdsl.meaning.inside import unwindowed as unwindowed
from lossdsl.meaning.masked import any_of as any_of
from lossdsl.meaning.normal import (
    Term as Term,
    merge as merge,
    normal_form as normal_form,
    written as written,
)
from lossdsl.meaning.objects import Object as Object
from lossdsl.meaning.path import (
    ROOTS as ROOTS,
    Key as Key,
    Place as Place,
    path_text as path_text,
    places as places,
    steps as steps,
    taken as taken,
)
from lossdsl.meaning.quantity import Quantity as Quantity
from lossdsl.meaning.scale import weight_of as weight_of
from lossdsl.meaning.symbolic import expression as expression, from_sympy as from_sympy
from lossdsl.meaning.vocabulary import (
    Definition as Definition,
    Parameter as Parameter,
    Vocabulary as Vocabulary,
    name_of as name_of,
)
from lossdsl.meaning.weights import multiply as multiply
from lossdsl.meaning.windows import (
    computed as computed,
    ends_of as ends_of,
    own_length as own_length,
    said_of_time as said_of_time,
    summed as summed,
    time_rows as time_rows,
)
