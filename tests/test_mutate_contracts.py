"""The mutation of confirmed contracts comes to its end, whatever a mutant does."""

import itertools

from contracts import Finding, Verdict
from mutate_contracts import within

CONFIRMED = Finding(Verdict.CONFIRMED, "", 0.1)


def test_a_mutant_that_loops_is_stopped_and_undecided() -> None:
    def loop() -> Finding:
        return next(CONFIRMED for n in itertools.count() if n < 0)

    finding = within(1, loop)
    assert (finding.verdict, finding.message) == (Verdict.OUT_OF_TIME, "stopped")
    assert 0.9 < finding.seconds < 3


def test_a_mutant_that_kills_its_process_is_undecided_and_one_that_ends_says_what_it_found() -> None:
    def die() -> Finding:
        raise SystemExit

    assert within(5, die).message == "died"
    assert within(5, lambda: CONFIRMED) == CONFIRMED
