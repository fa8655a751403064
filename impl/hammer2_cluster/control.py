"""The control state of the nodes and clients of a cluster: the protocol's own, changed by the protocol's own actions.

The action functions of ``hammer2_spec.protocol`` are called here as they stand, guard and update; nothing else makes a
new state but ``learn``, which completes the first one, and a state cannot be changed in place. The protocol counts
epochs and sequence numbers in a few bits, for only their order matters: when numbers run out they are replaced by their
ranks, as the exploration does in every state. What stands on media are tids of 64 bits; this is where each number of
the one has its tid of the other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NamedTuple

from hammer2_cluster.promises import EPOCH_BITS
from hammer2_spec.protocol.model import ACTIONS, BEGIN_AGAIN, INVARIANTS, LOSE_MEDIA, SPACE
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
    action.name: action.step for action in (*ACTIONS, BEGIN_AGAIN, LOSE_MEDIA, *SPACE)
}
REPLACEMENTS: Final = 1000
"""So many while one control state lasts; each has a bit in the contents."""
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
        replacements: int = REPLACEMENTS,
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
            replacements: how many media may be replaced.
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
            losses=replacements,
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
        self._unknown: Final = {n for n, tid in enumerate(media_tids) if tid is None}
        promises = [*promised, *[0] * (len(media_tids) - len(promised))]
        numbers = self._number((tid for tid in media_tids if tid is not None), promises)
        self._state = State(
            nodes=tuple(
                Node(connected=False, eligible=False)
                if tid is None
                else Node(
                    max(numbers.epochs[promise], epoch_of(numbers.tids[tid])),
                    numbers.tids[tid],
                    numbers.tids[tid],
                    eligible=False,
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

    def _number(self, tids: Iterable[int], epochs: Iterable[int]) -> "_Numbers":
        """Let the state's numbers begin anew: these tids and epochs of the media get numbers in their order."""
        known = sorted({0, *tids})
        ordered = sorted({tid >> EPOCH_BITS for tid in known} | {*epochs})
        self._epochs = dict(enumerate(ordered))
        self._media = {
            number * SEQUENCES + place: tid
            for number, epoch in self._epochs.items()
            for place, tid in enumerate(tid for tid in known if tid >> EPOCH_BITS == epoch)
        }
        return _Numbers(
            {epoch: number for number, epoch in self._epochs.items()},
            {tid: number for number, tid in self._media.items()},
        )

    def knows(self, n: int) -> bool:
        """Whether it is known what stands on the media of a node."""
        return n not in self._unknown

    def learn(self, n: int, media_tid: int, promised: int) -> None:
        """What stands on the media of a node that was not there when all began, and has been disconnected ever since.

        It has stood there all the time, and no action depends on what a disconnected node has: so the state becomes
        what it would be had this been known from the beginning. As in Control for the arguments.
        """
        with self._mutex:
            epochs, media = self._epochs, self._media
            mentioned = list(_numbers(self._state))
            numbers = self._number(
                [media_tid, *(media[tid] for _, tids in mentioned for tid in tids)],
                [promised, *(epochs[epoch] for epoch, _ in mentioned)],
            )

            def epoch(number: int) -> int:
                return numbers.epochs[epochs[number]]

            def tid(number: int) -> int:
                return numbers.tids[media[number]]

            nodes = [_renumbered_node(node, epoch, tid) for node in self._state.nodes]
            clients = tuple(_renumbered_client(client, epoch, tid) for client in self._state.clients)
            number = numbers.tids[media_tid]
            nodes[n] = nodes[n]._replace(
                promised=max(numbers.epochs[promised], epoch_of(number)), durable_tid=number, volatile_tid=number
            )
            self._state = self._with_room(self._state._replace(nodes=tuple(nodes), clients=clients))
            self._unknown.discard(n)
        self.changed()

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


class _Numbers(NamedTuple):
    """The numbers of epochs and tids of the media."""

    epochs: dict[int, int]
    tids: dict[int, int]


def _renumbered_node(node: Node, epoch: Callable[[int], int], tid: Callable[[int], int]) -> Node:
    node = node._replace(
        promised=epoch(node.promised), durable_tid=tid(node.durable_tid), volatile_tid=tid(node.volatile_tid)
    )
    return node._replace(snapshot_tid=tid(node.snapshot_tid)) if syncing(node) else node


def _renumbered_client(client: Client, epoch: Callable[[int], int], tid: Callable[[int], int]) -> Client:
    if client.phase == Phase.IDLE:
        return client
    client = client._replace(epoch=epoch(client.epoch), prior_tid=tid(client.prior_tid))
    return client if client.phase == Phase.ELECT else client._replace(tid=tid(client.tid))


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
