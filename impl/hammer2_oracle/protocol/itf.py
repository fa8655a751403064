"""Traces in the ITF format of Apalache and Quint, read as protocol traces and written from them.

The format: https://apalache-mc.org/docs/adr/015adr-trace.html. A state has the variables of the specification and, as
``action``, what led to it; ``#meta`` of the whole has the setup. What a state does not mention was not seen.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import ValidationError

from hammer2_oracle.protocol import kind
from hammer2_oracle.protocol.following import Rules
from hammer2_oracle.protocol.notation import TIDS, WIDE, all_fields, field_of
from hammer2_oracle.protocol.record import LIMITS, SAME, Cluster, Event, ProtocolTrace, require_whole
from hammer2_spec.protocol.state import ALTERNATIVES, INGREDIENTS, SEQUENCES, UNLIMITED, Phase, Setup, State

ACTION: Final = "action"
TITLE: Final = re.compile(r"([A-Za-z]+)(?:\(([0-9]+(?:, [0-9]+)*)\))?")
TRACE: Final = msgspec.json.Decoder(dict[str, Any])


def unmarked(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A value of ITF as plain JSON: big integers and tuples without their marks."""
    if isinstance(value, dict):
        if value.keys() == {"#bigint"}:
            return int(value["#bigint"])
        if value.keys() == {"#tup"}:
            return [unmarked(inner) for inner in value["#tup"]]
        return {name: unmarked(inner) for name, inner in value.items()}
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value


def decode(line: bytes) -> ProtocolTrace:
    """Read a whole ITF trace. Raises msgspec.DecodeError."""
    meta, states = _parts(TRACE.decode(line))
    try:
        cluster = _cluster(meta["setup"], states[0])
        seen = [_seen(cluster, state, f"states[{number}]") for number, state in enumerate(states)]
        events = [Event(*_named(states[number], number), seen[number]) for number in range(1, len(states))]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValidationError(f"Expected a trace of the protocol with its setup: {error!r}") from None
    trace = ProtocolTrace(str(meta.get("description", "ITF")), cluster, events, seen[0])
    require_whole(trace)
    return trace


def _parts(itf: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is said about a trace, and its states."""
    meta, states = unmarked(itf.get("#meta")), unmarked(itf.get("states"))
    if not isinstance(meta, dict) or not isinstance(meta.get("setup"), dict):
        raise ValidationError("Expected the setup of the protocol - at `$.#meta.setup`")
    if not isinstance(states, list) or not states or not all(isinstance(state, dict) for state in states):
        raise ValidationError("Expected at least one state - at `$.states`")
    return meta, states


def _cluster(setup: Mapping[str, Any], first: Mapping[str, Any]) -> Cluster:
    nodes, clients = first.get("nodes", [{}] * setup["masters"]), first.get("clients", [{}] * len(setup["views"]))
    if other := [name for name in ALTERNATIVES if setup.get(name)]:
        raise ValidationError(f"Expected the protocol as it is, not with {other[0]} - at `$.#meta.setup`")
    made = {
        "masters": setup["masters"],
        "slaves": len(nodes) - setup["masters"],
        "clients": len(clients),
        "soft_masters": len(first.get("soft", [])),
        "views": [[i for i in range(len(nodes)) if view >> i & 1] for view in setup["views"]],
        "warm": clients[0].get("phase", Phase.READY.name) == Phase.READY.name,
        "without": [name for name in INGREDIENTS if not setup[name]],
        **{name: None if setup[name] >= UNLIMITED else setup[name] for name in LIMITS},
        **{name: setup[name] for name in SAME},
    }
    return msgspec.convert(made, Cluster)


def _named(state: Mapping[str, Any], number: int) -> tuple[str | None, list[int | None] | None]:
    """The action that led to a state, and its indices."""
    if ACTION not in state:
        return None, None
    match = TITLE.fullmatch(str(state[ACTION]))
    if match is None:
        raise ValidationError(f"Expected an action and its indices - at `$.states[{number}].{ACTION}`")
    return match[1], [int(index) for index in match[2].split(", ")] if match[2] else []


def _seen(cluster: Cluster, state: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The variables of a state as fields of a record."""
    model, seen = cluster.model, {}
    narrow = model.setup._replace(rank_tids=True)
    for path, value in _paths(state):
        try:
            form = field_of(model.initial[0], path).form
            seen[path] = form.write(narrow, value) if isinstance(value, int) and not isinstance(value, bool) else value
        except ValueError as error:
            raise ValidationError(f"Expected {error} - at `$.{place}.{path.replace('.', '/')}`") from None
    return seen


def _paths(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in state.items():
        if name in (ACTION, "#meta"):
            continue
        if isinstance(value, list):
            yield from ((f"{name}[{i}].{inner}", it) for i, record in enumerate(value) for inner, it in record.items())
        else:
            yield name, value


def export(trace: ProtocolTrace) -> dict[str, Any]:
    """A trace whose every action is named, as an ITF object with all variables.

    Raises:
        ValueError: an action is left open, or cannot happen.
    """
    from hammer2_proofs.explorer import itf
    from hammer2_proofs.explorer.trace import Step, Trace

    rules, steps = Rules(trace.cluster), []
    state = rules.initial
    for number, event in enumerate(trace.events):
        index = tuple(i for i in event.index or () if i is not None)
        over = rules.over.get(event.action or "", ())
        after = rules.take(state, event.action, index) if event.action and len(index) == len(over) else None
        if after is None:
            raise ValueError(f"event {number} of {trace.id} is open, or cannot happen")
        state = after
        steps.append(Step(event.action or "", tuple(zip(over, index, strict=True)), _narrow(rules.setup, state)))
    return itf.export(rules.model, trace.id, Trace(_narrow(rules.setup, rules.initial), tuple(steps)))


def _narrow(m: Setup, state: State) -> State:
    """The state with its tids as the explorer counts them."""
    if m.rank_tids:
        return state
    for field in all_fields(state):
        if field.form is TIDS:
            epoch, sequence = divmod(field.of(state), WIDE)
            state = _with(state, field.keys, epoch * SEQUENCES + sequence)
    return state


def _with(value: Any, keys: Sequence[int], number: int) -> Any:  # noqa: ANN401 - a state, and what is in it
    """A state with one field changed."""
    if not keys:
        return number
    parts = list(value)
    parts[keys[0]] = _with(value[keys[0]], keys[1:], number)
    return type(value)._make(parts) if hasattr(value, "_make") else tuple(parts)


KIND: Final = kind.KIND._replace(name="ITF trace", decode=decode)


def text_of(trace: ProtocolTrace) -> str:
    """A trace as a file in the format."""
    return json.dumps(export(trace), indent=1) + "\n"
