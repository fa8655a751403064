"""The recorded traces are replayed exactly, and no change to what was recorded goes unnoticed."""

import copy
import json
import lzma
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from hammer2_oracle import trace_record
from hammer2_oracle.recorded import RecordedWorld
from hammer2_oracle.replay import Divergence, check_trace
from hammer2_oracle.trace_record import OPERATIONS, Trace, schema
from hammer2_oracle.traces import decode, draw_before
from hammer2_spec.semantics import REPAIRED, SEED, Semantics

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "traces-public.jsonl.xz"
EDITS = 2500
UNRECORDED = {"relocked_lookup"}
"""Repairs of something that no public trace does."""

Json: TypeAlias = Any


@cache
def lines() -> list[bytes]:
    with lzma.open(GOLDEN) as file:
        return file.read().splitlines()


@cache
def traces() -> list[Trace]:
    return [decode(line) for line in lines()]


def test_every_public_trace_agrees_and_they_cover_every_operation() -> None:
    seen: set[str] = set()
    steps = 0
    for line in lines():
        trace = decode(line)
        assert check_trace(trace) is None, trace.id
        steps += len(trace.steps)
        seen.update(step["op"] for step in json.loads(line)["steps"])
    assert (len(lines()), steps) == (3120, 22436)
    assert seen == {*OPERATIONS, "env"}


def leaves(value: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the numbers, strings, booleans and nulls of a JSON value are; the effects of calls are input, no claim."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "fx":
                yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, (*path, i))
    else:
        yield path


def other_values(value: object) -> list[object]:
    """Values that differ from the given one, some of which the field's type allows."""
    match value:
        case bool():
            return [not value]
        case None:
            return [0, [[1024, 0]], {"key": 1, "keybits": 1}]
        case int():
            return [value ^ 1, 8 - value, value + 2, value - 2, None]
        case str() if value.startswith("iroot:"):
            return [value + "1"]
        case "uninit":
            return [0]
        case str():
            return ["fault" if value == "ok" else "ok", "kkassert:L1", "not_locked", "cparent_null"]
    raise AssertionError(value)


def decodable_edit(document: dict[str, Any], path: tuple[Any, ...]) -> bytes | None:
    """The document with one leaf changed to another value that the format allows, if there is one."""
    target: Any = document
    for key in path[:-1]:
        target = target[key]
    before = target[path[-1]]
    for value in other_values(before):
        target[path[-1]] = value
        line = json.dumps(document).encode()
        try:
            decode(line)
        except msgspec.ValidationError:
            continue
        finally:
            target[path[-1]] = before
        if value != before:
            return line
    return None


def test_any_single_change_to_outcome_call_argument_result_or_state_is_noticed_at_that_step() -> None:
    rng = random.Random(20150330)
    noticed: dict[str, int] = {}
    while sum(noticed.values()) < EDITS:
        document = json.loads(rng.choice(lines()))
        n = rng.randrange(len(document["steps"]))
        step = document["steps"][n]
        part = rng.choice([key for key in ("outcome", "calls", "result", "state") if key in step])
        path = rng.choice([("steps", n, part, *inner) for inner in leaves(step[part])] or [()])
        line = decodable_edit(document, path) if path else None
        if line is None:
            continue
        divergence = check_trace(decode(line))
        assert divergence is not None, (document["id"], path)
        assert divergence.step == n, (document["id"], path, divergence)
        assert divergence.field.startswith(part), (document["id"], path, divergence)
        noticed[part] = noticed.get(part, 0) + 1
    assert min(noticed[part] for part in ("outcome", "calls", "result", "state")) > EDITS // 20


@pytest.mark.parametrize("part", ["calls", "state"])
def test_what_is_left_out_or_comes_twice_is_noticed_at_that_step(part: str) -> None:
    rng = random.Random(part)
    for line in rng.sample(lines(), 400):
        document = json.loads(line)
        for n, step in enumerate(document["steps"]):
            edited = copy.deepcopy(document)
            target = edited["steps"][n][part]
            if part == "calls" and target:
                if rng.random() < 0.5:
                    target.insert(rng.randrange(len(target)), rng.choice(target))
                else:
                    target.pop()
            elif part == "state" and target:
                key = rng.choice(sorted(target))
                if len(target[key]) < 2 or rng.random() < 0.5:
                    target.pop(key)
                else:
                    drop_one(target[key], rng)
            if edited["steps"][n][part] == step[part]:
                continue
            divergence = check_trace(trace_record.decode(json.dumps(edited).encode()))
            assert divergence is not None, (document["id"], n)
            assert (divergence.step, divergence.field.startswith(part)) == (n, True), divergence


def drop_one(entries: Json, rng: random.Random) -> None:
    entries.pop(rng.choice(sorted(entries)) if isinstance(entries, dict) else rng.randrange(len(entries)))


def divergence_of(edit: str, value: object, trace: int = 0) -> Divergence:
    document = json.loads(lines()[trace])
    document["steps"][0][edit] = value
    found = check_trace(decode(json.dumps(document).encode()))
    assert found is not None
    return found


def test_a_divergence_names_trace_step_field_and_both_values_and_draws_the_cluster_before() -> None:
    divergence = divergence_of("result", 0)
    assert (divergence.id, divergence.step, divergence.op) == ("p00000", 0, "need_resize")
    assert (divergence.field, divergence.expected, divergence.got) == ("result", 1, 0)
    before = draw_before(decode(lines()[0]), 0)
    assert before[0] == (
        "cluster 0: refs 1, LOCKED WRSOFT RDSOFT MSYNCED SSYNCED, 3 masters"
        " | *0 master chain 0 tid 1 | 1 master chain 1 tid 1 | 2 master chain 2 tid 1 error 2"
    )
    assert any(line.startswith("chain 2: inode key") for line in before)


def test_the_record_alone_says_what_stands_before_a_step() -> None:
    from hammer2_oracle.picture import draw, draw_chain
    from hammer2_oracle.replay import Replay

    for line in lines()[::40]:
        trace = decode(line)
        replay = Replay(RecordedWorld(trace.world))
        for n, step in enumerate(trace.steps):
            named = [getattr(step.args, name, None) for name in ("cparent", "cluster")]
            live = replay.world.clusters
            if getattr(step.args, "chain", None) is not None:
                chain = replay.world.chains[step.args.chain]
                assert draw_before(trace, n) == [draw_chain(chain)]
            else:
                assert draw_before(trace, n) == draw([live[k] for k in named if k in live] or live.values())
            replay.step(step)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("steps", 0, "surprise"), 1, "unknown field `surprise`"),
        (("steps", 0, "args", "cluster"), "0", r"`\$.steps\[0\].args.cluster`"),
        (("world", "chains", 0, "mirror_tid"), 2**64, r"2\^64-1 - at `\$.world.chains\[0\].mirror_tid`"),
        (("world", "chains", 0, "mirror_tid"), 1.0, "int"),
        (("world", "clusters", 0, "slots"), [0] * 9, "length <= 8"),
        (("steps", 0, "op"), "fly", "fly"),
    ],
)
def test_a_record_outside_the_format_is_refused_with_its_path(
    path: tuple[Any, ...], value: object, message: str
) -> None:
    document: Any = json.loads(lines()[0])
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(msgspec.ValidationError, match=message):
        decode(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("world", "chains", 0, "parent"), 99, r"99 is not there, expected 0..5 - at `\$.world.chains\[0\].parent`"),
        (("world", "chains", 0, "data"), [[7, 0]], r"sum to 1024..1048576, got 7 - at `\$.world.chains\[0\].data`"),
        (("steps", 0, "args", "cluster"), 77, r"77 is not there, expected 0..2 - at `\$.steps\[0\].args.cluster`"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused_with_its_field(
    path: tuple[Any, ...], value: object, message: str
) -> None:
    document: Any = json.loads(lines()[0])
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(msgspec.ValidationError, match=message):
        decode(json.dumps(document).encode())


def test_nothing_follows_the_end_of_a_trace() -> None:
    line = next(line for line in lines() if json.loads(line)["steps"][-1]["outcome"] != "ok")
    document = json.loads(line)
    document["steps"].append(document["steps"][-1])
    with pytest.raises(msgspec.ValidationError, match="Expected `ok`, because steps follow"):
        decode(json.dumps(document).encode())


def test_the_schema_refuses_what_the_records_refuse() -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema())
    document = json.loads(lines()[0])
    validator.validate(document)
    document["steps"][0]["args"]["surprise"] = 1
    assert not validator.is_valid(document)


@pytest.mark.parametrize("repair", sorted({*Semantics._fields} - UNRECORDED))
def test_a_trace_is_judged_under_the_semantics_asked_for(repair: str) -> None:
    """Some recorded trace shows each repair: the recording is of the seed, and no repair leaks into it."""
    semantics = SEED._replace(**{repair: True})
    assert any(check_trace(trace, semantics) for trace in traces()), f"{repair} changes nothing that was recorded"


def test_under_repaired_semantics_every_trace_is_judged_too() -> None:
    verdicts = [check_trace(trace, REPAIRED) for trace in traces()[::5]]
    assert 0 < sum(verdict is None for verdict in verdicts) < len(verdicts)
