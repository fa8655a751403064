"""`check` of protocol traces: what may have happened is accepted, with gaps; what cannot is explained where it is."""

import json
import random
import sys
import time
import tracemalloc
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import itf_py
import jsonschema
import msgspec
import pytest
from click.testing import CliRunner, Result

from hammer2_oracle.cli import main
from hammer2_oracle.commands.explore import explore
from hammer2_oracle.protocol import following, itf
from hammer2_oracle.protocol.following import Rules, Stop, follow
from hammer2_oracle.protocol.reasons import why
from hammer2_oracle.protocol.record import Cluster, Event, ProtocolTrace, decode
from hammer2_oracle.protocol.verdict import candidates, differences, refusal
from hammer2_oracle.protocol.walks import event, walk, with_gaps
from hammer2_oracle.schemas import text_of
from hammer2_oracle.status import Status
from hammer2_spec.protocol.model import ACTIONS
from hammer2_spec.protocol.state import INGREDIENTS

CLUSTERS = {
    "one client": Cluster(masters=3, writes=1000, space=True),
    "two clients, a slave": Cluster(masters=3, slaves=1, clients=2, writes=1000, losses=1, partitions=True),
    "a reader, from a cold start": Cluster(masters=2, writes=9, reader=True, warm=False, faults=9, elections=9),
    "a soft master, passes that end late": Cluster(
        masters=3, clients=2, soft_masters=1, endless=True, late_finish=True
    ),
    "ranks": Cluster(masters=3, clients=2, endless=True, rank_tids=True, free_epochs=True, stay_away=True),
}
SMALL = Cluster(masters=3, writes=2)
BEGUN = [Event("Begin", [0]), Event("Deliver", [0, 0]), Event("Flush", [0])]


@cache
def walked(name: str, length: int, seed: int = 1) -> ProtocolTrace:
    rules = Rules(CLUSTERS[name])
    events, before = [], rules.initial
    for action, index, after in islice(walk(rules, random.Random(seed)), length):
        events.append(event(rules, before, action, index, after))
        before = after
    return ProtocolTrace(name, CLUSTERS[name], events)


def stop_of(trace: ProtocolTrace) -> Stop | None:
    return follow(Rules(trace.cluster), decode(msgspec.json.encode(trace)))


def check(tmp_path: Path, *traces: ProtocolTrace, options: tuple[str, ...] = ()) -> Result:
    file = tmp_path / "traces.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(trace) + b"\n" for trace in traces))
    return CliRunner().invoke(main, ["check", str(file), *options])


# ---- what is legal is accepted


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_legal_trace_is_accepted_whatever_of_it_was_forgotten(name: str) -> None:
    trace, lottery = walked(name, 150), random.Random(7)
    jsonschema.validate(msgspec.to_builtins(trace), json.loads(text_of("protocol-trace")))
    for action, index, field in ((0, 0, 0), (0, 0.5, 0.5), (0.05, 0.2, 0.7)):
        gaps = [with_gaps(it, lottery, action=action, index=index, field=field) for it in trace.events]
        stop = stop_of(msgspec.structs.replace(trace, events=gaps))
        assert stop is None or stop.too_many


def test_with_one_client_an_action_in_twenty_may_be_open_for_ever() -> None:
    trace, lottery = walked("one client", 400), random.Random(7)
    gaps = [with_gaps(it, lottery, action=0.05, index=0.2, field=0.5) for it in trace.events]
    assert any(it.action is None for it in gaps)
    assert stop_of(msgspec.structs.replace(trace, events=gaps)) is None


def test_the_set_of_states_is_exactly_what_other_orders_of_the_same_actions_leave() -> None:
    rules = Rules(SMALL)
    open_ends = [*BEGUN[:1], Event("Deliver", [0, None]), Event("Deliver", [0, None]), Event()]
    for last, legal in ((Event(seen={"nodes[2].durable_tid": "0.1"}), True), (Event("Acknowledge"), False)):
        stop = follow(rules, ProtocolTrace("open", SMALL, [*open_ends, last]))
        assert (stop is None) == legal
        assert legal or (stop is not None and stop.event == len(open_ends))


# ---- one illegal edit is rejected, where it is


@pytest.mark.parametrize("name", CLUSTERS)
def test_one_wrong_field_is_rejected_at_its_event(name: str) -> None:
    trace, lottery = walked(name, 60), random.Random(3)
    rules = Rules(trace.cluster)
    for _ in range(15):
        number = lottery.choice([n for n, it in enumerate(trace.events) if it.seen])
        events = list(trace.events)
        path = lottery.choice(list(events[number].seen))
        wrong: Any = other(path, events[number].seen[path])
        events[number] = msgspec.structs.replace(events[number], seen={path: wrong})
        edited = msgspec.structs.replace(trace, events=events)
        stop = follow(rules, edited)
        assert stop is not None
        assert stop.event == number
        [difference] = differences(rules, edited, stop)
        assert (difference.step, difference.field, difference.got) == (number, path, wrong)
        assert difference.expected == trace.events[number].seen[path]


def other(path: str, value: object) -> object:
    """Another value of a field."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [] if value else [0]
    names = {"phase": ("IDLE", "READY"), "sync": ("NONE", "PASS")}.get(path.rpartition(".")[2], ("9.9", "9.8"))
    return next(name for name in names if name != value)


@pytest.mark.parametrize("name", ["one client", "two clients, a slave"])
def test_an_action_that_cannot_happen_is_rejected_at_its_event_with_its_guard(name: str) -> None:
    trace, lottery = walked(name, 60), random.Random(5)
    rules = Rules(trace.cluster)
    seen = set()
    states = [rules.initial, *(after for _, _, after in islice(walk(rules, random.Random(1)), 59))]
    for number, before in enumerate(states):
        action, index = lottery.choice([way for way in rules.every_way if rules.take(before, *way) is None])
        edited = msgspec.structs.replace(trace, events=[*trace.events[:number], Event(action, list(index))])
        stop = follow(rules, edited)
        assert stop is not None
        assert (stop.event, stop.before) == (number, (before,))
        [candidate] = candidates(rules, stop, edited.events[-1])
        assert candidate.refused == refusal(rules, before, action, index)
        assert ".py:" in candidate.refused
        seen.add(candidate.refused)
    assert len(seen) > 15


def test_every_guard_of_every_action_says_why_it_refuses() -> None:
    for cluster in CLUSTERS.values():
        rules = Rules(cluster)
        for number, (_, _, state) in enumerate(islice(walk(rules, random.Random(2)), 200)):
            if number % 20:
                continue
            for action, index in rules.every_way:
                if rules.steps[action](rules.setup, state, *index) is None:
                    reasons = list(why(rules.setup, rules.steps[action], rules.setup, state, *index))
                    assert reasons, (action, index)
                    assert all(reason.text and reason.place for reason in reasons)


def test_the_explanation_names_every_candidate_and_what_was_possible(tmp_path: Path) -> None:
    trace = ProtocolTrace("mine", SMALL, [*BEGUN, Event("Acknowledge", [0]), Event("Flush", [1])])
    result = check(tmp_path, trace)
    assert result.exit_code == Status.DIFFER
    assert result.stdout.splitlines()[1:7] == [
        "    event 3: Acknowledge(0)",
        f"    not Acknowledge(0): replies(c) < needed(c) (1 < 2), writing.py:{line_of('acknowledge', 'replies(m')}",
        "    possible: CrashClient(0), Deliver(0, 1), Deliver(0, 2), WriteFail(0, 1), WriteFail(0, 2), Disconnect(0),",
        "        Disconnect(1), Disconnect(2)",
        "    the state before it:",
        "        nodes[0]    durable_tid 0.1, volatile_tid 0.1, durable_content {0}, volatile_content {0}, replies {0}",
    ]
    said = json.loads(check(tmp_path, trace, options=("--json",)).stdout)
    [entry] = said["divergences"]
    assert (entry["id"], entry["step"], entry["field"], entry["got"]) == ("mine", 3, "action", "Acknowledge(0)")
    assert entry["expected"]["candidates"][0]["refused"].startswith("replies(c) < needed(c) (1 < 2)")
    assert "Deliver(0, 2)" in entry["expected"]["possible"]


def test_an_open_event_lists_what_each_action_would_have_shown(tmp_path: Path) -> None:
    trace = ProtocolTrace("mine", SMALL, [*BEGUN, Event(seen={"nodes[1].durable_tid": "0.1", "known": [0]})])
    text = check(tmp_path, trace).stdout
    assert "event 3: any action, then nodes[1].durable_tid 0.1, known {0}" in text
    assert "not Disconnect(0)" not in text  # it is listed behind others that would have shown the same
    assert "nodes[1].durable_tid expected 0.0, got 0.1, known expected {}, got {0}" in text
    for action in ACTIONS:
        if action.name not in ("Preempt", "SyncRefused", "BeginReplacement"):
            assert f"{action.name}(" in text or f"not {action.name}:" in text


def line_of(function: str, text: str) -> int:
    from hammer2_spec.protocol import writing

    lines = Path(writing.__file__).read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"def {function}("))
    return next(n for n, line in enumerate(lines[start:], start + 1) if text in line)


def test_a_start_that_is_another_is_rejected(tmp_path: Path) -> None:
    trace = ProtocolTrace("mine", SMALL, BEGUN, {"clients[0].phase": "IDLE"})
    result = check(tmp_path, trace)
    assert result.exit_code == Status.DIFFER
    assert "the start: clients[0].phase: expected READY, got IDLE" in result.stdout


def test_an_ingredient_that_the_cluster_is_without_is_not_asked_for(tmp_path: Path) -> None:
    events = [Event("Begin", [0]), Event("Deliver", [0, 0]), Event("Deliver", [0, 1]), Event("Acknowledge", [0])]
    early = msgspec.structs.replace(SMALL, without=["flush_before_ack"])
    assert check(tmp_path, ProtocolTrace("early", early, events)).exit_code == Status.AGREE
    assert check(tmp_path, ProtocolTrace("early", SMALL, events)).exit_code == Status.DIFFER
    assert set(early.without) < set(INGREDIENTS)


# ---- bounds


def test_too_many_states_are_undecided_and_it_is_said_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following.follow, "__defaults__", (50,))
    trace = ProtocolTrace("mine", SMALL, [*BEGUN, *[Event()] * 6])
    result = check(tmp_path, trace, ProtocolTrace("fine", SMALL, BEGUN))
    assert result.exit_code == Status.UNDECIDED
    assert "mine: undecided at step 5: more than 10,000 states are possible; 5 events before it agreed" in result.stdout
    assert "2 records: 1 agreed, 0 diverged, 1 not judged" in result.stdout
    said = json.loads(check(tmp_path, trace, options=("--json",)).stdout)
    assert (said["skipped"], said["undecided"][0]["step"]) == (1, 5)


def test_ten_times_the_events_take_ten_times_the_time_and_no_more_memory() -> None:
    trace, lottery = walked("one client", 3_000), random.Random(11)
    gaps = [with_gaps(it, lottery, action=0, index=0.2, field=0.5) for it in trace.events]
    rules = Rules(trace.cluster)

    def measured(length: int) -> tuple[float, int]:
        part = msgspec.structs.replace(trace, events=gaps[:length])
        began = time.process_time()
        assert follow(rules, part) is None
        seconds = time.process_time() - began
        tracemalloc.start()
        assert follow(rules, part) is None
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return seconds, peak

    (little, small), (much, large) = measured(300), measured(3_000)
    assert much < 25 * little
    assert large < 2 * small + 200_000


# ---- what is no trace


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"events": [{"action": "Fly"}]}, "events[0].action", "expected one of Elect, Promise"),
        ({"events": [{"action": "Flush", "index": [3]}]}, "events[0].index[0]", "expected an integer < 3"),
        ({"events": [{"action": "Flush", "index": [0, 0]}]}, "events[0].index", "expected 1 indices"),
        ({"events": [{"index": [0]}]}, "events[0].index", "expected no index where no action is named"),
        ({"events": [{"seen": {"nodes[3].full": True}}]}, None, "expected one of 3 nodes"),
        ({"events": [{"seen": {"nodes[0].colour": 1}}]}, None, "expected a field of nodes: promised"),
        ({"events": [{"seen": {"nodes": 1}}]}, None, "expected the path of a field of the state"),
        ({"events": [{"seen": {"nodes[0].full": 1}}]}, None, "expected true or false"),
        ({"events": [{"seen": {"begun": True}}]}, None, "expected an integer"),
        ({"events": [{"seen": {"nodes[0].durable_tid": "1"}}]}, None, 'expected a tid, "epoch.sequence"'),
        ({"events": [{"seen": {"known": [2]}}]}, None, "expected a write below 2"),
        ({"events": [{"seen": {"known": 1}}]}, None, "expected a list of writes"),
        ({"events": [{"seen": {"nodes[0].cut": [1]}}]}, None, "expected a list of clients below 1"),
        ({"events": [{"seen": {"clients[0].phase": "ready"}}]}, None, "expected one of IDLE, ELECT"),
        ({"cluster": {"masters": 0}}, "cluster.masters", "expected an integer >= 1"),
        (
            {"cluster": {"masters": 3, "without": ["luck"]}},
            None,
            "expected in without names of ingredients, not 'luck'",
        ),
        (
            {"cluster": {"masters": 3, "views": [[0, 3]]}},
            None,
            "expected in views a list of nodes below 3 for each client",
        ),
        ({"cluster": {"masters": 3, "free_epochs": True}}, None, "expected rank_tids with free_epochs"),
    ],
)
def test_what_is_no_trace_is_one_line_that_says_where(
    tmp_path: Path, changes: dict[str, Any], field: str | None, reason: str
) -> None:
    record = {"id": "mine", "cluster": {"masters": 3, "writes": 2}, "events": [], **changes}
    (tmp_path / "bad.jsonl").write_text(json.dumps(record))
    result = CliRunner().invoke(main, ["check", str(tmp_path / "bad.jsonl")])
    assert result.exit_code == Status.BAD_INPUT
    [line] = result.stderr.splitlines()
    assert reason in line
    assert field is None or f"{field}: " in line


# ---- the open format


def test_a_counterexample_of_the_explorer_is_read_by_another_tool_and_by_check(tmp_path: Path) -> None:
    file, again = tmp_path / "found.itf.json", tmp_path / "again.itf.json"
    bounds = ["--masters", "2", "--writes", "1", "--without", "flush_before_ack", "--json", "--itf", str(file)]
    assert CliRunner().invoke(explore, ["protocol", *bounds]).exit_code == Status.DIFFER
    opened = itf_py.trace_from_json(json.loads(file.read_text()))
    assert opened.vars[:2] == ["action", "nodes"]
    assert opened.states[0].values["nodes"][1].eligible is True
    again.write_text(json.dumps(itf_py.trace_to_json(opened)))
    for one in (file, again):
        assert CliRunner().invoke(main, ["check", str(one)]).exit_code == Status.AGREE
    text = file.read_text().replace('"volatile_tid": 1,', '"volatile_tid": 2,', 1)
    file.write_text(text)
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == Status.DIFFER
    assert "volatile_tid expected 0.1, got 0.2" in result.stdout


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_trace_is_the_same_as_it_was_when_it_comes_back_from_the_open_format(name: str) -> None:
    trace = walked(name, 12)
    text = itf.text_of(trace)
    opened = itf_py.trace_from_json(json.loads(text))
    assert len(opened.states) == 13
    back = itf.decode(text.encode())
    assert back.cluster.setup == trace.cluster.setup
    assert [(it.action, it.index) for it in back.events] == [(it.action, it.index) for it in trace.events]
    for one, other_one in zip(back.events, trace.events, strict=True):
        assert one.seen.items() >= other_one.seen.items() if trace.cluster.rank_tids else True
    assert follow(Rules(back.cluster), back) is None


def test_an_open_trace_has_no_form_in_the_open_format() -> None:
    with pytest.raises(ValueError, match="event 0 of mine is open"):
        itf.export(ProtocolTrace("mine", SMALL, [Event()]))


@pytest.mark.parametrize(
    ("itf_text", "reason"),
    [
        ('{"vars": [], "states": []}', "expected the setup of the protocol"),
        ('{"#meta": {"setup": {"masters": 3}}, "states": [{}]}', "expected a trace of the protocol with its setup"),
        ('{"#meta": {"setup": {}}, "vars": [], "states": []}', "expected at least one state"),
        (
            '{"#meta": {"setup": {"masters": 3, "views": [7], "session_reads": true}}, "states": [{}]}',
            "expected the protocol as it is, not with session_reads",
        ),
    ],
)
def test_a_file_of_that_format_that_is_no_trace_of_the_protocol_is_one_line(
    tmp_path: Path, itf_text: str, reason: str
) -> None:
    (tmp_path / "bad.itf.json").write_text(itf_text)
    result = CliRunner().invoke(main, ["check", str(tmp_path / "bad.itf.json")])
    assert result.exit_code == Status.BAD_INPUT
    assert reason in result.stderr


def test_help_does_not_load_it() -> None:
    before = set(sys.modules)
    CliRunner().invoke(main, ["check", "--help"])
    assert not {it for it in set(sys.modules) - before if it.startswith("hammer2_proofs")}
