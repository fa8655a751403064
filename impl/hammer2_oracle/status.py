"""How every command ends."""

from enum import IntEnum


class Status(IntEnum):
    """The exit status of hammer2-cluster."""

    AGREE = 0
    """All agree, or nothing was in question."""
    DIFFER = 1
    """Something differs from the reference, or was refuted."""
    BAD_INPUT = 2
    """Bad usage, unreadable input or unwritable output; outranks DIFFER."""
    UNDECIDED = 3
    """Stopped before everything was decided: a bound of time or memory, or the user."""
    INTERNAL_ERROR = 70
    """A defect in this project (EX_SOFTWARE): it contradicts itself."""


WORST_FIRST = (Status.INTERNAL_ERROR, Status.BAD_INPUT, Status.DIFFER, Status.UNDECIDED, Status.AGREE)


def worst(*statuses: Status) -> Status:
    """The status that outranks the others."""
    return min(statuses, key=WORST_FIRST.index, default=Status.AGREE)
