"""The protocol and the decision that is implemented agree, in every state that a small cluster reaches.

    python -m hammer2_proofs.protocol_decisions

The protocol says for itself who counts in a hard read, when a write may begin, which node is the focus and when all
are synchronized. Here each of its states is shown to ``resolve`` of hammer2_cluster, as the slots that a reader and
each session see, and the answers are compared; under SEED, with those of a protocol that has the seed's two mistakes
about quorums. And what the repaired decision lets a reader read must contain everything that was acknowledged. What
the seed's decision does in the same states is counted beside it.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import click

from hammer2_cluster import resolve as implemented
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.search import search
from hammer2_spec.configuration import Quorum, Slot, Verdict
from hammer2_spec.protocol import invariants, reading, writing
from hammer2_spec.protocol.state import Node, Setup, State, majority, reached, usable
from hammer2_spec.semantics import REPAIRED, SEED, Semantics
from hammer2_spec.transition_system import Model, sentence
from hammer2_spec.vocabulary import ClusterFlag, Error, PfsType

Slots = tuple[Slot, ...]


@dataclass(frozen=True)
class Cluster:
    """The states of one exploration: its bounds and switches."""

    name: str
    bounds: Mapping[str, int]
    switches: frozenset[str] = frozenset()

    def model(self) -> Model[Setup, State]:
        """The model."""
        return build("protocol", self.bounds, self.switches)


SMALL: Final = {"writes": 1, "elections": 1, "faults": 1}
CLUSTERS: Final = (
    Cluster("three masters and a slave", {**SMALL, "slaves": 1}),
    Cluster("two clients", {**SMALL, "clients": 2}),
    Cluster("two clients in a partition", {**SMALL, "clients": 2, "elections": 2}, frozenset({"split-views"})),
    Cluster("two writes", {**SMALL, "writes": 2}),
)


@cache
def agreed(slots: Slots, masters: int, semantics: Semantics) -> Quorum:
    """What the masters agree on, as it is implemented."""
    return implemented.quorum(slots, masters, semantics)


@cache
def decided(slots: Slots, masters: int, semantics: Semantics) -> Verdict:
    """The decision as it is implemented."""
    return implemented.resolve(slots, masters, None, 0, semantics)


def _slot(m: Setup, i: int, *, present: bool, tid: int, sound: bool) -> Slot:
    kind = PfsType.MASTER if i < m.masters else PfsType.SLAVE
    return Slot(present, kind, tid, 0 if sound else Error.INCOMPLETE)


def seen_by_a_reader(m: Setup, s: State) -> Slots:
    """The nodes that are there, with what is on their media; one without a whole version has an error."""
    return tuple(
        _slot(m, i, present=node.connected, tid=node.durable_tid, sound=usable(node)) for i, node in enumerate(s.nodes)
    )


def seen_by_a_session(m: Setup, s: State, c: int) -> Slots:
    """The nodes in a client's reach, with what is in their memory; one that takes no writes has an error."""
    return tuple(
        _slot(m, i, present=reached(m, s, c, i), tid=node.volatile_tid, sound=node.eligible and usable(node))
        for i, node in enumerate(s.nodes)
    )


def like_the_seed(m: Setup) -> Setup:
    """The protocol with the seed's mistakes about quorums: errored masters vote, the highest tid decides (F02, F03)."""
    return m._replace(sound_votes=False, majority_tid=False)


def a_quorum_answers_a_read_as_the_decision_says(m: Setup, s: State) -> bool:
    """A hard read gets an answer of a master iff the masters agree on that master's tid."""
    return _read_alike(m, s, REPAIRED)


def so_it_is_in_the_seed(m: Setup, s: State) -> bool:
    """The same for the seed's decision and a protocol with its mistakes."""
    return _read_alike(like_the_seed(m), s, SEED)


def _read_alike(m: Setup, s: State, semantics: Semantics) -> bool:
    slots = seen_by_a_reader(m, s)
    found = agreed(slots, m.masters, semantics)
    return all(
        reading.quorum_answers(m, s, i)
        == (found.reached and implemented.votes(slot, m.masters, semantics) and slot.tid == found.tid)
        for i, slot in enumerate(slots[: m.masters])
    )


def _read_through(m: Setup, s: State, semantics: Semantics) -> Node | None:
    """The node that a hard read goes through, if the decision allows one."""
    verdict = decided(seen_by_a_reader(m, s), m.masters, semantics)
    if verdict.focus is None or not verdict.flags & ClusterFlag.RDHARD:
        return None
    return s.nodes[verdict.focus]


def what_the_decision_lets_be_read_has_everything_acknowledged(m: Setup, s: State) -> bool:
    """The focus of a hard read has it."""
    node = _read_through(m, s, REPAIRED)
    return node is None or invariants.contains(m, node.durable_content, s.known)


def _at_its_version(m: Setup, s: State, c: int) -> bool:
    """Whether the decision lets a session write, on top of the session's version."""
    slots = seen_by_a_session(m, s, c)
    may_write = decided(slots, m.masters, REPAIRED).flags & ClusterFlag.WRHARD != 0
    return may_write and agreed(slots, m.masters, REPAIRED).tid == s.clients[c].tid


def a_write_may_begin_where_the_decision_allows_it(m: Setup, s: State) -> bool:
    """A majority has a session's version iff the decision grants hard writing at that version."""
    return all(
        (writing.at_the_last_version(m, s, c) >= majority(m)) == _at_its_version(m, s, c)
        for c, _ in enumerate(s.clients)
        if invariants.serves(s, c)
    )


def the_focus_is_the_one_that_is_decided(m: Setup, s: State) -> bool:
    """Where a session may write, it reads through the node that the decision takes."""
    return all(
        invariants.focus(m, s, c) == decided(seen_by_a_session(m, s, c), m.masters, REPAIRED).focus
        for c, _ in enumerate(s.clients)
        if invariants.serves(s, c) and _at_its_version(m, s, c)
    )


def msynced_and_ssynced_are_those_that_are_decided(m: Setup, s: State) -> bool:
    """Where a session may write, what it declares synchronized are the decision's flags."""
    for c, _ in enumerate(s.clients):
        if invariants.serves(s, c) and _at_its_version(m, s, c):
            flags = decided(seen_by_a_session(m, s, c), m.masters, REPAIRED).flags
            for flag, masters in ((ClusterFlag.MSYNCED, True), (ClusterFlag.SSYNCED, False)):
                if (flags & flag != 0) != invariants.declared(m, s, c, masters):
                    return False
    return True


SENTENCES: Final[tuple[Callable[[Setup, State], bool], ...]] = (
    a_quorum_answers_a_read_as_the_decision_says,
    so_it_is_in_the_seed,
    what_the_decision_lets_be_read_has_everything_acknowledged,
    a_write_may_begin_where_the_decision_allows_it,
    the_focus_is_the_one_that_is_decided,
    msynced_and_ssynced_are_those_that_are_decided,
)


LETS, DENIES, WRITES = "the decision lets a read through", "the decision lets no read through", "a session may write"
SEED_DENIES = "the seed's decision denies a read that is sound"
SEED_ALLOWS = "the seed's decision allows a read that no sound majority agrees on"
SEED_LACKS = "what the seed's decision reads through lacks something acknowledged"
SITUATIONS: Final = (LETS, DENIES, WRITES, SEED_DENIES, SEED_ALLOWS, SEED_LACKS)
"""Each must be met, or the comparison has shown little."""


def situations(m: Setup, s: State) -> Iterator[str]:
    """Which of these a state is."""
    repaired, seed = _read_through(m, s, REPAIRED), _read_through(m, s, SEED)
    yield LETS if repaired else DENIES
    if any(invariants.serves(s, c) and _at_its_version(m, s, c) for c, _ in enumerate(s.clients)):
        yield WRITES
    if repaired and not seed:
        yield SEED_DENIES
    if seed and not repaired:
        yield SEED_ALLOWS
    if seed and not invariants.contains(m, seed.durable_content, s.known):
        yield SEED_LACKS


@dataclass
class Comparison:
    """What came of it: how many states, in how many each situation, and for each sentence the first state against it.

    Everything in here is of all clusters so far.
    """

    states: int = 0
    met: Counter[str] = field(default_factory=Counter)
    refuted: dict[str, State] = field(default_factory=dict)

    def look_at(self, m: Setup, s: State) -> None:
        """Compare in one state."""
        self.states += 1
        self.met.update(situations(m, s))
        for judged in SENTENCES:
            if not judged(m, s):
                self.refuted.setdefault(sentence(judged), s)

    @property
    def problems(self) -> list[str]:
        """What is wrong, a line each."""
        lines = [f"refuted: {name}, in {state}" for name, state in self.refuted.items()]
        return lines + [f"never met: {name}" for name in SITUATIONS if not self.met[name]]


def states_of(model: Model[Setup, State], *, symmetry: bool = False) -> Iterator[State]:
    """All states that a model reaches.

    Args:
        model: the model.
        symmetry: whether states that differ by a permutation of like nodes count as one.

    Raises:
        RuntimeError: there are more than fit into memory.
    """
    found = search(model, symmetry=symmetry)
    if not found.complete:
        raise RuntimeError(f"{model.name}: {found.stopped}")
    for number in range(found.states):
        yield found.layout.unpack(found.words(number))


@click.command()
def main() -> None:
    """Compare in all states of all clusters; exit status 1 if anything differs."""
    result = Comparison()
    for cluster in CLUSTERS:
        model, before = cluster.model(), result.states
        for state in states_of(model):
            result.look_at(model.setup, state)
        print(f"{cluster.name}: {result.states - before:,} states", flush=True)
    for name in SITUATIONS:
        print(f"  {result.met[name]:9,}  {name}")
    for line in result.problems:
        print(line)
    print(
        f"{len(SENTENCES) - len(result.refuted)} of {len(SENTENCES)} sentences about the decision hold "
        f"in {result.states:,} states of the protocol"
    )
    sys.exit(1 if result.problems else 0)


if __name__ == "__main__":
    main()
