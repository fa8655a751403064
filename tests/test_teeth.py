"""The teeth: every mutant is refuted or proved equivalent, a survivor is noticed, and the properties bite too."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from hammer2_cluster import resolve
from hammer2_cluster.program import program
from hammer2_oracle.status import Status
from hammer2_oracle.teeth_report import prove_teeth, status_of
from hammer2_proofs import mutant_proof
from hammer2_proofs import teeth as teeth_module
from hammer2_proofs.killers import Bank, asked, bank
from hammer2_proofs.lift import Refused
from hammer2_proofs.mutants import Mutant, Mutation, load, mutate
from hammer2_proofs.teeth import LEAST_MUTANTS, SEED_OF_CALLS, Outcome, Summary, Teeth
from hammer2_spec.configuration import Configuration, Verdict, validate
from hammer2_spec.properties import PROPERTIES, AnyProperty, Property
from hammer2_spec.semantics import REPAIRED, SEED, Semantics


@pytest.fixture(scope="module")
def mutation() -> Mutation:
    return mutate(resolve)


@pytest.fixture(scope="module")
def calls() -> Bank:
    return bank(SEED_OF_CALLS)


def chosen(mutation: Mutation, *changes: str) -> list[Mutant]:
    """Mutants by their descriptions, behind file and line."""
    found = [m for m in mutation.mutants if any(m.description.endswith(f": {change}") for change in changes)]
    assert len(found) == len(changes)
    return found


def nothing_known() -> Bank:
    return Bank()


class GivesUp:
    """A prover that never proves nor refutes anything."""

    def equivalent(self, mutant: Mutant, module: ModuleType) -> bool:  # noqa: ARG002 - what a prover is asked
        return False

    def difference(self, module: ModuleType) -> tuple[Configuration, Semantics] | None:  # noqa: ARG002 - the same
        return None


class Imagines(GivesUp):
    """A prover whose counterexamples are none to CPython."""

    def difference(self, module: ModuleType) -> tuple[Configuration, Semantics] | None:  # noqa: ARG002 - the same
        return Configuration((), None, None, 0), REPAIRED


def test_there_are_many_mutants_of_every_function(mutation: Mutation) -> None:
    assert len(mutation.mutants) >= LEAST_MUTANTS >= 60
    assert {m.function for m in mutation.mutants} == {
        "pfs_type", "votes", "votes_for", "quorum", "outranks", "choose", "resolve",
    }  # fmt: skip
    assert len({m.operator for m in mutation.mutants}) >= 15


def test_a_condition_forced_to_be_true_or_false_is_refuted_by_a_call_that_cpython_answers_differently(
    monkeypatch: pytest.MonkeyPatch, mutation: Mutation, calls: Bank
) -> None:
    monkeypatch.setattr(teeth_module, "SAMPLE", len(mutation.mutants))  # the prover is not asked
    forced = [mutant for mutant in mutation.mutants if mutant.operator == "forced condition"]
    assert len(forced) > 40
    for fate in Teeth(calls, GivesUp()).judge(forced):
        assert fate.outcome is Outcome.REFUTED, fate.mutant.description
        assert fate.kill is not None
        configuration, semantics, expected = fate.kill.call
        validate(configuration)
        if not fate.kill.raised:
            assert load(fate.mutant).resolve(*configuration, semantics) == fate.kill.got != expected


def test_a_mutant_that_is_wrong_under_one_repair_alone_is_refuted_there(mutation: Mutation, calls: Bank) -> None:
    wrong_between = "`semantics.no_focus_error` became `semantics.honest_access`"
    [fate] = Teeth(calls, GivesUp()).judge(chosen(mutation, wrong_between))
    assert fate.outcome is Outcome.REFUTED
    assert fate.kill is not None
    assert fate.kill.call.semantics not in (SEED, REPAIRED)


def test_z3_finds_the_call_that_refutes_and_the_next_mutant_is_tried_with_it(mutation: Mutation) -> None:
    teeth = Teeth(nothing_known())
    [first, second] = chosen(mutation, "`slot.tid > tid` became `slot.tid < tid`", "`slot.tid > tid` became `False`")
    [fate] = teeth.judge([first])
    assert fate.outcome is Outcome.REFUTED
    assert len(teeth.calls.calls) == 1
    [fate] = Teeth(teeth.calls, GivesUp()).judge([second])
    assert fate.outcome is Outcome.REFUTED


def test_equivalent_mutants_are_proved_equivalent(mutation: Mutation) -> None:
    equivalent = (
        "`slot.tid > tid` became `slot.tid >= tid`",
        "`len(slots) > 0` became `len(slots) != 0`",
        "`flags & ~CLUSTER_ZFLAGS | nflags` became `flags & ~CLUSTER_ZFLAGS ^ nflags`",
    )
    for fate in Teeth(nothing_known()).judge(chosen(mutation, *equivalent)):
        assert fate.outcome is Outcome.EQUIVALENT, fate


@pytest.mark.parametrize("prover", [GivesUp(), Imagines()])
def test_a_mutant_that_survives_makes_the_command_fail(
    mutation: Mutation, prover: GivesUp, capsys: pytest.CaptureFixture[str]
) -> None:
    survivor = chosen(mutation, "`slot.tid > tid` became `slot.tid < tid`")
    planted = mutation._replace(mutants=tuple(survivor))
    assert prove_teeth(False, planted, Teeth(nothing_known(), prover)) is Status.UNDECIDED
    printed = capsys.readouterr().out
    assert "undecided  resolve.py:" in printed
    assert "`slot.tid > tid` became `slot.tid < tid`" in printed
    assert f"Reproduce with: {program()} prove --teeth" in printed


def test_calls_that_cannot_tell_are_noticed_because_the_proof_fails(mutation: Mutation) -> None:
    asleep = Bank([asked(Configuration((), 1, None, 0), REPAIRED)])
    [fate] = Teeth(asleep).judge(chosen(mutation, "`focus is None or error != 0` became `focus is None`"))
    assert fate.outcome is Outcome.REFUTED
    assert len(asleep.calls) == 2


def test_a_mutant_that_leaves_the_dialect_needs_a_call_that_refutes_it(mutation: Mutation, calls: Bank) -> None:
    [leaving] = chosen(mutation, "`nquorum = 0` deleted")
    assert [fate.outcome for fate in Teeth(calls).judge([leaving])] == [Outcome.REFUTED]
    text = leaving.text.replace("nmasters >= nquorum)", "nmasters >= int(str(pfs_nmasters // 2 + 1)))")
    assert text != leaving.text
    [fate] = Teeth(nothing_known()).judge([replace(leaving, text=text)])
    assert fate.outcome is Outcome.UNDECIDED
    assert "resolve" in fate.obligation


def test_too_few_mutants_fail(mutation: Mutation) -> None:
    few = mutation._replace(mutants=())
    assert status_of(Summary(few, (), Counter(refuted=20))) is Status.DIFFER


def test_a_prover_that_finds_too_few_by_itself_fails(mutation: Mutation) -> None:
    none = mutation._replace(mutants=())
    assert status_of(Summary(none, (), Counter(refuted=9, refused=30), least=0)) is Status.DIFFER
    assert status_of(Summary(none, (), Counter(refuted=10), least=0)) is Status.AGREE


def test_json_says_the_same(mutation: Mutation, calls: Bank, capsys: pytest.CaptureFixture[str]) -> None:
    planted = mutation._replace(mutants=mutation.mutants[:3])
    prove_teeth(True, planted, Teeth(calls, GivesUp()))
    printed = json.loads(capsys.readouterr().out)
    assert printed["mutants"] == printed["refuted"] == 3
    assert not printed["passed"], "three are too few"
    assert all(fate["configuration"] for fate in printed["fates"])


def proved(mutant: Mutant) -> bool:
    try:
        return mutant_proof.same_function(mutant.function, load(mutant))
    except Refused:
        return False


def test_no_mutant_that_a_call_refutes_is_proved_equivalent(mutation: Mutation, calls: Bank) -> None:
    some = [mutant for mutant in mutation.mutants[::100] if calls.kill(load(mutant).resolve)]
    assert len(some) > 6
    assert not [mutant.description for mutant in some if proved(mutant)]


def test_a_mutant_that_is_wrong_for_one_slot_only_is_not_proved_equivalent(mutation: Mutation) -> None:
    [wrong] = [m for m in mutation.mutants if "len(slots) > 1" in m.text]
    assert not mutant_proof.absent_slots_at_the_end_change_nothing("resolve", load(wrong))
    assert not proved(wrong)


def test_a_mutant_that_calls_with_another_argument_is_not_proved_equivalent(mutation: Mutation) -> None:
    wrong = [m for m in mutation.mutants if "votes_for(slot.error," in m.text or "outranks(slot, error, " in m.text]
    assert len(wrong) >= 4
    assert not [mutant.description for mutant in wrong if proved(mutant)]


def test_the_lemmas_of_the_proofs_are_proved() -> None:
    assert mutant_proof.unproved_lemmas() == ()


def test_a_false_lemma_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutant_proof, "LEMMAS", {"votes_for": two_at_the_most})
    assert mutant_proof.unproved_lemmas.__wrapped__() == ("two_at_the_most",)


def two_at_the_most(result: int) -> bool:
    """False where three masters vote."""
    return result <= 2


# ---------------------------------------------------------------- the properties


def judged(wanted: AnyProperty, semantics: Semantics, calls: Bank) -> Iterator[tuple[bool, bool]]:
    """Over the known configurations: whether the hypothesis is true there, and whether the sentence is."""
    configurations = dict.fromkeys(call.configuration for call in calls.calls)
    seen = [(c, resolve.resolve(*c, semantics)) for c in configurations]
    if isinstance(wanted, Property):
        for configuration, verdict in seen:
            yield wanted.given(configuration, verdict), wanted.holds(configuration, verdict)
        return
    by_size: dict[int, tuple[Configuration, Verdict]] = {}
    for first, verdict in seen:
        other, _ = by_size.get(len(first.slots), (first, verdict))
        by_size[len(first.slots)] = first, verdict
        for case in (k for k in wanted.cases if k < max(len(first.slots), 1)):
            second = wanted.second(first, verdict, other, case)
            try:
                validate(second)
            except ValueError:
                continue  # no configuration: the hypotheses of the proofs exclude it too
            then = resolve.resolve(*second, semantics)
            yield wanted.given(first, verdict, second, then), wanted.holds(first, verdict, second, then)


def saying(wanted: AnyProperty, sentence: Callable[..., bool]) -> AnyProperty:
    """The property with another sentence."""
    if isinstance(wanted, Property):
        return replace(wanted, holds=sentence)
    return replace(wanted, holds=sentence)


def refuted(wanted: AnyProperty, semantics: Semantics, calls: Bank) -> bool:
    return any(given and not holds for given, holds in judged(wanted, semantics, calls))


@pytest.mark.parametrize("wanted", PROPERTIES, ids=lambda p: p.name)
def test_the_hypothesis_of_each_property_is_true_somewhere(wanted: AnyProperty, calls: Bank) -> None:
    for semantics in (SEED, REPAIRED):
        assert any(given for given, _ in judged(wanted, semantics, calls))


@pytest.mark.parametrize("wanted", PROPERTIES, ids=lambda p: p.name)
def test_a_property_turned_round_is_refuted_in_the_repaired(wanted: AnyProperty, calls: Bank) -> None:
    turned = saying(wanted, lambda *case: not wanted.holds(*case))
    assert refuted(turned, REPAIRED, calls)


@pytest.mark.parametrize("wanted", PROPERTIES, ids=lambda p: p.name)
def test_no_property_is_refuted_in_the_repaired(wanted: AnyProperty, calls: Bank) -> None:
    assert not refuted(wanted, REPAIRED, calls)


def test_the_prover_is_asked_about_a_sample_of_what_calls_refute(
    monkeypatch: pytest.MonkeyPatch, mutation: Mutation, calls: Bank
) -> None:
    monkeypatch.setattr(teeth_module, "SAMPLE", 1)
    [wrong] = chosen(mutation, "`nmasters >= nquorum` became `nmasters > nquorum`")
    judge = Teeth(calls)
    assert [fate.outcome for fate in judge.judge([wrong])] == [Outcome.REFUTED]
    assert judge.asked_too == {"refuted": 1}
    [fate] = Teeth(calls, GivesUp()).judge([wrong])
    assert fate.outcome is Outcome.UNDECIDED
    assert fate.obligation.endswith("the prover does not")
