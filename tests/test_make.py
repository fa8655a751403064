"""The commands of a fresh clone: one clear line without a good Python, and `.venv` made when it has to be."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest

import environment

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ["verify", "verify-deep", "verify-nightly", "test", "lint", "format", "fuzz", "bench", "lock"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a directory with what make needs before there is a `.venv`."""
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock", "tools"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    return tmp_path


def script(path: Path, text: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def make(directory: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run make in a directory, as from a shell: the make that runs these tests is not its parent."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "PYTHON"}}
    search = f"{path}{os.pathsep}{inherited['PATH']}" if path else inherited["PATH"]
    command = ["make", *arguments]
    return subprocess.run(
        command, cwd=directory, env=inherited | {"PATH": search}, capture_output=True, text=True, check=False
    )


def python_that_says(version: str) -> str:
    """Return a script that is Python but for the version that it claims to be."""
    numbers = tuple(int(part) for part in version.split("."))
    pretend = (
        f"import sys, platform; sys.version_info = {numbers}; platform.python_version = lambda: {version!r}; "
        "exec(sys.argv[2])"
    )
    return f'exec "{sys.executable}" -c "{pretend}" "$@"'


@pytest.mark.parametrize("target", TARGETS)
def test_a_python_that_is_too_old_gets_one_clear_line(clone: Path, target: str) -> None:
    old = script(clone / "bin" / "python3.9", python_that_says("3.9.18"))
    finished = make(clone, target, f"PYTHON={old}")
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.count("\n") == 1
    assert f'needs Python 3.11 or newer, and "{old}" is Python 3.9.18: try make PYTHON=' in finished.stderr
    assert not (clone / ".venv").exists()


def test_a_python_that_is_not_there_gets_one_clear_line(clone: Path) -> None:
    finished = make(clone, "test", "PYTHON=no-such-python")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.count("\n") == 1
    assert 'needs Python 3.11 or newer, and "no-such-python" is not there' in finished.stderr


def test_python3_is_what_is_asked_when_nothing_is_said(clone: Path) -> None:
    script(clone / "bin" / "python3", python_that_says("3.10.2"))
    finished = make(clone, "test", path=clone / "bin")
    assert 'and "python3" is Python 3.10.2' in finished.stderr


def test_the_python_in_a_broken_environment_is_not_used(clone: Path) -> None:
    broken = clone / ".venv" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.symlink_to("/nonexistent/python3.11")
    script(clone / "bin" / "python3", python_that_says("3.10.2"))
    assert 'and "python3" is Python 3.10.2' in make(clone, "test", path=clone / "bin").stderr


def test_help_needs_no_python_and_names_every_target(clone: Path) -> None:
    finished = make(clone, "PYTHON=no-such-python")
    assert finished.returncode == 0
    for target in TARGETS:
        assert f"make {target} " in finished.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_target_runs_is_there(target: str) -> None:
    dry = make(ROOT, "--dry-run", target, f"PYTHON={sys.executable}").stdout
    steps = [line for line in dry.splitlines() if line.startswith(".venv/bin/python")]
    assert steps, f"make {target} runs nothing"
    for step in steps:
        _, *words = step.split()
        module = words[1] if words[0] == "-m" else None
        assert importlib.util.find_spec(module) if module else (ROOT / words[0]).exists(), step


@pytest.fixture
def commands(clone: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the environment be made in a copy of the project, and return the commands that it takes, none of them run."""
    ran: list[str] = []

    def pretend(command: list[str | Path], **_: object) -> None:
        ran.append(" ".join(str(part) for part in command))
        if "venv" in command:
            (clone / ".venv").mkdir(exist_ok=True)

    monkeypatch.setattr(subprocess, "run", pretend)
    monkeypatch.setattr(environment, "ROOT", clone)
    monkeypatch.setattr(environment, "ENVIRONMENT", clone / ".venv")
    monkeypatch.setattr(environment, "STAMP", clone / ".venv" / "stamp")
    monkeypatch.setattr(environment, "LOCK_FILE", clone / "requirements-dev.lock")
    return ran


def kinds(commands: list[str]) -> list[str]:
    """Say in a word each what the commands do."""
    words = {"venv --clear": "make", "--require-hashes": "install", "--editable": "link"}
    return [next(word for part, word in words.items() if part in command) for command in commands]


def test_a_missing_environment_is_made_and_a_current_one_left_alone(commands: list[str]) -> None:
    assert environment.main() == 0
    assert kinds(commands) == ["make", "install", "link"]
    commands.clear()
    assert environment.main() == 0
    assert commands == []


@pytest.mark.parametrize("name", ["requirements-dev.lock", "pyproject.toml"])
def test_a_change_of_what_is_installed_updates_the_environment(commands: list[str], clone: Path, name: str) -> None:
    environment.main()
    commands.clear()
    with (clone / name).open("a") as file:
        file.write("# changed\n")
    environment.main()
    assert kinds(commands) == ["install", "link"]


def change_python(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))


def remove_stamp(clone: Path, _: pytest.MonkeyPatch) -> None:
    (clone / ".venv" / "stamp").unlink()


def move_directory(clone: Path, _: pytest.MonkeyPatch) -> None:
    stamp = clone / ".venv" / "stamp"
    stamp.write_text(stamp.read_text().replace(str(clone), "/elsewhere"))


@pytest.mark.parametrize("change", [change_python, remove_stamp, move_directory])
def test_an_environment_that_cannot_be_updated_is_made_anew(
    commands: list[str],
    clone: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    environment.main()
    commands.clear()
    change(clone, monkeypatch)
    environment.main()
    assert kinds(commands) == ["make", "install", "link"]


def fail(command: list[str], **_: object) -> None:
    raise subprocess.CalledProcessError(1, command)


def test_a_failed_installation_says_so_and_is_repeated_next_time(
    commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(subprocess, "run", fail)
        assert environment.main() == 1
    assert "Could not make .venv: this command failed:" in capsys.readouterr().err
    assert environment.main() == 0
    assert kinds(commands) == ["make", "install", "link"]


def test_after_a_failed_update_nothing_that_was_installed_is_believed(
    commands: list[str], clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.main()
    lock_file = clone / "requirements-dev.lock"
    before = lock_file.read_text()
    lock_file.write_text(before + "# changed\n")
    with monkeypatch.context() as broken:
        broken.setattr(subprocess, "run", fail)
        environment.main()
    lock_file.write_text(before)
    commands.clear()
    environment.main()
    assert kinds(commands) == ["make", "install", "link"]


RECIPES = {
    "verify": ["@$(PY) tools/verify.py $(ARGS)"],
    "verify-deep": ["@$(PY) tools/verify.py --deep $(ARGS)"],
    "verify-nightly": ["@$(PY) tools/verify.py --nightly $(ARGS)"],
    "test": ["@$(PY) -m pytest -n auto --dist worksteal $(ARGS)"],
    "lint": ["@$(PY) -m ruff check .", "@$(PY) -m ruff format --check .", "@$(PY) -m mypy"],
}


@pytest.mark.parametrize("target", RECIPES)
def test_a_target_does_what_it_is_for_and_swallows_no_failure(target: str) -> None:
    text = (ROOT / "Makefile").read_text()
    rule = text.split(f"\n{target}: environment\n")[1]
    lines = [line.removeprefix("\t") for line in takewhile(lambda line: line.startswith("\t"), rule.splitlines())]
    assert lines == RECIPES[target]


def test_ci_runs_lint_and_verify_and_test_and_stops_at_the_first_failure(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    bin_directory = script(tmp_path / "bin" / "make", 'echo "$*"; test "$1" != "$BAD"').parent
    for bad, expected in {
        "": ["lint", "verify", "test"],
        "lint": ["lint"],
        "verify": ["lint", "verify"],
        "test": ["lint", "verify", "test"],
    }.items():
        finished = subprocess.run(
            [tmp_path / ".ci" / "run"],
            env={"PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}", "BAD": bad},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (finished.stdout.split(), finished.returncode != 0) == (expected, bad != "")
