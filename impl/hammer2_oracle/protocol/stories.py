"""Ways to what random walks seldom come to: most are the shortest that the explorer has found."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from hammer2_oracle.protocol.following import Index, Rules
from hammer2_oracle.protocol.record import Cluster
from hammer2_spec.protocol.state import State

WRITE: Final = "Begin(0) Deliver(0,0) Deliver(0,1) Flush(0) Flush(1) Acknowledge(0)"
BACK: Final = "Disconnect(2) Reconnect(2) SyncBegin(0,2)"
OVERTAKEN: Final = f"{BACK} {WRITE} {WRITE} SyncFinish(2)"
RECORDED: Final = "BeginReplacement(0) Deliver(0,1) Deliver(0,2) Deliver(0,3) Flush(1) Flush(2) Flush(3) Acknowledge(0)"


class Story(NamedTuple):
    """What happens to a cluster, one action after the other."""

    name: str
    cluster: Cluster
    actions: str

    def told(self, rules: Rules) -> Iterator[tuple[str, Index, State]]:
        """Each action with its indices, and the state after it."""
        state = rules.initial
        for name, numbers in re.findall(r"(\w+)(?:\(([0-9,]+)\))?", self.actions):
            index = tuple(map(int, numbers.split(","))) if numbers else ()
            after = rules.take(state, name, index)
            assert after is not None, f"{name}{index} cannot happen"  # noqa: S101 - the specification has changed
            state = after
            yield name, index, state


STORIES: Final = (
    Story(
        "a pass that was overtaken gets one without writes",
        Cluster(masters=3, writes=8),
        f"{OVERTAKEN} SyncBegin(0,2) SyncFinish(2) Begin(0)",
    ),
    Story(
        "a session ends that owes a pass without writes",
        Cluster(masters=3, writes=8, late_finish=True),
        f"{OVERTAKEN} CrashClient(0)",
    ),
    Story(
        "a promise from a disk that was lost does not count",
        Cluster(masters=3, clients=2, writes=8, losses=1),
        "Preempt(1) Promise(1,0) LoseMedia(0) BeginReplacement(0) Deliver(0,1) Promise(1,1)",
    ),
    Story(
        "a second disk is lost when the first is recorded, and not let in yet",
        Cluster(masters=5, writes=8, losses=2),
        f"LoseMedia(0) {RECORDED} LoseMedia(4)",
    ),
    Story(
        "a disk is lost that is out of reach",
        Cluster(masters=3, writes=8, losses=1),
        "Disconnect(0) LoseMedia(0) Begin(0)",
    ),
    Story(
        "the same while clients write for ever",
        Cluster(masters=3, endless=True, losses=1),
        "LoseMedia(0) BeginReplacement(0) Deliver(0,1) Deliver(0,2) Flush(1) Flush(2) Acknowledge(0)",
    ),
    Story(
        "a pass ends in the next session of its client",
        Cluster(masters=3, writes=8, late_finish=True),
        f"{BACK} CrashClient(0) Elect(0) Promise(0,0) Promise(0,1) Win(0) "
        "Restamp(0,0) Restamp(0,1) Flush(0) Flush(1) Ready(0) SyncFinish(2)",
    ),
    Story(
        "a pass ends when nobody has a session",
        Cluster(masters=3, writes=8, late_finish=True),
        f"{BACK} CrashClient(0) SyncFinish(2)",
    ),
    Story(
        "the target of a pass is full, and somebody makes space",
        Cluster(masters=3, writes=8, space=True),
        f"{BACK} NoSpaceForCopy(2) FreeSpace(2) SyncFinish(2)",
    ),
    Story(
        "the target of a pass is cut off from whoever runs it",
        Cluster(masters=3, writes=8, partitions=True),
        f"{BACK} Cut(0,2) Heal(0,2) SyncFinish(2)",
    ),
)
