"""How long a client waits, and what ends its waiting (L85-88)."""

from typing import Final, NamedTuple


class Cancelled(Exception):
    """Somebody else wants the operation to end; all that it held is released."""


class Patience(NamedTuple):
    """What to do when the quorum is lost: the management mode of L88."""

    again: bool
    """Wait until nodes come back, and perform the operation again."""
    ticks: int | None = None
    """But no longer than this from its beginning; None for ever."""


WAIT: Final = Patience(again=True)
FAIL: Final = Patience(again=False)
"""As soon as it is known that none can be reached. A node that is silent may still answer, until it is disconnected."""


def fail_after(ticks: int) -> Patience:
    """Wait, but not for longer than so many ticks."""
    return Patience(again=True, ticks=ticks)
