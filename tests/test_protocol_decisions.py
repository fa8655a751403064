"""What the protocol says about quorums, focus and synchronization is what the implemented decision answers."""

from collections.abc import Callable, Iterator

import pytest

from hammer2_cluster import resolve as implemented
from hammer2_proofs import protocol_decisions as decisions
from hammer2_spec.configuration import Quorum, Slot, Verdict
from hammer2_spec.protocol.state import Setup, State
from hammer2_spec.transition_system import Model, sentence
from hammer2_spec.vocabulary import ClusterFlag

Changed = Callable[[Verdict], Verdict]


@pytest.fixture(scope="module")
def model() -> Model[Setup, State]:
    return decisions.Cluster("three masters and a slave", {**decisions.SMALL, "elections": 0, "slaves": 1}).model()


@pytest.fixture(scope="module")
def states(model: Model[Setup, State]) -> list[State]:
    return list(decisions.states_of(model, symmetry=True))


def compared(model: Model[Setup, State], states: list[State]) -> decisions.Comparison:
    result = decisions.Comparison()
    for state in states:
        result.look_at(model.setup, state)
    return result


@pytest.fixture
def decided_anew() -> Iterator[None]:
    """What is asked while a mistake is planted is not remembered."""
    for when in ("before", "after"):
        decisions.agreed.cache_clear()
        decisions.decided.cache_clear()
        if when == "before":
            yield


def test_the_decision_agrees_with_the_protocol_in_every_state_of_a_small_cluster(
    model: Model[Setup, State], states: list[State]
) -> None:
    result = compared(model, states)
    assert result.refuted == {}
    assert result.states == 3_854
    assert result.met[decisions.LETS]
    assert result.met[decisions.WRITES]


def through_the_last(verdict: Verdict) -> Verdict:
    return verdict._replace(focus=None if verdict.focus is None else 1)


def always(flag: ClusterFlag) -> Changed:
    return lambda verdict: verdict._replace(flags=verdict.flags | flag)


@pytest.mark.usefixtures("decided_anew")
@pytest.mark.parametrize(
    ("changed", "noticed"),
    [
        (through_the_last, decisions.the_focus_is_the_one_that_is_decided),
        (always(ClusterFlag.MSYNCED), decisions.msynced_and_ssynced_are_those_that_are_decided),
        (always(ClusterFlag.SSYNCED), decisions.msynced_and_ssynced_are_those_that_are_decided),
        (always(ClusterFlag.WRHARD), decisions.a_write_may_begin_where_the_decision_allows_it),
        (
            lambda verdict: verdict._replace(focus=0, flags=verdict.flags | ClusterFlag.RDHARD),
            decisions.what_the_decision_lets_be_read_has_everything_acknowledged,
        ),
    ],
    ids=["another focus", "MSYNCED", "SSYNCED", "writing for all", "reading for all"],
)
def test_a_mistake_in_the_verdict_is_noticed(
    model: Model[Setup, State],
    states: list[State],
    monkeypatch: pytest.MonkeyPatch,
    changed: Changed,
    noticed: Callable[..., bool],
) -> None:
    sound = implemented.choose
    monkeypatch.setattr(implemented, "choose", lambda *given: changed(sound(*given)))
    assert sentence(noticed) in compared(model, states).refuted


@pytest.mark.usefixtures("decided_anew")
def test_a_mistake_in_counting_votes_is_noticed(
    model: Model[Setup, State], states: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    def everybody(slots: tuple[Slot, ...], *_: object) -> Quorum:
        return Quorum(max(slot.tid for slot in slots), len(slots), len(slots), True)

    monkeypatch.setattr(implemented, "quorum", everybody)
    refuted = compared(model, states).refuted
    assert sentence(decisions.a_quorum_answers_a_read_as_the_decision_says) in refuted
    assert sentence(decisions.so_it_is_in_the_seed) in refuted


def test_a_situation_that_is_never_met_is_a_problem() -> None:
    assert decisions.Comparison().problems == [f"never met: {name}" for name in decisions.SITUATIONS]
