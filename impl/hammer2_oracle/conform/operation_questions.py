"""Which operations an implementation is asked: those of all programs on a good day, then random days."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final

import msgspec

from hammer2_oracle.conform.examination import Examination
from hammer2_oracle.conform.operations import OperationJudgement, Performance, judge_performance, performances
from hammer2_oracle.run_record import record_case
from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
from hammer2_proofs.operations.search import Case, cases
from hammer2_spec.semantics import Semantics

MOST_ANSWERS: Final = 60
"""Answers of the layer below that are drawn; the good day's follow."""
LARGEST_ANSWER: Final = 3


def every_case() -> list[Case]:
    """All programs in all worlds."""
    return cases(PROGRAMS, WORLDS)


def of_case(case: Case, picks: list[int], semantics: Semantics) -> Iterator[Performance]:
    """The operations of one run, each on its own."""
    trace, _ = record_case(case, picks, semantics, "")
    return performances(trace)


def good_days(semantics: Semantics, most: int) -> Iterator[Performance]:
    """The operations of so many programs at the most, where all goes well below; simple worlds first, none twice."""
    seen = set()
    for case in every_case()[:most]:
        for performance in of_case(case, [], semantics):
            digest = sha256(msgspec.msgpack.encode([performance.question, performance.calls])).digest()
            if digest not in seen:
                seen.add(digest)
                yield performance


def search(
    examination: Examination,
    semantics: Semantics,
    examples: int,
    seed_number: int,
    spare: bool,
    note: Callable[[OperationJudgement], None],
) -> OperationJudgement | None:
    """Look for a bad operation in so many random days, and shrink what is found.

    Args:
        examination: the implementation.
        semantics: what it claims.
        examples: how many days: programs, in worlds, with random answers of the layer below.
        seed_number: decides every random choice.
        spare: do not ask where the original comes to no good end.
        note: is told of every good reply, until a bad one is found.

    Returns the smallest bad reply, None if there is none. Raises GivenUp.
    """
    from hypothesis import strategies as st

    from hammer2_oracle.conform.searching import Notes, smallest_bad

    notes = Notes(note)

    def day(drawn: tuple[Case, list[int]]) -> None:
        for performance in of_case(*drawn, semantics):
            if not (spare and performance.asserts):
                notes.take(judge_performance(performance, examination))

    answers = st.lists(st.integers(0, LARGEST_ANSWER), max_size=MOST_ANSWERS)
    days = st.tuples(st.sampled_from(every_case()), answers)
    found: OperationJudgement | None = smallest_bad(days, day, examples, seed_number)
    return found
