"""Figures: how fast and how big. `make bench` runs every module here that has `figures()`."""

import os
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Figure(NamedTuple):
    """One measured value and, where the project promises one, the bound that it keeps."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the bound is kept; without one there is nothing to break."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


class Cost(NamedTuple):
    """What a command took, in seconds; CPU time includes that of its children."""

    seconds: float
    cpu_seconds: float


def cost_of(command: Sequence[str | os.PathLike[str]], runs: int = 5) -> Cost:
    """Run a command at the root of the project several times; return the least that it took.

    Raises:
        subprocess.CalledProcessError: the command failed, and its time means nothing.
    """
    costs = []
    for _ in range(runs):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - started
        costs.append(Cost(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    return Cost(min(cost.seconds for cost in costs), min(cost.cpu_seconds for cost in costs))
