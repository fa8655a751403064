"""Properties of the decision are proved, or refuted by the smallest example; nothing is proved from nothing."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
import z3
from click.testing import CliRunner

import properties
from hammer2_proofs import completeness, counting, exchange, matrix, sizes
from hammer2_proofs.examples import Example, judge
from hammer2_proofs.inputs import any_configuration, any_verdict
from hammer2_proofs.lift import Lifter
from hammer2_proofs.obligations import Obligation, Status, discharge
from hammer2_proofs.property_proofs import Search, Standing, judgement, obligations, proved, question
from hammer2_proofs.values import Optional, Truth, count, equal, negation
from hammer2_spec.configuration import ABSENT, Configuration, Outcome, Slot, Verdict
from hammer2_spec.properties import PROPERTIES, AnyProperty, PairProperty, Property
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, parse
from hammer2_spec.vocabulary import PfsType

NAMED = {prop.name: prop for prop in PROPERTIES}
MASTER = Slot(True, PfsType.MASTER, 0, 0)
BROKEN = MASTER._replace(error=1)


@pytest.mark.parametrize("law", list(counting.laws()), ids=lambda law: law.name)
def test_a_law_of_counting_holds_of_all_sets(law: Obligation) -> None:
    assert discharge(law).status is Status.PROVED


def test_a_law_that_is_none_is_refuted() -> None:
    a, b = z3.Bools("a b")
    wrong = Obligation("any part is no larger", (), count([a]) <= count([b]))
    assert discharge(wrong).status is Status.REFUTED


@pytest.mark.parametrize("semantics", ["repaired", "+ranked_roots,+ranked_soft"])
def test_neighbours_may_change_places(semantics: str) -> None:
    asked = list(exchange.obligations(parse(semantics)))
    assert len(asked) > 10
    assert {discharge(obligation).status for obligation in asked} == {Status.PROVED}


def test_where_the_order_decides_an_exchange_is_refuted() -> None:
    asked = exchange.obligations(parse("repaired,-ranked_roots"))
    refuted = [o.name for o in asked if discharge(o).status is Status.REFUTED]
    assert refuted == ["choose, loop 1: neighbours may change places"]


def test_a_loop_that_may_end_in_an_assertion_is_no_fold() -> None:
    with pytest.raises(exchange.NotAFold, match="choose returns from loop 2"):
        list(exchange.obligations(SEED))


@pytest.mark.parametrize(
    ("name", "smallest"),
    [
        ("hard_access_needs_a_majority_of_sound_masters_at_one_tid", "slave:0 master:0/1"),
        ("an_errored_master_is_never_the_focus", "master:0/1"),
        ("msynced_means_that_all_masters_are_at_the_quorum", "master:0/1"),
        ("no_like_member_outranks_the_focus", "suproot:0 suproot:0/1"),
        ("what_cannot_be_read_is_an_error", ""),
    ],
)
def test_the_seed_is_refuted_by_the_smallest_example(name: str, smallest: str) -> None:
    from hammer2_spec.notation import format_slot

    example = Search(NAMED[name], SEED).smallest()
    assert example is not None
    assert " ".join(map(format_slot, example.first.slots)) == smallest
    assert not judge(NAMED[name], example, SEED).holds
    assert Search(NAMED[name], SEED).smallest() == example


def test_an_example_of_two_configurations_is_run_by_the_original() -> None:
    prop = NAMED["two_views_that_may_both_write_share_a_sound_master"]
    example = Search(prop, SEED).smallest()
    assert example is not None
    judged = judge(prop, example, SEED)
    assert example.first.slots == (MASTER, BROKEN)
    assert judged.second is not None
    assert judged.second.slots == (BROKEN, MASTER)
    assert not judged.holds


@pytest.mark.parametrize(
    "name",
    [
        "hard_access_needs_a_majority_of_sound_masters_at_one_tid",
        "a_focused_master_or_slave_is_at_the_tid_of_the_quorum",
        "two_views_that_may_both_write_share_a_sound_master",
        "the_past_plays_no_part",
    ],
)
def test_a_property_is_proved_for_all_configurations(name: str) -> None:
    assert proved(NAMED[name], REPAIRED).standing is Standing.HOLDS


def test_a_property_that_does_not_hold_is_not_proved() -> None:
    prop = NAMED["hard_access_needs_a_majority_of_sound_masters_at_one_tid"]
    assert proved(prop, parse("repaired,-sound_votes"), timeout=2).standing is Standing.UNDECIDED
    assert judgement(prop, parse("repaired,-sound_votes")).standing is Standing.REFUTED


def test_what_is_assumed_of_counting_does_not_contradict_itself() -> None:
    for prop in PROPERTIES:
        asked = question(prop, REPAIRED, 2, 0, counting.Counts())
        solver = z3.SimpleSolver()
        solver.add(*map(counting.formula, asked.given))
        assert solver.check() == z3.sat, prop.name


def test_a_proof_without_the_laws_of_counting_fails() -> None:
    prop = NAMED["a_majority_of_sound_masters_at_one_tid_is_enough"]
    [*_, asked] = obligations(prop, REPAIRED)
    bare = question(prop, REPAIRED, 8, 0)
    unaided = dataclasses.replace(asked, hypotheses=asked.hypotheses[: len(bare.given) - 1], reproduce=None)
    assert discharge(unaided, timeout=2).status is not Status.PROVED


# ---------------------------------------------------------------- what is stored


def test_the_stored_matrix_speaks_of_these_sources() -> None:
    stored = matrix.load()
    assert matrix.is_current(stored), "python -m hammer2_proofs.matrix --write"
    assert [row["property"] for row in stored["rows"]] == [prop.name for prop in PROPERTIES]


def test_every_stored_example_refutes_its_property_still() -> None:
    seen = 0
    for row in matrix.load()["rows"]:
        prop = NAMED[row["property"]]
        shown = [(row["seed"]["example"], SEED)] if row["seed"]["example"] else []
        shown += [(example, REPAIRED._replace(**{repair: False})) for repair, example in row["refuted_without"].items()]
        for example, semantics in shown:
            seen += 1
            assert not judge(prop, matrix.example_from_json(example), semantics).holds, prop.name
    assert seen > 40


def test_every_repair_of_the_decision_is_needed_and_all_together_are_enough() -> None:
    rows = matrix.load()["rows"]
    assert {repair for row in rows for repair in row["refuted_without"]} == set(RESOLVE_REPAIRS)
    assert {row["repaired"]["standing"] for row in rows} == {"holds"}
    assert not any(row["undecided"] for row in rows)
    assert {repair for row in rows for names in row["enough"] for repair in names} == set(RESOLVE_REPAIRS)


NO_ACCESS = NAMED["an_error_grants_no_access"]
FOCUS_AT_QUORUM = NAMED["a_focused_master_or_slave_is_at_the_tid_of_the_quorum"]


@pytest.mark.parametrize(
    ("prop", "tampered", "said"),
    [
        (NO_ACCESS, lambda row: row, None),
        (NO_ACCESS, lambda row: row["seed"]["example"]["first"]["slots"][0].__setitem__(2, 7), "seed: found"),
        (NO_ACCESS, lambda row: row["seed"].update(standing="holds", example=None), "seed: found"),
        (NO_ACCESS, lambda row: row.update(enough=[["fresh_focus"]]), "may be enough, stored [['fresh_focus']]"),
        (NO_ACCESS, lambda row: row.update(enough=[]), "is not proved with all repairs"),
        (NO_ACCESS, lambda row: row.update(refuted_without={}), "needs ['honest_access'], stored []"),
        (FOCUS_AT_QUORUM, lambda row: row.update(enough=[["fresh_focus"]], more_examples=[]), "is not proved, see"),
        (NO_ACCESS, lambda row: row.update(undecided=[["fresh_focus"]]), "stored as undecided"),
    ],
)
def test_a_matrix_that_differs_from_what_is_found_is_noticed(
    monkeypatch: pytest.MonkeyPatch, prop: AnyProperty, tampered: Callable[[Any], object], said: str | None
) -> None:
    monkeypatch.setattr(matrix, "PROPERTIES", [prop])
    stored = json.loads(json.dumps(matrix.load()))
    rows = [row for row in stored["rows"] if row["property"] == prop.name]
    tampered(rows[0])
    found = [it.text for it in matrix.differences({**stored, "rows": rows}, lambda _: None)]
    assert (found == []) if said is None else any(said in text for text in found), found


def test_a_matrix_of_other_sources_or_properties_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "PROPERTIES", [])
    assert [it.text for it in matrix.differences({**matrix.load(), "sources": "0", "rows": []}, lambda _: None)] == [
        "the stored matrix speaks of other sources: python -m hammer2_proofs.matrix --write"
    ]
    [difference] = matrix.differences(matrix.load(), lambda _: None)
    assert difference.text.startswith("the stored matrix has other properties")


def test_where_a_solver_gives_up_the_matrix_is_undecided_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "PROPERTIES", [NO_ACCESS])
    monkeypatch.setattr(matrix, "holds_with", lambda *_: False)
    stored = matrix.load()
    rows = [row for row in stored["rows"] if row["property"] == NO_ACCESS.name]
    monkeypatch.setattr(matrix, "load", lambda: {**stored, "rows": rows})
    result = CliRunner().invoke(matrix.main, [])
    assert result.exit_code == 3
    assert "with at least honest_access: is undecided" in result.stderr


def test_more_repairs_never_break_what_is_enough() -> None:
    for row in matrix.load()["rows"]:
        refuted = matrix.refuted_choices(NAMED[row["property"]], matrix.examples_of(row))
        assert matrix.smallest_enough(refuted) == row["enough"]
        for repairs in row["enough"]:
            assert not any(set(repairs) <= choice for choice in refuted)


# ---------------------------------------------------------------- no choice is left


NEEDED_TO_LEAVE_NO_CHOICE = {
    "a_soft_master_always_wins",
    "no_like_member_outranks_the_focus",
    "reading_hard_is_for_a_sound_master_slave_or_super_root",
    "no_other_flag_changes",
    "msynced_means_that_all_masters_are_at_the_quorum",
    "ssynced_means_that_all_slaves_are_at_the_quorum",
    "the_error_is_that_of_the_focus",
    "where_there_is_no_focus_the_error_says_so",
    "writing_softly_is_for_a_sound_soft_master",
    "writing_hard_is_for_a_sound_master_or_super_root",
    "no_configuration_ends_in_an_assertion",
}


@pytest.mark.parametrize("left_out", sorted(NEEDED_TO_LEAVE_NO_CHOICE))
def test_without_one_of_these_properties_two_verdicts_are_possible(left_out: str) -> None:
    found = [
        discharge(it)
        for it in itertools.islice(
            completeness.obligations(properties=[p for p in PROPERTIES if p.name != left_out]), 3
        )
    ]
    refuted = [it for it in found if it.status is Status.REFUTED]
    assert refuted
    assert len([line for line in refuted[0].detail.splitlines() if ": " in line]) == 2


def test_all_properties_together_leave_no_choice() -> None:
    assert {discharge(it).status for it in itertools.islice(completeness.obligations(), 4)} == {Status.PROVED}


@pytest.mark.parametrize("pfs", [True, False])
def test_that_no_choice_is_left_is_said_of_clusters_with_a_pfs_and_without(pfs: bool) -> None:
    [*_, two_slots] = itertools.islice(completeness.obligations(), 3)
    slots, pfs_nmasters, _, _ = any_configuration(2).configuration
    solver = z3.Solver()
    solver.add(*map(counting.formula, two_slots.hypotheses), *(slot.present for slot in slots))
    solver.add(cast("Optional", pfs_nmasters).none != pfs)
    assert solver.check() == z3.sat


def three(configuration: Configuration, _: Verdict) -> bool:
    return len(configuration.slots) == 3


def anything(_: Configuration, __: Verdict) -> bool:
    return True


def both_three(_: Configuration, __: Verdict, second: Configuration, ___: Verdict) -> bool:
    return len(second.slots) == 3


def any_two(_: Configuration, __: Verdict, ___: Configuration, ____: Verdict) -> bool:
    return True


def the_first(first: Configuration, _: Verdict, __: Configuration, ___: int) -> Configuration:
    return first


def the_first_of_three(first: Configuration, _: Verdict, __: Configuration, ___: int) -> Configuration:
    return Configuration(first.slots, first.pfs_nmasters, first.prior, first.flags if len(first.slots) == 3 else 0)


@pytest.mark.parametrize(
    "odd",
    [
        Property("odd", "Odd.", ("C42",), "1", three, anything),
        Property("odd", "Odd.", ("C42",), "1", anything, three),
        PairProperty("odd", "Odd.", ("C42",), "1", (0,), the_first, both_three, any_two),
        PairProperty("odd", "Odd.", ("C42",), "1", (0,), the_first, any_two, both_three),
        PairProperty("odd", "Odd.", ("C42",), "1", (0,), the_first_of_three, any_two, any_two),
    ],
)
def test_a_property_that_looks_at_the_number_of_slots_is_noticed(
    monkeypatch: pytest.MonkeyPatch, odd: AnyProperty
) -> None:
    monkeypatch.setattr(sizes, "PROPERTIES", [odd])
    wrong = [it.name for it in sizes.obligations() if discharge(it).status is not Status.PROVED]
    assert wrong == ["odd: 2 slots and an absent one", "odd: 3 slots and an absent one"]


TWO = Configuration((MASTER, MASTER), 2, None, 0)
SERVED = Verdict(Outcome.OK, 0, 0, 4)


@pytest.mark.parametrize(
    ("configuration", "other", "same"),
    [
        (TWO, SERVED, True),
        (TWO, SERVED._replace(focus=1), True),
        (TWO, SERVED._replace(focus=None), False),
        (TWO, SERVED._replace(outcome=Outcome.KKASSERT_L510), False),
        (TWO, SERVED._replace(error=1), False),
        (TWO, SERVED._replace(flags=5), False),
        (TWO._replace(slots=(MASTER, MASTER._replace(tid=1))), SERVED._replace(focus=1), False),
        (TWO._replace(slots=(MASTER, BROKEN)), SERVED._replace(focus=1), False),
        (TWO._replace(slots=(MASTER, MASTER._replace(type=PfsType.SLAVE))), SERVED._replace(focus=1), False),
        (
            TWO._replace(slots=(MASTER, MASTER._replace(type=PfsType.SLAVE)), pfs_nmasters=None),
            SERVED._replace(focus=1),
            True,
        ),
    ],
)
def test_two_verdicts_are_the_same_if_they_are_but_for_which_of_equals_is_the_focus(
    configuration: Configuration, other: Verdict, same: bool
) -> None:
    inputs = any_configuration(2)
    one, two = any_verdict("one_"), any_verdict("other_")
    fixed = [equal(*pair) for pair in [(inputs.configuration, configuration), (one, SERVED), (two, other)]]
    said = completeness.same(inputs.configuration, one, two)
    asked = Obligation("the same", tuple(fixed), said if same else negation(said))
    assert discharge(asked).status is Status.PROVED


def test_an_example_comes_back_from_json_as_it_was() -> None:
    example = Example(Configuration((MASTER, ABSENT), None, 0, 4), Configuration((), 3, -1, 0), 5)
    assert matrix.example_from_json(json.loads(json.dumps(matrix.example_as_json(example)))) == example


def test_the_list_of_properties_in_the_readme_is_current() -> None:
    text = properties.README.read_text()
    assert properties.current(text) == text, "python tools/properties.py"
    assert text.count("**refuted**") > 10


# ---------------------------------------------------------------- no sentence is always true


@pytest.mark.parametrize("prop", PROPERTIES, ids=lambda prop: prop.name)
def test_a_wrong_verdict_breaks_the_sentence(prop: AnyProperty) -> None:
    lifter = Lifter()
    inputs, other = any_configuration(2), any_configuration(2, "other_")
    verdict, then = any_verdict("one_"), any_verdict("then_")
    case: tuple[object, ...] = inputs.configuration, verdict
    if isinstance(prop, PairProperty):
        second = lifter.lift(prop.second, inputs.configuration, verdict, other.configuration, prop.cases[0])
        case = *case, second, then
    solver = z3.Solver()
    solver.add(*inputs.domain, *other.domain)
    solver.add(lifter.lift(prop.given, *case), negation(cast("Truth", lifter.lift(prop.holds, *case))))
    assert solver.check() == z3.sat
