"""Decisions that a port in C is asked over a pipe and judged for, beside the same text through a bare pipe."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from bench import ROOT, Figure
from hammer2_oracle.conform import campaigns
from hammer2_oracle.conform.examination import BATCH
from hammer2_oracle.conform.judging import Standing
from hammer2_oracle.conform.messages import RunResolve, question
from hammer2_oracle.conform.run import Plan, examine

DECISIONS_PER_SECOND = 20_000
PLAN = Plan(slots=3, lives=0)
BUILD = 'cc -O2 -I impl/hammer2_oracle/harnesses -o "$0" tests/ports/port.c $(pkg-config --cflags --libs json-c) >&2'


def figures() -> Iterator[Figure]:
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
