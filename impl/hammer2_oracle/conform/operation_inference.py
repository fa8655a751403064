"""Which repairs an implementation of the operations has, by what it says when it performs some of them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from hammer2_oracle import trace_record as records
from hammer2_oracle.conform import campaigns
from hammer2_oracle.conform.examination import Examination
from hammer2_oracle.conform.hypotheses import Said, Watched, as_said, likeness, right_for, said_by
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.messages import AskedCall, Done, GivenWorld, OperationQuestion
from hammer2_oracle.conform.operation_questions import good_days
from hammer2_oracle.conform.operations import (
    OK,
    Below,
    OperationJudgement,
    OperationReply,
    Performance,
    judged,
    performances,
)
from hammer2_oracle.counterexamples import STORED
from hammer2_oracle.recorded import Diverged
from hammer2_oracle.traces import decode
from hammer2_spec.configuration import FOREIGN, Configuration
from hammer2_spec.semantics import REPAIRED, SEED, Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, BrefType

PROGRAMS: Final = 120
"""Programs in worlds, of whose operations those are asked that the original does in another way than the repaired."""


class Heard(NamedTuple):
    """An operation, and what the implementation said of it."""

    performance: Performance
    said: Said


class Inferred(NamedTuple):
    """What the answers tell."""

    semantics: Semantics
    unexplained: int
    """Answers that are not those of the semantics."""
    untold: tuple[str, ...]
    """Repairs that make no difference to any answer: they are taken to be as claimed."""


def questions() -> Iterator[Performance]:
    """Operations in which repairs show: the stored counterexamples, each of one; decisions; and some of good days."""
    for line in STORED.read_bytes().splitlines():
        yield from performances(decode(line))
    yield from map(decision, campaigns.smoke())
    for semantics in (SEED, REPAIRED):
        for performance in good_days(semantics, PROGRAMS):
            if said_by(SEED, performance) != said_by(REPAIRED, performance):
                yield performance


def decision(configuration: Configuration) -> Performance:
    """The operation resolve on a cluster."""
    slots, pfs_nmasters, prior, flags = configuration
    pmp = None if pfs_nmasters is None else 0
    types = [slot.type if slot.present else 0 for slot in slots] + [0] * (MAXCLUSTER - len(slots))
    present = [i for i, slot in enumerate(slots) if slot.present]
    chains = [_chain(slots[i].tid, slots[i].error, pmp) for i in present]
    numbers = [present.index(i) if i in present else None for i in range(MAXCLUSTER)]
    if prior == FOREIGN:
        focus: int | None = len(chains)
        chains.append(_chain(0, 0, pmp))
    else:
        focus = None if prior is None else numbers[prior]
    k = records.ClusterRecord(pmp, 1, flags, len(slots), focus, 0, 0, numbers, [0] * MAXCLUSTER)
    pmps = [] if pfs_nmasters is None else [records.PfsRecord(types, pfs_nmasters)]
    world = GivenWorld(pmps, [records.InodeRecord(False, 0)] * 3, chains, {0: k}, 1)
    return Performance(OperationQuestion("resolve", {"cluster": 0}, world), [], Done("ok"))


def _chain(tid: int, error: int, pmp: int | None) -> records.ChainRecord:
    """An inode's chain."""
    return records.ChainRecord(BrefType.INODE, 0, 0, 0, 0, 0, 0, tid, 0, 0, 1024, 0, error, None, 0, pmp, 1, 1, None)


class Inquiry:
    """Asks what tells the repairs apart, infers them from the answers, and judges the answers by them.

    Args:
        claimed: what the implementation says that it is.
        known: repairs of which it is known already that they are as claimed.
    """

    def __init__(self, claimed: Semantics, known: Sequence[str]) -> None:
        self.claimed, self.known = claimed, known
        self._replies = list[tuple[Performance, list[AskedCall], OperationReply]]()

    def ask(self, examination: Examination) -> None:
        """Ask all. One that dies where the claimed one comes to no good end is spared that from then on.

        Raises GivenUp.
        """
        spare = False
        for performance in questions():
            done = said_by(self.claimed, performance).done
            ends_badly = done is None or done.outcome != OK
            if not (spare and ends_badly):
                below = Below(performance.calls)
                reply = examination.perform(performance.question, below)
                spare |= ends_badly and isinstance(reply, Misbehaved)
                self._replies.append((performance, below.said, reply))

    def infer(self) -> Inferred:
        """What the answers tell."""
        return infer([Heard(it, said) for it, said in self._heard()], self.claimed, self.known)

    def _heard(self) -> Iterator[tuple[Performance, Said]]:
        for performance, calls, reply in self._replies:
            if isinstance(reply, Done):
                yield performance, as_said(calls, reply)

    def judged(self, semantics: Semantics) -> Iterator[OperationJudgement]:
        """The answers, judged by these semantics."""
        for performance, calls, reply in self._replies:
            right = right_for(semantics, performance)
            if right is not None:
                yield judged(right, reply, _asked_again(right.calls, calls))


def _asked_again(right: Sequence[records.AnyCall], calls: Sequence[AskedCall]) -> Below:
    """A layer below that was asked these calls, where those are right."""
    below = Below(right)
    for call in calls:
        with suppress(Diverged):
            below(call)
    return below


class Look(NamedTuple):
    """What some semantics has to say of an operation, beside what was heard."""

    likeness: float
    read: frozenset[str]
    """The repairs that play a part in it."""


class Fit(NamedTuple):
    """Some semantics beside all that was heard."""

    semantics: Semantics
    looks: list[Look]

    @property
    def score(self) -> float:
        """How much of it is explained."""
        return sum(look.likeness for look in self.looks)


def infer(heard: Sequence[Heard], claimed: Semantics, known: Sequence[str] = ()) -> Inferred:
    """The semantics that explains most of what was heard, and of several that do, one that is near to the claimed.

    Args:
        heard: what the implementation said.
        claimed: what it says that it is.
        known: repairs of which it is known already that they are as claimed.
    """
    switches = [name for name in Semantics._fields if name not in known]
    fixed = {name: getattr(claimed, name) for name in known}
    best = None
    for start in (claimed, SEED._replace(**fixed), REPAIRED._replace(**fixed)):
        fit = _climbed(Fit(start, [_look(start, it) for it in heard]), heard, switches)
        best = fit if best is None or fit.score > best.score else best
        if best.score == len(heard):
            break
    assert best is not None  # noqa: S101 - there are three starts
    untold = []
    for name in switches:
        other = _other(best, name, heard)
        if other.score == best.score:
            untold.append(name)
            best = other if getattr(best.semantics, name) != getattr(claimed, name) else best
    return Inferred(best.semantics, sum(look.likeness < 1 for look in best.looks), tuple(untold))


def _climbed(fit: Fit, heard: Sequence[Heard], switches: Sequence[str]) -> Fit:
    """Change one switch after the other for the better, until that helps no more."""
    while fit.score < len(heard):
        before = fit.score
        for name in switches:
            other = _other(fit, name, heard)
            fit = other if other.score > fit.score else fit
        if fit.score == before:
            break
    return fit


def _other(fit: Fit, name: str, heard: Sequence[Heard]) -> Fit:
    """With that switch the other way; what it plays no part in stays."""
    other = fit.semantics._replace(**{name: not getattr(fit.semantics, name)})
    looks = [_look(other, it) if name in look.read else look for it, look in zip(heard, fit.looks, strict=True)]
    return Fit(other, looks)


def _look(semantics: Semantics, heard: Heard) -> Look:
    watched = Watched(*semantics)
    return Look(likeness(said_by(watched, heard.performance), heard.said), frozenset(watched.read))
