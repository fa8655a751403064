"""The protocol holds within its bounds, with counts that another program found too; without an ingredient it breaks."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hammer2_proofs.explorer import reference
from hammer2_proofs.explorer.folding import called as calls_in
from hammer2_proofs.explorer.layout import Layout, alike_keys
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.report import traces
from hammer2_proofs.explorer.search import search, successors
from hammer2_proofs.protocol_findings import broken_by, followed
from hammer2_spec.protocol import model as protocol_model
from hammer2_spec.protocol import tree_model
from hammer2_spec.protocol.invariants import may_write
from hammer2_spec.protocol.model import WHY, protocol
from hammer2_spec.protocol.resynchronization import target_tid
from hammer2_spec.protocol.state import ALTERNATIVES, INGREDIENTS, UNLIMITED, Phase, Setup, State
from hammer2_spec.transition_system import Action, Model, replaced

MEDIA = "every majority of intact media yields what was acknowledged"
READ = "a hard read returns everything acknowledged"
ONE_CONTENT = "a tid has one content"


def setup(*, masters: int = 3, views: tuple[int, ...] = (0b111,), **changes: object) -> Setup:
    """The bounds of the study whose counts are pinned here: without the rules that only progress needs."""
    values: dict[str, object] = {
        "masters": masters,
        "views": views,
        "writes": 2,
        "elections": 2,
        "faults": UNLIMITED,
        "fault_epochs": UNLIMITED,
        "losses": 1,
        "endless": False,
        "reader": False,
        "rank_tids": True,
        "replacement_first": False,
        "wait_for_all": False,
        **changes,
    }
    return Setup(**values)  # type: ignore[arg-type]  # the bounds of a test


def without(bounds: Setup, ingredient: str) -> Setup:
    return bounds._replace(**{ingredient: False})  # type: ignore[arg-type]  # one of the switches


@pytest.mark.parametrize(
    ("bounds", "slaves", "states", "transitions", "depth"),
    [
        (setup(), 0, 1_353_654, 9_671_106, 48),
        (setup(views=(0b011, 0b110), writes=3, faults=1), 0, 483_956, 1_935_061, 47),
        (setup(masters=2, views=(0b1111,), writes=3, faults=2), 2, 1_029_182, 5_436_216, 49),
        (
            setup(masters=5, views=(0b11111,), faults=1, replacement_first=True, wait_for_all=True),
            0,
            307_684,
            1_771_649,
            47,
        ),
    ],
)
def test_the_repaired_protocol_holds_with_the_counts_that_another_program_found(
    bounds: Setup, slaves: int, states: int, transitions: int, depth: int
) -> None:
    found = search(protocol(bounds, slaves), symmetry=True)
    assert (found.states, found.transitions, found.depth) == (states, transitions, depth)
    assert found.complete
    assert not found.broken
    assert not found.stepped


SHORTEST_WITHOUT = {
    "restamp": {MEDIA: 20},
    "never_lower": {MEDIA: 10, READ: 10},
    "flush_before_ack": {MEDIA: 4, READ: 4},
    "read_flushed": {MEDIA: 4},
    "unique_tids": {ONE_CONTENT: 5},
    "epoch_in_tid": {ONE_CONTENT: 9},
    "check_predecessor": {ONE_CONTENT: 8},
    "blank_is_no_evidence": {MEDIA: 14},
    "record_replacement": {MEDIA: 9, READ: 9},
    "volatile_is_evidence": {MEDIA: 13},
    "fixed_majority": {MEDIA: 6},
    "keep_old_version": {MEDIA: 9},
}


@pytest.mark.parametrize("ingredient", SHORTEST_WITHOUT)
def test_without_an_ingredient_one_client_breaks_the_protocol_as_another_program_found(ingredient: str) -> None:
    """One client, two writes, two elections, faults unlimited, and not the rules that serve progress only."""
    found = search(protocol(without(setup(), ingredient)), symmetry=True)
    shortest = {name: len(trace.steps) for name, trace in traces(found).items()}
    assert shortest.items() >= SHORTEST_WITHOUT[ingredient].items()
    assert min(shortest.values()) == min(SHORTEST_WITHOUT[ingredient].values())


@pytest.mark.parametrize(
    ("ingredient", "steps"),
    [("promise", 12), ("refuse_lower_epochs", 18), ("blank_is_no_evidence", 12), ("volatile_is_evidence", 12)],
)
def test_two_clients_need_promises_too(ingredient: str, steps: int) -> None:
    bounds = without(setup(views=(0b111, 0b111), faults=1), ingredient)
    found = search(protocol(bounds), symmetry=True, depth=steps + 1)
    assert min(len(trace.steps) for trace in traces(found).values()) == steps


def test_every_ingredient_is_explained() -> None:
    assert set(WHY) == set(INGREDIENTS)


@pytest.mark.parametrize(
    ("planted", "steps", "noticed"),
    [
        ("flush_before_ack", 4, MEDIA),
        ("unique_tids", 5, ONE_CONTENT),
        ("stamp_last", 8, MEDIA),
    ],
    ids=["an early acknowledgement", "a reused tid", "a premature vote"],
)
def test_a_planted_mistake_is_found(planted: str, steps: int, noticed: str) -> None:
    found = search(protocol(without(setup(), planted)), symmetry=True, depth=steps + 1)
    assert len(traces(found)[noticed].steps) == steps


SCENARIOS: dict[str, dict[str, object]] = {
    "partitions": {"views": (0b11, 0b11), "partitions": True},
    "free epochs": {"views": (0b11, 0b11), "free_epochs": True},
    "late finish": {"late_finish": True, "faults": 2},
    "no space": {"space": True},
    "history": {"history": True},
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_compiled_and_plain_protocol_agree_in_every_scenario(scenario: str) -> None:
    values: dict[str, object] = {"views": (0b11,), "faults": 1, **SCENARIOS[scenario]}
    bounds = setup(masters=2, writes=1, elections=1, losses=0, **values)  # type: ignore[arg-type]  # the bounds of a test
    found, twin = search(protocol(bounds)), reference.explore(protocol(bounds))
    assert (found.states, found.hash, found.actions) == (twin.states, twin.hash, twin.actions)
    assert not found.broken
    assert not found.stepped


def reachable(model: Model[Setup, State]) -> set[State]:
    seen = {*model.initial}
    fresh = list(seen)
    while fresh:
        state = fresh.pop()
        for action in model.actions:
            for after in successors(model, action, state):
                if after not in seen:
                    seen.add(after)
                    fresh.append(after)
    return seen


@pytest.mark.parametrize(
    ("masters", "slaves", "changes"),
    [(3, 0, {}), (2, 2, {"elections": 0}), (3, 0, {"flush_before_ack": False}), (3, 0, {"check_predecessor": False})],
)
def test_like_nodes_alike_the_states_are_those_of_the_full_run_up_to_the_order_of_nodes(
    masters: int, slaves: int, changes: dict[str, object]
) -> None:
    values: dict[str, object] = {"writes": 1, "elections": 1, "faults": 1, "losses": 0, "rank_tids": False, **changes}
    nodes = masters + slaves
    model = protocol(setup(masters=masters, views=((1 << nodes) - 1,), **values), slaves)
    layout = Layout(model)
    alike = alike_keys(model, layout)
    together, apart = reference.explore(model, symmetry=True), reference.explore(model)
    assert together.states == len({layout.pack(state, alike) for state in reachable(model)}) < apart.states
    assert (together.depth, together.broken, together.reached) == (apart.depth, apart.broken, apart.reached)


def test_a_soft_master_is_no_part_of_the_protocol() -> None:
    bounds = setup(masters=2, views=(0b11,), writes=1, elections=1, faults=1, losses=0)
    plain, beside = reachable(protocol(bounds)), reachable(protocol(bounds, soft_masters=1))
    assert {state._replace(soft=()) for state in beside} == plain
    assert len(beside) > len(plain)


def follow_over_its_own_writes(_m: Setup, s: State, c: int, k: int) -> State | None:
    """As in the protocol, but for the question whether the soft master was written."""
    client, soft = s.clients[c], s.soft[k]
    if client.phase not in (Phase.READY, Phase.WRITE) or soft.tid == target_tid(client):
        return None
    return s._replace(soft=replaced(s.soft, k, soft._replace(tid=target_tid(client))))


def forget_that_it_was_written(_m: Setup, s: State, c: int, k: int) -> State | None:
    """A session takes its mark from a soft master."""
    client, soft = s.clients[c], s.soft[k]
    if client.phase not in (Phase.READY, Phase.WRITE) or not soft.written:
        return None
    return s._replace(soft=replaced(s.soft, k, soft._replace(written=False)))


@pytest.mark.parametrize(("planted", "steps"), [(follow_over_its_own_writes, 8), (forget_that_it_was_written, 2)])
def test_a_soft_master_that_follows_over_its_own_writes_is_noticed(
    planted: Callable[..., State | None], steps: int
) -> None:
    model = protocol(setup(writes=1, elections=1, faults=1, losses=0), soft_masters=1)
    model = replace(
        model, actions=tuple(replace(it, step=planted) if it.name == "SoftFollow" else it for it in model.actions)
    )
    broken = traces(search(model, symmetry=True))
    assert {name: len(trace.steps) for name, trace in broken.items()} == {
        "what a soft master wrote is changed by nobody else": steps
    }


@pytest.mark.parametrize("symmetry", [False, True])
@pytest.mark.parametrize("rank_tids", [False, True])
def test_compiled_and_plain_protocol_agree(symmetry: bool, rank_tids: bool) -> None:
    bounds = setup(masters=2, views=(0b11,), writes=1, elections=1, faults=1, rank_tids=rank_tids)
    found, twin = search(protocol(bounds), symmetry=symmetry), reference.explore(protocol(bounds), symmetry=symmetry)
    assert (found.states, found.transitions, found.depth) == (twin.states, twin.transitions, twin.depth)
    assert (found.hash, found.actions) == (twin.hash, twin.actions)


def endless(**changes: bool) -> Setup:
    return setup(
        writes=1,
        elections=UNLIMITED,
        faults=1,
        endless=True,
        **{"replacement_first": True, "wait_for_all": True, **changes},  # type: ignore[arg-type]  # not the views
    )


def test_once_faults_stop_all_nodes_become_synchronized_even_if_clients_write_for_ever() -> None:
    found = search(protocol(endless()))
    assert found.complete
    assert check(found) == []


@pytest.mark.parametrize("rule", ["exclusive_pass", "replacement_first"])
def test_without_a_rule_of_precedence_endless_writes_starve_a_node(rule: str) -> None:
    failures = check(search(protocol(endless(**{rule: False}))))
    assert [failure.what.partition(" fair cycles")[1] for failure in failures] == [" fair cycles"]


@pytest.mark.parametrize("fair", [True, False])
def test_a_master_with_new_media_comes_back_because_its_client_has_to_record_it_and_would_not_if_it_were_a_choice(
    fair: bool,
) -> None:
    model = build("protocol", {"writes": 1, "elections": UNLIMITED, "fault_epochs": 2}, frozenset())
    model = replace(
        model, actions=tuple(replace(it, fair=fair) if it.name == "BeginReplacement" else it for it in model.actions)
    )
    stuck = check(search(model))
    what = "nothing has to happen any more short of: all nodes are synchronized"
    assert [(it.what, it.states) for it in stuck] == ([] if fair else [(what, 27)])
    for it in stuck:
        state = it.trace.steps[-1].state
        assert any(node.blank for node in state.nodes)
        assert {action.name for action in model.actions if not action.fault and successors(model, action, state)} == {
            "BeginReplacement"
        }


def test_only_eligible_nodes_as_evidence_is_safe_but_no_way_leads_back_from_a_common_outage() -> None:
    bounds = setup(writes=1, faults=2, disabled_is_evidence=False)
    found = search(protocol(bounds), symmetry=True)
    assert not found.broken
    stuck = {failure.what.partition(":")[0]: failure.states for failure in check(found)}
    assert {*stuck} == {"no way leads to", "nothing has to happen any more short of"}
    assert stuck["nothing has to happen any more short of"] <= stuck["no way leads to"]


def test_a_partition_is_a_switch_of_the_command_line() -> None:
    model = build("protocol", {"clients": 2, "masters": 3}, frozenset({"split-views"}))
    assert model.setup.views == (0b011, 0b110)


def actions_in(module: ModuleType) -> Iterator[Action[Any, Any]]:
    for value in vars(module).values():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Action):
                yield one


def test_the_page_says_which_actions_the_usual_steps_are_and_forgets_none() -> None:
    page = Path(__file__).parent.parent.joinpath("docs", "explanation", "protocol.md").read_text(encoding="utf-8")
    section = page.partition("## Steps by their usual names")[2].partition("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    assert {*re.findall(r"`(\w+)`", table)} == {
        action.name for action in (*actions_in(protocol_model), *actions_in(tree_model))
    }
    for step in ("lock", "unlock", "resolve", "modsync", "stalls", "acknowledge", "abort", "free space", "interrupt"):
        assert step in table


def test_the_page_gives_a_reason_for_each_action_that_need_not_happen() -> None:
    page = Path(__file__).parent.parent.joinpath("docs", "explanation", "protocol.md").read_text(encoding="utf-8")
    table = page.partition("| action | need not happen because |")[2].partition("\n\n")[0]
    every = {*actions_in(protocol_model), *actions_in(tree_model)}
    assert {*re.findall(r"`(\w+)`", table)} == {action.name for action in every if not action.fair}


A_WRITE = [("Begin", [0]), ("Deliver", [0, 0]), ("Deliver", [0, 1]), ("Flush", [0]), ("Flush", [1])]
A_READ = [("ReadStart", []), ("ReadAnswer", [0]), ("ReadAnswer", [1])]


@pytest.mark.parametrize(
    ("steps", "forgets", "noticed"),
    [
        ([*A_WRITE, ("Acknowledge", [0])], "the last step", "what is acknowledged is known"),
        ([*A_WRITE, ("Read", [])], "the last step", "what a read returned is known"),
        ([*A_WRITE, *A_READ, ("ReadEnd", [])], "the last step", "what a read in parts returned is known"),
        ([*A_WRITE, ("Acknowledge", [0]), ("Begin", [0])], "everything", "what is known is never forgotten"),
    ],
)
def test_where_an_acknowledgement_or_a_read_is_forgotten_a_sentence_says_so(
    steps: list[tuple[str, list[int]]], forgets: str, noticed: str
) -> None:
    """The invariants ask for what is known: were that forgotten, they would hold of anything."""
    model = protocol(setup(masters=2, views=(0b11,), reader=True))
    *_, before, after = followed(model, steps)
    forgetful = after._replace(known=before.known if forgets == "the last step" else 0)
    assert broken_by(model, steps[-1][0], before, after) == set()
    assert broken_by(model, steps[-1][0], before, forgetful) == {noticed}


def asked_by(function: Any, seen: set[object]) -> set[str]:  # noqa: ANN401  # any function
    """The fields of the setup that a function, or one that it calls, looks at."""
    if function in seen:
        return set()
    seen.add(function)
    tree = ast.parse(inspect.getsource(function))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {*Setup._fields}
    called = [function.__globals__.get(name) for name in calls_in(tree)]
    return names.union(*(asked_by(it, seen) for it in called if inspect.isfunction(it)))


def test_no_invariant_knows_what_is_taken_away_but_what_a_read_answers_and_how_many_masters_a_session_needs() -> None:
    """An ablation changes what the nodes do; a sentence that changed with it would prove nothing."""
    judged = (
        *protocol_model.INVARIANTS,
        *protocol_model.TWO_CLIENTS,
        *protocol_model.IN_PARTS,
        *protocol_model.ALONE,
        *(step.holds for step in (*protocol_model.STEP_INVARIANTS, *protocol_model.STEPS_IN_PARTS)),
        *(step.holds for step in protocol_model.STEPS_OF_SOFT_MASTERS),
    )
    asked = {function.__name__: asked_by(function, set()) & {*INGREDIENTS, *ALTERNATIVES} for function in judged}
    of_a_read = {"read_flushed", "fixed_majority", "sound_votes", "majority_tid", "eligible_votes"}
    assert {name: fields for name, fields in asked.items() if fields} == {
        "a_hard_read_returns_everything_acknowledged": of_a_read,
        "what_a_read_returned_is_known": of_a_read,
        "two_views_that_may_both_write_share_a_master": {"fixed_majority"},
    }


def two_sessions_may_write(m: Setup, s: State) -> bool:
    return may_write(m, s, 0) and may_write(m, s, 1)


def test_never_may_two_sessions_write_at_once_and_where_they_may_they_need_not_share_a_master() -> None:
    """What the protocol has is more than the sentence demands; it forbids something only without the majority."""
    bounds = setup(views=(0b011, 0b110), writes=1, elections=1, faults=1, losses=0, rank_tids=False)
    for present, steps in ((bounds, None), (without(bounds, "fixed_majority"), 7)):
        found = search(replace(protocol(present), witnesses=(two_sessions_may_write,)), symmetry=True, keep_going=True)
        broken = {name: len(trace.steps) for name, trace in traces(found).items()}
        assert broken.get("two views that may both write share a master") == steps
        assert (found.reached["two sessions may write"] is None) == (steps is None)


def test_where_nothing_but_io_errors_happens_all_that_is_expected_is_reached() -> None:
    model = build("protocol", {"losses": 0, "faults": UNLIMITED}, frozenset({"faithful-clients", "steady-nodes"}))
    found = search(model, symmetry=True)
    assert (found.states, found.complete, found.broken, found.stepped) == (535, True, {}, {})
    assert all(found.actions.values())
    assert {name for name, state in found.reached.items() if state is None} == set()
    assert not found.actions.keys() & {"CrashClient", "Disconnect", "Reconnect", "LoseMedia"}
