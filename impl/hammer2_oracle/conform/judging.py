"""What a reply means: does it agree with what the implementation claims, and if not, whom does it agree with?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from hammer2_cluster.resolve import resolve
from hammer2_oracle.conform.examination import Failed, Reply, Skipped
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.messages import Answer, answer
from hammer2_oracle.conform.rules import rules
from hammer2_spec.configuration import Configuration, Outcome, Verdict
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics, describe


class Standing(Enum):
    """What a reply is, in words that follow a number."""

    AGREES = "agreed"
    DIFFERS = "differed"
    UNDEFINED = "undefined in the original"
    """An assertion of the original fires here: nothing that an implementation does instead is wrong."""
    SKIPPED = "skipped"
    FAILED = "failed"
    MISBEHAVED = "broke the protocol"


GOOD: Final = (Standing.AGREES, Standing.UNDEFINED, Standing.SKIPPED)


INTRODUCTION: Final = "introduction"
"""What comes before the first campaign."""


class Judgement(NamedTuple):
    """A question, and what came of it."""

    configuration: Configuration
    expected: Verdict
    reply: Reply
    standing: Standing

    @property
    def fields(self) -> Iterator[tuple[str, object, object]]:
        """The fields that differ, as they are written on the wire: expected, and got."""
        if isinstance(self.reply, Answer):
            right = answer(self.expected)
            for name, key in zip(Verdict._fields, Answer.__struct_fields__, strict=True):
                if getattr(right, key) != getattr(self.reply, key):
                    yield name, getattr(right, key), getattr(self.reply, key)

    @property
    def like(self) -> tuple[str, ...]:
        """Whose answer it is instead: the original's, the repaired decision's, or nobody's."""
        if not isinstance(self.reply, Answer):
            return ()
        known = {"the original": SEED, "the repaired decision": REPAIRED}
        got = self.reply.verdict
        return tuple(name for name, semantics in known.items() if resolve(*self.configuration, semantics) == got)

    def rules(self, semantics: Semantics) -> Iterator[str]:
        """Which rules decide it, if an answer differs."""
        if isinstance(self.reply, Answer):
            yield from rules(self.configuration, semantics, [name for name, _, _ in self.fields], self.reply.verdict)


def asserts(configuration: Configuration, semantics: Semantics) -> bool:
    """Whether an assertion fires."""
    return resolve(*configuration, semantics).outcome is not Outcome.OK


def judge(configuration: Configuration, reply: Reply, semantics: Semantics) -> Judgement:
    """Judge a reply by the semantics that the implementation claims to have."""
    expected = resolve(*configuration, semantics)
    return Judgement(configuration, expected, reply, _standing(expected, reply))


def _standing(expected: Verdict, reply: Reply) -> Standing:
    if isinstance(reply, Skipped):
        return Standing.SKIPPED
    if isinstance(reply, Answer) and reply.verdict == expected:
        return Standing.AGREES
    if isinstance(reply, Misbehaved) and reply.by_many:
        return Standing.MISBEHAVED
    if expected.outcome is not Outcome.OK:
        return Standing.UNDEFINED
    if isinstance(reply, Failed):
        return Standing.FAILED
    return Standing.MISBEHAVED if isinstance(reply, Misbehaved) else Standing.DIFFERS


class Judged(Protocol):
    """What came of a question, whatever it was."""

    @property
    def reply(self) -> object:
        """What was said, or happened instead."""

    @property
    def standing(self) -> Standing:
        """What that is."""

    @property
    def like(self) -> tuple[str, ...] | None:
        """Whose answer it is, if it differs; None where nobody asks that."""


J = TypeVar("J", bound=Judged)


@dataclass
class Tally(Generic[J]):
    """What came of all questions so far."""

    campaigns: dict[str, Counter[Standing]] = field(default_factory=dict)
    """What came of each campaign, in the order in which they began."""
    not_asked: int = 0
    """Questions on which the original asserts, which an implementation that dies of one is spared."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of what was skipped."""
    like: Counter[str] = field(default_factory=Counter)
    """Whose answers those are that differ."""
    first: list[J] = field(default_factory=list)
    """The first that are not good."""
    kept: int = 20

    def __post_init__(self) -> None:
        """Begin."""
        self.begin(INTRODUCTION)

    def begin(self, campaign: str) -> None:
        """Count under this name from now on."""
        self._now = self.campaigns.setdefault(campaign, Counter())

    def note(self, judgement: J) -> None:
        """Count it, and keep it if it is among the first bad ones."""
        self.count(judgement.standing)
        if isinstance(judgement.reply, Skipped):
            self.reasons[judgement.reply.reason] += 1
        if judgement.standing is Standing.DIFFERS and judgement.like is not None:
            self.like[" and ".join(judgement.like) or "nobody known"] += 1
        if judgement.standing not in GOOD and len(self.first) < self.kept:
            self.first.append(judgement)

    def count(self, standing: Standing) -> None:
        """Count one of these."""
        self._now[standing] += 1

    @property
    def counts(self) -> Counter[Standing]:
        """What came of all campaigns."""
        return sum(self.campaigns.values(), Counter())

    @property
    def bad(self) -> int:
        """How many are not good."""
        return bad(self.counts)


def bad(counts: Counter[Standing]) -> int:
    """How many are not good."""
    return sum(count for standing, count in counts.items() if standing not in GOOD)


def inferred(asked: Sequence[tuple[Configuration, Reply]]) -> tuple[Semantics, int]:
    """The semantics of the decision that fits the answers best, and how many answers it does not explain.

    Of several that fit alike the one with the fewest repairs.
    """
    answers = [(configuration, reply.verdict) for configuration, reply in asked if isinstance(reply, Answer)]
    choices = sorted(product([False, True], repeat=len(RESOLVE_REPAIRS)), key=sum)
    candidates = [SEED._replace(**dict(zip(RESOLVE_REPAIRS, choice, strict=True))) for choice in choices]

    def unexplained(semantics: Semantics) -> int:
        return sum(resolve(*configuration, semantics) != verdict for configuration, verdict in answers)

    best = min(candidates, key=unexplained)
    return best, unexplained(best)


def described(semantics: Semantics) -> str:
    """Semantics of the decision in words: what the operations' repairs are plays no part."""
    rest = Semantics._fields[len(RESOLVE_REPAIRS) :]
    alike = [semantics._replace(**dict.fromkeys(rest, on)) for on in (False, True)]
    return min(map(describe, alike), key=len)
