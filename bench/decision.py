"""The decision's readers beside each other, in one run: CPython and machine code, check and a bare JSON parser."""

import lzma
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from bench import ROOT, Figure, cost_of
from hammer2_cluster.resolve import resolve
from hammer2_oracle.vectors import KIND
from hammer2_proofs.bulk import compare
from hammer2_proofs.kernel import decide_all
from hammer2_spec.configuration import Configuration
from hammer2_spec.semantics import REPAIRED, SEED, Semantics

COMMAND = Path(sys.executable).with_name("hammer2-cluster")
GOLDEN = "data/golden/resolve-public.jsonl.xz"
ROWS = 90_992
PARSE_ONLY = f"import json, lzma\nfor line in lzma.open({GOLDEN!r}): json.loads(line)"
SAMPLE = 20_000
KINDS_OF_FIRST_SLOT = 20


def cpu_seconds(function: Callable[[], object], runs: int = 3) -> float:
    """The least CPU time that a call took."""
    times = []
    for _ in range(runs):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times)


def count_of_search(semantics: Semantics) -> int:
    """Search a part of the configurations of four slots; how many they were."""
    found = islice(compare(4, (0, 1), semantics), KINDS_OF_FIRST_SLOT)
    return sum(count for count in found if isinstance(count, int))


def figures() -> Iterator[Figure]:
    """Measure with warm caches."""
    check = cost_of([COMMAND, "check", GOLDEN], runs=3).cpu_seconds
    parse = cost_of([sys.executable, "-c", PARSE_ONLY], runs=3).cpu_seconds
    yield Figure("check, whole process", ROWS / check, "rows/CPU-s")
    yield Figure("check, beside a process that only parses the JSON", check / parse, "x")

    with lzma.open(ROOT / GOLDEN) as file:
        configurations: list[Configuration] = [KIND.decode(line).configuration for line in islice(file, SAMPLE)]
    interpreted = SAMPLE / cpu_seconds(lambda: [resolve(*one, SEED) for one in configurations])
    yield Figure("resolve by CPython", interpreted, "calls/CPU-s")
    decide_all(configurations[:1], SEED)
    converted = SAMPLE / cpu_seconds(lambda: decide_all(configurations, SEED))
    yield Figure("resolve in machine code, conversion from Python included", converted, "calls/CPU-s")
    yield Figure("the same, beside CPython", converted / interpreted, "x")

    for name, semantics in (("seed", SEED), ("repaired", REPAIRED)):
        search = partial(count_of_search, semantics)
        count = search()
        rate = 2 * count / cpu_seconds(search, runs=2)
        yield Figure(f"exhaustive search, decision and twin, {name}", rate, "calls/CPU-s")
        yield Figure("the same, beside CPython", rate / interpreted, "x")
