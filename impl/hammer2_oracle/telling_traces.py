"""Runs of the operations that go a way through the code that no earlier one goes, written down as traces."""

import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET

from hammer2_oracle import trace_record as records
from hammer2_oracle.conform.operation_questions import every_case
from hammer2_oracle.conform.operations import Performance, performances
from hammer2_oracle.recorded import Diverged, RecordedWorld
from hammer2_oracle.replay import Replay, check_trace
from hammer2_oracle.run_record import record_case
from hammer2_oracle.trace_record import Trace
from hammer2_oracle.traces import decode
from hammer2_oracle.vector_branches import every_way
from hammer2_proofs.apart import apart
from hammer2_proofs.operations.probes import Way, note_ways
from hammer2_proofs.operations.search import Coverage, runs
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import MAXCLUSTER

RECORDED: Final = Path(__file__).parents[2] / "data" / "golden" / "traces-public.jsonl.xz"
"""Traces of the original, as it was run."""


def telling_runs(kept: Sequence[Trace], semantics: Semantics, most_bad: int) -> list[Trace]:
    """Beside these traces: runs of programs in worlds that take branches of their own.

    Args:
        kept: traces that there are already.
        semantics: under which all is run.
        most_bad: answers of the layer below that are not the good day's, in one run, at the most.
    """
    every = every_case()

    def work() -> list[tuple[int, tuple[int, ...]]]:
        watch = _Watch(kept, semantics)
        number = {(case.program_name, case.world_name): n for n, case in enumerate(every)}
        return [
            (number[run.case.program_name, run.case.world_name], run.picks)
            for run in runs(every, semantics, most_bad, Coverage())
            if watch.tells()
        ]

    names = (
        (every[n], picks, f"{every[n].program_name} on {every[n].world_name}, {list(picks)}")
        for n, picks in apart(work)
    )
    made = (record_case(case, list(picks), semantics, name)[0] for case, picks, name in names)
    # A trace cannot tell that io_getblk failed: such a run is none that can be replayed.
    return [trace for trace in made if check_trace(trace, semantics) is None]


def telling_records(kept: Sequence[Trace], semantics: Semantics) -> list[Trace]:
    """Beside these traces: recorded ones of the original, of which these semantics do the same."""

    def work() -> list[int]:
        watch, found = _Watch(kept, semantics), []
        for n, line in enumerate(_recorded()):
            if check_trace(decode(line), semantics) is None and watch.tells():
                found.append(n)
            watch.forget()
        return found

    wanted = set(apart(work))
    return [decode(line) for n, line in enumerate(_recorded()) if n in wanted]


def _recorded() -> Iterator[bytes]:
    with lzma.open(RECORDED) as lines:
        yield from lines


def telling_performances(kept: Sequence[Trace], semantics: Semantics) -> list[Trace]:
    """Beside these traces: operations on their own, in worlds to which the repaired ones lead.

    The original ends many programs early. Alone it often makes the calls that the repaired one makes; what it then does
    with the answers is its own.
    """

    def work() -> list[bytes]:
        watch = _Watch(kept, semantics)
        found = []
        for name, performance in _performances():
            single = alone(performance, semantics, name)
            if single is not None and watch.tells():
                found.append(msgspec.json.encode(single))
            watch.forget()
        return found

    return [decode(line) for line in apart(work)]


def _performances() -> Iterator[tuple[str, Performance]]:
    """The operations of good days, those with the same calls and outcome once."""
    seen = set()
    for case in every_case():
        trace, _ = record_case(case, [], REPAIRED, "")
        for performance in performances(trace):
            op, calls = performance.question.op, tuple(type(it).__struct_config__.tag for it in performance.calls)
            if (op, calls) not in seen:
                seen.add((op, calls))
                yield f"{op} on {case.world_name}, {len(seen)}", performance


GONE: Final = records.ClusterRecord(None, 0, 0, 0, None, 0, 0, [None] * MAXCLUSTER, [0] * MAXCLUSTER)
"""In the place of a cluster that was freed, to which nothing refers."""


def alone(performance: Performance, semantics: Semantics, name: str) -> records.Trace | None:
    """A trace of one operation under these semantics; None where it makes other calls."""
    question, calls = performance.question, list(performance.calls)
    given = question.world
    clusters = [given.clusters.get(n, GONE) for n in range(given.next_cluster)]
    world = records.World(given.pmps, given.inodes, given.chains, clusters)
    args = msgspec.convert(question.args, records.STEPS[question.op].__annotations__["args"])
    replay = Replay(RecordedWorld(world), semantics)
    try:
        outcome, result = replay.perform(question.op, args, calls)
        replay.chains.finish()
    except Diverged:
        return None
    step = records.STEPS[question.op](args=args, outcome=outcome, calls=calls, state=replay.changes())
    if result is not UNSET:
        step.result = result
    return records.Trace(name, "single", world, [step])


class _Watch:
    """Sees which ways the code goes, in this process from now on."""

    def __init__(self, kept: Sequence[Trace], semantics: Semantics) -> None:
        self._every = every_way(semantics)
        self._now: set[Way] = set()
        note_ways(self._now)
        for trace in kept:
            check_trace(trace, semantics)
        self._known = self._now & self._every
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._now.clear()

    def tells(self) -> bool:
        """Whether the code has gone a way, since then, that it has not gone before; begin anew."""
        new = (self._now & self._every) - self._known
        self._known |= new
        self.forget()
        return bool(new)
