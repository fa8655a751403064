"""The protocol's stored counterexamples: each is run again by plain Python, and one that proves nothing is noticed."""

from typing import Any

import pytest

from hammer2_proofs.protocol_findings import BROKEN, HOLDS, complaints, load, objections, shortest
from hammer2_spec.protocol.findings import PROTOCOL_FINDINGS, SEED_HAS
from hammer2_spec.protocol.state import INGREDIENTS
from hammer2_spec.protocol.tree import INGREDIENTS as TREE_INGREDIENTS

ROWS = load()
NOT_NEEDED = {
    "disable_on_disconnect",
    "disable_on_write_failure",
    "resync_before_eligible",
    "wait_for_all",
    "majority_tid",
    "mark_leaf",
}


def test_every_stored_counterexample_breaks_its_sentence_with_its_last_step() -> None:
    assert list(complaints(ROWS)) == []


def test_each_ingredient_is_a_finding_or_is_not_needed_at_this_level() -> None:
    needed = {finding.repair for finding in PROTOCOL_FINDINGS.values()}
    assert needed | NOT_NEEDED == {*INGREDIENTS, *TREE_INGREDIENTS}
    assert not needed & NOT_NEEDED
    for name in NOT_NEEDED:
        assert {row["standing"] for row in ROWS if row["without"] == [name]} - {BROKEN} == {HOLDS}


def test_what_the_seed_has_are_ingredients() -> None:
    assert {*INGREDIENTS, *TREE_INGREDIENTS} >= SEED_HAS


def test_with_one_front_end_promises_and_refusals_are_not_needed_even_together() -> None:
    row = next(row for row in ROWS if row["without"] == ["promise", "refuse_lower_epochs"])
    assert (row["situation"], row["standing"]) == ("one client", HOLDS)


def example(ingredient: str) -> dict[str, Any]:
    row = shortest(ROWS, ingredient)
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("changed", "objection"),
    [
        ({"sentence": "a tid has one content"}, "the last step breaks"),
        ({"switches": []}, "cannot happen after 3 steps"),
        ({"steps": [["Acknowledge", [0]]]}, "cannot happen after 0 steps"),
    ],
)
def test_a_stored_counterexample_that_proves_nothing_is_noticed(changed: dict[str, Any], objection: str) -> None:
    assert objection in next(objections(example("read_flushed") | changed))
