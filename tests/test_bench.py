"""`make bench`: a figure beyond its promised bound is no success, nor is one of a command that failed."""

import importlib
import json
import os
import sys
from pathlib import Path

import pytest
from bench import Figure, cost_of, exploration
from bench.__main__ import main, modules
from click.testing import CliRunner, Result


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return the figures of the only benchmark that there is now."""
    figures: list[Figure] = []
    monkeypatch.setattr("bench.__main__.modules", lambda: ["only"])
    monkeypatch.setattr("bench.__main__.figures_of", {"only": figures}.__getitem__)
    return figures


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("figure", "kept"),
    [
        (Figure("start", 0.2, "s", at_most=0.3), True),
        (Figure("start", 0.4, "s", at_most=0.3), False),
        (Figure("speed", 5000, "steps/s", at_least=5000), True),
        (Figure("speed", 4999, "steps/s", at_least=5000), False),
        (Figure("size", 10**9, "B"), True),
    ],
)
def test_a_broken_bound_is_no_success(measured: list[Figure], tmp_path: Path, figure: Figure, kept: bool) -> None:
    measured += [figure, Figure("other", 1, "s")]
    finished = run("--json", str(tmp_path / "figures.json"))
    assert finished.exit_code == (0 if kept else 1)
    assert finished.stdout.splitlines()[-1] == f"bench: 2 figures, {0 if kept else 1} beyond what is promised"
    assert [entry["kept"] for entry in json.loads((tmp_path / "figures.json").read_text())] == [kept, True]


@pytest.mark.usefixtures("measured")
def test_a_command_that_fails_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> list[Figure]:
        cost = cost_of([sys.executable, "-c", "import sys; sys.exit('no such file')"])
        return [Figure("start", cost.seconds, "s")]

    monkeypatch.setattr("bench.__main__.figures_of", fail)
    finished = run()
    assert finished.exit_code == 2
    assert "no such file" in finished.stderr


@pytest.mark.usefixtures("measured")
def test_an_unknown_benchmark_is_named_together_with_the_known_ones() -> None:
    finished = run("absent")
    assert finished.exit_code == 2
    assert "no benchmark is called 'absent'; there are: only" in finished.stderr


def test_the_cost_of_a_command_is_its_time_and_its_cpu_time() -> None:
    spins = "import time\nwhile time.process_time() < 0.2: pass\ntime.sleep(0.2)"
    cost = cost_of([sys.executable, "-c", spins], runs=1)
    assert 0.2 <= cost.cpu_seconds < cost.seconds - 0.1


def test_every_module_of_bench_has_figures() -> None:
    assert "command_line" in modules()
    for name in modules():
        assert callable(importlib.import_module(f"bench.{name}").figures)


OWN = exploration.Run("", 3.0, 3.0, 100.0)


def test_without_its_archive_tlc_is_not_compared_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("TLA2TOOLS", raising=False)
    assert list(exploration.beside_tlc(OWN, tmp_path)) == []
    assert "not compared with TLC: name tla2tools.jar in $TLA2TOOLS" in capsys.readouterr().err
    monkeypatch.setenv("TLA2TOOLS", str(tmp_path / "tla2tools.jar"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(exploration.beside_tlc(OWN, tmp_path)) == []
    assert "apt-get install default-jre-headless" in capsys.readouterr().err
    assert list(exploration.beside_spin(OWN, tmp_path)) == []
    assert list(exploration.beside_rumur(OWN, tmp_path)) == []
    said = capsys.readouterr().err.splitlines()
    assert said == [f"not compared with {name}: apt-get install {name} gcc" for name in ("spin", "rumur")]


@pytest.mark.parametrize(("states", "agrees"), [(exploration.STATES, True), (exploration.STATES - 1, False)])
def test_tlc_must_count_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, states: int, agrees: bool) -> None:
    """A program in the place of java finds the model where it runs, and prints the last line of TLC."""
    java = tmp_path / "java"
    closing = f"{exploration.TRANSITIONS + 1} states generated, {states} distinct states found, 0 states left on queue."
    java.write_text(f"#!/bin/sh\nset -e\ngrep -q SPECIFICATION quorum.cfg\ngrep -q Lock quorum.tla\necho '{closing}'\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("TLA2TOOLS", "tla2tools.jar")
    if agrees:
        [figure] = exploration.beside_tlc(OWN, tmp_path)
        assert (figure.unit, figure.at_least, figure.value < 1) == ("times", 30, True)
    else:
        with pytest.raises(exploration.CountsDiffer, match="TLC counts 6,449,115 states"):
            list(exploration.beside_tlc(OWN, tmp_path))
