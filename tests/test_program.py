"""Lines that are to be pasted name the program so that the shell finds it from where they were printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hammer2_cluster.program import pasted, program, python

INSTALLED = Path(sys.executable).with_name("hammer2-cluster")
CHECK = "check --semantics repaired -"
ROW = '{"k":"a","m":2,"f":516,"p":0,"s":[[8,2,0]],"o":"ok","F":0,"e":0,"g":0}'


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a .venv, as a clone has it; the shell is there, and .venv/bin is not on its PATH."""
    (tmp_path / ".venv").symlink_to(INSTALLED.parents[1])
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path)
    path = [entry for entry in os.environ["PATH"].split(":") if not (Path(entry) / INSTALLED.name).exists()]
    monkeypatch.setenv("PATH", ":".join(path))
    return tmp_path


def reproduction(command: str) -> str:
    """What a command that finds a difference says that it is reproduced with."""
    finished = subprocess.run(
        ["/bin/bash", "-c", command], input=ROW, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert finished.returncode == 1, finished.stderr
    return finished.stdout.splitlines()[-1].removeprefix("Reproduce with: ")


@pytest.mark.parametrize(
    ("directory", "started"),
    [
        (".", ".venv/bin/hammer2-cluster"),
        (".", "./.venv/bin/hammer2-cluster"),
        ("src", "../.venv/bin/hammer2-cluster"),
        (".", str(INSTALLED)),
        (".venv/bin", "./hammer2-cluster"),
    ],
)
@pytest.mark.usefixtures("clone")
def test_a_line_to_paste_names_the_program_as_it_was_started(directory: str, started: str) -> None:
    os.chdir(directory)
    line = reproduction(f"{started} {CHECK}")
    assert line.endswith(f"| {started} {CHECK}")
    assert reproduction(line) == line


def test_where_path_leads_to_the_program_its_name_is_enough(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{clone}/.venv/bin:{os.environ['PATH']}")
    line = reproduction(f"hammer2-cluster {CHECK}")
    assert line.endswith(f"| hammer2-cluster {CHECK}")
    assert reproduction(line) == line


def test_what_was_started_otherwise_names_the_one_beside_python(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/some/where/bulk.py"])
    monkeypatch.setattr(sys, "executable", f"{clone}/.venv/bin/python")
    assert program() == ".venv/bin/hammer2-cluster"
    assert python() == ".venv/bin/python"
    assert pasted("resolve", "*slave:1") == ".venv/bin/hammer2-cluster resolve '*slave:1'"
    monkeypatch.chdir(Path(__file__).parent)
    assert program() == f"{clone}/.venv/bin/hammer2-cluster"


def test_a_directory_that_is_gone_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "argv", [str(INSTALLED)])
    assert Path(program()).name == "hammer2-cluster"


@pytest.mark.usefixtures("clone")
def test_the_help_that_bad_usage_points_to_can_be_asked_for() -> None:
    finished = subprocess.run(
        [".venv/bin/hammer2-cluster", "resolve"], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert finished.stderr.endswith("(see .venv/bin/hammer2-cluster resolve --help)\n")
