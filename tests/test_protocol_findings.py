"""The protocol's stored counterexamples: each is run again by plain Python, and one that proves nothing is noticed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hammer2_proofs import protocol_ablations
from hammer2_proofs.protocol_ablations import differences, gaps
from hammer2_proofs.protocol_findings import BROKEN, HOLDS, STUCK, complaints, load, objections, shortest, ways
from hammer2_spec.protocol.findings import PROTOCOL_FINDINGS, SEED_HAS
from hammer2_spec.protocol.model import INSTEAD
from hammer2_spec.protocol.state import ALTERNATIVES, INGREDIENTS
from hammer2_spec.protocol.tree import INGREDIENTS as TREE_INGREDIENTS

ROWS = load()
PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "protocol.md"
NAMED = {*INGREDIENTS, *ALTERNATIVES}
NOT_NEEDED = {
    "disable_on_disconnect",
    "disable_on_write_failure",
    "resync_before_eligible",
    "wait_for_all",
    "majority_tid",
    "resolve_at_begin",
}


def test_every_stored_counterexample_breaks_its_sentence_with_its_last_step() -> None:
    assert list(complaints(ROWS)) == []


def test_each_ingredient_is_a_finding_or_is_not_needed_at_this_level() -> None:
    needed = {finding.repair for finding in PROTOCOL_FINDINGS.values()}
    assert needed | NOT_NEEDED == {*INGREDIENTS, *TREE_INGREDIENTS}
    assert not needed & NOT_NEEDED
    for name in NOT_NEEDED:
        assert {row["standing"] for row in ROWS if row["without"] == [name]} - {BROKEN} == {HOLDS}


def told_in(rows: list[dict[str, Any]], situation: str) -> str:
    """What the page's table has in a column: nothing where it was not looked for."""
    its = [row for row in rows if row["situation"] == situation]
    return "".join("holds" if row["standing"] == HOLDS else str(len(row["steps"])) for row in its)


def test_the_page_tells_the_matrix_as_it_is_stored() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    told = [cells for cells in table if len(cells) == 5 and {*re.split(r", ", cells[1].replace("-", "_"))} <= NAMED]
    seen = set()
    for first, names, one, two, _ in told:
        listed = tuple(names.replace("-", "_").split(", "))
        is_other = listed[0] in ALTERNATIVES
        without = [first.replace("-", "_")] if is_other and first else [] if is_other else list(listed)
        instead = list(listed) if is_other else []
        rows = [row for row in ROWS if row["without"] == without and row["instead"] == instead]
        if without == ["spare_kept_version"]:
            assert one == told_in(rows, "nodes run out of space")
            continue
        assert one == told_in(rows, "one client"), names
        assert two.partition(";")[0] == told_in(rows, "two clients"), names
        seen.add((*without, *instead))
    two_clients = (row for row in ROWS if row["situation"] == "two clients" and len(row["without"]) < 2)
    wanted = {(*row["without"], *row["instead"]) for row in two_clients}
    assert seen == wanted - {("spare_kept_version",)}
    for row in ROWS:
        if row["standing"] == HOLDS and len(row["without"]) > 5:
            assert f"| {row['states']:,} |" in page, row["without"]


def test_every_other_answer_is_explained_and_tried() -> None:
    assert {*INSTEAD} == {*ALTERNATIVES} == {name for row in ROWS for name in row["instead"]}


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


def test_the_matrix_is_all_that_is_taken_away_and_nothing_else() -> None:
    assert list(gaps(ROWS)) == []


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda rows, at: rows.pop(at), "stored 0 times: without promise, one client"),
        (lambda rows, at: rows.append(rows[at]), "stored 2 times: without promise, one client"),
        (
            lambda rows, at: rows.append(rows[at] | {"without": ["luck"]}),
            "nobody asked for: without luck, one client",
        ),
        (lambda rows, at: rows[at].update(bounds={"writes": 1}), "stored 0 times: without promise, one client"),
    ],
    ids=["a row is missing", "a row is there twice", "a row too many", "a row of other bounds"],
)
def test_a_matrix_with_a_row_missing_or_too_many_is_noticed(
    spoil: Callable[[list[dict[str, Any]], int], object], complaint: str
) -> None:
    rows = [dict(row) for row in ROWS]
    spoil(
        rows, next(i for i, row in enumerate(rows) if (row["situation"], row["without"]) == ("one client", ["promise"]))
    )
    assert complaint in list(gaps(rows))


def test_what_is_explored_anew_must_be_what_is_stored() -> None:
    held = next(row for row in ROWS if row["standing"] == HOLDS)
    other = held | {"states": held["states"] + 1}
    assert list(differences([held], [held])) == []
    assert [line.partition(":")[0] for line in differences([held], [other])] == [
        "explored anew, and not stored",
        "stored, and not found again",
    ]


@pytest.mark.parametrize(("states", "status"), [(0, 0), (1, 1)])
def test_exploring_again_is_red_where_it_finds_something_else(
    monkeypatch: pytest.MonkeyPatch, states: int, status: int
) -> None:
    anew = [row | {"states": row["states"] + states} if row["standing"] == HOLDS else row for row in ROWS]
    monkeypatch.setattr(protocol_ablations, "rows", lambda: anew)
    result = CliRunner().invoke(protocol_ablations.main, ["--again"])
    assert result.exit_code == status
    assert ("stored, and not found again: without promise, one client: holds" in result.stderr) == bool(status)


def test_fair_cycles_are_stored_with_what_recurs() -> None:
    stuck = [(row["without"][0], way) for row in ROWS if row["standing"] == STUCK for way in ways(row)]
    assert {name for name, way in stuck if way["cycle"]} == {"exclusive_pass", "replacement_first", "lower_tids"}


KINDS = {"no way leads to": "no way", "nothing has to happen any more short of": "an end"}


def test_each_kind_of_missing_progress_is_stored_with_the_shortest_way_to_it() -> None:
    found = {
        (*row["without"], *row["instead"]): [
            (KINDS.get(way["sentence"].partition(":")[0], "a cycle"), len(way["steps"])) for way in ways(row)
        ]
        for row in ROWS
        if row["standing"] == STUCK
    }
    assert found == {
        ("exclusive_pass",): [("a cycle", 15)],
        ("replacement_first",): [("a cycle", 8)],
        ("disabled_is_evidence",): [("no way", 3), ("an end", 6)],
        ("lower_tids",): [("no way", 1), ("a cycle", 7)],
        ("keep_old_version", "copy_committed_only"): [("no way", 4), ("an end", 9)],
    }


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"steps": [["CrashClient", [0]]]}, "something has to happen: Elect"),
        ({"steps": []}, "does not end at the goal"),
        ({"steps": [["Acknowledge", [0]]]}, "cannot happen after 0 steps"),
    ],
)
def test_another_way_that_proves_nothing_is_noticed(change: dict[str, Any], objection: str) -> None:
    row = example("disabled_is_evidence")
    spoilt = row | {"also": [row["also"][0] | change]}
    assert any(objection in line for line in objections(spoilt))


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        (lambda cycle: cycle[:-1], "what recurs does not come back to where it began"),
        (lambda cycle: [*cycle, cycle[0], cycle[0]], "what recurs: "),
        (lambda _: [["LoseMedia", [0]]], "what recurs has faults in it: LoseMedia"),
    ],
)
def test_what_does_not_recur_for_ever_is_noticed(change: Callable[[list[Any]], list[Any]], objection: str) -> None:
    row = example("exclusive_pass")
    assert any(objection in line for line in objections(row | {"cycle": change(row["cycle"])}))
