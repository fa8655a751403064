"""What must hold after every step of every schedule: the judge remembers what was acknowledged, and believes nobody."""

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import combinations
from typing import Any, Final

from hammer2_cluster.control import Control
from hammer2_cluster.objects import Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import StoredChains
from hammer2_proofs.schedules.media import WRITES, Medium, after_power_loss, names_at, version_at
from hammer2_spec.protocol.model import ACTIONS, BEGIN_AGAIN, LOSE_MEDIA, SPACE
from hammer2_spec.protocol.state import UNLIMITED, Setup, State, majority, replacement, syncing
from hammer2_spec.vocabulary import ChainFlag

SPECIFIED: Final = {action.name: action for action in (*ACTIONS, BEGIN_AGAIN, LOSE_MEDIA, *SPACE)}
"""The protocol's actions, from where they are specified."""


class Violation(Exception):
    """Something that must hold does not."""


class Outcome(Enum):
    """What an operation came to."""

    DONE = "done"
    """A write: acknowledged. It stays."""
    UNKNOWN = "unknown"
    """It may be seen, or not."""
    REFUSED = "refused"
    """Nothing of it is ever seen."""


class Recorded(Control):
    """A control state that tells which actions were taken, so that somebody else can take them too."""

    def __init__(
        self, media_tids: Sequence[int | None], masters: int, clients: int, *, writes: int, replacements: int = 0
    ) -> None:
        """As Control, judged."""
        super().__init__(media_tids, masters, clients, writes=writes, replacements=replacements, judged=True)
        self.judged = True
        self.actions: Final[list[tuple[str, tuple[int, ...]]]] = []
        self.broken: str = ""
        """What an action has broken, whoever has swallowed that."""

    def weaken(self, ingredient: str) -> None:
        """From now on the protocol is without it."""
        object.__setattr__(self, "setup", self.setup._replace(**{ingredient: False}))  # type: ignore[arg-type]  # all are bools

    def attempt(self, action: str, *indices: int) -> bool:
        """As Control."""
        if not super().attempt(action, *indices):
            return False
        self.actions.append((action, indices))
        return True

    def _judge(self, action: str) -> None:
        if self.judged:
            try:
                super()._judge(action)
            except AssertionError as error:
                self.broken = str(error)
                raise


class Judge:
    """Ghost content, and the protocol once more beside the code."""

    def __init__(
        self, control: Recorded, chains: StoredChains, media: Sequence[Medium], programs: Sequence[int]
    ) -> None:
        """programs: how many operations each client has."""
        self._control: Final = control
        self._chains: Final = chains
        self._media: Final = media
        self._first: Final = [sum(programs[:c]) for c in range(len(programs))]
        self.acknowledged = 0
        self.refused = 0
        self.outcomes: Final[list[str]] = []
        """In words, in the order in which they were heard."""
        self.bits: dict[int, int] = {}
        """The write that a bit of the ghost content of the control state stands for."""
        self.state: State = control.state
        """What the specification says the control state is."""
        self.setup: Final[Setup] = control.setup._replace(elections=UNLIMITED - 1, faults=UNLIMITED - 1)
        self._followed = 0
        self._seen: tuple[object, ...] = ()

    # ---- told by the clients

    def begun(self, c: int, j: int) -> int:
        """A client's write begins. Returns its number."""
        client = self._control.state.clients[c]
        fresh = client.content & ~client.prior_content
        number = self._first[c] + j
        if fresh.bit_count() != 1:
            raise Violation(f"write {number} was begun, and no new content is promised")
        self.bits[fresh.bit_length() - 1] = number
        return number

    def came_to_nothing(self, number: int) -> None:
        """A write has failed while it was made: the version that it began may be written, without anything of it."""
        self.bits = {bit: of for bit, of in self.bits.items() if of != number}

    def ended(self, c: int, j: int, operation: str, outcome: Outcome) -> None:
        """A client hears what an operation came to."""
        number = self._first[c] + j
        self.outcomes.append(f"{c}: {operation} {number} {outcome.value}")
        if operation == "write":
            self.acknowledged |= (1 << number) * (outcome is Outcome.DONE)
            self.refused |= (1 << number) * (outcome is Outcome.REFUSED)

    def read(self, found: int, known: int) -> None:
        """What is read contains all that was acknowledged when the read began, and nothing that was refused (C97).

        Raises Violation. known: what was acknowledged then.
        """
        self._must_be_right(found, known, "what is read")

    def _must_be_right(self, found: int, known: int, what: str) -> None:
        if known & ~found:
            raise Violation(f"{what} is {shown(found)}: without {shown(known & ~found)}, which was acknowledged")
        if found & self.refused:
            raise Violation(f"{what} is {shown(found)}: with {shown(found & self.refused)}, which was refused")

    # ---- after every step

    def after(self) -> None:
        """Raises Violation."""
        if self._control.broken:
            raise Violation(self._control.broken)
        self._follow()
        seen = (*(medium.digest for medium in self._media), self.acknowledged, self.refused)
        if seen != self._seen:
            self._seen = seen
            self.nothing_is_lost()
        self.media_agree()

    def _follow(self) -> None:
        """Take the actions that were taken, as they are specified: nothing else has changed the control state."""
        for action, indices in self._control.actions[self._followed :]:
            after = SPECIFIED[action].step(self.setup, self.state, *indices)
            if after is None:
                raise Violation(f"{action}{indices} was taken, and its guard does not hold")
            self.state = after
        self._followed = len(self._control.actions)
        if self._control.state != self.state._replace(elections=0, faults=0):
            raise Violation("something that is no action of the protocol has changed the control state")

    def media_agree(self) -> None:
        """A node's media hold what the control state says; nothing of what was flushed after it had failed (C86).

        New ones do not count. Raises Violation.
        """
        for n, node in enumerate(self._control.state.nodes):
            volume = self._chains.volumes[n]
            if volume is None or not node.connected or volume.failed is not None:
                continue
            found = version_at(self._media[n], volume.header)
            if node.blank:  # until it is filled, and its flush has come to its end
                continue
            if found is None:
                raise Violation(f"the medium of node {n} is new, and counts")
            said = self._control.media_tid(node.durable_tid), self.as_writes(node.durable_content)
            if found != said:
                raise Violation(
                    f"node {n} has tid {found[0]:#x} with {shown(found[1])} on its media, "
                    f"and the control state says {said[0]:#x} with {shown(said[1])}"
                )
            for other in self._recorded_as_new(node.durable_content):
                name = deref(self._chains.volumes[other]).header.volume_id.hex().encode()
                if name not in names_at(self._media[n], volume.header):
                    raise Violation(f"that the medium of node {other} is new is recorded, and not on that of node {n}")

    def _recorded_as_new(self, content: int) -> Iterator[int]:
        """The nodes whose medium is new, as it is now, and which ghost content says to be recorded (P11)."""
        for n, node in enumerate(self._control.state.nodes):
            if content & replacement(self._control.setup, node.media_lost):
                yield n

    def as_writes(self, content: int) -> int:
        """Ghost content of the control state, as the numbers of our writes."""
        return sum(1 << number for bit, number in self.bits.items() if content >> bit & 1)

    def nothing_is_lost(self) -> None:
        """Whatever majority of the media is left, a session that begins there finds what was acknowledged (C97).

        And nothing that was refused. What is new has nothing, and makes no majority. Raises Violation.
        """
        needed = majority(self._control.setup)
        contents: dict[int, int] = {}
        filled = []
        for n, medium in enumerate(self._media):
            if (version := after_power_loss([medium])) is not None:
                tid, content = version
                filled.append(n)
                if contents.setdefault(tid, content) != content:
                    raise Violation(f"tid {tid:#x} is {shown(contents[tid])}, and on node {n} it is {shown(content)}")
        for size in range(needed, len(filled) + 1):
            for left in combinations(filled, size):
                if (found := after_power_loss([self._media[n] for n in left])) is not None:
                    names = ", ".join(map(str, left))
                    self._must_be_right(found.content, self.acknowledged, f"what is left on nodes {names}")

    # ---- at the end

    def nobody_is_stuck(self, waiting: str) -> None:
        """Every operation comes to an end, whatever has failed (C02).

        Raises Violation. waiting: who waits though nothing can happen any more, and for what.
        """
        if waiting:
            raise Violation(f"stuck: {waiting}")

    def nothing_is_held(self, roots: Sequence[StoredChain], clusters: Sequence[Cluster]) -> None:
        """When nobody does anything any more all locks and references are accounted for (C22, C25).

        Raises Violation. roots: of the nodes, referenced once each. clusters: over them, of the clients.
        """
        held = [*self._held(roots, clusters), *self._running_passes()]
        if held:
            raise Violation("; ".join(held))

    def _running_passes(self) -> Iterator[str]:
        """Passes that nobody is at any more, and snapshots that are kept for nobody."""
        for n, volume in enumerate(self._chains.volumes):
            if syncing(self._control.state.nodes[n]):
                yield f"node {n} is being resynchronized, by nobody"
            if volume is not None and volume.pins:
                yield f"node {n} keeps a snapshot, for nobody"

    def _held(self, roots: Sequence[StoredChain], clusters: Sequence[Cluster]) -> Iterator[str]:
        """Locks and references that nobody accounts for, at nodes that take part."""
        owned: dict[Any, int] = dict.fromkeys(roots, 1)
        for cluster in clusters:
            for _, chain in cluster.members():
                owned[chain] = owned.get(chain, 0) + cluster.refs
        for n, volume in enumerate(self._chains.volumes):
            if volume is None or volume.failed is not None or not self._control.state.nodes[n].connected:
                continue
            for chain in _below(volume.vchain):
                own = owned.get(chain, 0) + (chain is volume.super_root) + (chain is volume.vchain)
                own += bool(chain.flags & ChainFlag.MODIFIED) + bool(chain.flags & ChainFlag.UPDATE)
                if chain.locks or chain.refs != own:
                    yield f"{chain.name}: {chain.locks} locks, {chain.refs} references, {own} accounted for"


def _below(top: StoredChain) -> Iterator[StoredChain]:
    yield top
    for chain in top.children.all():
        yield from _below(chain)


def shown(content: int) -> str:
    """Writes, in words."""
    names = ", ".join(str(k) for k in range(WRITES) if content >> k & 1)
    return f"write{'s' if content.bit_count() > 1 else ''} {names}" if names else "no write"
