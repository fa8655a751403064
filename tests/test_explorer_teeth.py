"""Mutants of the protocol share kernels: what is chosen is what runs, and the sentences that judge stay as they are."""

import ast
import inspect

import pytest

from hammer2_proofs.explorer import equivalents, folding, teeth
from hammer2_proofs.explorer.dialect.terms import NotInDialect
from hammer2_proofs.explorer.generate import Kernels
from hammer2_proofs.explorer.search import search
from hammer2_proofs.mutants import Mutant, mutate
from hammer2_spec.protocol import failures, resynchronization, sessions, state, tree, writing

MEDIA = "every majority of intact media yields what was acknowledged"


def changed(function: object, old: str, new: str) -> ast.FunctionDef:
    text = inspect.getsource(function)  # type: ignore[arg-type]  # a function
    assert text.count(old) == 1
    body = ast.parse(text.replace(old, new)).body[0]
    assert isinstance(body, ast.FunctionDef)
    return body


def test_what_is_chosen_runs_and_nothing_else() -> None:
    model = teeth.EXPLORATIONS[0].model
    early = changed(writing.acknowledge, "replies(m, s, c) < needed(m, s, c)", "replies(m, s, c) < 0")
    never = changed(writing.acknowledge, "client.phase != Phase.WRITE", "client.phase >= 0")
    plain = search(model, symmetry=True)
    kernels = Kernels(model, {writing.acknowledge: {1: early, 2: never}})
    machine = kernels.load(keep=False)
    found = {}
    for number in (0, 1, 2, 0):
        machine.choose(number)
        found[number] = search(model, symmetry=True, kernels=kernels)
    assert (found[0].states, found[0].hash, found[0].actions) == (plain.states, plain.hash, plain.actions)
    assert MEDIA in found[1].broken
    assert not found[2].broken
    assert found[2].actions["Acknowledge"] == 0


def test_a_mutant_of_what_sentences_use_too_does_not_change_the_sentences() -> None:
    model = teeth.EXPLORATIONS[0].model
    minority = changed(state.majority, "m.masters // 2 + 1", "1")
    kernels = Kernels(model, {state.majority: {1: minority}})
    kernels.load(keep=False).choose(1)
    found = search(model, symmetry=True, kernels=kernels, keep_going=True)
    assert MEDIA in found.broken
    assert "what a read returned is known" in found.stepped


def test_a_mutant_of_the_tree_is_noticed_where_there_are_tids_enough_for_a_write_after_a_snapshot() -> None:
    careless = changed(tree.lose_source, "s.snapshot != s.tids or ", "")
    verdicts = {}
    for bounds in teeth.TREES[:3:2]:
        kernels = Kernels(bounds.model, {tree.lose_source: {1: careless}})
        machine = kernels.load(keep=False)
        machine.choose(0)
        base = bounds.found(kernels, 2**28)
        machine.choose(1)
        verdicts[bounds.model.setup.most_tids] = teeth.verdict_on(bounds, kernels, base)
    assert verdicts == {2: "", 3: "invariant: only what a pass copies is lost with its source"}


def test_what_only_the_lack_of_an_ingredient_runs_is_left_out() -> None:
    whole = ast.unparse(folding.folded(inspect.getsource(resynchronization.sync_begin)))
    for absent in ("torn", "m.promise", "m.never_lower", "m.keep_old_version"):
        assert absent not in whole
    assert "tid < node.durable_tid" in whole


@pytest.mark.parametrize(
    ("function", "old", "new", "same"),
    [
        (writing.write_fail, " or not fault_possible(m, s)", "", True),
        (sessions.may_elect, "s.elections >= m.elections", "s.elections > m.elections", True),
        (resynchronization.sync_begin, "m.promise and ", "", True),
        (writing.can_begin, "m.exclusive_pass and ", "", True),
        (writing.write_fail, "not deliverable", "deliverable", False),
        (writing.can_begin, "client.phase != Phase.READY", "False", False),
    ],
)
def test_bounds_and_absent_ingredients_make_no_mutant(function: object, old: str, new: str, same: bool) -> None:
    text = inspect.getsource(function)  # type: ignore[arg-type]  # a function
    assert text.count(old) == 1
    assert (folding.shape(text) == folding.shape(text.replace(old, new))) == same


def test_a_variant_that_reaches_its_end_does_not_go_on_in_another() -> None:
    model = teeth.EXPLORATIONS[0].model
    endless = changed(writing.acknowledge, "return s._replace(known=s.known | client.content)", "pass")
    with pytest.raises(NotInDialect, match="a guard after a change"):
        Kernels(model, {writing.acknowledge: {1: endless}})
    silent = changed(failures.reconnect, "if node.connected:\n        return None", "return None")
    del silent.body[2:]
    kernels = Kernels(model, {failures.reconnect: {1: silent}})
    kernels.load(keep=False).choose(1)
    assert search(model, symmetry=True, kernels=kernels).actions["Reconnect"] == 0


@pytest.fixture(scope="module")
def mutants() -> tuple[Mutant, ...]:
    return mutate(failures).mutants


@pytest.mark.parametrize(
    ("became", "proved"),
    [
        ("`node.cut >> c & 1 == 0` became `node.cut >> c & 1 <= 0`", True),
        ("`node.cut >> c & 1 == 0` became `node.cut >> c & 1 != 0`", False),
    ],
)
def test_a_mutant_is_equivalent_only_if_that_is_proved(mutants: tuple[Mutant, ...], became: str, proved: bool) -> None:
    [found] = [mutant for mutant in mutants if mutant.function == "heal" and mutant.description.endswith(became)]
    assert equivalents.proved_equivalent(found, failures.heal) == proved


def fate(mutants: tuple[Mutant, ...], verdict: str) -> teeth.Fate:
    return teeth.Fate(mutants[0], failures.crash, changed(failures.crash, "i: int", "i: int"), verdict)


def test_only_what_a_sentence_notices_raises_the_score(mutants: tuple[Mutant, ...]) -> None:
    tally = teeth.Tally()
    for verdict in ("invariant: x", "never: x", "counts: x", "", "equivalent: proved", "refused: x"):
        tally.add(fate(mutants, verdict))
    assert (tally.noticed, tally.judged, tally.percent) == (2, 5, 40.0)
    assert teeth.LEAST_PERCENT >= 65


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("counts: they differ", "invariant: one", "invariant: one"),
        ("counts: they differ", "", "counts: they differ"),
        ("", "overflow: a field left its range", "overflow: a field left its range"),
    ],
)
def test_a_mutant_keeps_the_best_that_was_said_of_it(
    mutants: tuple[Mutant, ...], first: str, second: str, kept: str
) -> None:
    one = fate(mutants, "")
    one.learn(first)
    one.learn(second)
    assert one.verdict == kept
