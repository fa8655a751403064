"""Random questions, shrunk over the wire: the life of a cluster, whose members change between calls of resolve."""

from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st

from hammer2_oracle.conform.examination import Examination, Skipped
from hammer2_oracle.conform.judging import Judgement, asserts, judge
from hammer2_oracle.conform.messages import Answer
from hammer2_oracle.conform.searching import Notes, smallest_bad
from hammer2_oracle.testing import configurations
from hammer2_oracle.vector_record import focus_read
from hammer2_spec.configuration import FOREIGN, Configuration, Outcome
from hammer2_spec.semantics import Semantics

LIFE: Final = 24
"""Calls of resolve on one cluster at the most."""


def life(calls: list[tuple[Configuration, bool]], ask: Callable[[Configuration], Judgement]) -> None:
    """Ask one after the other; where a call is marked, with the focus and the flags that the one before has left.

    Raises what ``ask`` raises.
    """
    left: Answer | None = None
    for drawn, goes_on in calls:
        slots, pfs_nmasters, prior, flags = drawn
        if goes_on and left is not None:
            flags = left.g
            prior = focus_read(left.F)
            if prior is not None and prior != FOREIGN and not (prior < len(slots) and slots[prior].present):
                prior = FOREIGN  # the chain that was the focus has left the cluster
        judgement = ask(Configuration(slots, pfs_nmasters, prior, flags))
        left = judgement.reply if isinstance(judgement.reply, Answer) and judgement.reply.o == Outcome.OK.text else None


def search(
    examination: Examination,
    semantics: Semantics,
    examples: int,
    seed_number: int,
    spare: bool,
    note: Callable[[Judgement], None],
) -> Judgement | None:
    """Look for a bad reply in so many random lives, and shrink what is found to the smallest one.

    Args:
        examination: the implementation.
        semantics: what it claims.
        examples: how many lives.
        seed_number: decides every random choice.
        spare: do not ask where the original asserts.
        note: is told of every good reply, until a bad one is found.

    Returns the smallest bad reply, None if there is none. Raises GivenUp.
    """
    notes: Notes[Judgement] = Notes(note)

    def ask(configuration: Configuration) -> Judgement:
        if spare and asserts(configuration, semantics):
            return judge(configuration, Skipped("it ends where the original asserts"), semantics)
        return notes.take(judge(configuration, examination.ask([configuration])[0], semantics))

    lives = st.lists(st.tuples(configurations(), st.booleans()), min_size=1, max_size=LIFE)
    found: Judgement | None = smallest_bad(lives, lambda calls: life(calls, ask), examples, seed_number)
    return found
