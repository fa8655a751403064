"""Runs of the operations that go a way through the code that no earlier one goes, written down as traces."""

import lzma
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET, structs

from hammer2_cluster.model import NodeSpec
from hammer2_oracle import trace_record as records
from hammer2_oracle.conform.hypotheses import right_for
from hammer2_oracle.conform.messages import OperationQuestion
from hammer2_oracle.conform.operation_questions import every_case
from hammer2_oracle.conform.operations import Performance, performances
from hammer2_oracle.recorded import Diverged, RecordedWorld
from hammer2_oracle.replay import Replay, check_trace
from hammer2_oracle.results import CONTRACT
from hammer2_oracle.run_record import record_case
from hammer2_oracle.trace_record import Trace
from hammer2_oracle.traces import decode
from hammer2_oracle.vector_branches import every_way, reasons
from hammer2_proofs.apart import apart
from hammer2_proofs.operations.probes import Way, note_ways
from hammer2_proofs.operations.programs import PROGRAMS
from hammer2_proofs.operations.search import Case, Coverage, World, runs
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, BrefType, Error

RARE: Final = [
    Case(
        "edit",
        PROGRAMS["edit"],
        "two masters with empty data blocks",
        World((NodeSpec(element=BrefType.DATA, bytes=0),) * 2, 2),
    )
]
"""What no program comes to in the worlds of all programs."""
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
    made = (record_case(case, list(picks), semantics, name) for case, picks, name in names)
    return [trace for trace, whole in made if whole]


def telling_records(kept: Sequence[Trace], semantics: Semantics) -> list[Trace]:
    """Beside these traces: recorded ones of the original, of which these semantics do the same."""

    def work() -> list[int]:
        watch, found = _Watch(kept, semantics), []
        for n, line in enumerate(_recorded()):
            if watch.has_seen_all:
                break
            if check_trace(decode(line), semantics) is None and watch.tells():
                found.append(n)
            watch.forget()
        return found

    wanted = set(apart(work))
    return [decode(line) for n, line in enumerate(_recorded()) if n in wanted]


def _recorded() -> Iterator[bytes]:
    with lzma.open(RECORDED) as lines:
        yield from lines


def telling_performances(kept: Sequence[Trace], semantics: Semantics, cases: Sequence[Case]) -> list[Trace]:
    """Beside these traces: operations on their own, in worlds to which the repaired ones lead in some cases, or nearly.

    The original ends many programs early. Alone it often makes the calls that the repaired one makes; what it then does
    with the answers is its own.
    """

    def work() -> list[bytes]:
        watch = _Watch(kept, semantics)
        found = []
        for name, performance in () if watch.has_seen_all else _performances(cases):
            for edit, question in edited(performance.question):
                right = right_for(semantics, performance._replace(question=question)) if edit else performance
                watch.forget()  # what was gone to lead there
                single = None if right is None else alone(right, semantics, name + edit)
                if single is not None and watch.tells():
                    found.append(msgspec.json.encode(single))
        return found

    return [decode(line) for line in apart(work)]


def _performances(cases: Sequence[Case]) -> Iterator[tuple[str, Performance]]:
    """The operations of good days, those with the same calls and outcome once."""
    seen = set()
    for case in cases:
        trace, _ = record_case(case, [], REPAIRED, "")
        for performance in performances(trace):
            op, calls = performance.question.op, tuple(type(it).__struct_config__.tag for it in performance.calls)
            if (op, calls) not in seen:
                seen.add((op, calls))
                yield f"{op} on {case.world_name}, {len(seen)}", performance


def edited(question: OperationQuestion) -> Iterator[tuple[str, OperationQuestion]]:
    """The question, then the same in worlds to which no program leads: something about its clusters is another."""
    yield "", question
    world = question.world
    clusters = {name: world.clusters.get(question.args.get(name, -1)) for name in ("cluster", "cparent")}
    members = {name: [n for n in it.slots if n is not None] if it else [] for name, it in clusters.items()}
    edits: dict[str, tuple[list[int], dict[str, Any]]] = {
        "its parents have errors": (members["cparent"], {"error": int(Error.IO)}),
        "one of its parents has an error": (members["cparent"][:1], {"error": int(Error.IO)}),
        "it has no parents": (members["cluster"], {"parent": None}),
        "it consists of tables of free space": (members["cluster"], {"type": int(BrefType.FREEMAP_NODE)}),
        "its data was freed": (members["cluster"], {"data": None}),
    }
    for name, (changed, fields) in edits.items():
        yield f", {name}", _with_chains(question, dict.fromkeys(changed, fields))
    ring = {n: {"type": int(BrefType.INDIRECT), "parent": n} for n in members["cluster"]}
    yield ", it consists of rings of block tables", _with_chains(question, ring)
    numbers = [n for n in map(question.args.get, clusters) if n in world.clusters]
    no_pfs = {n: structs.replace(world.clusters[n], pmp=None) for n in numbers}
    yield ", it has no PFS", structs.replace(question, world=structs.replace(world, clusters=world.clusters | no_pfs))


def _with_chains(question: OperationQuestion, changes: Mapping[int, Mapping[str, Any]]) -> OperationQuestion:
    chains = [structs.replace(it, **changes.get(n, {})) for n, it in enumerate(question.world.chains)]
    return structs.replace(question, world=structs.replace(question.world, chains=chains))


GONE: Final = records.ClusterRecord(None, 0, 0, 0, None, 0, 0, [None] * MAXCLUSTER, [0] * MAXCLUSTER)
"""In the place of a cluster that was freed, to which nothing refers."""


def alone(performance: Performance, semantics: Semantics, name: str) -> records.Trace | None:
    """A trace of one operation under these semantics; None where it makes other calls, or must not be called so."""
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
    if outcome.startswith(CONTRACT):
        return None
    step = records.STEPS[question.op](args=args, outcome=outcome, calls=calls, state=replay.changes())
    if result is not UNSET:
        step.result = result
    return records.Trace(name, "single", world, [step])


class _Watch:
    """Sees which ways the code goes, in this process from now on."""

    def __init__(self, kept: Sequence[Trace], semantics: Semantics) -> None:
        self._every = every_way(semantics) - {*reasons(every_way(semantics), semantics)}
        self._now: set[Way] = set()
        note_ways(self._now)
        for trace in kept:
            check_trace(trace, semantics)
        self._known = self._now & self._every
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._now.clear()

    @property
    def has_seen_all(self) -> bool:
        """Whether the code has gone every way that it can go."""
        return self._every == self._known

    def tells(self) -> bool:
        """Whether the code has gone a way, since then, that it has not gone before; begin anew."""
        new = (self._now & self._every) - self._known
        self._known |= new
        self.forget()
        return bool(new)
