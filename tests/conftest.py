"""Hypothesis profiles, the printed seed, and a line that reproduces each failure."""

import shlex
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

# Time says more about the machine than about the code: no deadlines, no health check that reads the clock.
# Where CI is set, Hypothesis would draw the same examples whatever the seed.
settings.register_profile(
    "test", derandomize=False, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz",
    settings.get_profile("test"),
    max_examples=5_000,
    stateful_step_count=100,
    database=DirectoryBasedExampleDatabase(Path(__file__).parent.parent / ".hypothesis" / "examples"),
)
settings.load_profile("test")


def seed_of(config: pytest.Config) -> str:
    """Return the seed of every random choice in this run."""
    return str(config.getoption("--hypothesis-seed"))


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {seed_of(config)} (another one: --hypothesis-seed=N)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    failed = terminalreporter.getreports("failed") + terminalreporter.getreports("error")
    options = [f"--hypothesis-seed={seed_of(config)}"]
    if profile := config.getoption("--hypothesis-profile"):
        options.append(f"--hypothesis-profile={profile}")
    for test in dict.fromkeys(report.nodeid for report in failed):
        command = shlex.join([".venv/bin/python", "-m", "pytest", test, *options])
        terminalreporter.write_line(f"Reproduce with: {command}")
