"""What an exploration prints: all of its parameters, and counterexamples that a person understands at a glance."""

import json
import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from hammer2_oracle.commands.explore import explore
from hammer2_oracle.exploration_report import draw, together
from hammer2_proofs.explorer.models import MODELS, build, parameters
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.report import steps_of, traces
from hammer2_proofs.explorer.search import search
from hammer2_proofs.explorer.table import RENUMBERED, columns, rows, whole
from hammer2_proofs.explorer.trace import Trace, fields
from hammer2_spec.protocol import notation
from hammer2_spec.protocol.state import UNLIMITED
from hammer2_spec.transition_system import Model

MEDIA = "every majority of intact media yields what was acknowledged"
READ = "a hard read returns everything acknowledged"


def explored(*options: str) -> Result:
    return CliRunner().invoke(explore, options)


def early() -> tuple[Model[Any, Any], Trace]:
    """What is acknowledged before it is flushed is lost."""
    model = build("protocol", {}, frozenset({"without-flush_before_ack"}))
    return model, traces(search(model))[MEDIA]


def starved() -> tuple[Model[Any, Any], Trace]:
    """What recurs for ever where endless writes starve a resynchronization."""
    bounds = {"writes": 1, "elections": UNLIMITED, "faults": 1}
    model = build("protocol", bounds, frozenset({"endless", "without-exclusive_pass"}))
    [stuck] = check(search(model))
    assert stuck.cycle is not None
    return model, stuck.cycle


# ---------------------------------------------------------------- tables


def test_a_table_has_a_column_for_each_node_and_client_and_a_row_for_each_step_with_what_it_changes() -> None:
    model, trace = early()
    heads, lines = columns(trace), [*rows(model, trace)]
    assert heads == ["", "action", "node 0", "node 1", "node 2", "client 0", "cluster"]
    begin, deliver = (dict(zip(heads, line, strict=True)) for line in lines[1:3])
    assert begin["client 0"].splitlines() == ["phase write", "tid 0.1", "content a"]
    assert begin["node 0"] == begin["node 1"] == begin["node 2"] == ""
    assert deliver["node 0"].splitlines() == ["volatile 0.1 a", "replies to client 0"]
    assert lines[-1][-1] == "known a"


def test_an_action_says_which_of_its_numbers_is_the_client_and_which_the_node() -> None:
    model, trace = early()
    actions = [line[1].replace("\n", "") for line in rows(model, trace)]
    assert [action.partition("(")[0] for action in actions] == [
        "at first",
        "Begin",
        "Deliver",
        "Deliver",
        "Acknowledge",
    ]
    assert actions[1:3] == ["Begin(client 0)", "Deliver(client 0, node 0)"]
    assert trace.steps[1].title == "Deliver(0, 0)"


def test_the_last_row_shows_the_whole_state_with_the_media_that_lack_what_was_acknowledged() -> None:
    model, trace = early()
    last = dict(zip(columns(trace), whole(model, trace), strict=True))
    assert last["node 0"].splitlines() == ["durable 0.0 -", "volatile 0.1 a", "connected", "eligible"]
    assert last["cluster"].splitlines() == ["known a", "begun 1"]


def test_sets_of_writes_and_clients_have_a_notation() -> None:
    bounds = build("protocol", {"writes": 2, "clients": 2}, frozenset()).setup
    assert [notation.writes(bounds, content) for content in (0, 3, 4, 13)] == ["-", "ab", "+", "a+!"]
    assert [notation.clients(bounds, mask) for mask in (0, 2, 3)] == ["nobody", "client 1", "clients 0 and 1"]
    assert notation.SHOWN["nodes.cut"](bounds, 2) == "from client 1"
    assert notation.tid(bounds, 35) == "2.3"


def test_a_leaf_that_is_half_copied_is_mixed_and_one_that_is_whole_has_the_number_of_its_write() -> None:
    model = build("tree", {}, frozenset({"without-mark_leaf", "without-stamp_last"}))
    [(_, trace)] = traces(search(model)).items()
    heads, lines = columns(trace), [*rows(model, trace)]
    leaf, copied = heads.index("element 3"), ("BeginCopy", "Flush")
    cells = [line[leaf].splitlines() for line in lines if line[1].startswith(copied)]
    assert cells == [["tid 0", "content mixed"], ["durable 0 mixed"]]
    assert notation.data(model.setup, 1) == "1"


def test_tids_that_are_renumbered_have_a_row_of_their_own_and_no_step_seems_to_lower_one() -> None:
    model, cycle = starved()
    assert [line[1] for line in rows(model, cycle)].count(f"({RENUMBERED})") == 1
    before = cycle.initial
    for step in cycle.steps:
        made = fields(step.state if step.made is None else step.made)
        for path, value in fields(before).items():
            if path.endswith("durable_tid"):
                assert made[path] >= value  # type: ignore[operator]  # a number
        before = step.state
    renumbered = [step["renumbered"] for step in steps_of(cycle) if "renumbered" in step]
    assert [changed["nodes[0].durable_tid"] for changed in renumbered] == [[3, 2]]


def test_what_two_sentences_break_by_the_same_steps_is_drawn_once_and_says_what_each_of_them_expected() -> None:
    printed = explored("protocol", "--without", "flush-before-ack", "--keep-going", "--depth", "5")
    assert printed.exit_code == 1
    title = f"broken after 4 steps: {MEDIA}; {READ}"
    assert printed.stdout.count("│ at first") == printed.stdout.count(title) == 1
    assert "expected: An acknowledged write survives as long as a majority" in printed.stdout
    assert "expected: Whatever a quorum would answer now has everything known" in printed.stdout


def test_different_ways_are_drawn_by_themselves() -> None:
    assert [*together([("a", 1), ("b", 2), ("c", 1)])] == [(["a", "c"], 1), (["b"], 2)]


def test_what_is_no_terminal_has_no_broken_lines() -> None:
    printed = explored("protocol", "--clients", "2", "--without", "flush-before-ack").stdout
    drawn = [line for line in printed.splitlines() if line.startswith("│")]
    assert {line.count("│") for line in drawn} == {9}
    assert all(len(line) > 80 for line in drawn)


def test_where_the_terminal_is_too_narrow_for_the_table_there_is_a_line_for_each_cell() -> None:
    model, trace = early()
    for width, table in ((80, False), (120, True)):
        file = StringIO()
        draw(Console(width=width, file=file), model, trace, [whole(model, trace)])
        lines = [line.strip() for line in file.getvalue().splitlines()]
        assert any("┏" in line for line in lines) == table
        assert ("node 1: volatile 0.1 a, replies to client 0" in lines) != table
        assert ("3 Deliver(client 0, node 1)" in lines) != table
        assert any("connected" in line for line in lines)


# ---------------------------------------------------------------- parameters

OTHERS = {
    "protocol": ["--slaves", "1", "--soft-masters", "1", "--fault-epochs", "2", "--losses", "0"],
    "tree": ["--tids", "1"],
    "calibration": ["--masters", "1", "--slaves", "0", "--tids", "1"],
}


def headed(options: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """What is printed first, and the object."""
    few = [*options, "--depth", "1"]
    return explored(*few).stdout.splitlines()[0], json.loads(explored(*few, "--json").stdout)


@pytest.mark.parametrize("model", MODELS)
def test_every_bound_is_printed_for_people_and_for_machines(model: str) -> None:
    for options in ([], OTHERS[model]):
        head, told = headed([model, *options])
        bounds = {key: bound.default for key, bound in MODELS[model].bounds.items()}
        bounds |= {
            key[2:].replace("-", "_"): int(value) for key, value in zip(options[::2], options[1::2], strict=True)
        }
        assert told["bounds"] == bounds
        for key, value in bounds.items():
            stem = key.replace("_", " ").removesuffix("s").removesuffix("e")
            number = "any number of" if MODELS[model].bounds[key].unbounded(value) else value
            assert f"{number} {stem}" in head


@pytest.mark.parametrize("name", MODELS)
def test_every_switch_that_is_on_is_told(name: str) -> None:
    for switch in MODELS[name].switches:
        bounds = {"clients": 2} if switch == "split-views" else {}
        model = build(name, bounds, frozenset({switch}))
        assert model.switches == (switch,)
        on = f"with {switch}"
        if switch.startswith("without-"):
            on = switch.replace("without-", "without ").replace("_", "-")
        assert parameters(model)[-1] == on
    assert not any(told.startswith("with") for told in parameters(build(name, {}, frozenset())))


def test_what_is_no_field_of_the_setup_is_told_to_people_and_machines_and_in_the_itf(tmp_path: Path) -> None:
    itf = tmp_path / "trace.itf.json"
    options = ["protocol", "--soft-masters", "1", "--with", "operations", "--with", "cold"]
    head, told = headed(options)
    assert head.endswith(", with cold, with operations")
    assert "0 slaves" in head
    assert "1 soft master," in head
    assert told["switches"] == ["cold", "operations"]
    explored(*options, "--without", "unique-tids", "--itf", str(itf))
    about = json.loads(itf.read_text())["#meta"]
    assert about["switches"] == ["cold", "operations", "without-unique_tids"]
    assert (about["bounds"]["slaves"], about["bounds"]["soft_masters"]) == (0, 1)


def test_where_no_nodes_are_alike_symmetry_is_said_to_change_nothing() -> None:
    printed = explored("tree", "--tids", "1", "--symmetry")
    assert "no two nodes of this tree are alike: --symmetry changes nothing" in printed.stderr
    assert "up to symmetry" not in printed.stdout
    assert not json.loads(explored("tree", "--tids", "1", "--symmetry", "--json").stdout)["symmetry"]
    assert "up to symmetry" in explored("calibration", "--tids", "1", "--symmetry").stdout


def test_the_help_says_of_each_bound_what_it_is_in_which_range_and_its_default() -> None:
    told = re.sub(r"\s+", " ", explored("--help").stdout)
    for name, entry in MODELS.items():
        for key, bound in entry.bounds.items():
            line = told.partition(f"--{key.replace('_', '-')} ")[2].partition(" --")[0]
            assert f"{bound.meaning}: {bound.values}" in line
            assert name in line
    assert "elections: 0 to 15 (no bound), default 2 (protocol)" in told
    assert "the interpreter, some 100 MiB, comes on top" in told
