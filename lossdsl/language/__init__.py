"""Text -> `Expr`, and back: the tree that everything else works on."""

from lossdsl.language.definitions import (
    Argument as Argument,
    Called as Called,
    Function as Function,
    Let as Let,
    function as function,
    given_to as given_to,
)
from lossdsl.language.exact import (
    check_count as check_count,
    decimal as decimal,
    described_number as described_number,
    exact_number as exact_number,
    is_sayable as is_sayable,
)
from lossdsl.language.expr import (
    ONE as ONE,
    ZERO as ZERO,
    Call as Call,
    Expr as Expr,
    Fault as Fault,
    Label as Label,
    Name as Name,
    Number as Number,
    by_default as by_default,
    call as call,
    of_number as of_number,
)
from lossdsl.language.lalr import Token as Token
from lossdsl.language.misfit import shown_axes as shown_axes
from lossdsl.language.parse import parse as parse, read as read, tokens as tokens
from lossdsl.language.syntax import POWERS as POWERS, layout as layout
from lossdsl.language.text import (
    ATOM as ATOM,
    POWER as POWER,
    PRODUCT as PRODUCT,
    SUM as SUM,
    UNARY as UNARY,
    axis_text as axis_text,
    is_name as is_name,
    look_texts as look_texts,
    moment_text as moment_text,
    number_text as number_text,
    program_text as program_text,
    signature as signature,
    subscript_text as subscript_text,
    window_text as window_text,
)
from lossdsl.language.tree import MAX_DEPTH as MAX_DEPTH, descending as descending
from lossdsl.language.windows import window_of as window_of
