"""`make fuzz`: rounds of property-based tests, each from a seed of its own; one that failed can be repeated."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

import fuzz

SCRIPT = fuzz.__file__
PROPERTY = """
from hypothesis import given, strategies

@given(strategies.integers(0, 1_000))
def test_numbers_are_small(number):
    assert number != 432
"""


def run_script(kept: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, "--kept", str(kept), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def recorded(kept: Path) -> list[fuzz.Campaign]:
    return [msgspec.json.decode(line, type=fuzz.Campaign) for line in kept.read_bytes().splitlines()]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a test file in a place of its own whose property fails for one number in a thousand."""
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    path = tmp_path / "test_numbers.py"
    path.write_text(PROPERTY)
    return path


def test_a_failure_is_found_again_by_the_printed_command_and_by_the_next_campaign_until_it_is_mended(
    suite: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept" / "campaigns.jsonl"
    finished = run_script(kept, "--minutes", "1", "--seed", "5", "-n0", str(suite))
    assert finished.returncode == 1, finished.stdout
    assert "assert number != 432" in finished.stdout
    *_, last = finished.stdout.splitlines()
    assert last.startswith("Reproduce with: ")
    command = last.partition(": ")[2]
    again = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "number=432" in again.stdout

    finished = run_script(kept, "--minutes", "0", "--seed", "6", "-n0", str(suite))
    assert finished.returncode == 1, finished.stdout
    assert f"failed in an earlier campaign: {command}" in finished.stdout
    suite.write_text(PROPERTY.replace("432", "-1"))
    finished = run_script(kept, "--minutes", "0", "--seed", "7", "-n0", str(suite))
    assert finished.returncode == 0, finished.stdout
    assert f"fuzz: passes now, or is no longer there: {command}" in finished.stdout
    assert fuzz.failing_before(kept) == []

    first, second, third = recorded(kept)
    assert (first.seed, first.arguments, first.failed) == (5, ["-n0", str(suite)], 1)
    assert (first.outcome, first.failing) == ("failed", [command])
    assert (second.outcome, second.rounds, second.failing) == ("failed", 0, [command])
    assert (third.outcome, third.rounds, third.mended, third.passed) == ("passed", 1, [command], 2)


def test_a_round_is_cut_short_when_the_time_is_up(suite: Path, tmp_path: Path) -> None:
    kept = tmp_path / "campaigns.jsonl"
    suite.write_text(PROPERTY.replace("assert number != 432", "__import__('time').sleep(1)"))
    finished = run_script(kept, "--minutes", "0.05", "--seed", "5", "-n0", str(suite))
    assert finished.returncode == 0, finished.stdout
    [campaign] = recorded(kept)
    assert (campaign.outcome, campaign.rounds, campaign.passed) == ("passed", 1, 0)
    assert 3 <= campaign.seconds < 60


def test_no_property_to_test_is_no_success(suite: Path, tmp_path: Path) -> None:
    suite.write_text("def test_nothing_random():\n    pass\n")
    finished = run_script(tmp_path / "kept", "--minutes", "0", "-n0", str(suite))
    assert finished.returncode == 2
    assert finished.stderr == "fuzz: no property-based test was selected\n"


def test_records_of_something_else_are_refused_and_not_written_to(suite: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text('{"seed": "five"}\n')
    finished = run_script(kept, "--minutes", "0", "-n0", str(suite))
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1] == f"Error: {kept}:1: Expected `int`, got `str` - at `$.seed`"
    assert kept.read_text() == '{"seed": "five"}\n'


Endings = list[int | KeyboardInterrupt]


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endings]:
    """Let rounds end with these statuses, each taking 25 seconds; what is left over was not run."""
    endings: Endings = []
    clock = iter(range(0, 1_000, 25))

    def pretend(*_: object) -> int:
        ending = endings.pop(0)
        if isinstance(ending, KeyboardInterrupt):
            raise ending
        return ending

    monkeypatch.setattr(fuzz, "run", pretend)
    monkeypatch.setattr(fuzz, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    yield endings
    assert endings == []


def campaign() -> fuzz.Campaign:
    return fuzz.Campaign(7, [], datetime.now(UTC))


def test_rounds_follow_each_other_until_the_time_is_up(statuses: Endings, capsys: pytest.CaptureFixture[str]) -> None:
    statuses += [0, 0, 0]
    assert fuzz.fuzz(1.5, campaign()) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("round ")] == [
        "round 1, seed 7",
        "round 2, seed 8",
        "round 3, seed 9",
    ]


def test_an_interrupt_says_how_far_it_got(statuses: Endings, capsys: pytest.CaptureFixture[str]) -> None:
    statuses += [0, 0, KeyboardInterrupt()]
    stopped = campaign()
    assert fuzz.fuzz(60, stopped) == 3
    assert (stopped.outcome, stopped.rounds) == ("stopped", 2)
    assert capsys.readouterr().out.splitlines()[-1] == "fuzz: interrupted; rounds without a failure: 2"


def test_nobody_imports_conftest_and_with_it_another_profile_than_the_one_asked_for() -> None:
    tests = Path(__file__).parent.glob("*.py")
    assert not [path.name for path in tests if "from tests" + ".conftest" in path.read_text()]
