"""The control state of the nodes and clients of a cluster: the protocol's own, changed by the protocol's own actions.

The action functions of ``hammer2_spec.protocol`` are called here as they stand, guard and update; nothing else makes a
new state, and a state cannot be changed in place. The protocol counts epochs and sequence numbers in a few bits, for
only their order matters: when numbers run out they are replaced by their ranks, as the exploration does in every
state. What stands on media are tids of 64 bits; this is where each number of the one has its tid of the other.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from hammer2_cluster.promises import EPOCH_BITS
from hammer2_spec.protocol.model import ACTIONS, BEGIN_AGAIN, INVARIANTS, SPACE
from hammer2_spec.protocol.ranks import ranked
from hammer2_spec.protocol.sessions import EPOCHS
from hammer2_spec.protocol.state import (
    SEQUENCES,
    UNLIMITED,
    Client,
    Node,
    Phase,
    Setup,
    State,
    epoch_of,
    sequence_of,
    syncing,
)
from hammer2_spec.transition_system import sentence

STEPS: Final[dict[str, Callable[..., State | None]]] = {
    action.name: action.step for action in (*ACTIONS, BEGIN_AGAIN, *SPACE)
}
ROOM: Final = 3
"""Numbers that an action may need."""


class Refused(RuntimeError):
    """An action whose guard does not hold."""


class Control:
    """The control state of one cluster."""

    def __init__(
        self,
        media_tids: Sequence[int | None],
        masters: int,
        clients: int,
        *,
        promised: Sequence[int] = (),
        writes: int = 0,
        judged: bool = False,
        mutex: AbstractContextManager[Any] | None = None,
    ) -> None:
        """Nodes that have been opened, and clients without a session.

        Args:
            media_tids: for each node, the masters first, the tid of its media; None if it is not there.
            masters: how many masters the PFS has.
            clients: how many there can be.
            promised: for each node the epoch that its media says it has promised itself to; none if that is not given.
            writes: how many writes are told apart in the ghost content; those beyond are not.
            judged: check the protocol's invariants after every action.
            mutex: held during an action, where there are several threads.
        """
        everybody = (1 << len(media_tids)) - 1
        self.setup: Final = Setup(
            masters=masters,
            views=(everybody,) * clients,
            writes=writes,
            elections=UNLIMITED,
            faults=UNLIMITED,
            fault_epochs=UNLIMITED,
            losses=0,
            endless=True,
            reader=False,
            rank_tids=True,
            space=True,
        )
        self.taken: Final[Counter[str]] = Counter()
        """How often each action was taken."""
        self.changed: Callable[[], None] = lambda: None
        """Called after every action: whoever waits for a change looks again."""
        self._judged: Final = judged
        self._mutex: Final = nullcontext() if mutex is None else mutex
        known = sorted({0} | {tid for tid in media_tids if tid is not None})
        promises = [*promised, *[0] * (len(media_tids) - len(promised))]
        epochs = sorted({tid >> EPOCH_BITS for tid in known} | {*promises})
        self._epochs = dict(enumerate(epochs))
        numbers = {
            tid: epochs.index(tid >> EPOCH_BITS) * SEQUENCES
            + [other for other in known if other >> EPOCH_BITS == tid >> EPOCH_BITS].index(tid)
            for tid in known
        }
        self._media = {number: tid for tid, number in numbers.items()}
        self._state = State(
            nodes=tuple(
                Node(connected=False, eligible=False)
                if tid is None
                else Node(
                    max(epochs.index(promise), epoch_of(numbers[tid])), numbers[tid], numbers[tid], eligible=False
                )
                for tid, promise in zip(media_tids, promises, strict=True)
            ),
            clients=(Client(),) * clients,
        )

    @property
    def state(self) -> State:
        """The state, which cannot be changed."""
        return self._state

    def media_epoch(self, number: int) -> int:
        """What stands on media for one of the state's epochs."""
        return self._epochs[number]

    def media_tid(self, number: int) -> int:
        """What stands on media for one of the state's tids."""
        return self._media[number]

    def may(self, action: str, *indices: int) -> bool:
        """Whether an action's guard holds."""
        return STEPS[action](self.setup, self._state, *indices) is not None

    def attempt(self, action: str, *indices: int) -> bool:
        """Take an action if its guard holds; False if it does not."""
        with self._mutex:
            after = STEPS[action](self.setup, self._state, *indices)
            if after is None:
                return False
            self._name_what_is_new(after)
            self._state = self._with_room(after)
            self.taken[action] += 1
            if self._judged:
                self._judge(action)
        self.changed()
        return True

    def take(self, action: str, *indices: int) -> None:
        """Take an action. Raises Refused if its guard does not hold."""
        if not self.attempt(action, *indices):
            raise Refused(f"{action}{indices} cannot be taken now")

    def take_first(self, *actions: tuple[str, int]) -> str | None:
        """Take the first of these whose guard holds; None if there is none."""
        return next((action for action, index in actions if self.attempt(action, index)), None)

    def _judge(self, action: str) -> None:
        for invariant in INVARIANTS:
            if not invariant(self.setup, self._state):
                raise AssertionError(f"{sentence(invariant)} - but not after {action}")

    # ---- the numbers of the state, and the tids of the media

    def _name_what_is_new(self, after: State) -> None:
        """New epochs and tids get their place on media behind those that they follow."""
        for client in after.clients:
            if client.phase == Phase.IDLE:
                continue
            if client.epoch not in self._epochs:
                below = max(epoch for epoch in self._epochs if epoch < client.epoch)
                self._epochs[client.epoch] = self._epochs[below] + client.epoch - below
            if client.phase == Phase.RECOVER and client.tid not in self._media:
                self._media[client.tid] = self._epochs[client.epoch] << EPOCH_BITS
            if client.phase == Phase.WRITE and client.tid not in self._media:
                self._media[client.tid] = self._media[client.prior_tid] + 1

    def _with_room(self, state: State) -> State:
        """The state, its numbers replaced by their ranks if they come near the end of their range."""
        near_the_end = any(
            epoch >= EPOCHS - ROOM or any(sequence_of(tid) >= SEQUENCES - ROOM for tid in tids)
            for epoch, tids in _numbers(state)
        )
        if not near_the_end:
            return state
        after = ranked(self.setup, state)
        if after is None:
            raise RuntimeError("the state is beyond all bounds")
        epochs, media = {0: self._epochs[0]}, {0: self._media[0]}
        for (epoch, tids), (new_epoch, new_tids) in zip(_numbers(state), _numbers(after), strict=True):
            epochs[new_epoch] = self._epochs[epoch]
            for tid, new_tid in zip(tids, new_tids, strict=True):
                media[new_tid] = self._media[tid]
                epochs[epoch_of(new_tid)] = self._epochs[epoch_of(tid)]
        self._epochs, self._media = epochs, media
        return after


def _numbers(state: State) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The epochs and tids that a state mentions, always in the same order."""
    for node in state.nodes:
        copied = (node.snapshot_tid,) if syncing(node) else ()
        yield node.promised, (node.durable_tid, node.volatile_tid, *copied)
    for client in state.clients:
        if client.phase == Phase.ELECT:
            yield client.epoch, (client.prior_tid,)
        elif client.phase != Phase.IDLE:
            yield client.epoch, (client.tid, client.prior_tid)
