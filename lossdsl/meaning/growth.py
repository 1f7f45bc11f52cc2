"""How long a loss may get when the calls of its definitions are written out."""

from lossdsl.errors import LossError, Span, error
from lossdsl.language import MAX_DEPTH

# How many names and numbers a call may have when it is written out, and all calls of a loss together.
LONGEST, _MOST = 5_000, 100_000


class Growth:
    """Counts what is written out of one loss."""

    def __init__(self) -> None:
        self.written_out = 0
        self.refused: LossError | None = None

    def count(self, more: int, call: Span | None) -> None:
        """Refuse definitions of definitions that would be exponentially long, at the first that goes too far."""
        self.written_out += more
        if self.refused or self.written_out > _MOST:
            raise self.refuse(_MOST, call)

    def refuse(self, limit: int, call: Span | None) -> LossError:
        """The error of a loss that goes too far, one for all of it: at the call where it began."""
        while call and call.within:
            call = call.within
        found = f"`{call}`" if call and limit == LONGEST else "the loss"
        code = "too-deep" if limit == MAX_DEPTH else "too-long-written-out"
        self.refused = self.refused or error(code, call, found=found, limit=limit)
        return self.refused
