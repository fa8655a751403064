"""What resolve is given and what it answers."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple, NoReturn

from hammer2_spec.vocabulary import MAXCLUSTER, NMASTERS_MAX, TID_MAX

FOREIGN: Final = -1
"""A focus on a chain that is no member of the cluster any more."""


class Outcome(IntEnum):
    """How a call of resolve ends: well, or in the KKASSERT at the line that is the member's number."""

    OK = 0
    KKASSERT_L408 = 408
    KKASSERT_L510 = 510
    KKASSERT_L520 = 520

    @property
    def text(self) -> str:
        """As the recorded vectors write it: ``ok``, ``kkassert:L408``."""
        return "ok" if self == Outcome.OK else f"kkassert:L{self.value}"


class Slot(NamedTuple):
    """One member slot of a cluster."""

    present: bool
    """array[i].chain is not NULL."""
    type: int
    """pmp->pfs_types[i], 0..255: a PfsType, or a number that the original does not know."""
    tid: int
    """bref.mirror_tid of the chain, 0..2^64-1."""
    error: int
    """error of the chain, a signed 32-bit number; 0 is none."""


ABSENT: Final = Slot(False, 0, 0, 0)
"""A slot without a chain, whatever its node's type."""


class Configuration(NamedTuple):
    """All that resolve looks at."""

    slots: Sequence[Slot]
    pfs_nmasters: int | None
    """pmp->pfs_nmasters, 0..255: masters that the PFS has, reachable or not. None: pmp is NULL."""
    prior: int | None
    """The focus before: none, a slot's index, or FOREIGN."""
    flags: int
    """The cluster's flag word before, 0..2^32-1."""


class Quorum(NamedTuple):
    """What the masters agree on."""

    tid: int
    """quorum_tid."""
    nmasters: int
    """Masters that vote for it."""
    ttlmasters: int
    """Masters present."""
    reached: bool
    """Whether the votes make a majority of pfs_nmasters."""


class Verdict(NamedTuple):
    """What resolve leaves behind; after an assertion, the state at that moment."""

    outcome: Outcome
    focus: int | None
    """None, a slot's index, or FOREIGN."""
    error: int
    flags: int


def _refuse(field: str, value: object, expected: str) -> NoReturn:
    raise ValueError(f"{field} is {value!r}, expected {expected}")


def _check_range(field: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(field, value, "an integer")
    if not low <= value <= high:
        _refuse(field, value, f"{low}..{high}")


def _check_bool(field: str, value: object) -> None:
    if not isinstance(value, bool):
        _refuse(field, value, "True or False")


def validate(configuration: Configuration) -> None:
    """Refuse a configuration that the original's types cannot hold.

    Raises ValueError with the field, its value and what was expected. Booleans are no integers here, nor are floats,
    and a plain tuple is no Slot.
    """
    if not isinstance(configuration, Configuration):
        _refuse("configuration", configuration, "a Configuration")
    slots, pfs_nmasters, prior, flags = configuration
    if not isinstance(slots, Sequence):
        _refuse("slots", slots, "a sequence of Slots")
    if len(slots) > MAXCLUSTER:
        _refuse("the number of slots", len(slots), f"at most {MAXCLUSTER}")
    for i, slot in enumerate(slots):
        if not isinstance(slot, Slot):
            _refuse(f"slots[{i}]", slot, "a Slot")
        _check_bool(f"slots[{i}].present", slot.present)
        _check_range(f"slots[{i}].type", slot.type, 0, 255)
        _check_range(f"slots[{i}].tid", slot.tid, 0, TID_MAX)
        _check_range(f"slots[{i}].error", slot.error, -(2**31), 2**31 - 1)
    if pfs_nmasters is not None:
        _check_range("pfs_nmasters", pfs_nmasters, 0, NMASTERS_MAX)
    if prior is not None and prior != FOREIGN:
        if not slots:
            _refuse("prior", prior, "none or foreign, there being no slots")
        _check_range("prior", prior, 0, len(slots) - 1)
        if not slots[prior].present:
            _refuse("prior", prior, "a slot that is present")
    _check_range("flags", flags, 0, 2**32 - 1)
