"""Decisions and operations that an implementation is asked over a pipe and judged for, beside bare pipes."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec

from bench import ROOT, Figure
from hammer2_oracle.conform import campaigns
from hammer2_oracle.conform.examination import BATCH, Examination
from hammer2_oracle.conform.judging import Standing
from hammer2_oracle.conform.messages import ASKED, PROTOCOL, Answered, Introduction, RunResolve, Started, question
from hammer2_oracle.conform.operation_questions import good_days
from hammer2_oracle.conform.operations import Performance, judge_performance
from hammer2_oracle.conform.run import Plan, examine
from hammer2_proofs.apart import ahead
from hammer2_spec.semantics import REPAIRED

DECISIONS_PER_SECOND = 20_000
PLAN = Plan(slots=3, lives=0)
BUILD = 'cc -O2 -I impl/hammer2_oracle/harnesses -o "$0" tests/ports/port.c $(pkg-config --cflags --libs json-c) >&2'


OPERATIONS_PER_SECOND = 2_000
PROGRAMS = 300
TAPE = """
import sys
said = open(sys.argv[1], "rb").read().splitlines(keepends=True)
for line in said:
    sys.stdin.buffer.readline()
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
sys.stdin.buffer.readline()
"""
"""An implementation that is fast enough: it has its answers ready, and does not even look at what it is asked."""


def figures() -> Iterator[Figure]:
    """Measure both."""
    yield from decisions()
    yield from operations()


def operations() -> Iterator[Figure]:
    """Measure on operations of the repaired semantics, each call of theirs a question and an answer."""
    asked = list(good_days(REPAIRED, PROGRAMS))
    with tempfile.TemporaryDirectory() as directory:
        tape = Path(directory) / "tape"
        tape.write_bytes(b"".join(said_of(asked)))
        command = [sys.executable, "-c", TAPE, str(tape)]
        seconds = seconds_for(asked, command, time.monotonic)
        yield Figure("conform, operations", len(asked) / seconds, "steps/s", at_least=OPERATIONS_PER_SECOND)
        drawing = seconds_for(ahead(lambda: good_days(REPAIRED, PROGRAMS)), command, time.monotonic)
        yield Figure("the same, drawn meanwhile", len(asked) / drawing, "steps/s", at_least=OPERATIONS_PER_SECOND)
        started = time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bare:
            assert bare.stdin  # noqa: S101 - for the type checker
            assert bare.stdout  # noqa: S101 - for the type checker
            for _ in range(tape.read_bytes().count(b"\n")):
                bare.stdin.write(b"{}\n")
                bare.stdin.flush()
                bare.stdout.readline()
            bare.stdin.close()
        yield Figure("the same, beside bare pipes", seconds / (time.monotonic() - started), "x slower")


def seconds_for(asked: Iterable[Performance], command: Sequence[str], clock: Callable[[], float]) -> float:
    """How long it takes to ask and judge them."""
    started = clock()
    with closing(Examination(command, 10, stride=1)) as examination:
        standings = {judge_performance(performance, examination).standing for performance in asked}
        examination.stop()
    if standings != {Standing.AGREES}:
        raise AssertionError(standings)
    return clock() - started


def said_of(asked: Sequence[Performance]) -> Iterator[bytes]:
    """What a right implementation says, line by line."""
    encode = msgspec.json.Encoder().encode
    yield encode(Started(Introduction(PROTOCOL, "tape", "none", "1", ["operations"], "repaired"))) + b"\n"
    for run, performance in enumerate(asked, 1):
        for call in performance.calls:
            fields = {name: getattr(call, name) for name in call.__struct_fields__ if name != "fx"}
            yield encode(Answered(run, call=ASKED[type(call)](**fields))) + b"\n"
        yield encode(Answered(run, result=performance.expected)) + b"\n"


def decisions() -> Iterator[Figure]:
    """Measure on all clusters of up to three members; nothing where the port cannot be built."""
    with tempfile.TemporaryDirectory() as directory:
        port = Path(directory) / "port"
        if subprocess.run(["sh", "-c", BUILD, str(port)], cwd=ROOT, check=False, capture_output=True).returncode:
            print("bench: conform is not measured: it takes a C compiler and json-c", file=sys.stderr)
            return
        started = time.monotonic()
        report = examine([str(port)], PLAN)
        seconds = time.monotonic() - started
    decisions = report.tally.counts.total()
    if report.tally.counts[Standing.AGREES] != decisions:
        raise AssertionError(report.sentence)
    yield Figure("conform, a port in C", decisions / seconds, "decisions/s", at_least=DECISIONS_PER_SECOND)
    yield Figure("the same, beside a bare pipe", seconds / through_cat(), "x slower")


def through_cat() -> float:
    """Seconds in which the same questions pass through a process that only copies them."""
    started = time.monotonic()
    questions = map(question, campaigns.small(PLAN.slots))
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(RunResolve).decode
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin  # noqa: S101 - for the type checker
        assert cat.stdout  # noqa: S101 - for the type checker
        while batch := list(islice(questions, BATCH)):
            cat.stdin.write(encode(RunResolve(1, batch)) + b"\n")
            cat.stdin.flush()
            decode(cat.stdout.readline())
        cat.stdin.close()
    return time.monotonic() - started
