"""Mutants of the protocol share kernels: what is chosen is what runs, and the sentences that judge stay as they are."""

import ast
import inspect

import pytest

from hammer2_proofs.explorer import teeth
from hammer2_proofs.explorer.generate import Kernels
from hammer2_proofs.explorer.search import search
from hammer2_proofs.mutants import mutate
from hammer2_spec.protocol import failures, resynchronization, state, writing

MEDIA = "every majority of intact media yields what was acknowledged"


def changed(function: object, old: str, new: str) -> ast.FunctionDef:
    text = inspect.getsource(function)  # type: ignore[arg-type]  # a function
    assert text.count(old) == 1
    tree = ast.parse(text.replace(old, new)).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return tree


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
    assert MEDIA in search(model, symmetry=True, kernels=kernels).broken


def test_what_only_the_lack_of_an_ingredient_runs_is_left_out() -> None:
    text = inspect.getsource(resynchronization)
    whole = ast.unparse(teeth.folded(text, "sync_begin"))
    for absent in ("torn", "m.promise", "m.never_lower", "m.keep_old_version"):
        assert absent not in whole
    assert "tid < node.durable_tid" in whole


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("counts: they differ", "invariant: one", "invariant: one"),
        ("counts: they differ", "", "counts: they differ"),
        ("", "overflow: a field left its range", "overflow: a field left its range"),
    ],
)
def test_a_mutant_keeps_the_best_that_was_said_of_it(first: str, second: str, kept: str) -> None:
    fate = teeth.Fate(next(iter(mutate(failures).mutants)), failures.crash, changed(failures.crash, "i: int", "i: int"))
    fate.learn(first)
    fate.learn(second)
    assert fate.verdict == kept
