"""`make fuzz`: rounds of property-based tests, each from a seed of its own; one that failed can be repeated."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import fuzz

SCRIPT = fuzz.__file__
PROPERTY = """
from hypothesis import given, strategies

@given(strategies.integers(0, 10_000))
def test_numbers_are_small(number):
    assert number != 4321
"""


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, cwd=Path(SCRIPT).parent.parent, capture_output=True, text=True, check=False)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return a test file of its own whose property fails for one number in ten thousand."""
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    path = tmp_path / "test_numbers.py"
    path.write_text(PROPERTY)
    return path


def test_a_planted_failure_is_found_and_the_printed_command_finds_it_again(suite: Path) -> None:
    finished = run_script("--minutes", "1", "--seed", "5", "-n0", str(suite))
    assert finished.returncode == 1, finished.stdout
    assert "assert number != 4321" in finished.stdout
    *_, last = finished.stdout.splitlines()
    assert last.startswith("Reproduce with: ")
    again = subprocess.run(shlex.split(last.partition(": ")[2]), capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "number=4321" in again.stdout


def test_no_property_to_test_is_no_success(suite: Path) -> None:
    suite.write_text("def test_nothing_random():\n    pass\n")
    finished = run_script("--minutes", "0", "-n0", str(suite))
    assert finished.returncode == 2
    assert finished.stderr == "fuzz: no property-based test was selected\n"


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int | KeyboardInterrupt]]:
    """Let rounds end with these statuses, each taking 25 seconds; what is left over was not run."""
    endings: list[int | KeyboardInterrupt] = []
    clock = iter(range(0, 1_000, 25))

    def pretend(_: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        assert not check
        ending = endings.pop(0)
        if isinstance(ending, KeyboardInterrupt):
            raise ending
        return subprocess.CompletedProcess([], ending)

    monkeypatch.setattr(subprocess, "run", pretend)
    monkeypatch.setattr("fuzz.time", SimpleNamespace(monotonic=lambda: next(clock)))
    yield endings
    assert endings == []


def test_rounds_follow_each_other_until_the_time_is_up(
    statuses: list[int | KeyboardInterrupt], capsys: pytest.CaptureFixture[str]
) -> None:
    statuses += [0, 0, 0]
    assert fuzz.fuzz(minutes=1, first_seed=7, arguments=[]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("round ")] == [
        "round 1, seed 7",
        "round 2, seed 8",
        "round 3, seed 9",
    ]


def test_an_interrupt_says_how_far_it_got(
    statuses: list[int | KeyboardInterrupt], capsys: pytest.CaptureFixture[str]
) -> None:
    statuses += [0, 0, KeyboardInterrupt()]
    assert fuzz.fuzz(minutes=60, first_seed=7, arguments=[]) == 3
    assert capsys.readouterr().out.splitlines()[-1] == "fuzz: interrupted; rounds without a failure: 2"
