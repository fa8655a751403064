"""`make bench`: a figure beyond its promised bound is no success, nor is one of a command that failed."""

import importlib
import json
import sys
from pathlib import Path

import pytest
from bench import Figure, cost_of
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
