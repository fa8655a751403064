"""The ledger of claims: every claim has a check, and its standing is that of what ran."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import claims
from hammer2_oracle import ledger
from hammer2_oracle.claims_report import Standing, standings, status_of
from hammer2_oracle.cli import main
from hammer2_oracle.ledger import Check, Evidence, Means, Outcome, checks
from hammer2_oracle.status import Status
from hammer2_proofs.explorer import verification
from hammer2_spec.claims import CLAIMS

PROVED = Check(Means.PROOF, "it_holds", "It holds.", "properties")
TESTED = Check(Means.TEST, "test_it", "", "tests/test_it.py")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["claims", *arguments])


@pytest.fixture(autouse=True)
def nothing_has_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ledger, "VERIFIED", tmp_path / "verify.json")
    monkeypatch.setattr(ledger, "TESTED", tmp_path / "tests.json")
    monkeypatch.setattr(ledger, "digest", lambda: "these")


def has_run(by: Path, outcomes: dict[str, str], sources: str = "these") -> None:
    ledger.keep(by, outcomes, sources)


def test_every_claim_has_a_check() -> None:
    assert not [claim for claim, its in checks().items() if not its]


def test_every_kind_of_check_is_found_where_it_stands() -> None:
    found = {claim: {check.name for check in its} for claim, its in checks().items()}
    assert {"a_slave_is_the_focus_only_where_no_master_will_do"} <= found["C36"]
    assert {"the_focus_is_none_or_a_member", "what_is_locked_holds_its_chains_locked"} <= found["C30"]
    assert {"accessors.set_chainflags", "accessors.clr_chainflags"} == found["C14"]
    assert {"F36 zero_filled"} == found["C72"]
    assert {"two_resynchronizations_at_once", "test_two_nodes_are_resynchronized_at_once"} == found["C96"]
    assert {"a_write_disabled_node_has_nothing_dirty", "media_agree"} <= found["C86"]
    assert {"nothing_is_lost", "read"} <= {check.name for check in checks()["C97"] if check.by == "schedules"}


@pytest.mark.parametrize(
    "claim", [claim for claim in CLAIMS if claim[1] in "1256" and claim not in ("C22", "C23", "C63")]
)
def test_a_claim_about_an_operation_is_checked_by_its_contract(claim: str) -> None:
    assert any(check.name.partition(".")[0] in ledger.OPERATIONS for check in checks()[claim])


def test_a_test_of_what_is_no_claim_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("impl", "proofs"):
        (tmp_path / part).symlink_to(ledger.ROOT / part)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_new.py").write_text('@pytest.mark.claims("C99")\ndef test_new() -> None: ...\n')
    monkeypatch.setattr(ledger, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="test_new checks C99, which is no claim"):
        checks()


@pytest.mark.parametrize(
    ("outcomes", "sources", "expected"),
    [
        ({"test_it": "passed"}, "these", Outcome.PASSED),
        ({"test_it[1]": "passed", "test_it[2]": "passed"}, "these", Outcome.PASSED),
        ({"test_it[1]": "passed", "test_it[2]": "failed"}, "these", Outcome.FAILED),
        ({"test_it": "skipped"}, "these", Outcome.FAILED),
        ({"test_it": "passed"}, "others", Outcome.STALE),
        ({"test_it_too": "passed"}, "these", Outcome.NOT_RUN),
    ],
)
def test_a_test_counts_if_all_of_it_passed_with_these_sources(
    outcomes: dict[str, str], sources: str, expected: Outcome
) -> None:
    has_run(ledger.TESTED, {f"{TESTED.by}::{name}": outcome for name, outcome in outcomes.items()}, sources)
    assert Evidence().of(TESTED) is expected


@pytest.mark.parametrize("word", ["failed", "broken", "undecided"])
def test_a_step_that_did_not_pass_speaks_for_nothing(word: str) -> None:
    assert Evidence().of(PROVED) is Outcome.NOT_RUN
    has_run(ledger.VERIFIED, {"properties": word})
    assert Evidence().of(PROVED) is Outcome.FAILED
    has_run(ledger.VERIFIED, {"properties": "passed"})
    assert Evidence().of(PROVED) is Outcome.PASSED


def test_what_ran_with_other_sources_is_forgotten_when_something_runs_with_these() -> None:
    has_run(ledger.VERIFIED, {"teeth": "passed"}, "others")
    has_run(ledger.VERIFIED, {"properties": "passed"})
    has_run(ledger.VERIFIED, {"proofs": "passed"})
    assert json.loads(ledger.VERIFIED.read_text())["outcomes"] == {"properties": "passed", "proofs": "passed"}


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Outcome.PASSED, Outcome.PASSED], Status.AGREE),
        ([Outcome.PASSED, Outcome.STALE], Status.UNDECIDED),
        ([Outcome.NOT_RUN, Outcome.PASSED], Status.UNDECIDED),
        ([Outcome.NOT_RUN, Outcome.FAILED], Status.DIFFER),
        ([], Status.DIFFER),
    ],
)
def test_the_worst_check_of_a_claim_decides_and_none_is_worse(outcomes: list[Outcome], expected: Status) -> None:
    assert status_of([Standing("C36", [], [(PROVED, outcome) for outcome in outcomes])]) is expected


def test_where_all_has_passed_the_claims_stand_and_say_how() -> None:
    every = [check for its in checks().values() for check in its]
    has_run(ledger.TESTED, {f"{it.by}::{it.name}": "passed" for it in every if it.means is Means.TEST})
    has_run(ledger.VERIFIED, {it.by: "passed" for it in every if it.means is not Means.TEST})
    assert run().exit_code == Status.AGREE
    told = {it.claim: it.sentence for it in standings()}
    assert told["C36"] == "broken by the original (F01); repaired proved for all inputs"
    assert told["C96"] == "explored to bounds and tested"


def test_the_page_of_claims_is_current() -> None:
    assert claims.PAGE.read_text() == claims.page(), "python tools/claims.py"


def test_a_claim_is_shown_with_all_that_checks_it() -> None:
    shown = run("c36")
    assert shown.exit_code == Status.UNDECIDED
    lines = shown.stdout.splitlines()
    assert lines[0] == (
        "C36 (lines 477-482, 498-502): A master is preferred over a slave as focus, in whatever order they stand."
    )
    assert "proved for all inputs: a_slave_is_the_focus_only_where_no_master_will_do" in lines
    assert "  properties: not run" in lines


def test_json_says_the_same() -> None:
    told = json.loads(run("--json").stdout)
    assert [it["claim"] for it in told["claims"]] == list(CLAIMS)
    [one] = json.loads(run("C96", "--json").stdout)["claims"]
    assert one["outcome"] == "not run"
    assert {check["by"] for check in one["checks"]} == {"protocol", "tests/test_resync.py"}


def test_what_is_no_claim_is_bad_usage() -> None:
    refused = run("C99")
    assert refused.exit_code == Status.BAD_INPUT
    assert "no claim is called 'C99', expected C01 to C97" in refused.stderr


def test_without_the_projects_sources_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ROOT", tmp_path)
    refused = run()
    assert refused.exit_code == Status.BAD_INPUT
    assert "the ledger speaks of the project's sources: no " in refused.stderr


def test_a_run_of_the_tests_keeps_what_came_of_those_that_check_claims(tmp_path: Path) -> None:
    test = "tests/test_falling_through.py::test_a_single_node_needs_no_task_and_no_queue"
    kept = tmp_path / "tests.json"
    program = f"import pathlib; from hammer2_oracle import ledger; ledger.TESTED = pathlib.Path({str(kept)!r})"
    command = f"{program}; ledger.digest = lambda: 'these'; import pytest; pytest.main(['-q', '-n0', {test!r}])"
    subprocess.run([sys.executable, "-c", command], cwd=ledger.ROOT, check=True, capture_output=True)
    assert json.loads(kept.read_text()) == {"sources": "these", "outcomes": {test: "passed"}}


def test_a_sentence_that_no_exploration_looks_for_checks_no_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    every = {check.name for its in checks().values() for check in its}
    assert "a_pass_skips_a_subtree" in every
    assert "certified" not in every
    monkeypatch.setattr(verification, "STANDARD", [run for run in verification.STANDARD if run.model != "tree"])
    fewer = {check.name for its in checks().values() for check in its}
    assert "a_pass_skips_a_subtree" not in fewer
