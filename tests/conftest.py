"""Hypothesis profiles, the printed seed, and a line that reproduces each failure."""

import fcntl
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from hammer2_oracle import ledger

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
settings.register_profile("nightly", settings.get_profile("fuzz"), max_examples=10_000, stateful_step_count=200)
settings.load_profile("test")


SOURCES = pytest.StashKey[str]()
OUTCOMES: dict[str, str] = {}


def seed_of(config: pytest.Config) -> str:
    """Return the seed of every random choice in this run."""
    return str(config.getoption("--hypothesis-seed"))


@pytest.fixture
def run_seed(request: pytest.FixtureRequest) -> str:
    """As seed_of. Not to be imported from here: that would load the profile ``test`` again, whatever was asked for."""
    return seed_of(request.config)


@pytest.fixture(scope="session")
def quick_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick set of vectors of the original, made once for all processes of a run. Not to be changed."""
    mine = tmp_path_factory.getbasetemp()
    directory = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "quick-vectors"
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "manifest.json").exists():
            command = [str(Path(sys.executable).with_name("hammer2-cluster")), "vectors", "--out", str(directory)]
            hashes = {**os.environ, "PYTHONHASHSEED": "1"}
            made = subprocess.run(command, env=hashes, capture_output=True, text=True, check=False)
            assert (made.returncode, made.stderr) == (0, "")
    return directory


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {seed_of(config)} (another one: --hypothesis-seed=N)"


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[SOURCES] = "" if is_worker(session.config) else ledger.digest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the reports of tests that check claims be told from others, in whatever process they run."""
    for item in items:
        if item.get_closest_marker("claims"):
            item.user_properties.append(("claims", True))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if ("claims", True) in map(tuple, report.user_properties) and (report.when == "call" or not report.passed):
        OUTCOMES[report.nodeid] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what came of the tests that check claims, for the ledger."""
    sources = session.config.stash[SOURCES]
    if OUTCOMES and sources and ledger.digest() == sources:
        ledger.keep(ledger.TESTED, OUTCOMES, sources)


def is_worker(config: pytest.Config) -> bool:
    """Whether this is a process that runs tests for another one, which is told of all."""
    return hasattr(config, "workerinput")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    failed = terminalreporter.getreports("failed") + terminalreporter.getreports("error")
    options = [f"--hypothesis-seed={seed_of(config)}"]
    if profile := config.getoption("--hypothesis-profile"):
        options.append(f"--hypothesis-profile={profile}")
    for test in dict.fromkeys(report.nodeid for report in failed):
        command = shlex.join([".venv/bin/python", "-m", "pytest", test, *options])
        terminalreporter.write_line(f"Reproduce with: {command}")
