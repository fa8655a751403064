"""What is explored: a few minutes every day, and the rest at night."""

from typing import Final

from hammer2_proofs.schedules.world import ANY, Scenario

W: Final = ("write",)
R: Final = ("read",)
WL: Final = ("write", "lock")
RL: Final = ("read", "lock")
WW: Final = ("write", "write")
WR: Final = ("write", "read")
RW: Final = ("read", "write")
L: Final = ("lock",)
WRITE_AND_RECORD: Final = ("write", "record")

STANDARD: Final = (
    Scenario("one-write", (W,), faults=1),
    Scenario("two-clients-on-two-nodes", (W, W), faults=1, masters=2),
    Scenario("write-and-read-on-two-nodes", (W, R), faults=1, masters=2),
    Scenario("two-failures-under-a-read", (R,), faults=2),
    Scenario("two-clients-lose-two-nodes", (L, R), faults=2, kinds=("gone",)),
    Scenario("two-operations-and-resynchronization", (WW,), faults=1, watched=True, delays=0),
    Scenario("a-new-medium", (WRITE_AND_RECORD,), faults=1, kinds=("new-medium",), watched=True, delays=0),
    Scenario("a-full-node", (W,), faults=1, kinds=("full", "no-room"), watched=True, delays=0),
    Scenario("a-copy-finds-no-room", (W,), faults=2, kinds=("no-room",), watched=True, delays=0),
    Scenario("two-reads-fail", (R,), faults=2, kinds=("read-error",), watched=True),
    Scenario("two-reads-fail-under-a-write", (W,), faults=2, kinds=("read-error",), watched=True, delays=0),
    Scenario("a-pass-is-cut-short", (W,), faults=2, kinds=("write-error",), watched=True, delays=0),
)
"""For every day."""

DEEP: Final = (
    Scenario("two-clients-two-operations", (WL, RL), faults=1),
    Scenario("two-operations-one-resynchronization", (WL,), faults=1, watched=True),
    Scenario("two-failures-under-a-write", (W,), faults=2),
    Scenario("two-writes", (WW,)),
    Scenario("two-clients", (W, W)),
    Scenario("write-and-read", (W, R)),
    Scenario("two-by-two", (WR, RW)),
    Scenario("two-by-two-on-two-nodes", (WW, WR), faults=1, masters=2),
    Scenario("answers-in-flight-on-two-nodes", (W, W), faults=1, masters=2, in_flight=True),
    Scenario("two-by-two-1", (WW, WR), faults=1, delays=1),
    Scenario("two-writes-and-resynchronization-1", (WW,), faults=1, watched=True, delays=1),
    Scenario("two-clients-and-resynchronization", (WW, WR), faults=1, watched=True, delays=0),
    Scenario("a-new-medium-1", (WRITE_AND_RECORD,), faults=1, kinds=("new-medium",), watched=True, delays=1),
    Scenario("a-record-fails", (("record",),), 2, ("new-medium", "read-error"), watched=True, delays=0),
    Scenario("a-new-medium-and-a-failure", (WRITE_AND_RECORD,), 2, (*ANY, "new-medium"), watched=True, delays=0),
)
"""Beside those, for the night; each ends undecided when its time is over."""

WALKS: Final = (
    Scenario("many-faults", (WW, WR), faults=4, watched=True),
    Scenario("two-writers-many-faults", (WW, WW), faults=3),
    Scenario("answers-in-flight-many-faults", (WW, WR), faults=4, watched=True, in_flight=True),
    Scenario("new-media", (WRITE_AND_RECORD, WR), faults=4, kinds=(*ANY, "new-medium", "read-error"), watched=True),
    Scenario("little-room", (WW,), faults=3, kinds=("full", "no-room", "gone"), watched=True),
)
"""For single runs, drawn at random."""

EVERY: Final = {scenario.name: scenario for scenario in (*STANDARD, *DEEP, *WALKS)}
