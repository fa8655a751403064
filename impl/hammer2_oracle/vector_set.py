"""What a set of vectors holds: decisions and traces that are right, and one wrong edit of each, to be rejected.

Everything follows from the semantics, the seed and the size.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, structs

from hammer2_cluster.resolve import resolve
from hammer2_oracle import trace_record as records
from hammer2_oracle.conform import campaigns
from hammer2_oracle.conform.operation_questions import every_case
from hammer2_oracle.conform.operations import performances
from hammer2_oracle.protocol.scenarios import Size, edited_scenarios, right_coverage, scenarios, wrong_coverage
from hammer2_oracle.replay import check_trace
from hammer2_oracle.run_record import record_case
from hammer2_oracle.telling_traces import RARE, alone, telling_performances, telling_records, telling_runs
from hammer2_oracle.traces import decode
from hammer2_oracle.vector_branches import decision_branches, operation_branches
from hammer2_oracle.vector_record import Vector, vector
from hammer2_spec.configuration import FOREIGN, Configuration, Outcome
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, MAXCLUSTER, ClusterFlag

Kind: TypeAlias = Literal["resolve vector", "operation trace", "protocol trace"]
PRIME: Final = 23
"""At least as many as there are kinds of members: the lines of the plane over so many points meet in every pair."""
NMASTERS: Final = (None, 0, 1, 2, 3, 4, 5, 8, 9, 255)
BAD_DAYS: Final = 2
"""Of each program in each world, beside the good one."""
MOST_ANSWERS: Final = 60
LARGEST_ANSWER: Final = 3


class Part(NamedTuple):
    """The records of one file."""

    name: str
    kind: Kind
    accept: bool
    """Whether each must be accepted, or each rejected."""
    lines: list[bytes]
    coverage: dict[str, Any]


def parts(semantics: Semantics, size: Size, seed: int) -> Iterator[Part]:
    """The files of a set, one after the other."""
    vectors = resolve_vectors(semantics, size)
    covered = vector_coverage(vectors) | decision_branches(vectors, semantics)
    yield Part("resolve-accept.jsonl", "resolve vector", True, encoded(vectors), covered)
    wrong = [wrong_vector(it, n) for n, it in enumerate(vectors)]
    yield Part("resolve-reject.jsonl", "resolve vector", False, encoded(wrong), vector_coverage(wrong))
    traces = operation_traces(semantics, size, seed)
    covered = trace_coverage(traces) | operation_branches(traces, semantics)
    yield Part("traces-accept.jsonl", "operation trace", True, encoded(traces), covered)
    edited = [*unlike(it for n, trace in enumerate(traces) for it in wrong_traces(trace, semantics, n, seed))]
    coverage = {"edits": dict(sorted(Counter(trace.id.rpartition(": ")[2] for trace in edited).items()))}
    yield Part("traces-reject.jsonl", "operation trace", False, encoded(edited), coverage)
    found = scenarios(size, seed)
    yield Part("protocol-accept.jsonl", "protocol trace", True, encoded(found.legal), right_coverage(found))
    illegal = [*found.refused, *edited_scenarios(found, seed)]
    yield Part("protocol-reject.jsonl", "protocol trace", False, encoded(illegal), wrong_coverage(found, illegal))


def encoded(items: Iterable[msgspec.Struct]) -> list[bytes]:
    """Lines, none twice."""
    return list(dict.fromkeys(map(msgspec.json.encode, items)))


# ---- decisions


def covering(count: int) -> Iterator[Configuration]:
    """Clusters of so many slots in which every two slots hold every two kinds of members, with few configurations.

    Rows are the lines y = ax + b of the plane over PRIME points, columns its points x: two columns and two values
    decide one line. That stays true when points are folded onto fewer values. Two more columns are nmasters, the focus.
    """
    before = (ClusterFlag.LOCKED, ClusterFlag.LOCKED | CLUSTER_ZFLAGS, 2**31 | ClusterFlag.RDHARD)
    for a in range(PRIME):
        for b in range(PRIME):
            values = [(a * x + b) % PRIME for x in range(count + 2)]
            slots = tuple(campaigns.MEMBERS[value % len(campaigns.MEMBERS)] for value in values[:count])
            foci = [None, FOREIGN, *range(count)]
            prior = foci[values[count] % len(foci)]
            if prior is not None and prior != FOREIGN and not slots[prior].present:
                prior = None
            yield Configuration(slots, NMASTERS[values[-1] % len(NMASTERS)], prior, int(before[(a + b) % 3]))


def resolve_vectors(semantics: Semantics, size: Size) -> list[Vector]:
    """All small clusters, numbers at their edges, members of like worth, and covering arrays of larger ones."""
    asked = [*campaigns.smoke(), *campaigns.small(2 if size == "full" else 1), *campaigns.edges(), *campaigns.rivals()]
    for count in range(3, MAXCLUSTER + 1) if size == "full" else (3, MAXCLUSTER):
        asked += covering(count)
    exhaustive = len(asked)
    return [
        vector(it, resolve(*it, semantics), "a" if n < exhaustive and len(it.slots) <= 2 else "b")
        for n, it in enumerate(dict.fromkeys(asked))
    ]


def wrong_vector(right: Vector, number: int) -> Vector:
    """The same question with an answer that is wrong in one field."""
    flags = (ClusterFlag.WRHARD, ClusterFlag.RDHARD, ClusterFlag.MSYNCED, ClusterFlag.SSYNCED)
    edits: list[dict[str, Any]] = [
        {"F": None if right.F is not None else 0},
        {"e": right.e ^ 1},
        {"g": right.g ^ flags[number // 4 % 4]},
        {"o": Outcome.OK.text if right.o != Outcome.OK.text else Outcome.KKASSERT_L510.text},
    ]
    return structs.replace(right, **edits[number % 4])


def vector_coverage(vectors: Sequence[Vector]) -> dict[str, Any]:
    """What there is of everything."""
    return {
        "slots": tallied(len(it.s) for it in vectors),
        "outcomes": tallied(it.o for it in vectors),
        "without a PFS": sum(it.m is None for it in vectors),
        "foreign focus before": sum(it.p == "foreign" for it in vectors),
    }


def tallied(values: Iterable[object]) -> dict[str, int]:
    """How often each comes, in order."""
    counts = Counter(map(str, values))
    return {value: counts[value] for value in sorted(counts)}


# ---- operations


def operation_traces(semantics: Semantics, size: Size, seed: int) -> list[records.Trace]:
    """Runs of programs in worlds, each with something in it that no earlier one has: good days, then bad ones."""
    random = Random(seed)  # noqa: S311 - a seed decides
    seen: set[object] = set()
    kept = []
    for day in range(1 + BAD_DAYS if size == "full" else 1):
        for case in every_case():
            picks = [random.randint(0, LARGEST_ANSWER) for _ in range(MOST_ANSWERS)] if day else []
            name = f"{case.program_name} on {case.world_name}" + (f", bad day {day}" if day else "")
            trace, whole = record_case(case, picks, semantics, name)
            new = features(trace, size) - seen
            if new and whole:
                seen |= new
                kept.append(trace)
    kept += _otherwise(kept, semantics)
    kept += telling_runs(kept, semantics, 1 if size == "full" else 0)
    kept += telling_performances(kept, semantics, RARE)
    kept += telling_records(kept, semantics)
    kept += telling_performances(kept, semantics, every_case())
    return [*unlike(kept)]


def unlike(traces: Iterable[records.Trace]) -> Iterator[records.Trace]:
    """Each content once, under the first name that it came with; a name that is taken gets a number."""
    contents: set[bytes] = set()
    names: Counter[str] = Counter()
    for trace in traces:
        content = msgspec.json.encode(structs.replace(trace, id=""))
        if content not in contents:
            contents.add(content)
            names[trace.id] += 1
            again = names[trace.id]
            yield trace if again == 1 else structs.replace(trace, id=f"{trace.id} ({again})")


def _otherwise(kept: Sequence[records.Trace], semantics: Semantics) -> Iterator[records.Trace]:
    """For operations that no program comes to: one on its own, in a world to which the repaired ones lead.

    The original ends many programs early. Alone it often makes the calls that the repaired one makes; what it then does
    with the answers is its own.
    """
    missing = never_performed(kept)
    for case in every_case():
        if not missing:
            return
        trace, _ = record_case(case, [], REPAIRED, "")
        for performance in performances(trace):
            op = performance.question.op
            if op in missing:
                single = alone(performance, semantics, f"{op} on {case.world_name}")
                if single is not None:
                    missing.remove(op)
                    yield single


def never_performed(traces: Iterable[records.Trace]) -> list[str]:
    """The operations that are in no trace."""
    performed = {type(step).__struct_config__.tag for trace in traces for step in trace.steps}
    return sorted(records.OPERATIONS.keys() - performed)


def features(trace: records.Trace, size: Size) -> set[object]:
    """What a trace can show: each operation with its outcome, and the kinds of calls that it made."""
    found: set[object] = set()
    for step in trace.steps:
        op, calls = type(step).__struct_config__.tag, [type(call).__struct_config__.tag for call in step.calls]
        found.add((op, step.outcome, tuple(calls) if size == "full" else frozenset(calls)))
    return found


def trace_coverage(traces: Sequence[records.Trace]) -> dict[str, Any]:
    """What there is of everything."""
    steps = [step for trace in traces for step in trace.steps]
    return {
        "steps": len(steps),
        "operations": tallied(type(step).__struct_config__.tag for step in steps),
        "operations never performed": never_performed(traces),
        "outcomes": tallied(step.outcome for step in steps),
        "calls": tallied(type(call).__struct_config__.tag for step in steps for call in step.calls),
    }


def wrong_traces(trace: records.Trace, semantics: Semantics, number: int, seed: int) -> Iterator[records.Trace]:
    """The trace with one illegal edit, if there is one of this kind: the step that has it is shown to differ."""
    random = Random(f"{seed} {number}")  # noqa: S311 - a seed decides
    names = list(EDITS)
    for name in names[number % len(names) :] + names[: number % len(names)]:
        places = list(range(len(trace.steps)))
        random.shuffle(places)
        for n in places:
            step = EDITS[name](trace.steps[n])
            if step is None:
                continue
            wrong = records.Trace(f"{trace.id}: {name}", trace.kind, trace.world, [*trace.steps[:n], step])
            try:
                wrong = decode(msgspec.json.encode(wrong))
            except msgspec.ValidationError:
                continue
            divergence = check_trace(wrong, semantics)
            if divergence is not None and divergence.step == n:
                yield wrong
                return


def _outcome(step: records.AnyStep) -> records.AnyStep | None:
    return structs.replace(step, outcome="ok" if step.outcome != "ok" else "fault")


def _result(step: records.AnyStep) -> records.AnyStep | None:
    result = getattr(step, "result", UNSET)
    return structs.replace(step, result=result ^ 1) if isinstance(result, int) else None


def _call_left_out(step: records.AnyStep) -> records.AnyStep | None:
    return structs.replace(step, calls=step.calls[:-1]) if step.calls else None


def _calls_exchanged(step: records.AnyStep) -> records.AnyStep | None:
    return structs.replace(step, calls=[*step.calls[1:], step.calls[0]]) if len(step.calls) > 1 else None


def _argument(step: records.AnyStep) -> records.AnyStep | None:
    for n, call in enumerate(step.calls):
        if hasattr(call, "flags"):
            return structs.replace(
                step, calls=[*step.calls[:n], structs.replace(call, flags=call.flags ^ 1), *step.calls[n + 1 :]]
            )
    return None


def _state(step: records.AnyStep) -> records.AnyStep | None:
    return structs.replace(step, state=records.State()) if step.state != records.State() else None


EDITS: Final[dict[str, Callable[[records.AnyStep], records.AnyStep | None]]] = {
    "another outcome": _outcome,
    "another result": _result,
    "a call left out": _call_left_out,
    "calls exchanged": _calls_exchanged,
    "another flag passed": _argument,
    "nothing changed": _state,
}
"""Ways in which a step may be wrong."""
