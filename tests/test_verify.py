"""`make verify` itself: the worst step decides, nothing is left out of the summary."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

import click
import pytest
from rich.console import Console

import verify
from hammer2_oracle import ledger
from verify import BROKEN, FAILED, PASSED, UNDECIDED, Step, Stopper

HOLDS = Step("holds", ("python", "-c", "print('working'); print('3 of 3 proved'); print()"), 60)
REFUTED = Step("refuted", ("python", "-c", "print('F01 [found]\\nReproduce with: x\\n'); raise SystemExit(1)"), 60)
UNREADABLE = Step("unreadable", ("python", "-c", "raise SystemExit(2)"), 60)
GAVE_UP = Step("gave up", ("python", "-c", "raise SystemExit(3)"), 60)
SPINS = Step("spins", ("python", "-c", "import time\nwhile time.process_time() < 0.3: pass"), 0)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where these runs are kept, apart from real ones."""
    monkeypatch.setattr(ledger, "VERIFIED", tmp_path / "verify.json")
    return tmp_path / "verify.json"


def run(*steps: Step, report: TextIO | None = None) -> tuple[int, str]:
    """Return the exit status and what was printed."""
    screen = io.StringIO()
    status = verify.verify(steps, report, Console(file=screen, width=120))
    return status, screen.getvalue()


def row(screen: str, name: str) -> str:
    """Return the step's line in the summary."""
    summary = screen[screen.index("summary") :]
    return next(line for line in summary.splitlines() if line.startswith(name))


def test_a_step_that_holds_passes_and_its_last_line_is_what_it_said() -> None:
    status, screen = run(HOLDS)
    assert status == PASSED
    assert "passed" in row(screen, "holds")
    assert "3 of 3 proved" in row(screen, "holds")
    assert "Reproduce with:" not in screen
    assert screen.splitlines()[-1].startswith("verify: 1 passed in ")


def test_what_came_of_each_step_is_kept_with_the_sources_that_it_speaks_of(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "digest", lambda: "these")
    run(HOLDS)
    run(GAVE_UP)
    assert json.loads(kept.read_text()) == {
        "sources": "these",
        "outcomes": {"holds": "passed", "gave up": "undecided"},
    }
    sources = iter(["before", "after"])
    monkeypatch.setattr(ledger, "digest", lambda: next(sources))
    run(REFUTED)
    assert "refuted" not in kept.read_text(), "the sources have changed in between"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((HOLDS, HOLDS), PASSED),
        ((HOLDS, GAVE_UP), UNDECIDED),
        ((GAVE_UP, REFUTED, HOLDS), FAILED),
        ((REFUTED, UNREADABLE, GAVE_UP), BROKEN),
        ((), BROKEN),
    ],
    ids=["all hold", "undecided", "refuted outranks undecided", "unreadable outranks all", "no step is no success"],
)
def test_the_worst_step_decides(steps: tuple[Step, ...], expected: int) -> None:
    assert run(*steps)[0] == expected


def test_a_step_that_failed_says_how_to_reproduce_it() -> None:
    status, screen = run(REFUTED, HOLDS)
    assert status == FAILED
    assert "F01 [found]" in row(screen, "refuted")
    assert f"Reproduce with: {REFUTED.shown}" in screen
    assert "1 passed, 1 failed" in screen.splitlines()[-1]


def test_the_command_to_reproduce_runs_in_a_shell() -> None:
    command = REFUTED.shown
    finished = subprocess.run(command, shell=True, cwd=verify.ROOT, capture_output=True, text=True, check=False)  # noqa: S602 - a shell is what is tested
    assert (finished.returncode, finished.stdout) == (1, "F01 [found]\nReproduce with: x\n\n")


@pytest.mark.parametrize("ending", ["raise SystemExit(5)", "import os; os.kill(os.getpid(), 11)"])
def test_any_other_ending_is_a_failure(ending: str) -> None:
    result = verify.run(Step("other", ("python", "-c", ending), 60), Stopper())
    assert result.status == FAILED
    assert result.said.startswith("ended with")


def test_a_step_that_does_not_end_is_stopped_and_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "MINIMUM_SECONDS", 2)
    hangs = "import subprocess, sys; print('so far 7'); subprocess.run([sys.executable, '-c', 'while True: pass'])"
    started = time.monotonic()
    result = verify.run(Step("hangs", ("python", "-c", hangs), 0), Stopper())
    assert time.monotonic() - started < 30
    assert result.status == UNDECIDED
    assert result.said == "stopped after 2 s: so far 7"


def test_cpu_time_is_measured_with_that_of_children_and_judged_by_the_budget() -> None:
    spinning_child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SPINS.command[2]!r}])"
    step = Step("child", ("python", "-c", spinning_child), 0)
    result = verify.run(step, Stopper())
    assert result.over_budget
    assert result.cpu_seconds >= 0.3


def test_a_budget_overrun_is_reported_but_machines_differ_so_it_is_no_failure() -> None:
    status, screen = run(SPINS)
    assert status == PASSED
    assert "Over its CPU budget: spins" in screen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_sums_up_what_was_found_by_then_and_what_was_not_run(number: signal.Signals) -> None:
    slow = Step("slow", ("python", "-c", "import time; print('found 2 so far'); time.sleep(60)"), 60)
    threading.Timer(1.5, os.kill, (os.getpid(), number)).start()
    status, screen = run(HOLDS, slow, REFUTED)
    assert status == UNDECIDED
    assert "interrupted: found 2 so far" in row(screen, "slow")
    assert "not run" in row(screen, "refuted")
    assert "1 passed, 1 undecided, 1 not run" in screen.splitlines()[-1]


def test_an_interrupt_between_two_steps_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    run_one = verify.run

    def run_one_and_interrupt(step: Step, stopper: Stopper) -> verify.Result:
        result = run_one(step, stopper)
        os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(verify, "run", run_one_and_interrupt)
    status, screen = run(HOLDS, HOLDS)
    assert status == UNDECIDED
    assert "1 passed, 1 not run" in screen.splitlines()[-1]


def test_a_second_interrupt_does_not_wait_for_a_step_that_ignores_the_first() -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('never'); time.sleep(60)"
    for seconds in (1.5, 2):
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()
    status, screen = run(Step("stubborn", ("python", "-c", stubborn), 60), HOLDS)
    assert time.monotonic() - started < verify.GRACE_SECONDS
    assert status == UNDECIDED
    assert "1 undecided, 1 not run" in screen.splitlines()[-1]


def test_a_step_that_ignores_an_interrupt_is_ended_after_the_seconds_of_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "GRACE_SECONDS", 1)
    stubborn = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('never'); time.sleep(60)"
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    status, screen = run(Step("stubborn", ("python", "-c", stubborn), 60))
    assert status == UNDECIDED
    assert "interrupted: never" in row(screen, "stubborn")


def test_nothing_that_a_step_started_outlives_it(tmp_path: Path) -> None:
    mark = tmp_path / "still here"
    later = f"import time, pathlib; time.sleep(2); pathlib.Path({str(mark)!r}).touch()"
    leaves = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {later!r}], stdout=subprocess.DEVNULL)"
    assert verify.run(Step("leaves", ("python", "-c", leaves), 60), Stopper()).status == PASSED
    time.sleep(3)
    assert not mark.exists()


def test_the_report_says_what_the_screen_says() -> None:
    report = io.StringIO()
    status, _ = run(HOLDS, REFUTED, report=report)
    document = json.loads(report.getvalue())
    assert document["status"] == status == FAILED
    assert [(step["name"], step["status"], step["said"]) for step in document["steps"]] == [
        ("holds", PASSED, "3 of 3 proved"),
        ("refuted", FAILED, "F01 [found]"),
    ]
    assert document["not_run"] == []
    assert document["cpu_seconds"] == sum(step["cpu_seconds"] for step in document["steps"])
    assert all(step["memory"] > 2**20 for step in document["steps"])


def test_a_report_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    command = [sys.executable, verify.__file__, "--json", str(tmp_path / "absent" / "verify.json")]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "absent/verify.json': No such file or directory" in refused.stderr


def test_an_unknown_step_is_named_together_with_the_known_ones() -> None:
    assert verify.selected([HOLDS, REFUTED], ["refuted"]) == [REFUTED]
    with pytest.raises(click.UsageError, match="no step is called 'absent'; there are: holds, refuted"):
        verify.selected([HOLDS, REFUTED], ["absent"])


def test_every_step_has_a_name_of_its_own_and_a_budget() -> None:
    steps = verify.STEPS + verify.DEEP_STEPS + verify.NIGHTLY_STEPS
    assert len({step.name for step in steps}) == len(steps)
    assert all(step.cpu_budget > 0 for step in steps)
    assert sum(step.cpu_budget for step in verify.STEPS) <= 15 * 60


def test_the_list_shows_every_step_without_running_it() -> None:
    listed = subprocess.run([sys.executable, verify.__file__, "--list"], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [step.name for step in verify.STEPS]
