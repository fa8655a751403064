"""The command line as a user meets it: how soon it answers, how fast it judges the recorded calls."""

import sys
from collections.abc import Iterator
from pathlib import Path

from bench import Figure, cost_of

COMMAND = Path(sys.executable).with_name("hammer2-cluster")


def figures() -> Iterator[Figure]:
    """Measure `--help` and `check` on the 90,992 recorded calls of resolve, caches warm."""
    yield Figure("hammer2-cluster --help", cost_of([COMMAND, "--help"]).seconds, "s", at_most=0.3)
    check = cost_of([COMMAND, "check", "data/golden/resolve-public.jsonl.xz"], runs=3)
    yield Figure("check of 90,992 recorded calls of resolve", check.cpu_seconds, "CPU-s", at_most=6)
