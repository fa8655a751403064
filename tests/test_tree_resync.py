"""Resynchronization below the root: a tid that moved above an old leaf cannot hide it, because of the mark."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hammer2_proofs.explorer import reference
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.report import traces
from hammer2_proofs.explorer.search import search
from hammer2_spec.protocol.tree import INGREDIENTS, Tree, TreeSetup, certified
from hammer2_spec.protocol.tree_model import WHY
from hammer2_spec.transition_system import Model

WHOLE = "an unmarked root shows one whole version"
CERTIFIED = "an element that looks certified is"
ENDED = "what a pass ends with is on the media"


def tree(tids: int, *without: str) -> Model[TreeSetup, Tree]:
    return build("tree", {"tids": tids}, frozenset(f"without-{name}" for name in without))


def with_step(
    model: Model[TreeSetup, Tree], name: str, step: Callable[[TreeSetup, Tree], Tree | None]
) -> Model[TreeSetup, Tree]:
    return replace(model, actions=tuple(replace(it, step=step) if it.name == name else it for it in model.actions))


def test_the_tree_is_copied_soundly_and_at_last() -> None:
    found = search(tree(2))
    assert (found.states, found.transitions, found.depth) == (265_883, 1_001_940, 31)
    assert not traces(found)
    assert not found.never
    assert check(found) == []


def without_action(model: Model[TreeSetup, Tree], name: str) -> Model[TreeSetup, Tree]:
    return replace(model, actions=tuple(action for action in model.actions if action.name != name))


def test_half_of_a_copy_is_left_behind_only_where_its_source_is_lost() -> None:
    assert search(without_action(tree(2), "LoseSource")).never == ["half of a copy was left behind with its source"]


def lose_what_was_written_since(m: TreeSetup, s: Tree) -> Tree | None:
    if not s.syncing or s.snapshot == 0 or s.astray != 0 or s.tids >= m.most_tids:
        return None
    return s._replace(tids=s.tids + 1, astray=s.tids, syncing=False, snapshot=0, copying=0)


def test_with_three_tids_there_may_be_a_write_after_the_snapshot_which_no_pass_copies() -> None:
    found = search(with_step(tree(3), "LoseSource", lose_what_was_written_since))
    assert {name: [step.action for step in trace.steps] for name, trace in traces(found).items()} == {
        "only what a pass copies is lost with its source": ["Write", "Crash", "BeginPass", "Write", "LoseSource"]
    }


def test_compiled_and_plain_tree_agree() -> None:
    found, twin = search(tree(1)), reference.explore(tree(1))
    assert (found.states, found.hash, found.actions) == (twin.states, twin.hash, twin.actions)
    assert (found.states, found.depth) == (4_333, 23)


@pytest.mark.parametrize(
    ("without", "broken"),
    [
        (("durable_mark",), {WHOLE: 6}),
        (("compare_equal",), {WHOLE: 5, CERTIFIED: 5, ENDED: 6}),
        (("children_first",), {WHOLE: 5, CERTIFIED: 5, ENDED: 6}),
        (("whole_flush",), {WHOLE: 3}),
        (("flush_between_writes",), {WHOLE: 3, CERTIFIED: 3}),
        (("mark_leaf", "stamp_last"), {CERTIFIED: 6}),
        (("mark_leaf",), {CERTIFIED: 8}),
    ],
)
def test_without_an_ingredient_the_media_shows_what_it_has_not(
    without: tuple[str, ...], broken: dict[str, int]
) -> None:
    found = search(tree(2, *without))
    assert {name: len(trace.steps) for name, trace in traces(found).items()} == broken


def end_pass_without_a_flush(m: TreeSetup, s: Tree) -> Tree | None:
    if not s.syncing or not certified(m, s, 0):
        return None
    s = s._replace(eligible=s.snapshot == s.tids)
    return s._replace(syncing=False, snapshot=0)


def test_a_pass_that_ends_without_a_flush_is_found() -> None:
    found = search(with_step(tree(1), "EndPass", end_pass_without_a_flush))
    assert traces(found)[ENDED].steps[-1].action == "EndPass"


def test_a_leaf_that_has_a_mark_may_get_its_tid_first() -> None:
    found = search(tree(2, "stamp_last"))
    assert found.complete
    assert not found.broken


def test_a_tid_that_went_astray_must_be_taken_back() -> None:
    found = search(tree(2, "lower_tids"))
    assert not found.broken
    assert check(found)[0].what.startswith("no way leads to")


def test_every_ingredient_is_explained() -> None:
    assert set(WHY) == set(INGREDIENTS)
