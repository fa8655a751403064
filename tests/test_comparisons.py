"""A decision only compares tids and errors; a decision that does anything else with them is found out."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammer2_cluster.decisions import DECISIONS, Decision
from hammer2_oracle.testing import configurations
from hammer2_proofs.comparisons import leaks
from hammer2_spec.configuration import Configuration, Quorum, Slot, Verdict
from hammer2_spec.semantics import REPAIRED, SEED, Semantics
from hammer2_spec.vocabulary import Error

EVERY_DECISION = pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS)


@EVERY_DECISION
def test_tids_are_only_compared_with_each_other_and_with_0(decision: Decision) -> None:
    assert leaks(decision.implementation, "tid", {0}) == []


@EVERY_DECISION
def test_errors_are_only_compared_with_each_other_and_with_0_and_chosen(decision: Decision) -> None:
    assert leaks(decision.implementation, "error", {0, Error.INCOMPLETE}) == []


@EVERY_DECISION
def test_the_analysis_does_see_what_a_decision_does(decision: Decision) -> None:
    """It finds the other things that are done with other fields, and the constant that errors are mixed with."""
    assert leaks(decision.implementation, "present", {0})
    assert leaks(decision.implementation, "type", {0})
    assert [leak.text for leak in leaks(decision.implementation, "error", {0})] == ["Error.INCOMPLETE"]
    assert leaks(decision.implementation, "tid", set())


LIMIT = 5
GLOBAL = Slot(True, 6, 1, 0)


def helper(tid: int, slots: Sequence[Slot]) -> int:
    for slot in slots:
        if slot.tid == tid:
            return 1
    return 0


def passes_on(tid: int) -> int:
    return tid


def harmless(slots: Sequence[Slot], flags: int) -> Quorum:
    best = 0
    for i, slot in enumerate(slots):
        if slot.present and (slot.tid > best or slot.tid == 0 or slots[len(slots) - 1 - i].tid != passes_on(slot.tid)):
            best = slot.tid
    agreed = Quorum(best, len(slots), flags, helper(best, slots) > 0)
    return Quorum(agreed.tid, 0, 0, agreed.reached)


def adds(slots: Sequence[Slot]) -> bool:
    return slots[0].tid + 1 == slots[1].tid


def adds_later(slots: Sequence[Slot]) -> int:
    total = 0
    for slot in slots:
        total += slot.tid
    return total


def compares_with_a_limit(slots: Sequence[Slot]) -> bool:
    return slots[0].tid > LIMIT


def compares_with_an_error(slots: Sequence[Slot]) -> bool:
    return slots[0].tid > slots[0].error


def compares_with_a_parameter(slots: Sequence[Slot], flags: int) -> bool:
    return slots[0].tid > flags


def asks_its_truth(slots: Sequence[Slot]) -> int:
    if slots[0].tid:
        return 1
    return 0


def asks_its_identity(slots: Sequence[Slot]) -> bool:
    return slots[0].tid is slots[1].tid


def negates(slots: Sequence[Slot]) -> bool:
    return not slots[0].tid


def combines(slots: Sequence[Slot]) -> object:
    return slots[0].tid or slots[1].tid


def compares_whole_slots(slots: Sequence[Slot]) -> bool:
    return slots[0] == slots[1]


def picks_by_position(slots: Sequence[Slot]) -> object:
    return slots[0][2]


def takes_apart(slots: Sequence[Slot]) -> int:
    _, _, tid, _ = slots[0]
    return tid & 1


def follows_no_index(slots: Sequence[Slot]) -> int:
    for pair in enumerate(slots):
        if pair[1].tid == LIMIT:
            return 1
    return 0


def matches(slots: Sequence[Slot]) -> int:
    match slots[0].tid:
        case 5:
            return 1
    return 0


def calls_a_builtin(slots: Sequence[Slot]) -> int:
    return abs(slots[0].tid)


def calls_with_a_constant(slots: Sequence[Slot]) -> int:
    return helper(LIMIT, slots)


def asks_by_name(slots: Sequence[Slot]) -> object:
    return getattr(slots[0], "tid")  # noqa: B009 - what is to be found out


def chooses(slots: Sequence[Slot]) -> bool:
    return (slots[0].tid if len(slots) > 1 else LIMIT) > slots[0].tid


def starts_elsewhere(slots: Sequence[Slot]) -> bool:
    best = LIMIT
    for slot in slots:
        best = slot.tid
    return best > slots[0].tid


def leaves_as_flags(slots: Sequence[Slot]) -> Verdict:
    return Verdict(0, None, 0, slots[0].tid)  # type: ignore[arg-type]  # no matter here


def puts_in(slots: Sequence[Slot]) -> Quorum:
    return Quorum(len(slots), 0, 0, False)


def puts_in_by_name(slots: Sequence[Slot]) -> Quorum:
    return Quorum(tid=len(slots), nmasters=0, ttlmasters=0, reached=False)


def looks_elsewhere(slots: Sequence[Slot]) -> bool:
    return GLOBAL.tid == slots[0].tid


def looks_elsewhere_alone(slots: Sequence[Slot]) -> bool:
    return GLOBAL.tid > 0 and slots[0].present


def changes_it(slots: Sequence[Slot]) -> bool:
    best = slots[0].tid
    best += 1
    return best > slots[1].tid


def names_it_in_passing(slots: Sequence[Slot]) -> int:
    if (tid := slots[0].tid) > 0:
        return tid
    return 0


LEAKY: list[Callable[..., object]] = [
    adds, adds_later, compares_with_a_limit, compares_with_an_error, compares_with_a_parameter, asks_its_truth,
    asks_its_identity, negates, combines, compares_whole_slots, picks_by_position, takes_apart, follows_no_index,
    matches, calls_a_builtin, calls_with_a_constant, asks_by_name, chooses, starts_elsewhere, leaves_as_flags, puts_in,
    puts_in_by_name, looks_elsewhere, looks_elsewhere_alone, changes_it, names_it_in_passing,
]  # fmt: skip


def test_comparing_and_carrying_about_is_no_leak() -> None:
    assert leaks(harmless, "tid", {0}) == []


@pytest.mark.parametrize("function", LEAKY, ids=lambda function: str(function.__name__))
def test_whatever_else_is_done_with_a_tid_is_a_leak(function: Callable[..., object]) -> None:
    found = leaks(function, "tid", {0})
    assert found
    assert __file__ in str(found[0])


def without_annotations(slots):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - that is the point
    return slots[0].tid


def test_a_function_that_cannot_be_followed_is_refused() -> None:
    with pytest.raises(TypeError, match="lacks annotations"):
        leaks(without_annotations, "tid", {0})


def in_order(numbers: Sequence[int], fixed: Sequence[int], images: Sequence[int]) -> dict[int, int]:
    """A map of numbers that keeps their order, and keeps where they are: ``images`` are ever larger steps."""
    image = {number: number for number in fixed}
    last = 0
    for number, step in zip(sorted(set(numbers) - set(fixed)), images, strict=False):
        last += step
        image[number] = last
    return image


@EVERY_DECISION
@given(configurations(), st.lists(st.integers(1, 2**60), min_size=8, max_size=8), st.sampled_from([SEED, REPAIRED]))
def test_tids_in_the_same_order_decide_the_same(
    decision: Decision, configuration: Configuration, steps: list[int], semantics: Semantics
) -> None:
    image = in_order([slot.tid for slot in configuration.slots], [0], steps)
    moved = configuration._replace(slots=tuple(slot._replace(tid=image[slot.tid]) for slot in configuration.slots))
    assert decision.implementation(*moved, semantics) == decision.implementation(*configuration, semantics)
