"""Random questions, shrunk over the wire: the life of a cluster, whose members change between calls of resolve."""

from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from hammer2_oracle.conform.examination import Examination, Skipped
from hammer2_oracle.conform.judging import GOOD, Judgement, asserts, judge
from hammer2_oracle.conform.messages import Answer
from hammer2_oracle.testing import configurations
from hammer2_oracle.vector_record import focus_read
from hammer2_spec.configuration import FOREIGN, Configuration, Outcome
from hammer2_spec.semantics import Semantics

LIFE: Final = 24
"""Calls of resolve on one cluster at the most."""


class Found(Exception):
    """A reply that is not good."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(judgement.standing.value)
        self.judgement = judgement


def life(calls: list[tuple[Configuration, bool]], ask: Callable[[Configuration], Judgement]) -> None:
    """Ask one after the other; where a call is marked, with the focus and the flags that the one before has left.

    Raises Found at the first reply that is not good.
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
        if judgement.standing not in GOOD:
            raise Found(judgement)
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
    bad = False

    def ask(configuration: Configuration) -> Judgement:
        if spare and asserts(configuration, semantics):
            return judge(configuration, Skipped("it ends where the original asserts"), semantics)
        judgement = judge(configuration, examination.ask([configuration])[0], semantics)
        if not bad and judgement.standing in GOOD:
            note(judgement)
        return judgement

    @seed(seed_number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(configurations(), st.booleans()), min_size=1, max_size=LIFE))
    def lives(calls: list[tuple[Configuration, bool]]) -> None:
        nonlocal bad
        try:
            life(calls, ask)
        except Found:
            bad = True
            raise

    try:
        lives()
    except Found as found:
        return found.judgement
    return None
