"""Random search with shrinking over the wire, whatever is asked."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from hammer2_oracle.conform.examination import GivenUp
from hammer2_oracle.conform.judging import GOOD, Judged

J = TypeVar("J", bound=Judged)
T = TypeVar("T")


class Found(Exception):
    """A reply that is not good."""

    def __init__(self, judgement: Any) -> None:  # noqa: ANN401 - of whatever was asked
        super().__init__(judgement.standing.value)
        self.judgement = judgement


class Notes(Generic[J]):
    """Passes good replies on, until a bad one is found: what is asked after that only makes it smaller."""

    def __init__(self, note: Callable[[J], None]) -> None:
        self.note, self.bad = note, False

    def take(self, judgement: J) -> J:
        """Pass it on, or raise Found."""
        if judgement.standing not in GOOD:
            self.bad = True
            raise Found(judgement)
        if not self.bad:
            self.note(judgement)
        return judgement


def smallest_bad(strategy: st.SearchStrategy[T], ask: Callable[[T], None], examples: int, seed_number: int) -> Any:  # noqa: ANN401 - of whatever was asked
    """Ask for so many random examples; ``ask`` raises Found.

    Returns the smallest bad judgement, None if there is none. Raises GivenUp where nothing was found before.
    """
    last: list[Any] = []

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
    @given(strategy)
    def search(drawn: T) -> None:
        try:
            ask(drawn)
        except Found as found:
            last[:] = [found.judgement]
            raise

    try:
        search()
    except (Found, GivenUp, Flaky):
        if not last:
            raise
    return last[0] if last else None
