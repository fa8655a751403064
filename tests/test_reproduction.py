"""Every run prints its seed, and every failure the command that repeats it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent
SUITE = """
import pytest
from hypothesis import given, strategies

@given(strategies.integers(0, 2**64 - 1))
def test_drawn(number):
    print("drew", number)
    assert number < 2**63

@pytest.mark.parametrize("word", ["two words"])
def test_parametrized(word):
    assert word == "one"

@pytest.fixture
def broken():
    raise ValueError

def test_whose_fixture_fails(broken):
    pass

def test_that_holds():
    pass
"""


def run(command: str, directory: Path) -> str:
    """Run a command in a directory, as a service that tests every change would, and return what it printed."""
    environment = {**os.environ, "CI": "true"}  # with it, Hypothesis changes its own defaults
    return subprocess.run(
        shlex.split(command), cwd=directory, env=environment, capture_output=True, text=True, check=False
    ).stdout


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return a directory with tests of its own, three of which fail, under the rules of this project."""
    for name in ("tests/conftest.py", "pyproject.toml"):
        (tmp_path / Path(name).name).write_text((ROOT / name).read_text())
    (tmp_path / "test_planted.py").write_text(SUITE)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return tmp_path


def test_every_failure_has_a_command_that_repeats_it_and_nothing_else(suite: Path) -> None:
    options = "--hypothesis-seed=7 --hypothesis-profile=fuzz"
    printed = run(f"{sys.executable} -m pytest test_planted.py {options}", suite)
    lines = [line for line in printed.splitlines() if line.startswith("Reproduce with: ")]
    assert len(lines) == 3, printed
    for line, name in zip(lines, ["drawn", "parametrized", "whose_fixture_fails"], strict=True):
        assert f"test_planted.py::test_{name}" in line
        assert line.endswith(options)
        again = run(line.partition(": ")[2], suite)
        assert "1 error" in again if "fixture" in name else "1 failed" in again


def draws(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("drew ")]


def test_the_seed_is_printed_and_decides_what_is_drawn(suite: Path) -> None:
    first, second, other = (
        run(f"{sys.executable} -m pytest test_planted.py -k drawn -s {seed}", suite)
        for seed in ("", "", "--hypothesis-seed=8")
    )
    assert "seed: 20150330 " in first
    assert "seed: 8 " in other
    assert draws(first) == draws(second) != draws(other)
    assert len(draws(first)) > 1
