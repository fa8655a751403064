"""The exhaustive comparison leaves nothing out, and notices what is wrong."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from math import comb
from types import FunctionType
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner

from hammer2_cluster import resolve as resolve_module
from hammer2_cluster.decisions import Decide
from hammer2_cluster.resolve import resolve
from hammer2_proofs import bulk
from hammer2_proofs.bulk import (
    CAMPAIGNS,
    DEEP_CAMPAIGNS,
    TYPES,
    Campaign,
    Difference,
    Tally,
    compare,
    compare_all,
    run,
)
from hammer2_proofs.compiled import globals_of
from hammer2_proofs.kernel import SLOT
from hammer2_proofs.mutants import Mutant, load, mutate
from hammer2_proofs.twin import decide as twin
from hammer2_spec.configuration import Configuration, Outcome, Slot, Verdict
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics
from hammer2_spec.vocabulary import Error, PfsType


@cache
def orders(count: int) -> int:
    """In how many orders so many things can stand, ties allowed (Fubini numbers)."""
    return 1 if count == 0 else sum(comb(count, ties) * orders(count - ties) for ties in range(1, count + 1))


def ranks(count: int) -> int:
    """How many ways there are to rank so many tids, some of them 0."""
    return sum(comb(count, zeros) * orders(count - zeros) for zeros in range(count + 1))


def configurations(nslots: int, nerrors: int) -> int:
    """How many configurations there are: present slots, their types, errors and ranks; prior focus; pfs_nmasters."""
    return sum(
        comb(nslots, present) * (len(TYPES) * nerrors) ** present * ranks(present) * (2 + present) * 8
        for present in range(nslots + 1)
    )


@pytest.mark.parametrize("campaign", [*CAMPAIGNS, *DEEP_CAMPAIGNS], ids=lambda campaign: str(campaign.name))
def test_the_pinned_number_of_configurations_is_that_of_all_there_are(campaign: Campaign) -> None:
    each = sum(configurations(nslots, len(campaign.errors)) for nslots in range(campaign.most_slots + 1))
    assert campaign.configurations == each * len(campaign.semantics)


def test_seed_and_repaired_are_visited_up_to_four_slots_and_every_set_of_repairs_up_to_two() -> None:
    assert CAMPAIGNS[0].most_slots == 4
    assert set(CAMPAIGNS[0].semantics) == {SEED, REPAIRED}
    assert 0 in CAMPAIGNS[0].errors
    assert CAMPAIGNS[2].most_slots == 2
    assert len(set(CAMPAIGNS[2].semantics)) == 2 ** len(RESOLVE_REPAIRS)


def test_the_repairs_of_the_decision_are_those_that_it_looks_at() -> None:
    names: set[str] = set()
    ahead: list[FunctionType] = [cast("FunctionType", resolve)]
    while ahead:
        function = ahead.pop()
        names.update(function.__code__.co_names)
        ahead += [value for value in globals_of(function).values() if isinstance(value, FunctionType)]
    assert names & set(Semantics._fields) == set(RESOLVE_REPAIRS)


def search(nslots: int, decide: Decide, semantics: Semantics, types: Sequence[int] = TYPES) -> int:
    """Search without a compiler: how many configurations were compared, negative if the last one differed."""

    def plainly(decide: Decide) -> Callable[..., Verdict]:
        return lambda slots, *rest: decide(tuple([Slot(*slot) for slot in slots.tolist()]), *rest)

    names = vars(bulk) | {"resolve": plainly(decide), "twin": plainly(twin)}
    searcher = FunctionType(cast("FunctionType", compare_all).__code__, names)
    slots = np.zeros(nslots, SLOT).view(np.recarray)
    errors = (0, 1)
    differing = np.zeros(3, np.int64)
    count = 0
    for first in range(1 + len(types) * len(errors) * (nslots + 1) if nslots else 1):
        found = searcher(slots, first, np.array(types), np.array(errors), semantics, differing)
        if found < 0:
            return int(found) - count
        count += found
    return count


def test_the_search_visits_every_configuration_once() -> None:
    asked: Counter[Configuration] = Counter()

    def notes(
        slots: Sequence[Slot], pfs_nmasters: int | None, prior: int | None, flags: int, semantics: Semantics
    ) -> Verdict:
        asked[Configuration(slots, pfs_nmasters, prior, 0)] += 1
        return resolve(slots, pfs_nmasters, prior, flags, semantics)

    assert search(0, notes, SEED, TYPES[:2]) == 16
    assert search(1, notes, SEED, TYPES[:2]) == 8 * (2 + 4 * 2 * 3)
    assert search(2, notes, SEED, TYPES[:2]) == 8 * (2 + 2 * 4 * 2 * 3 + 16 * 6 * 4)
    assert set(asked.values()) == {1}
    two = [one for one in asked if len(one.slots) == 2]
    ranked = {tuple(slot.tid for slot in one.slots) for one in two if all(slot.present for slot in one.slots)}
    assert ranked == {(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1)}
    assert {one.pfs_nmasters for one in two} == {None, *range(7)}
    assert {one.prior for one in two} == {None, -1, 0, 1}
    assert {tuple(slot.present for slot in one.slots) for one in two} == set(product([False, True], repeat=2))
    absent = {slot[1:] for one in two for slot in one.slots if not slot.present}
    assert absent == {(TYPES[0], 3, 0)}, "an absent slot looks like a perfect master"


def test_a_small_campaign_compares_what_it_should() -> None:
    tally = Tally()
    run(Campaign("small", 2, (0, 1), (SEED, REPAIRED), 0), tally)
    assert tally.difference is None
    assert tally.configurations == 2 * sum(configurations(nslots, 2) for nslots in range(3))


@cache
def mutants() -> Sequence[Mutant]:
    return mutate(resolve_module).mutants


def wrong(old: str, new: str) -> Decide:
    """The decision with one mechanical mistake."""
    mutant = next(one for one in mutants() if f"`{old}` became `{new}`" in one.description)
    function: Decide = load(mutant).resolve
    return function


MISTAKES = [
    ("quorum_tid < slot.tid", "quorum_tid <= slot.tid", SEED),
    ("nmasters >= nquorum", "nmasters > nquorum", SEED),
    ("ttlslaves += 1", "ttlslaves -= 1", SEED),
    ("slot.error < error", "slot.error <= error", REPAIRED),
    ("slot.tid > tid", "slot.tid < tid", REPAIRED),
]


@pytest.mark.parametrize(("old", "new", "semantics"), MISTAKES)
def test_a_mistake_is_found_among_two_slots(old: str, new: str, semantics: Semantics) -> None:
    assert search(1, resolve, semantics) == configurations(1, 2)
    assert any(search(nslots, wrong(old, new), semantics) < 0 for nslots in range(3))


@pytest.mark.parametrize("field", Verdict._fields)
def test_a_verdict_that_differs_in_one_field_is_found(field: str) -> None:
    def differs(
        slots: Sequence[Slot], pfs_nmasters: int | None, prior: int | None, flags: int, semantics: Semantics
    ) -> Verdict:
        verdict = resolve(slots, pfs_nmasters, prior, flags, semantics)
        changed: dict[str, Any] = {
            "outcome": Outcome.KKASSERT_L520,
            "focus": 0,
            "error": 9,
            "flags": verdict.flags ^ 2**31,
        }
        return verdict._replace(**{field: changed[field]})

    assert search(0, differs, REPAIRED) < 0


def test_the_types_that_are_tried_are_those_that_the_decision_knows_and_another() -> None:
    known = {PfsType.MASTER, PfsType.SLAVE, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT}
    assert known < set(TYPES)
    assert len(TYPES) == len(known) + 1


@pytest.mark.parametrize(("field", "constants"), [("tid", {0}), ("error", {0, Error.INCOMPLETE})])
def test_a_decision_that_counts_with_tids_or_errors_is_not_compared_by_rank(
    monkeypatch: pytest.MonkeyPatch, field: str, constants: set[int]
) -> None:
    def leaky(decide: object, asked: str, allowed: set[int]) -> list[str]:
        return [f"resolve.py:1: slot.{field} + 1"] if (decide, asked, allowed) == (resolve, field, constants) else []

    monkeypatch.setattr(bulk, "leaks", leaky)
    result = CliRunner().invoke(bulk.main)
    assert result.exit_code == 1
    assert f"more than the order of tids and of errors decides: resolve.py:1: slot.{field} + 1" in result.stdout


def test_a_mistake_is_found_in_machine_code_and_confirmed_by_cpython() -> None:
    decide = wrong(*MISTAKES[1][:2])
    *_, last = compare(1, (0, 1), SEED, decide, cache=False)
    assert isinstance(last, Difference)
    assert decide(*last.configuration, SEED) != resolve(*last.configuration, SEED)


def test_the_command_prints_its_counts_and_says_so_when_they_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    count = sum(configurations(nslots, 1) for nslots in range(2))
    for expected, status, said in ((count, 0, "each decided alike"), (count + 1, 1, f"expected {count + 1} ")):
        monkeypatch.setattr(bulk, "CAMPAIGNS", (Campaign("tiny", 1, (0,), (SEED,), expected),))
        result = CliRunner().invoke(bulk.main)
        assert result.exit_code == status
        assert f"tiny: {count} configurations" in result.stdout
        assert said in result.stdout.splitlines()[-1]


def test_a_difference_is_drawn_with_a_line_that_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(*_: object, **__: object) -> list[Difference]:
        return [Difference(Configuration((Slot(True, 6, 1, 0), Slot(True, 3, 1, 2)), 1, 1, 4), REPAIRED)]

    monkeypatch.setattr(bulk, "compare", differs)
    result = CliRunner().invoke(bulk.main)
    assert result.exit_code == 1
    assert "member    master:1  slave:1/2" in result.stdout
    assert "the compiler is wrong" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("Reproduce with: ")]
    assert line.endswith("hammer2-cluster resolve --semantics repaired --nmasters 1 --flags 0x4 master:1 '*slave:1/2'")


def test_an_interrupt_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Campaign, tally: Tally) -> None:
        tally.configurations = 1234
        raise KeyboardInterrupt

    monkeypatch.setattr(bulk, "run", interrupted)
    result = CliRunner().invoke(bulk.main)
    assert result.exit_code == 3
    assert result.stdout == "bulk: stopped; 1,234 configurations decided alike by then\n"


def test_the_module_is_a_command() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "hammer2_proofs.bulk", "--help"], capture_output=True, text=True, check=True
    )
    assert "dumb twin" in finished.stdout
