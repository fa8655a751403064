"""What `make verify` says of explorations: every way in which one can be wrong turns it red."""

from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hammer2_proofs.explorer import verification
from hammer2_proofs.explorer.search import Found, search
from hammer2_proofs.explorer.verification import Run, key, progress, protocol, recorded
from hammer2_spec.protocol.state import UNLIMITED
from hammer2_spec.transition_system import Model

SMALL = protocol("small", (3, 0, 1), (1, 2, 2), "history")
RECORDED = protocol("recorded", (3, 0, 1), (2, 2, UNLIMITED))
LARGER = protocol("larger", (3, 1, 2), (2, 2, 2))


def verified(monkeypatch: pytest.MonkeyPatch, run: Run, *options: str) -> Result:
    monkeypatch.setattr(verification, "STANDARD", (run,))
    monkeypatch.setattr(verification, "DEEP", (run,))
    return CliRunner().invoke(verification.main, options)


def test_what_holds_and_is_counted_as_before_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key(SMALL) in recorded()
    assert verified(monkeypatch, SMALL).exit_code == verification.HOLDS


def test_a_count_that_is_not_as_recorded_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    record = recorded()
    record[key(SMALL)]["transitions"] += 1
    monkeypatch.setattr(verification, "recorded", lambda: record)
    result = verified(monkeypatch, SMALL)
    assert result.exit_code == verification.REFUTED
    assert ": transitions 212696, recorded 212697" in result.stdout


def test_a_run_that_was_never_recorded_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "recorded", dict)
    result = verified(monkeypatch, SMALL)
    assert result.exit_code == verification.UNDECIDED
    assert "1 not recorded" in result.stdout


def test_a_witness_that_is_not_reached_or_an_action_never_taken_is_red_unless_it_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = verified(monkeypatch, protocol("no faults", (3, 0, 1), (1, 2, 0)))
    assert result.exit_code == verification.REFUTED
    assert "never: Disconnect" in result.stdout
    assert "never: two resynchronizations at once" in result.stdout
    result = verified(monkeypatch, replace(SMALL, never=frozenset({"no quorum is connected"})))
    assert result.exit_code == verification.REFUTED
    assert "not expected, and there: no quorum is connected" in result.stdout


def test_progress_is_checked_where_it_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    starved = replace(
        progress("starved", (3, 0, 1), 1, "endless"),
        switches=frozenset({"endless", "without-exclusive_pass"}),
    )
    result = verified(monkeypatch, starved)
    assert result.exit_code == verification.REFUTED
    assert "fair cycles avoid for ever: all nodes are synchronized" in result.stdout


def test_progress_that_leaves_successors_out_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaving_one_out(model: Model[Any, Any], **options: Any) -> Found:  # noqa: ANN401  # those of a search
        return replace(search(model, **options), outside=1)

    monkeypatch.setattr(verification, "search", leaving_one_out)
    result = verified(monkeypatch, progress("away", (3, 0, 1), 1, "stay-away"))
    assert result.exit_code == verification.REFUTED
    assert "1 successors left out" in result.stdout


def test_only_what_never_came_to_its_end_may_go_as_far_as_memory_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "DEEP_MEMORY", 2**20)
    assert key(RECORDED) in recorded()
    assert verified(monkeypatch, RECORDED, "--deep").exit_code == verification.UNDECIDED
    assert key(LARGER) not in recorded()
    result = verified(monkeypatch, LARGER, "--deep")
    assert result.exit_code == verification.HOLDS
    assert "1 as far as memory carried" in result.stdout
