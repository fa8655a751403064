"""Run every check of the project, one after another, and sum them up in one table: `make verify`.

A step is a command of its own that ends with exit status 0 (holds), 1 (refuted), 2 (bad usage or input) or
3 (undecided), and whose last line on standard output says what came of it. To add a check, add a line to STEPS,
or to DEEP_STEPS when it takes too long for every day, or to NIGHTLY_STEPS when it takes hours.
"""

import contextlib
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hammer2_oracle import ledger

ROOT = Path(__file__).resolve().parent.parent

PASSED, FAILED, BROKEN, UNDECIDED = 0, 1, 2, 3
WORDS = {PASSED: "passed", FAILED: "failed", BROKEN: "broken", UNDECIDED: "undecided"}
STYLES = {PASSED: "green", FAILED: "red", BROKEN: "red", UNDECIDED: "yellow"}
WORST_FIRST = (BROKEN, FAILED, UNDECIDED, PASSED)

PATIENCE = 10  # a step is stopped, undecided, after this many times its CPU budget in real time,
MINIMUM_SECONDS = 60  # but not before that
GRACE_SECONDS = 10  # what an interrupted step gets to say what it had found by then


class Step(NamedTuple):
    """One check: its name, a command of `.venv`, and the CPU seconds that it may take on two cores."""

    name: str
    command: tuple[str, ...]
    cpu_budget: int

    @property
    def program(self) -> Path:
        """The program that the command starts, beside the Python that runs this."""
        return Path(sys.executable).with_name(self.command[0])

    @property
    def shown(self) -> str:
        """The command as one pastes it into a shell at the root of the project."""
        program = self.program
        shown = program.relative_to(ROOT) if program.is_relative_to(ROOT) else program
        return shlex.join([str(shown), *self.command[1:]])


CHECK = ("hammer2-cluster", "check", "--records")
STEPS: tuple[Step, ...] = (
    Step("recorded-calls", (*CHECK, "90992", "data/golden/resolve-public.jsonl.xz"), 5),
    Step("recorded-traces", (*CHECK, "3120", "data/golden/traces-public.jsonl.xz"), 5),
    Step("every-small-configuration", ("python", "-m", "hammer2_proofs.bulk"), 45),
    Step("proofs", ("hammer2-cluster", "prove", "equivalence", "induction", "counting", "sizes", "completeness"), 115),
    Step("properties", ("python", "-m", "hammer2_proofs.matrix"), 105),
    Step("teeth", ("hammer2-cluster", "prove", "--teeth"), 105),
    Step("operations", ("python", "-m", "hammer2_proofs.operations"), 180),
    Step("contracts", ("python", "tools/contracts.py"), 45),
    Step("calibration", ("python", "-m", "hammer2_proofs.explorer.verification", "calibration"), 10),
    Step("protocol", ("python", "-m", "hammer2_proofs.explorer.verification", "protocol", "tree"), 180),
    Step("schedules", ("python", "-m", "hammer2_proofs.schedules"), 105),
)

STORE_TESTS = [
    f"tests/test_{name}.py"
    for name in ("store_crash", "store_damage", "store_kills", "store_model", "stored_beside_model")
]
"""Crashes, kills, corruption and state machines: under this profile more of everything."""

TEETH = ("python", "-m", "hammer2_proofs.explorer.teeth")
VECTORS = ("hammer2-cluster", "vectors", "--out", "build/vectors", "--strength")
DEEP_STEPS: tuple[Step, ...] = (
    Step("protocol-findings", ("python", "-m", "hammer2_proofs.protocol_ablations", "--again"), 400),
    Step("protocol-decisions", ("python", "-m", "hammer2_proofs.protocol_decisions"), 300),
    Step("protocol-proofs", ("hammer2-cluster", "prove", "protocol"), 150),
    Step("protocol-deep", ("python", "-m", "hammer2_proofs.explorer.verification", "--deep"), 900),
    Step("protocol-teeth", (*TEETH, "protocol", "--sample", "120", "--seed", "1"), 300),
    Step("tree-teeth", (*TEETH, "tree", "--least", "80"), 200),
    Step("every-configuration-deep", ("python", "-m", "hammer2_proofs.bulk", "--deep"), 400),
    Step("store", ("python", "-m", "pytest", "-q", "--hypothesis-profile=fuzz", *STORE_TESTS), 1000),
    Step("vectors-teeth", (*VECTORS, "--every", "10", "--least", "55"), 120),
    Step("failures-teeth", ("python", "tools/mutate_store.py", "--failures", "--sample", "120"), 1200),
)

NIGHTLY = ("python", "-m", "pytest", "-q", "--hypothesis-profile=nightly")
NIGHTLY_STEPS: tuple[Step, ...] = (
    Step("schedules-deep", ("python", "-m", "hammer2_proofs.schedules", "--deep", "--jobs", "2"), 6600),
    Step("schedules-teeth", ("python", "-m", "hammer2_proofs.schedules.teeth"), 2400),
    Step("operations-teeth", ("python", "tools/mutate_operations.py", "--sample", "300"), 3000),
    Step("days", (*NIGHTLY, "-n", "auto", "tests/test_days.py"), 4000),
    Step("hostile-day", (*NIGHTLY, "tests/test_service.py"), 900),
    Step("vectors-all-mutants", (*VECTORS, "--least", "55"), 1500),
    Step("failures-all-mutants", ("python", "tools/mutate_store.py", "--failures"), 20000),
)


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one step; `memory` is that of its largest process, in bytes."""

    name: str
    command: str
    status: int
    said: str
    seconds: float
    cpu_seconds: float
    cpu_budget: int
    memory: int

    @property
    def over_budget(self) -> bool:
        """Whether the step took more CPU time than it may."""
        return self.cpu_seconds > self.cpu_budget


class Stopper:
    """Ends the running step when its time is up, or on Ctrl-C or SIGTERM; a second one does not wait any longer."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.interrupted = False
        self.why = ""

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals that mean: come to an end."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self.interrupt) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    @contextlib.contextmanager
    def watching(self, process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
        """Give a process that many seconds, and end what it leaves running."""
        self.process, self.why = process, ""
        timer = threading.Timer(seconds, self.stop, (signal.SIGKILL, f"stopped after {seconds:.0f} s"))
        timer.start()
        if self.interrupted:
            self.stop(signal.SIGINT, "interrupted")
        try:
            yield
        finally:
            timer.cancel()
            self.send(signal.SIGKILL)
            self.process = None

    def interrupt(self, _number: int, _frame: object) -> None:
        """Let the running step come to an end within the seconds of grace, or at once when asked again."""
        self.stop(signal.SIGKILL if self.interrupted else signal.SIGINT, "interrupted")
        self.interrupted = True
        timer = threading.Timer(GRACE_SECONDS, self.send, (signal.SIGKILL,))
        timer.daemon = True
        timer.start()

    def stop(self, number: signal.Signals, why: str) -> None:
        """Send a signal and keep the reason."""
        self.why = why
        self.send(number)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the running step and all that it has started."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def run(step: Step, stopper: Stopper) -> Result:
    """Run one step and pass its output through, line by line."""
    started = time.monotonic()
    process = subprocess.Popen(
        [step.program, *step.command[1:]],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,
    )
    said = ""
    with stopper.watching(process, max(PATIENCE * step.cpu_budget, MINIMUM_SECONDS)):
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                print(line, end="", flush=True)
                if line.strip() and not line.startswith("Reproduce with:"):
                    said = line.strip()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # not reaped: the group's number is still its own
    _, wait_status, usage = os.wait4(process.pid, 0)
    process.returncode = status = os.waitstatus_to_exitcode(wait_status)
    remarks = [stopper.why, "" if stopper.why or status in WORDS else f"ended with {status}", said]
    return Result(
        name=step.name,
        command=step.shown,
        status=UNDECIDED if stopper.why else status if status in WORDS else FAILED,
        said=": ".join(filter(None, remarks)),
        seconds=time.monotonic() - started,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        cpu_budget=step.cpu_budget,
        memory=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    )


def run_all(steps: Sequence[Step], console: Console) -> list[Result]:
    """Run the steps in order, up to an interrupt."""
    results: list[Result] = []
    stopper = Stopper()
    with stopper.listening():
        for number, step in enumerate(steps, start=1):
            if stopper.interrupted:
                break
            console.rule(f"{number}/{len(steps)}  {step.name}", align="left")
            console.print(step.shown, style="dim", markup=False, highlight=False, soft_wrap=True)
            results.append(run(step, stopper))
    return results


def worst(statuses: Iterable[int]) -> int:
    """Return the exit status that stands for all of them; nothing at all is bad usage, not success."""
    present = set(statuses)
    return next((status for status in WORST_FIRST if status in present), BROKEN)


def duration(seconds: float) -> str:
    """Write a duration with its units: 4.2 s, 3 min 07 s."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def table_of(results: Sequence[Result], not_run: Sequence[Step]) -> Table:
    """Sum up: one row for each step, those that were not run included."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("step", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("CPU of budget", justify="right", no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("what it said", overflow="fold")
    for result in results:
        cpu = f"{duration(result.cpu_seconds)} of {result.cpu_budget} s"
        table.add_row(
            result.name,
            Text(WORDS[result.status], STYLES[result.status]),
            duration(result.seconds),
            Text(cpu, "yellow" if result.over_budget else ""),
            f"{result.memory / 2**20:.0f} MiB",
            Text(result.said),
        )
    for step in not_run:
        table.add_row(step.name, Text("not run", "yellow"), "", f"- of {step.cpu_budget} s", "", "")
    return table


def count(statuses: Sequence[int], not_run: int) -> str:
    """Say how many steps ended how: 5 passed, 1 failed, 2 not run."""
    counts = [(statuses.count(status), word) for status, word in WORDS.items()] + [(not_run, "not run")]
    return ", ".join(f"{number} {word}" for number, word in counts if number)


def selected(steps: Sequence[Step], names: Sequence[str]) -> list[Step]:
    """Return the named steps, all of them when none is named."""
    known = [step.name for step in steps]
    for name in names:
        if name not in known:
            raise click.UsageError(f"no step is called {name!r}; there are: {', '.join(known)}")
    return [step for step in steps if step.name in names or not names]


def verify(steps: Sequence[Step], report: TextIO | None, console: Console) -> int:
    """Run the steps, sum them up, write the report if one is wanted, and return the worst exit status."""
    started, sources = time.monotonic(), ledger.digest()
    results = run_all(steps, console)
    if ledger.digest() == sources:  # else nobody knows what they speak of
        ledger.keep(ledger.VERIFIED, {result.name: WORDS[result.status] for result in results}, sources)
    not_run = steps[len(results) :]
    late = [result for result in results if result.over_budget]
    status = worst([result.status for result in results] + [UNDECIDED] * len(not_run))
    seconds, cpu_seconds = time.monotonic() - started, sum(result.cpu_seconds for result in results)

    console.rule("summary", align="left")
    console.print(table_of(results, not_run))
    for result in late:
        console.print(f"Over its CPU budget: {result.name}", style="yellow", highlight=False)
    for result in results:
        if result.status != PASSED:
            console.print(f"Reproduce with: {result.command}", markup=False, highlight=False, soft_wrap=True)
    said = count([result.status for result in results], len(not_run))
    took = f"{duration(seconds)} ({duration(cpu_seconds)} CPU of {sum(step.cpu_budget for step in steps)} s)"
    console.print(f"verify: {said} in {took}", style="bold", highlight=False)
    if report:
        document = {
            "status": status,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "steps": [dataclasses.asdict(result) | {"over_budget": result.over_budget} for result in results],
            "not_run": [step.name for step in not_run],
        }
        report.write(json.dumps(document, indent=2) + "\n")
    return status


@click.command()
@click.argument("names", metavar="[STEP]...", nargs=-1)
@click.option("--deep", is_flag=True, help="The steps to larger bounds too (about an hour).")
@click.option("--nightly", is_flag=True, help="Those that take hours as well.")
@click.option("--list", "list_only", is_flag=True, help="Show the steps and their commands, run nothing.")
@click.option("--json", "report", type=click.File("w", lazy=False), help="Write a report there.")
def main(names: Sequence[str], deep: bool, nightly: bool, list_only: bool, report: TextIO | None) -> None:
    """Run every check, or only the named ones; the exit status is the worst of theirs."""
    known = STEPS + DEEP_STEPS * (deep or nightly) + NIGHTLY_STEPS * nightly
    steps = selected(known, names)
    if list_only:
        for step in steps:
            print(f"{step.name:24} {step.cpu_budget:>5} CPU-s  {step.shown}")
        return
    console = Console(width=None if sys.stdout.isatty() else 120)
    sys.exit(verify(steps, report, console))


if __name__ == "__main__":
    main()
