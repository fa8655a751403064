"""Operation traces as a kind of record: replayed by CPython, step by step."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from hammer2_cluster.decisions import Decision
from hammer2_oracle import trace_record
from hammer2_oracle.picture import draw as draw_clusters
from hammer2_oracle.picture import draw_chain
from hammer2_oracle.record_kinds import Difference, RecordKind, from_the_root
from hammer2_oracle.recorded import RecordedWorld
from hammer2_oracle.replay import check_trace
from hammer2_oracle.trace_record import Trace
from hammer2_oracle.trace_references import require_whole
from hammer2_spec.semantics import Semantics


def decode(line: bytes) -> Trace:
    """Read one line, and see that what it refers to is there.

    Raises msgspec.DecodeError: ValidationError, with the field's path, where the line is JSON.
    """
    trace = trace_record.decode(line)
    require_whole(trace)
    return trace


def judge(traces: Sequence[Trace], _: Decision, semantics: Semantics) -> Iterator[tuple[int, list[Difference]]]:
    """Replay traces; each ends at its first difference."""
    for i, trace in enumerate(traces):
        divergence = check_trace(trace, semantics)
        if divergence is None:
            yield i, []
        else:
            expected, got = plain(divergence.expected), plain(divergence.got)
            yield i, [Difference(divergence.field, expected, got, divergence.step)]


def plain(value: object) -> Any:  # noqa: ANN401 - any JSON
    """A value of a trace as JSON; what is not there is null."""
    return None if value is msgspec.UNSET else msgspec.to_builtins(value)


def draw_before(trace: Trace, n: int) -> list[str]:
    """What step n is about, as the record has it before that step: its clusters, its chain, or else all clusters."""
    world = RecordedWorld(trace.world)
    for step in trace.steps[:n]:
        world.become(step.state)
        world.replace_pfss(step.args)
    args, clusters = trace.steps[n].args, world.clusters
    chain = world.chain(getattr(args, "chain", None))
    if chain is not None:
        return [draw_chain(chain)]
    named = [getattr(args, name, None) for name in ("cparent", "cluster")]
    return draw_clusters([clusters[k] for k in named if k in clusters] or list(clusters.values()))


def draw(trace: Trace, differences: Sequence[Difference]) -> list[str]:
    """The clusters before the step, expected beside got."""
    lines: list[str] = []
    for field, expected, got, step in differences:
        if step is None:
            continue
        op = type(trace.steps[step]).__struct_config__.tag
        lines += [f"trace {trace.id}, step {step} ({op}), before it:", *draw_before(trace, step)]
        lines.append(f"{field}: expected {in_words(expected)}, got {in_words(got)}")
    return lines


def in_words(value: Any) -> str:  # noqa: ANN401 - any JSON
    """A value of a trace for people."""
    return "nothing" if value is None else msgspec.json.encode(value).decode()


KIND: Final = RecordKind(
    name="operation trace",
    decode=decode,
    path_name=from_the_root,
    judge=judge,
    draw=draw,
    identify=lambda trace: str(trace.id),
)
