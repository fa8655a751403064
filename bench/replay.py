"""The replay of recorded operation traces, everything checked, beside a bare JSON parser."""

import json
import lzma
from collections.abc import Iterator

from bench import ROOT, Figure
from bench.decision import cpu_seconds
from hammer2_oracle.replay import check_trace
from hammer2_oracle.traces import decode

GOLDEN = "data/golden/traces-public.jsonl.xz"
EVERY = 4
STEPS_PER_CPU_SECOND = 5000


def figures() -> Iterator[Figure]:
    """Measure on every fourth public trace."""
    with lzma.open(ROOT / GOLDEN) as file:
        lines = file.read().splitlines()[::EVERY]
    traces = [decode(line) for line in lines]
    steps = sum(len(trace.steps) for trace in traces)
    replayed = steps / cpu_seconds(lambda: [check_trace(trace) for trace in traces])
    yield Figure("replay of operations", replayed, "steps/CPU-s", at_least=STEPS_PER_CPU_SECOND)
    read = steps / cpu_seconds(lambda: [check_trace(decode(line)) for line in lines])
    yield Figure("the same, reading the records too", read, "steps/CPU-s")
    parsed = steps / cpu_seconds(lambda: [json.loads(line) for line in lines])
    yield Figure("the same, beside only parsing their JSON", parsed / read, "x slower")
