"""The proof for any number of slots: it goes through, and it does not where something is wrong."""

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import z3

import hammer2_cluster.resolve
from hammer2_proofs.induction import (
    a_best_one_exists,
    any_number_of_slots,
    any_quorum,
    any_situation,
    claims,
    declared,
    no_choice_is_left,
    slots,
    specification,
)
from hammer2_proofs.induction.instance import few_slots
from hammer2_proofs.induction.invariants import in_choose
from hammer2_proofs.induction.rule import Claim, by_induction, written_out
from hammer2_proofs.obligations import Obligation, Solver, Status, discharge
from hammer2_proofs.source import Refused
from hammer2_proofs.values import Truth
from hammer2_spec.semantics import REPAIRED, SEED, Semantics, describe

both = pytest.mark.parametrize("semantics", [SEED, REPAIRED], ids=describe)


def not_proved(obligations: Iterable[Obligation], solver: Solver = "z3") -> dict[str, Status]:
    """The obligations that fail, and how."""
    results = (discharge(obligation, solver, timeout=30) for obligation in obligations)
    return {result.name: result.status for result in results if result.status is not Status.PROVED}


def of(function: str, semantics: Semantics, program: ModuleType = hammer2_cluster.resolve) -> Claim:
    """The claim about one function."""
    [claim] = [claim for claim in claims(semantics, program) if claim.function.__name__ == function]
    return claim


# What is proved. The complete run, in both solvers, is that of `hammer2-cluster prove`.


@both
def test_the_decision_is_right_for_any_number_of_slots(semantics: Semantics) -> None:
    assert not_proved(any_number_of_slots(semantics)) == {}


@both
def test_cvc5_agrees_on_what_the_masters_agree_on(semantics: Semantics) -> None:
    assert not_proved(by_induction(of("quorum", semantics)), "cvc5") == {}


@both
@pytest.mark.parametrize("length", [0, 1, 3])
def test_the_specification_is_the_declarative_one(semantics: Semantics, length: int) -> None:
    assert not_proved(x for claim in declared(semantics, length) for x in written_out(claim)) == {}


@both
def test_the_specification_leaves_no_choice(semantics: Semantics) -> None:
    assert not_proved([*no_choice_is_left(semantics), *a_best_one_exists()]) == {}


# Seen to fail: the program.


def changed(path: Path, before: str, after: str) -> ModuleType:
    """The module of the decision with one piece of its text replaced."""
    text = Path(hammer2_cluster.resolve.__file__).read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("semantics", "before", "after", "fails"),
    [
        pytest.param(SEED, "quorum_tid < slot", "quorum_tid <= slot", "quorum: loop 1, step: nmasters", id="tid"),
        pytest.param(SEED, "ttlmasters += 1", "ttlmasters += 2", "quorum: loop 1, step: ttlmasters", id="count"),
        pytest.param(REPAIRED, "slot.tid == tid:", "slot.tid >= tid:", "votes_for: loop 1, step: nmasters", id="votes"),
        pytest.param(REPAIRED, "or outranks(", "or not outranks(", "choose: loop 1, step: focus", id="rank"),
        pytest.param(
            SEED,
            "focus is None or focus_type == PfsType.SLAVE",
            "focus is None or focus_type == PfsType.MASTER",
            "choose: loop 2, step: focus",
            id="slave before master",
        ),
        pytest.param(
            SEED,
            "KKASSERT_L510, focus, error, flags",
            "KKASSERT_L510, focus, slot.error, flags",
            "choose: loop 2, return 1: error",
            id="error at an assertion",
        ),
        pytest.param(
            SEED,
            "KKASSERT_L520, focus, error, flags",
            "KKASSERT_L520, focus, error, nflags",
            "choose: loop 2, return 2: the other flags",
            id="flags at an assertion",
        ),
        pytest.param(
            SEED,
            "focus_tid = 0\n    error = 0",
            "focus_tid = 0\n    error = 1",
            "choose: loop 1, base: focus",
            id="start",
        ),
        pytest.param(SEED, "nslaves == ttlslaves", "nslaves <= ttlslaves", "choose: return: SSYNCED", id="tail"),
        pytest.param(SEED, "flags & ~CLUSTER_ZFLAGS", "flags", "choose: return: WRSOFT", id="old flags"),
        pytest.param(
            SEED, "nflags = 0\n", "nflags = 1\n", "choose: loop 1, base: nflags has no other flag", id="other flag"
        ),
        pytest.param(
            SEED,
            "= quorum(slots, pfs_nmasters,",
            "= quorum(slots, None,",
            "resolve: quorum is called with the arguments of its proof",
            id="argument",
        ),
        pytest.param(SEED, "KKASSERT_L408, prior, 0", "KKASSERT_L408, prior, 1", "resolve: return 1: error", id="L408"),
    ],
)
def test_a_planted_bug_is_refuted(tmp_path: Path, semantics: Semantics, before: str, after: str, fails: str) -> None:
    function, _, name = fails.partition(": ")
    claim = of(function, semantics, changed(tmp_path / "planted.py", before, after))
    assert not_proved(x for x in by_induction(claim) if x.name == name) == {name: Status.REFUTED}


def test_none_used_as_a_number_is_refuted(tmp_path: Path) -> None:
    claim = of("quorum", SEED, changed(tmp_path / "none.py", "    if pfs_nmasters is not None:", "    if flag_of():"))
    with pytest.raises(Refused):
        list(by_induction(claim))
    claim = of("quorum", SEED, changed(tmp_path / "used.py", "    if pfs_nmasters is not None:", "    if True:"))
    assert any(name.startswith("never None where a number is needed") for name in not_proved(by_induction(claim)))


# Seen to fail: the invariants.


@both
@pytest.mark.parametrize("function", ["votes_for", "quorum", "choose"])
def test_no_part_of_an_invariant_can_be_spared(semantics: Semantics, function: str) -> None:
    claim = of(function, semantics)
    steps = [x.name.split(", step: ") for x in by_induction(claim) if ", step: " in x.name]
    parts = [(int(loop.removeprefix("loop ")) - 1, part) for loop, part in steps if "no other flag" not in part]
    assert parts
    spared = [(k, part) for k, part in parts if not fails_without(claim, k, part)]
    assert spared == []


def fails_without(claim: Claim, k: int, part: str) -> bool:
    """Whether some obligation fails if loop k's invariant lacks a part."""
    whole = claim.loops[k]
    loops = list(claim.loops)
    loops[k] = replace(
        whole, invariant=lambda seen, now: {name: x for name, x in whole.invariant(seen, now).items() if name != part}
    )
    return any(
        discharge(obligation, "z3", timeout=30).status is not Status.PROVED
        for obligation in by_induction(replace(claim, loops=loops))
    )


def test_a_loop_needs_an_invariant() -> None:
    with pytest.raises(Refused, match="without an invariant"):
        list(by_induction(replace(of("quorum", SEED), loops=[])))
    claim = of("quorum", SEED)
    with pytest.raises(Refused, match="fewer loops"):
        list(by_induction(replace(claim, loops=[*claim.loops, *claim.loops])))


# Seen to fail: the specification.


@pytest.mark.parametrize(
    ("semantics", "name", "wrong"),
    [
        (SEED, "first", slots.last),
        (SEED, "last", slots.first),
        (REPAIRED, "first_best", slots.first),
        (REPAIRED, "outranks", lambda i, j: slots.slot(i).tid > slots.slot(j).tid),
    ],
)
def test_a_wrong_specification_is_refuted(
    monkeypatch: pytest.MonkeyPatch, semantics: Semantics, name: str, wrong: Callable[..., Truth]
) -> None:
    monkeypatch.setattr(specification, name, wrong)
    failed = not_proved(x for claim in declared(semantics, 2) for x in written_out(claim))
    assert Status.REFUTED in failed.values()


def test_a_specification_that_leaves_a_choice_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specification, "last", lambda bound, kind, i: slots.at(bound, i, kind))
    assert set(not_proved(no_choice_is_left(SEED))) >= {"one focus of the verdict"}


# Not vacuous.


def test_hypotheses_that_contradict_each_other_are_noticed() -> None:
    claim = of("quorum", SEED)
    none_present = slots.none(claim.situation.length, lambda i: slots.slot(i).present)
    one_master = claim.situation.masters.before(claim.situation.length) >= 1
    failed = not_proved(by_induction(replace(claim, given=[*claim.given, none_present, one_master])))
    assert set(failed.values()) == {Status.VACUOUS}


def test_counting_a_few_slots_is_counting() -> None:
    situation = any_situation(SEED, z3.Int("n"))
    counts = {c.name: c for loop in in_choose(situation, any_quorum("agreed")) for c in loop.counts}
    counts |= {"votes": situation.votes, "masters": situation.masters}
    read = few_slots(z3.Int("n"), [*counts.values()])
    i = z3.Int("i")
    for count in counts.values():
        start = count.for_all(i, lambda *of, count=count: count.function(0, *of) == 0)
        step = Obligation("step", (read(i >= 0),), z3.And(read(start), read(count.step(i))))
        assert discharge(step).status is Status.PROVED
