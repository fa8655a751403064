"""Every schedule of the code up to bounds: mistakes are found, pruning loses nothing, the protocol has every state."""

import types
from collections.abc import Generator

import pytest
from click.testing import CliRunner

from hammer2_cluster.failures import Failures
from hammer2_cluster.front_end import FrontEnd
from hammer2_proofs.schedules import search as searching
from hammer2_proofs.schedules import soundness, teeth
from hammer2_proofs.schedules.__main__ import main
from hammer2_proofs.schedules.abstraction import named_in_the_code, reasons, visited
from hammer2_proofs.schedules.counterexample import run, shortened, told
from hammer2_proofs.schedules.fingerprint import Canon, fingerprint
from hammer2_proofs.schedules.frames import live_after
from hammer2_proofs.schedules.planted import PLANTS
from hammer2_proofs.schedules.scenarios import DEEP, EVERY, STANDARD, WALKS
from hammer2_proofs.schedules.search import search, search_all
from hammer2_proofs.schedules.teeth import REASONS, bite, canaries, changes
from hammer2_proofs.schedules.world import ANY, FAULTS, Move, Scenario, World
from hammer2_spec.protocol.state import INGREDIENTS

TWO_CLIENTS = Scenario("two clients on two nodes", (("write",), ("write",)), masters=2)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_mistake_is_found(name: str) -> None:
    plant = PLANTS[name]
    with plant.planted():
        found = search(plant.scenario, seconds=60)
    assert found.counterexample is not None


def test_without_them_the_same_search_ends_well() -> None:
    found = search(PLANTS["flush-on-a-write-disabled-node"].scenario, seconds=2)
    assert found.counterexample is None


def test_a_counterexample_is_as_short_as_can_be_and_is_made_again_by_its_command() -> None:
    plant = PLANTS["flush-on-a-write-disabled-node"]
    with plant.planted():
        found = search(plant.scenario).counterexample
        assert found is not None
        short = shortened(plant.scenario, found)
        assert len(short.moves) < len(found.moves)
        for n in range(len(short.moves)):
            other = run(plant.scenario, short.moves[:n] + short.moves[n + 1 :])
            assert other is None or len(other.moves) >= len(short.moves)
        lines = told(plant.scenario, short, "flush-on-a-write-disabled-node")
    words = lines[-1].removeprefix("Reproduce with: python -m hammer2_proofs.schedules ").split(" --steps ")
    result = CliRunner().invoke(main, [*words[0].split(), "--steps", words[1].strip("'")])
    assert result.exit_code == 1
    assert result.output.splitlines() == lines
    assert lines[1].split() == ["step", "node", "0", "node", "1", "node", "2", "client", "0"]
    assert "SYNC ERROR" in result.output


BROKEN_ONCE = {
    "what nodes had found that went away after their answers was believed, and a lookup returned a cluster of nobody": (
        Scenario("", (("read",),), faults=2, kinds=("gone",)),
        "0 1 2 0 1 2 2 0 gone:0 answer:0/0 1 gone:1 answer:1/0",
    ),
    "a client that could go on did, when a step that nobody waited for had ended": (
        Scenario("", (("write", "record"), ("write", "read")), faults=3, watched=True),
        """
        0 1 0 1 gone:2 answer:2/0 answer:2/1 answer:2/sync0 answer:2/sync1 answer:2/sync2 0 0 0 1 1 late:1
        0 1 0 1 0 1 0 0 0 0 cancel:1 0 1 1 1
        """,
    ),
    "a refused write stayed in the memory of a node that had promised to a session which came to nothing": (
        Scenario("", (("write", "record"), ("write", "read")), faults=4, kinds=(*ANY, "new-medium"), watched=True),
        """
        1 0 1 2 2 0 0 0 2 2 new-medium:0 answer:0/0 answer:0/1 answer:0/sync0 answer:0/0 answer:0/1 answer:0/sync0
        answer:0/sync1 answer:0/sync1 answer:0/sync2 answer:0/sync2 1 1 gone:0 answer:0/0 answer:0/1 answer:0/sync0
        answer:0/sync1 answer:0/sync2 1 late:2 1 2 1 cancel:0 1 1 2 2 2 2 1 2 1 1 1 2 2 2 1 2 1 2 1 late:2 2 1 late:2
        answer:2/0 answer:2/0 answer:2/1 1 answer:2/1 answer:2/sync0 answer:2/sync0 answer:2/sync1 answer:2/sync1
        answer:2/sync2 answer:2/sync2 1 1 1 2 2 2 2 1 2
        """,
    ),
    "half of a copy passed for the old version, when the source had that after a session without the new one": (
        Scenario(
            "", (("write", "record"), ("write", "read")), faults=3, kinds=("write-error", "new-medium"), watched=True
        ),
        """
        0 1 write-error:1 answer:1/0 answer:1/1 answer:1/sync0 answer:1/sync1 answer:1/0 answer:1/1 answer:1/sync0
        answer:1/sync1 answer:1/sync2 answer:1/sync2 0 1 1 2 2 0 0 0 1 1 1 2 2 2 2 0 0 2 0 2 2 0 2 0 2 write-error:2
        answer:2/0 answer:2/1 answer:2/sync0 answer:2/sync1 answer:2/sync2 answer:2/0 answer:2/1 answer:2/sync0
        answer:2/sync1 answer:2/sync2 0 1 0 1 0 1 client:sync1 0 0 1 0 1 new-medium:0 answer:0/0 answer:0/1
        answer:0/sync0 answer:0/0 answer:0/1 answer:0/sync0 answer:0/sync1 answer:0/sync1 answer:0/sync2
        answer:0/sync2 2 2 2 0 2 0 1 2 2 client:sync1 2 2 1 1 1
        """,
    ),
    "that a medium was new counted as recorded, though it could not be read where the record belongs": (
        Scenario("", (("record",),), faults=2, kinds=("new-medium", "read-error"), watched=True),
        """
        0 1 0 1 2 new-medium:0 answer:0/0 answer:0/sync0 answer:0/0 answer:0/sync0 answer:0/sync1 answer:0/sync1
        answer:0/sync2 answer:0/sync2 0 1 1 1 2 0 0 0 1 1 1 2 2 read-error:2 1 2 1 2 1
        """,
    ),
    "of a medium that was replaced before it was filled the record stayed, and its successor passed for an old one": (
        Scenario("", (("record",),), faults=2, kinds=("new-medium",), watched=True),
        """
        0 1 0 1 2 new-medium:0 answer:0/0 answer:0/sync0 answer:0/0 answer:0/sync0 answer:0/sync1 answer:0/sync1
        answer:0/sync2 answer:0/sync2 0 1 1 1 2 0 0 0 1 1 1 2 2 2 1 2 1 2 1 2 1 2 2 1 1 2 2 1 2 1 2 client:sync0 1 1 0
        1 0 1 0 0 1 0 1 0 0 new-medium:0 answer:0/0 answer:0/sync0
        """,
    ),
    "a medium was recorded that had been replaced while the record waited for its turn": (
        Scenario("", (("write", "record"),), faults=2, kinds=("new-medium",), watched=True),
        """
        0 1 0 1 2 2 0 0 0 1 1 1 0 1 0 1 0 1 1 0 1 0 1 0 new-medium:0 answer:0/0 answer:0/sync0 answer:0/0
        answer:0/sync0 answer:0/sync1 answer:0/sync1 answer:0/sync2 answer:0/sync2 0 1 2 2 2 2 2 2 2 2 2 2 2 2 2
        new-medium:0 answer:0/0 answer:0/sync0 answer:0/0 answer:0/sync0 answer:0/sync1 answer:0/sync1 answer:0/sync2
        answer:0/sync2 0 1 1 answer:2/0 answer:2/sync0 answer:2/sync1 answer:2/sync2 2 0 0 0 1 1 1 2 2 2 1 2 1 2 1 2 1
        2 2 1 1 2 2 1 2 1
        """,
    ),
    "a session flushed while its failed change still held a lock": (
        Scenario("", (("write",),), faults=2, kinds=("no-room",), watched=True),
        "0 1 0 1 2 2 0 0 0 1 1 1 0 1 0 1 no-room:1 2 2 2 2 2 2 2 no-room:2 1 2 1",
    ),
    "a step that came too late ended the synchronization thread that had sent it": (
        Scenario("", (("write",),), faults=1, watched=True),
        """
        0 1 0 1 2 2 0 0 0 1 1 1 0 1 0 1 0 1 1 0 1 0 1 0 1 2 2 2 2 2 2 2 2 2 2 2 2 2 2
        client:sync0 1 client:sync1 0 client:sync2 late:0 0
        """,
    ),
    "a session whose commit was cancelled stayed in the middle of its write, and a pass waited for the end of that": (
        Scenario("", (("write",), ("write",)), faults=2, watched=True, in_flight=True),
        """
        2 1 answer:2/0 answer:1/0 0 1 0 answer:0/0 2 answer:2/0 gone:1 back:1 answer:1/sync1 0 answer:1/0
        answer:0/0 answer:1/sync2 answer:0/sync1 answer:1/0 answer:1/1 0 answer:1/sync0 answer:1/sync0
        answer:1/1 answer:1/sync1 2 1 answer:2/0 answer:1/0 2 answer:1/sync2 answer:2/0 0 0 answer:1/1
        answer:0/0 0 2 answer:2/0 answer:0/sync1 1 answer:1/sync1 answer:0/0 answer:0/0 0 2 answer:2/0
        answer:0/0 0 2 2 0 answer:0/0 answer:2/0 2 answer:2/0 0 2 0 answer:0/0 2 cancel:0 answer:2/0 tick 0
        1 2 answer:0/1 0 1 2 answer:0/0 answer:2/0 answer:0/1 answer:1/1 answer:1/1 answer:2/1 answer:2/1
        answer:0/sync0 answer:0/0 0 answer:0/0 answer:0/1 0 answer:0/1 answer:0/sync0 answer:2/sync0
        answer:0/sync1 answer:0/sync1 answer:2/sync1 answer:0/sync2 answer:2/0 2 answer:2/0 answer:2/1 2
        answer:2/1 answer:2/sync0 answer:2/sync1 answer:0/sync2 answer:2/sync2 answer:2/sync2 tick
        """,
    ),
}


@pytest.mark.parametrize("name", BROKEN_ONCE)
def test_what_exploration_has_found_stays_mended(name: str) -> None:
    scenario, steps = BROKEN_ONCE[name]
    assert run(scenario, [Move.read(step) for step in steps.split()]) is None


@pytest.mark.parametrize("scenario", soundness.SMALL[:3], ids=lambda it: it.name)
def test_pruned_and_unpruned_searches_meet_the_same(scenario: Scenario) -> None:
    comparison = soundness.compare(scenario)
    assert comparison.agree
    assert comparison.pruned.schedules < comparison.unpruned.schedules


def test_silent_steps_in_any_order_end_the_same() -> None:
    assert soundness.reduction_agrees(soundness.REDUCED[0])


def test_a_step_that_is_taken_at_once_and_is_seen_beyond_its_node_is_a_violation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FrontEnd, "ignores", lambda *_: True)
    found = search(Scenario("", (("write",),), masters=2))
    assert found.counterexample is not None
    assert found.counterexample.what == "a step that may be taken before all others is seen beyond its node"


def test_without_an_ingredient_of_the_protocol_the_code_breaks_a_promise() -> None:
    tooth = bite("flush_before_ack", 5)
    assert (tooth.verdict, tooth.scenario) == ("found", "fault")
    assert "what was acknowledged" in tooth.what


def test_what_a_fault_itself_breaks_is_a_counterexample_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def disconnected(*_: object) -> None:
        raise LookupError("no such node")

    monkeypatch.setattr(Failures, "disconnected", disconnected)
    found = search(Scenario("", (("write",),), faults=1, kinds=("gone",), delays=0)).counterexample
    assert found is not None
    assert (found.moves[-1].what, found.what) == ("gone", "LookupError: no such node")


def test_an_ingredient_that_changes_nothing_is_said_to_be_idle() -> None:
    found = search(TWO_CLIENTS)
    assert not changes("blank_is_no_evidence", TWO_CLIENTS, found.abstract)
    assert changes("flush_before_ack", TWO_CLIENTS, found.abstract)


def test_with_all_repairs_the_hunt_for_them_finds_nothing_and_it_must_find_what_is_planted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(teeth, "SCENARIOS", ())
    assert not [*canaries(1, 0)]
    monkeypatch.setattr(teeth, "WALKS", [PLANTS["early-acknowledgement"].scenario])
    monkeypatch.setattr(teeth, "walk", lambda *_: None)
    assert [*canaries(1, 0)] == ["not found by walks: a write is acknowledged when one node has flushed it"]
    assert REASONS.keys() <= {*INGREDIENTS}


def test_a_fault_that_would_find_nothing_to_strike_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario("", (("write",),), faults=1, kinds=("write-error", "sync-error", "full"), masters=2)
    found = search(scenario)
    monkeypatch.setattr(searching, "vacuous", lambda *_, **__: set())
    every = search(scenario)
    assert (found.states, found.ends, found.faults, found.taken) == (
        every.states,
        every.ends,
        every.faults,
        every.taken,
    )
    assert found.schedules < every.schedules


def test_several_scenarios_at_once_are_the_same_as_one_after_the_other() -> None:
    some = soundness.SMALL[:3]
    one, other = list(search_all(some, seconds=60)), list(search_all(some, seconds=60, jobs=2))
    assert [(it.scenario, it.schedules, it.states, it.ends) for it in one] == [
        (it.scenario, it.schedules, it.states, it.ends) for it in other
    ]


def test_a_run_without_an_end_is_told_and_not_made_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "NO_END", 10)
    found = search(PLANTS["early-acknowledgement"].scenario).counterexample
    assert found is not None
    assert (len(found.moves), found.what) == (11, "a run without an end")
    assert run(PLANTS["early-acknowledgement"].scenario, found.moves) == found


def test_a_fingerprint_that_leaves_out_what_coroutines_hold_is_caught() -> None:
    assert not soundness.compare(soundness.SMALL[0], soundness.PLANTED["what coroutines hold"]).agree


def test_equal_runs_have_equal_fingerprints_wherever_their_objects_are() -> None:
    first, other = World(TWO_CLIENTS), World(TWO_CLIENTS)
    assert first.sim.nodes[0] is not other.sim.nodes[0]
    assert fingerprint(first) == fingerprint(other)
    first.make(Move("step", 0))
    assert fingerprint(first) != fingerprint(other)
    first.close()
    other.close()


def test_an_object_of_a_kind_that_nobody_has_thought_of_is_refused() -> None:
    with pytest.raises(TypeError, match="nobody has thought of objects of"):
        Canon()(memoryview(b""))


@types.coroutine
def pause() -> Generator[None, object, object]:
    return (yield)


def test_a_local_counts_as_long_as_it_may_be_read() -> None:
    async def body(on: object) -> list[object]:
        seen = [on]
        for dead in range(3):
            later = await pause()
            del dead
            seen.append(later)
        return seen

    coroutine = body(None)
    assert isinstance(coroutine, types.CoroutineType)
    coroutine.send(None)
    assert coroutine.cr_frame is not None
    alive = live_after(coroutine.cr_code, coroutine.cr_frame.f_lasti)
    coroutine.close()
    assert "seen" in alive
    assert not {"on", "later"} & alive


def test_the_code_visits_only_states_of_the_protocol_and_what_it_never_does_has_a_reason() -> None:
    found = search(TWO_CLIENTS)
    beside = visited(found)
    assert found.complete
    assert (beside.outside, beside.undecided) == (0, "")
    assert 10 < beside.code < beside.explored
    why = dict(reasons([found]))
    assert why["Read"] == "no code names it"
    assert why["BeginReplacement"] == "it is possible in none of the states that were visited"
    assert why["Disconnect"] == "", "it was possible, and is not said to be impossible"
    assert {"Elect", "SyncFinish"} <= named_in_the_code()


def test_states_outside_the_protocol_would_be_seen() -> None:
    found = search(TWO_CLIENTS)
    state = next(iter(found.abstract))
    found.abstract.add(state._replace(known=1, nodes=(state.nodes[0]._replace(durable_content=3), *state.nodes[1:])))
    assert visited(found).outside == 1


@pytest.mark.parametrize(
    "move",
    [Move("step", 2), Move("tick"), Move("client", client="sync1"), Move("answer", 1, 0), *map(Move, FAULTS[:2])],
)
def test_a_move_is_written_as_it_is_read(move: Move) -> None:
    assert Move.read(str(move)) == move


def test_bad_usage_is_told_in_a_line() -> None:
    for words, why in (
        (["nothing"], "there is no scenario 'nothing'"),
        (["one-write", "--steps", "0 fly:1"], "'fly:1' is no step"),
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2
        assert why in result.output


def test_scenarios_have_names_of_their_own() -> None:
    assert len(EVERY) == len(STANDARD) + len(DEEP) + len(WALKS)
