"""The explorer counts right, refuses what it cannot do exactly, and says so when it did not finish."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from hammer2_cluster.program import program
from hammer2_oracle.commands.explore import explore
from hammer2_proofs.explorer import calibration, machine, progress, reference
from hammer2_proofs.explorer.dialect.terms import NotInDialect
from hammer2_proofs.explorer.generate import Kernels
from hammer2_proofs.explorer.itf import export
from hammer2_proofs.explorer.layout import FieldOverflow, Layout
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.report import traces
from hammer2_proofs.explorer.search import Found, Progress, search
from hammer2_spec.transition_system import Action, Model, StepInvariant, replaced

SIX_STEPS = ["Lock", "Begin", "ModifyNode(0)", "Commit", "Unlock", "Disconnect(0)"]


def counts(found: Found) -> tuple[object, ...]:
    return found.states, found.transitions, found.depth, found.hash, found.actions, found.complete


@pytest.mark.parametrize(
    ("tids", "symmetry", "states", "transitions", "depth"),
    [
        (2, False, 295_334, 2_174_679, 38),
        (2, True, 57_182, 422_797, 38),
        (3, False, 1_079_016, 8_021_521, 42),
        (3, True, 203_184, 1_516_515, 42),
        (5, False, 6_449_116, 48_684_868, 50),
        (5, True, 1_187_716, 8_998_032, 50),
    ],
)
def test_the_calibration_model_has_the_counts_that_other_model_checkers_agree_on(
    tids: int, symmetry: bool, states: int, transitions: int, depth: int
) -> None:
    found = search(calibration.model(3, 1, tids), symmetry=symmetry)
    assert (found.states, found.transitions, found.depth) == (states, transitions, depth)
    assert found.complete
    assert not found.broken
    assert not found.never


@pytest.mark.parametrize("symmetry", [False, True])
def test_two_workers_find_the_same_as_one(symmetry: bool) -> None:
    model = calibration.model(3, 1, 2)
    assert counts(search(model, symmetry=symmetry)) == counts(search(model, symmetry=symmetry, workers=2))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("symmetry", [False, True])
def test_the_planted_bug_is_found_in_six_steps(workers: int, symmetry: bool) -> None:
    broken = traces(search(calibration.model(3, 1, 3, bug=True), symmetry=symmetry, workers=workers))
    assert list(broken) == ["a quorum of an unlocked cluster has what is committed"]
    titles = [step.title for step in next(iter(broken.values())).steps]
    # Which of several shortest ways is kept depends on who was first.
    assert sorted(title.partition("(")[0] for title in titles) == sorted(t.partition("(")[0] for t in SIX_STEPS)
    if workers == 1 and not symmetry:
        assert titles == SIX_STEPS


@pytest.mark.parametrize("symmetry", [False, True])
@pytest.mark.parametrize("bounds", [(1, 1, 2, False), (2, 1, 1, False), (3, 0, 1, False), (2, 0, 2, True)])
def test_the_compiled_search_agrees_with_its_dumb_twin(bounds: tuple[int, int, int, bool], symmetry: bool) -> None:
    masters, slaves, tids, bug = bounds
    model = calibration.model(masters, slaves, tids, bug=bug)
    found, twin = search(model, symmetry=symmetry, keep_going=True), reference.explore(model, symmetry=symmetry)
    assert (found.states, found.transitions, found.depth) == (twin.states, twin.transitions, twin.depth)
    assert (found.hash, found.actions) == (twin.hash, twin.actions)
    assert {name: len(trace.steps) for name, trace in traces(found).items()} == twin.broken
    assert {name for name, state in found.reached.items() if state is None} == {
        name for name, depth in twin.reached.items() if depth is None
    }


def test_a_kernel_never_answers_for_another_bound() -> None:
    assert Kernels(calibration.model(3, 1, 2)).text != Kernels(calibration.model(3, 1, 3)).text
    for tids, states in ((2, 295_334), (3, 1_079_016), (2, 295_334)):
        assert search(calibration.model(3, 1, tids)).states == states


def test_a_second_start_compiles_nothing(tmp_path: Path) -> None:
    program = """
from hammer2_proofs.explorer import calibration, machine
from hammer2_proofs.explorer.search import search
made, compiled = machine.made, []
machine.made = lambda text: compiled.append(text) or made(text)
print(search(calibration.model(2, 1, 1)).states, len(compiled))
"""
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "HAMMER2_CACHE": str(tmp_path)}
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert first.stdout.split() == ["2224", "1"]
    assert second.stdout.split() == ["2224", "0"]


@pytest.mark.parametrize("damage", [0, 100, 5000])
def test_damaged_machine_code_in_the_cache_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: int
) -> None:
    monkeypatch.setenv("HAMMER2_CACHE", str(tmp_path))
    text = "def entry_three() -> int:\n    return 3\n"
    code = machine.kept(text)
    [file] = (tmp_path / "explorer").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:damage])
    assert machine.kept(text) == code
    assert file.read_bytes() == whole


class Bounds(NamedTuple):
    high: int


class Item(NamedTuple):
    value: int = 0
    on: bool = False


class Counter(NamedTuple):
    items: tuple[Item, ...]
    total: int = 0


def bump(m: Bounds, s: Counter, i: int) -> Counter | None:
    item = s.items[i]
    if s.total >= m.high:
        return None
    item = item._replace(value=item.value + 1, on=not item.on)
    return s._replace(total=s.total + 1, items=replaced(s.items, i, item))


def never_enabled(m: Bounds, s: Counter) -> Counter | None:
    if s.total <= m.high:
        return None
    return s._replace(total=0)


def the_total_is_at_most_two(_m: Bounds, s: Counter) -> bool:
    return s.total <= 2


def the_total_rises_to_three_at_most(_m: Bounds, before: Counter, after: Counter) -> bool:
    return after.total <= 3 or before.total == 0


def an_item_is_at_nine(_m: Bounds, s: Counter) -> bool:
    return any(item.value == 9 for item in s.items)


def all_items_are_on(_m: Bounds, s: Counter) -> bool:
    return all(item.on for item in s.items)


BUMP: Action[Bounds, Counter] = Action("Bump", bump, ("items",))


def counter(high: int, largest: int, **changes: object) -> Model[Bounds, Counter]:
    arguments: dict[str, object] = {
        "name": "counter",
        "setup": Bounds(high),
        "initial": (Counter((Item(), Item())),),
        "sizes": {"items": 2},
        "ranges": {"items.value": largest, "total": high},
        "actions": (BUMP,),
        "alike": ((0, 1),),
        "symmetric": "items",
        **changes,
    }
    return Model(**arguments)  # type: ignore[arg-type]  # the arguments of a test


def test_a_small_model_is_counted_by_hand() -> None:
    # All pairs (a, b) with a + b <= 3; up to exchange: (0,0) (0,1) (0,2) (1,1) (0,3) (1,2).
    found = search(counter(3, 3))
    assert (found.states, found.transitions, found.depth) == (10, 12, 3)
    assert search(counter(3, 3), symmetry=True).states == 6


def test_a_field_that_overflows_is_refused_and_never_wrapped() -> None:
    with pytest.raises(FieldOverflow, match=r"Bump: items\[0\]\.value = 3 is outside 0\.\.2"):
        search(counter(3, 2))
    with pytest.raises(FieldOverflow, match="is outside"):
        Layout(counter(3, 2)).pack(Counter((Item(value=-1), Item())))


def test_a_field_too_large_for_the_machine_is_refused_before_anything_runs() -> None:
    with pytest.raises(TypeError, match=r"items\.value goes up to 2147483647"):
        Layout(counter(3, 2**31 - 1))


def test_what_is_packed_is_unpacked_again() -> None:
    layout = Layout(counter(3, 5))
    state = Counter((Item(5, on=True), Item(2)), total=3)
    assert layout.unpack(layout.pack(state)) == state
    assert layout.build(layout.flatten(state)) == state


def test_an_action_never_enabled_and_a_witness_never_reached_are_reported() -> None:
    never: Action[Bounds, Counter] = Action("NeverEnabled", never_enabled)
    actions = (BUMP, never)
    found = search(counter(3, 3, actions=actions, witnesses=(an_item_is_at_nine, all_items_are_on)))
    assert found.never == ["NeverEnabled", "an item is at nine"]
    assert found.reached["all items are on"] is not None


def test_an_invariant_of_states_and_one_of_steps_break_at_their_shortest() -> None:
    model = counter(
        5,
        5,
        invariants=(the_total_is_at_most_two,),
        step_invariants=(StepInvariant(the_total_rises_to_three_at_most),),
    )
    broken = traces(search(model, keep_going=True))
    assert {name: len(trace.steps) for name, trace in broken.items()} == {
        "the total is at most two": 3,
        "the total rises to three at most": 4,
    }
    # A search that stops does so at the end of the level on which the first state breaks an invariant.
    assert search(model).depth == 4


def test_memory_used_up_ends_undecided() -> None:
    found = search(calibration.model(3, 1, 3), memory=2**20)
    assert found.stopped == "out of memory"
    assert not found.complete
    assert 0 < found.states < 1_079_016


def test_an_interrupt_ends_undecided_with_what_was_found() -> None:
    def interrupt(progress: Progress) -> None:
        assert progress.states > 0
        raise KeyboardInterrupt

    found = search(calibration.model(3, 1, 5), progress=interrupt)
    assert found.stopped == "interrupted"
    assert 0 < found.states < 6_449_116


def test_a_depth_limit_ends_undecided() -> None:
    found = search(counter(3, 3), depth=2)
    assert (found.depth, found.complete, found.states) == (2, False, 6)


def goes_both_ways(_m: Bounds, s: Counter, i: int) -> Counter | None:
    item = s.items[i]
    return s._replace(items=replaced(s.items, i, item._replace(on=not item.on)))


def test_progress_is_refused_where_a_cycle_avoids_the_goal_and_holds_where_none_does() -> None:
    held = search(counter(3, 3, goal=an_item_is_at_nine))
    assert [failure.what for failure in check(held)] == [
        "no way leads to: an item is at nine",
        "nothing has to happen any more short of: an item is at nine",
    ]
    # Item 0 may be toggled for ever; whether item 1 must be in turn depends on fairness for each item.
    toggled = counter(0, 0, goal=all_items_are_on)
    unfair: Action[Bounds, Counter] = Action("Toggle", goes_both_ways, ("items",), fair=False)
    fair_in_all: Action[Bounds, Counter] = Action("Toggle", goes_both_ways, ("items",))
    avoided, ended = "1 fair cycles avoid for ever", "nothing has to happen any more short of"
    for action, failing in ((unfair, [avoided, ended]), (fair_in_all, [avoided])):
        model = Model(**{**vars(toggled), "actions": (action,)})
        assert [failure.what.partition(":")[0] for failure in check(search(model))] == failing


def leaves(m: Bounds, s: Counter) -> Counter | None:
    if s.total >= m.high:
        return None
    return s._replace(total=s.total + 1)


def nothing_is_left(_m: Bounds, s: Counter) -> bool:
    return s.total == 1


@pytest.mark.parametrize("fair", [True, False])
def test_a_way_out_of_a_cycle_is_taken_at_last_only_if_it_is_fair(fair: bool) -> None:
    toggle: Action[Bounds, Counter] = Action("Toggle", goes_both_ways, ("items",))
    leave: Action[Bounds, Counter] = Action("Leave", leaves, fair=fair)
    found = search(counter(1, 0, actions=(toggle, leave), goal=nothing_is_left))
    assert [failure.what.partition(":")[0] for failure in check(found)] == (
        [] if fair else ["1 fair cycles avoid for ever"]
    )


@pytest.mark.parametrize("symmetry", [False, True])
@pytest.mark.parametrize("fair", [True, False])
def test_a_state_that_only_a_choice_leaves_is_an_end(fair: bool, symmetry: bool) -> None:
    """Nothing recurs, and a way leads to the goal: but for as long as nobody chooses to go there, nobody is there."""
    leave: Action[Bounds, Counter] = Action("Leave", leaves, fair=fair)
    found = search(counter(1, 0, actions=(leave,), goal=nothing_is_left), symmetry=symmetry)
    stuck = check(found)
    assert [(it.what, it.states, it.cycle) for it in stuck] == (
        [] if fair else [("nothing has to happen any more short of: nothing is left", 1, None)]
    )


def no_return(m: Bounds, s: Counter) -> Counter | None:
    while s.total < m.high:
        return None
    return s


def uses_a_number_as_a_condition(_m: Bounds, s: Counter) -> Counter | None:
    if s.total:
        return None
    return s


def looks_back(_m: Bounds, s: Counter) -> Counter | None:
    other = s._replace(total=0)
    return s._replace(total=other.total)


def guards_too_late(m: Bounds, s: Counter) -> Counter | None:
    s = s._replace(total=0)
    if s.total == m.high:
        return None
    return s


def reads_a_neighbour_while_it_changes(_m: Bounds, s: Counter) -> Counter | None:
    return s._replace(items=tuple(item._replace(value=s.items[0].value) for item in s.items))


def passes_the_state_while_it_changes(m: Bounds, s: Counter) -> Counter | None:
    return s._replace(items=tuple(item._replace(on=the_total_is_at_most_two(m, s)) for item in s.items))


def loops_over_what_it_changes(_m: Bounds, s: Counter) -> Counter | None:
    for i, item in enumerate(s.items):
        s = s._replace(items=replaced(s.items, i, item))
    return s


def mixes_kinds(_m: Bounds, s: Counter) -> Counter | None:
    x = s.total
    x = s.items[0].on
    return s._replace(total=x)


def counts_from_the_end(_m: Bounds, s: Counter) -> Counter | None:
    return s._replace(items=replaced(s.items, -1, s.items[0]._replace(on=True)))


def reads_from_the_end(_m: Bounds, s: Counter) -> Counter | None:
    return s._replace(total=s.items[-1].value)


def reads_beyond_the_end(_m: Bounds, s: Counter) -> Counter | None:
    return s._replace(total=s.items[2].value)


@pytest.mark.parametrize(
    "function",
    [
        no_return,
        uses_a_number_as_a_condition,
        looks_back,
        guards_too_late,
        reads_a_neighbour_while_it_changes,
        passes_the_state_while_it_changes,
        loops_over_what_it_changes,
        mixes_kinds,
        counts_from_the_end,
        reads_from_the_end,
        reads_beyond_the_end,
    ],
)
def test_what_is_outside_the_dialect_is_refused_with_its_line(function: object) -> None:
    action: Action[Bounds, Counter] = Action("Refused", function)  # type: ignore[arg-type]  # refused for this
    with pytest.raises(NotInDialect, match=r"test_explorer\.py:\d+: "):
        Kernels(counter(3, 3, actions=(action,)))


def test_a_model_that_does_not_exist_or_a_bound_out_of_range_is_one_clear_line() -> None:
    for name, given, switches, message in (
        ("nothing", {}, set(), "there is no model 'nothing'"),
        ("calibration", {"tids": 16}, set(), "tids is 16: expected 1 to 15"),
        ("calibration", {"writes": 1}, set(), "calibration has no bound 'writes'"),
        ("calibration", {}, {"endless"}, "calibration has no switch 'endless': expected one of bug"),
        ("calibration", {}, {"without-luck"}, "calibration has no ingredient 'luck': expected one of none"),
        ("tree", {}, {"without-luck"}, "tree has no ingredient 'luck': expected one of durable_mark, compare_equal"),
        ("protocol", {"masters": 5, "slaves": 4}, set(), "5 masters and 4 slaves"),
    ):
        with pytest.raises(ValueError, match=message):
            build(name, given, frozenset(switches))


def test_the_command_prints_one_object_and_exits_by_what_it_found(tmp_path: Path) -> None:
    small = ["calibration", "--masters", "2", "--slaves", "1", "--tids", "1"]
    held = CliRunner().invoke(explore, [*small, "--json"])
    assert held.exit_code == 0
    result = json.loads(held.stdout)
    assert (result["model"], result["states"], result["complete"]) == ("calibration", 2224, True)
    assert result["violations"] == []
    assert result["witnesses"]["no master is left"] == 2
    itf = tmp_path / "trace.itf.json"
    broken = CliRunner().invoke(
        explore, ["calibration", "--tids", "3", "--bug", "--json", "--symmetry", "--itf", str(itf)]
    )
    assert broken.exit_code == 1
    assert [len(violation["steps"]) for violation in json.loads(broken.stdout)["violations"]] == [6]
    states = json.loads(itf.read_text())["states"]
    assert [state["#meta"]["index"] for state in states] == list(range(7))
    stopped = CliRunner().invoke(explore, [*small, "--depth", "3", "--json"])
    assert stopped.exit_code == 3
    assert not json.loads(stopped.stdout)["complete"]
    wrong = CliRunner().invoke(explore, ["calibration", "--tids", "99"])
    assert wrong.exit_code == 2
    assert "tids is 99: expected 1 to 15" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["calibration", "--tids", "2"], "calibration has no goal to make progress to"),
        (["protocol", "--elections", "15", "--workers", "2"], "progress is checked by one worker"),
        (
            ["protocol", "--elections", "2"],
            "progress needs --elections 15, without end: where none is left nobody recovers",
        ),
    ],
)
def test_progress_is_refused_where_it_would_say_nothing(arguments: list[str], complaint: str) -> None:
    refused = CliRunner().invoke(explore, [*arguments, "--progress-property"])
    assert refused.exit_code == 2
    assert complaint in refused.stderr


AWAY = ["protocol", "--writes", "1", "--elections", "15", "--faults", "1", "--with", "stay-away", "--progress-property"]


def test_progress_that_holds_is_said_and_what_is_not_checked_too(tmp_path: Path) -> None:
    itf = tmp_path / "none.itf.json"
    held = CliRunner().invoke(explore, [*AWAY, "--itf", str(itf)])
    assert "holds: once faults stop, a way leads to: " in held.stdout
    assert "holds: no fair cycle avoids it" in held.stdout
    assert f"{itf} is not written: there is no counterexample" in held.stderr
    assert not itf.exists()
    assert "not checked, with --symmetry: fair cycles" in CliRunner().invoke(explore, [*AWAY, "--symmetry"]).stdout


def test_progress_is_not_judged_where_successors_were_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaving_some_out(model: Model[Any, Any], **options: Any) -> Found:  # noqa: ANN401  # those of a search
        return replace(search(model, **options), outside=3)

    with pytest.raises(ValueError, match="progress needs all successors: 3 are beyond the bounds"):
        progress.check(leaving_some_out(build("tree", {}, frozenset())))
    monkeypatch.setattr("hammer2_proofs.explorer.search.search", leaving_some_out)
    result = CliRunner().invoke(explore, AWAY)
    assert result.exit_code == 3
    assert "undecided: progress is not judged, because 3 successors were left out" in result.stdout
    assert "once faults stop" not in result.stdout


def test_ctrl_c_while_progress_is_judged_ends_undecided_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Found) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress, "check", interrupted)
    result = CliRunner().invoke(explore, AWAY)
    assert result.exit_code == 3
    assert "holds: a tid has one content" in result.stdout
    assert "undecided: interrupted while progress was judged" in result.stdout
    assert "once faults stop" not in result.stdout
    result = CliRunner().invoke(explore, [*AWAY, "--json"])
    told = json.loads(result.stdout)
    assert (told["complete"], told["stopped"]) == (False, "interrupted while progress was judged")
    assert told["states"] == 14_912


def test_where_progress_ends_is_drawn_and_written(tmp_path: Path) -> None:
    itf = tmp_path / "stuck.itf.json"
    stuck = CliRunner().invoke(explore, [*AWAY, "--without", "disabled_is_evidence", "--itf", str(itf)])
    assert stuck.exit_code == 1
    assert "NO PROGRESS: no way leads to: " in stuck.stdout
    assert "short of: all that is there is synchronized: the way there" in " ".join(stuck.stdout.split())
    assert "at first" in stuck.stdout
    assert len(json.loads(itf.read_text())["states"]) > 1


def test_with_keep_going_every_broken_sentence_is_found_at_its_shortest() -> None:
    options = ["--writes", "2", "--elections", "2", "--faults", "15", "--semantics", "seed", "--symmetry"]
    first, all_ = (
        json.loads(CliRunner().invoke(explore, ["protocol", *options, *more, "--json"]).stdout)["violations"]
        for more in ([], ["--keep-going", "--depth", "7"])
    )
    assert len(first) < len(all_)
    assert {violation["invariant"] for violation in first} < {violation["invariant"] for violation in all_}


def test_every_model_prints_the_same_object_and_writes_its_counterexample(tmp_path: Path) -> None:
    objects = []
    for number, arguments in enumerate((("calibration", "--bug"), ("protocol", "--without", "flush-before-ack"))):
        itf = tmp_path / f"{number}.itf.json"
        printed = CliRunner().invoke(explore, [*arguments, "--json", "--itf", str(itf)])
        assert printed.exit_code == 1
        result = json.loads(printed.stdout)
        objects.append((set(result), set(result["violations"][0]), set(result["violations"][0]["steps"][0])))
        exported = json.loads(itf.read_text())
        assert [state["action"] for state in exported["states"][1:]] == [
            step["action"] for step in result["violations"][0]["steps"]
        ]
        assert all(set(state) == {"#meta", *exported["vars"]} for state in exported["states"])
    assert objects[0] == objects[1]
    assert {"model", "states", "transitions", "depth", "hash", "complete", "violations", "witnesses"} <= objects[0][0]


def test_the_command_ends_undecided_when_memory_is_used_up_and_says_what_was_covered() -> None:
    stopped = CliRunner().invoke(explore, ["calibration", "--memory", "1"])
    assert stopped.exit_code == 3
    covered = re.search(r"undecided: out of memory; all states within (\d+) steps are found", stopped.stdout)
    assert covered is not None
    assert int(covered.group(1)) > 10
    as_object = json.loads(CliRunner().invoke(explore, ["calibration", "--memory", "1", "--json"]).stdout)
    assert (as_object["complete"], as_object["stopped"]) == (False, "out of memory")
    assert 0 < as_object["frontier"] < as_object["states"]


def test_more_memory_than_there_is_is_bad_usage() -> None:
    program = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
from hammer2_oracle.commands.explore import explore
explore()
"""
    command = [sys.executable, "-c", program, "calibration", "--memory", "16384"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "16384 MiB cannot be had here: give a smaller limit of memory" in refused.stderr


def test_ctrl_c_ends_the_command_undecided_with_what_was_found() -> None:
    command = [sys.executable, "-m", "hammer2_oracle.commands.explore", "protocol", "--clients", "2", "--writes", "3"]
    search(build("protocol", {"clients": 2, "writes": 3}, frozenset()), depth=3)  # so that it compiles nothing
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
    assert process.returncode == 3
    assert "undecided: interrupted; all states within" in printed


def test_a_refuted_model_prints_how_to_reproduce_it() -> None:
    printed = CliRunner().invoke(explore, ["calibration", "--tids", "3", "--bug"])
    assert printed.exit_code == 1
    assert "broken after 6 steps" in printed.stdout
    assert f"Reproduce with: {program()} explore calibration --tids 3 --bug" in printed.stdout


def test_an_exported_trace_names_its_variables_and_numbers_its_states() -> None:
    model = calibration.model(3, 1, 3, bug=True)
    name, trace = next(iter(traces(search(model)).items()))
    itf = export(model, name, trace)
    assert itf["vars"] == ["action", "nodes", "locked", "in_flight", "committed"]
    states = itf["states"]
    assert isinstance(states, list)
    assert states[-1]["nodes"][0]["status"] == "GONE"
    assert [state["action"] for state in states] == ["init", *SIX_STEPS]
