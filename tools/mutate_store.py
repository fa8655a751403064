"""Mechanical mutants of the store and the devices, and which of them the store's tests notice.

Usage: mutate_store.py [--sample N] [--seed N] [--nearest] [--failures | MODULE...]

With --failures: of what handles failures and resynchronizes, and the tests of that.

Each mutant runs in a process of its own, which takes it for the original and runs the tests until the first one fails,
the quickest first: how long each takes is measured without any mutant.
A survivor is listed with its place and what was done to it; one whose tests do not end in time counts as noticed.
The exit status is 1 if too few are noticed, 2 if the tests fail without any mutant, 3 if it was stopped.
"""
# ruff: noqa: S311 - the sample is seeded, not secret

import argparse
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from hammer2_cluster.store import chain
from hammer2_cluster.store.volume import Volume
from hammer2_proofs.mutants import Mutant, mutate

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "impl" / "hammer2_cluster"
NEAREST = {
    "device": ("device", "device_waiting"),
    "parts": ("store_parts", "media_layout"),
    "chains": ("chain_layer", "stored_beside_model"),
    "failures": (
        "days",
        "difference",
        "failures",
        "journal",
        "promises",
        "replacements",
        "resync",
        "room",
        "service",
        "sessions",
        "patience",
        "store_failures",
    ),
    "files": (
        "store_members",
        "store_fsck",
        "store_model",
        "store_trouble",
        "store_damage",
        "store_command",
        "store_crash",
    ),
}
"""Which tests look at what, the quick ones first."""
PARTS = ("block_table", "blockref", "check_codes", "freemap", "inode_data", "layout", "locks", "volume_header")
FILES = ("directory", "file_data", "filesystem", "fsck", "local", "making", "members", "pfs")
FAILURES = (
    "failures",
    "synchronization",
    "resync",
    "difference",
    "room",
    "sessions",
    "journal",
    "promises",
    "replacements",
)
LONG = "tests/test_service.py::test_a_hostile_day_ends_with_equal_nodes_and_everything_acknowledged"
"""A test that takes its time whatever it tests."""
CPU_SECONDS, FAILURES_CPU_SECONDS = 200, 60
"""Of all tests: several times what they take of the original."""
TEST_SECONDS, FAILURES_TEST_SECONDS = 900, 120
"""Of one test in real time, for it may wait for what no longer happens."""
FLOOR = 0.9
ALIVE, KILLED = 0, 1
OURS = ("hammer2_", "tests")


def modules() -> list[str]:
    """What can be mutated: every module of the store and the devices."""
    paths = sorted([*CLUSTER.glob("store/*.py"), *CLUSTER.glob("device/*.py")])
    return [".".join(path.relative_to(ROOT / "impl").with_suffix("").parts) for path in paths if path.stem[0] != "_"]


class Mutated(MetaPathFinder, Loader):
    """Imports one module from the text of a mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:  # noqa: D102 - Python's protocol
        return ModuleSpec(fullname, self) if fullname == self._mutant.module else None

    def exec_module(self, module: types.ModuleType) -> None:  # noqa: D102 - Python's protocol
        code = compile(self._mutant.text, f"<{self._mutant.name}>", "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - our own text


def all_mutants(names: Sequence[str]) -> list[Mutant]:
    """In the order of the modules and their texts."""
    vars(chain)["Volume"] = Volume  # imported there for type checkers only; the mutator looks annotations up
    return [mutant for name in names for mutant in mutate(importlib.import_module(name)).mutants]


def unchanged(name: str) -> Mutant:
    """Not a mutant of a module: the tests must pass, or they would notice anything."""
    text = Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8")
    return Mutant("unchanged", "", 0, "", "", name, text)


def sampled(mutants: Sequence[Mutant], count: int, chance: random.Random) -> Sequence[Mutant]:
    """So many, or all for 0; at most one of those that do the same kind of thing to the same line."""
    if not count:
        return mutants
    alike: dict[tuple[str, int, str], list[Mutant]] = {}
    for mutant in mutants:
        alike.setdefault((mutant.module, mutant.line, mutant.operator), []).append(mutant)
    groups = chance.sample(sorted(alike), min(count, len(alike)))
    return [chance.choice(alike[group]) for group in groups]


def tests_for(module: str, most: int) -> list[str]:
    """The tests of so many groups, the nearest ones first."""
    *_, package, name = module.split(".")
    if name in FAILURES:
        return list(NEAREST["failures"])
    nearest = "parts" if name in PARTS else "files" if name in FILES else "chains"
    store = [group for group in NEAREST if group != "failures"]
    groups = sorted(store, key=lambda group: group != ("device" if package == "device" else nearest))
    return [name for group in groups[:most] for name in NEAREST[group]]


def is_of_failures(mutant: Mutant) -> bool:
    """Whether it is one of what handles failures and resynchronizes."""
    return mutant.module.rpartition(".")[2] in FAILURES


class Quickest:
    """Runs the quick tests first, as they were measured in a process that ran them all."""

    def __init__(self, seconds: dict[str, float], measured: Path | None) -> None:
        """measured: where to write what they take, if anywhere."""
        self._seconds, self._measured = seconds, measured

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:  # noqa: D102 - pytest's
        items.sort(key=lambda item: self._seconds.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:  # noqa: D102 - pytest's
        if self._measured is not None:
            self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:  # noqa: D102 - pytest's
        if self._measured is not None:
            self._measured.write_text(json.dumps(self._seconds), encoding="utf-8")


def run_tests(mutant: Mutant, most: int, plugin: Quickest) -> int:
    """In a process that will end: whether a test fails."""
    for name in [name for name in sys.modules if name.startswith(OURS)]:
        del sys.modules[name]
    sys.meta_path.insert(0, Mutated(mutant))
    vars(importlib.import_module("hammer2_oracle.ledger"))["digest"] = str  # what becomes of a mutant is no evidence
    files = [str(ROOT / "tests" / f"test_{name}.py") for name in tests_for(mutant.module, most)]
    timeout = FAILURES_TEST_SECONDS if is_of_failures(mutant) else TEST_SECONDS
    plain = ["-p", "no:xdist", "-p", "no:cacheprovider", "--assert=plain"]
    options = ["-x", "-q", *plain, f"--timeout={timeout}", f"--deselect={LONG}"]
    return int(pytest.main([*options, *files], plugins=[plugin]) != 0)


def judge(
    mutant: Mutant, most: int = len(NEAREST), seconds: dict[str, float] | None = None, measured: Path | None = None
) -> int:
    """ALIVE or KILLED, found out in a process of its own. seconds, measured: as for Quickest."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.setitimer(signal.ITIMER_PROF, FAILURES_CPU_SECONDS if is_of_failures(mutant) else CPU_SECONDS)
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        os._exit(run_tests(mutant, most, Quickest(seconds or {}, measured)))
    try:
        _, status = os.waitpid(child, 0)
    except KeyboardInterrupt:
        os.killpg(child, signal.SIGKILL)
        raise
    return KILLED if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("modules", nargs="*", default=modules(), metavar="MODULE")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants; 0 for all")
    parser.add_argument("--seed", type=int, default=20150330)
    parser.add_argument("--nearest", action="store_true", help="only the tests that are nearest to what is mutated")
    parser.add_argument("--failures", action="store_true", help="failures and resynchronization instead of the store")
    options = parser.parse_args(arguments)
    if options.failures:
        options.modules = [f"hammer2_cluster.{name}" for name in FAILURES]
    most = 1 if options.nearest else len(NEAREST)
    mutants = all_mutants(options.modules)
    with tempfile.TemporaryDirectory() as directory:
        measured = Path(directory) / "seconds.json"
        if judge(unchanged(options.modules[0]), most, measured=measured) != ALIVE:
            print("mutate_store: the tests fail without any mutant: nothing can be told", file=sys.stderr)
            return 2
        seconds = json.loads(measured.read_text(encoding="utf-8"))
    chosen = sampled(mutants, options.sample, random.Random(options.seed))
    killed = judged = 0
    try:
        for mutant in chosen:
            dead = judge(mutant, most, seconds) == KILLED
            judged, killed = judged + 1, killed + dead
            print(f"{'' if dead else 'survives: '}{mutant.module} {mutant.name}: {mutant.description}", flush=True)
    except KeyboardInterrupt:
        pass
    share = 100 * killed / max(judged, 1)
    noticed = f"{killed} of {judged} mutants noticed ({share:.1f} %)"
    print(f"{'failures' if options.failures else 'store'}: {noticed}; {len(chosen)} of {len(mutants)} were drawn")
    flags = " --nearest" * options.nearest + " --failures" * options.failures
    again = f"--sample {options.sample} --seed {options.seed}{flags}"
    print(f"Reproduce with: .venv/bin/python tools/mutate_store.py {again}")
    if judged < len(chosen):
        return 3
    return int(killed < FLOOR * judged)


if __name__ == "__main__":
    sys.exit(main())
