"""The operations, against every answer that the chain layer may give."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import icontract
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hammer2_cluster import life_cycle, locking, lookups, modifying, topology
from hammer2_cluster.decisions import DECISIONS
from hammer2_cluster.model import QUESTIONS
from hammer2_cluster.objects import Blockref, Chain, Cluster
from hammer2_cluster.runner import Runner
from hammer2_cluster.topology import detach
from hammer2_oracle.counterexamples import STORED, evidence
from hammer2_oracle.replay import check_trace
from hammer2_oracle.trace_record import OPERATIONS, Trace
from hammer2_oracle.traces import KIND, decode
from hammer2_proofs.operations import __main__ as run_all
from hammer2_proofs.operations import search as search_module
from hammer2_proofs.operations.__main__ import MOST_QUESTIONS, is_small
from hammer2_proofs.operations.client import Client
from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
from hammer2_proofs.operations.search import Coverage, Script, cases, late_cases, search
from hammer2_spec import cluster_rules as rules
from hammer2_spec.findings import FINDINGS
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics
from hammer2_spec.vocabulary import KEY_MAX, BrefType, ClusterFlag, Lookup, Resolve

ONLY_A_RESULT = {"reported_delete"}
"""Repairs whose smallest counterexample shows in a result alone, of an operation whose result traces do not hold."""
OPERATION_REPAIRS = [name for name in Semantics._fields if name not in RESOLVE_REPAIRS]


def test_repaired_operations_keep_every_rule_whatever_the_layer_below_answers() -> None:
    """A third of the cases: `make verify` has all, with more such answers, and fails where one is never given."""
    coverage = Coverage()
    assert not [str(broken) for broken in search(cases(PROGRAMS, WORLDS)[::3], REPAIRED, 1, coverage)]
    assert coverage.runs > 5000


@pytest.mark.parametrize("program", sorted(PROGRAMS.keys() - MOST_QUESTIONS))
def test_on_one_node_and_on_two_masters_every_single_run_of_a_program_keeps_the_rules(program: str) -> None:
    worlds = {name: WORLDS[name] for name in ("a master", "two masters")}
    coverage = Coverage()
    small = [case for case in cases({program: PROGRAMS[program]}, worlds) if is_small(case)]
    assert not [str(broken) for broken in search(small, REPAIRED, None, coverage)]
    assert coverage.complete


def test_they_keep_every_rule_whoever_is_late() -> None:
    coverage = Coverage()
    assert not [str(broken) for broken in search(late_cases(PROGRAMS, WORLDS)[::3], REPAIRED, 0, coverage)]
    assert coverage.runs > 1000


def test_what_a_late_member_creates_is_taken_back_when_the_creation_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def only_who_has_answered(on: Runner, cluster: Cluster, slots: Sequence[int], flags: int) -> None:
        await detach(on, cluster, [i for i in slots if i not in cluster.late()], flags)

    monkeypatch.setattr(topology, "detach", only_who_has_answered)
    late = late_cases({"move": PROGRAMS["move under an older parent"]}, WORLDS)
    rules_broken = {broken.rule for broken in search(late, REPAIRED, 0, Coverage())}
    assert rules_broken == {"A creation that fails leaves nothing behind"}


@pytest.mark.parametrize("planted", [False, True])
def test_an_answer_that_is_permitted_and_never_given_fails_the_run(
    planted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {question: QUESTIONS[question] for question in ("load", "wait for a lock", "block on the way")}
    more = {"eclipse": ("none", "total")} if planted else {}
    monkeypatch.setattr(search_module, "QUESTIONS", asked | more)
    monkeypatch.setattr(run_all, "PROGRAMS", {name: PROGRAMS[name] for name in ("climb", "find and lock")})
    monkeypatch.setattr(run_all, "WORLDS", {name: WORLDS[name] for name in ("a master", "two masters")})
    assert run_all.main() == planted
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("never")] == [
        f"never answered: eclipse: {answer}" for answer in ("none", "total") if planted
    ]


@cache
def stored() -> dict[str, Trace]:
    traces = [decode(line) for line in STORED.read_bytes().splitlines()]
    return {trace.id.split(":")[0].split()[1]: trace for trace in traces}


@pytest.mark.parametrize("repair", Semantics._fields)
def test_each_repair_is_needed_with_all_others_in_force(repair: str) -> None:
    found = evidence(repair)
    assert found is not None, f"nothing breaks without {repair}"
    if repair in RESOLVE_REPAIRS:
        return
    assert stored()[repair] == found.trace, "run tools/store_findings.py"
    case = next(
        case
        for case in cases(PROGRAMS, WORLDS)
        if (case.program_name, case.world_name) == (found.counterexample.program, found.counterexample.world)
    )
    _, _, seed_violation = case.run(SEED, found.counterexample.picks)
    assert seed_violation is not None, "the seed does well where only this repair is missing"
    _, _, violation = case.run(REPAIRED, found.counterexample.picks)
    assert violation is None


@pytest.mark.parametrize("repair", OPERATION_REPAIRS)
def test_the_stored_counterexample_replays_without_its_repair_and_diverges_with_it(repair: str) -> None:
    trace = stored()[repair]
    assert trace.id.startswith(next(f"{n} {repair}:" for n, finding in FINDINGS.items() if finding.repair == repair))
    assert check_trace(trace, REPAIRED._replace(**{repair: False})) is None
    assert (check_trace(trace, REPAIRED) is None) == (repair in ONLY_A_RESULT)


def locked_top(semantics: Semantics) -> tuple[Client, Cluster]:
    client = Client(WORLDS["two masters"].specs, 2, semantics, Script())
    top = client.top()
    client.run(locking.lock(client.on, top, Resolve.ALWAYS))
    return client, top


def test_block_tables_that_a_record_says_are_below_each_other_are_climbed_to_an_end() -> None:
    client = Client(WORLDS["a master"].specs, 1, REPAIRED, Script())
    ring = [Chain(n, Blockref(BrefType.INDIRECT, mirror_tid=7)) for n in range(2)]
    ring[0].parent, ring[1].parent = ring[1], ring[0]
    assert locking.tid_of(client.on, ring[0]) == 7


def test_a_broken_contract_prints_the_sentence_of_the_specification() -> None:
    client, top = locked_top(REPAIRED)
    with pytest.raises(icontract.ViolationError, match="The cluster is not flagged LOCKED"):
        client.run(locking.lock(client.on, top, Resolve.ALWAYS))
    client.run(locking.unlock(client.on, top))
    with pytest.raises(icontract.ViolationError, match="The cluster is flagged LOCKED"):
        client.run(locking.unlock(client.on, top))
    with pytest.raises(icontract.ViolationError, match="The cluster is flagged LOCKED"):
        client.run(modifying.modify(client.on, top, 0))
    top.refs = 0
    with pytest.raises(icontract.ViolationError, match="The cluster has a reference"):
        client.run(life_cycle.drop(client.on, top))


def test_modsync_needs_a_modified_focus_and_a_scan_a_locked_parent() -> None:
    client, top = locked_top(REPAIRED)
    with pytest.raises(icontract.ViolationError, match="The focus is MODIFIED"):
        client.run(modifying.modsync(client.on, top))
    top.flags &= ~ClusterFlag.LOCKED
    with pytest.raises(icontract.ViolationError, match="The cluster is flagged LOCKED"):
        client.run(lookups.lookup(client.on, top, 0, 0, 9, 0))


def test_the_seed_is_not_held_to_the_contracts() -> None:
    client, top = locked_top(SEED)
    client.run(locking.lock(client.on, top, Resolve.ALWAYS))
    assert top.refs == 3


def test_divergences_of_the_stored_counterexamples_are_plain_json_and_are_drawn() -> None:
    traces = list(stored().values())
    for semantics in (SEED, REPAIRED):
        judged = dict(KIND.judge(traces, DECISIONS["resolve"], semantics))
        assert any(judged.values())
        for i, differences in judged.items():
            assert isinstance(differences, list)
            json.dumps(differences)
            drawn = KIND.draw(traces[i], differences)
            assert any(line.startswith(("cluster", "chain")) for line in drawn) == bool(differences)


class Drawn:
    """A chooser that Hypothesis decides for; most answers are the good day's."""

    def __init__(self, data: st.DataObject, bad: int) -> None:
        self._data = data
        self._bad = bad

    def choose(self, question: str, answers: Sequence[str]) -> str:
        if not self._data.draw(st.integers(0, 9), label="mood") < self._bad:
            return answers[0]
        return self._data.draw(st.sampled_from(answers), label=question)


GIVEN: Counter[tuple[str, str]] = Counter()
PERFORMED: Counter[str] = Counter()


class Counting:
    """An observer that counts which operations begin."""

    def begins(self, operation: str, args: dict[str, object]) -> None:  # noqa: ARG002 - an Observer's
        PERFORMED[operation] += 1

    def ends(self, result: object) -> None:
        """Nothing."""

    def fails(self, end: Exception) -> None:
        """Nothing."""


class Clients(RuleBasedStateMachine):
    """Several clusters over shared chains, used in any order that the contracts allow."""

    @initialize(data=st.data(), world=st.sampled_from(sorted(WORLDS)), bad=st.integers(0, 5))
    def begin(self, data: st.DataObject, world: str, bad: int) -> None:
        spec = WORLDS[world]
        self.client = Client(spec.specs, spec.nmasters, REPAIRED, Drawn(data, bad))
        self.client.observer = Counting()
        self.top = self.client.top()
        self.older = self.client.top(max(1, len(spec.specs) - 1))
        self.parent: Cluster | None = None
        self.shared = False
        self.child: Cluster | None = None
        self.after = 0
        self.held = 0
        """References to the parent beside the first one."""
        self.copies: list[Cluster] = []

    def _usable_parent(self, *, exclusive: bool = False) -> bool:
        return self.parent is not None and self.parent.error == 0 and not (exclusive and self.shared)

    def _child_is(self, *, locked: bool, sound: bool = False) -> bool:
        child = self.child
        return child is not None and rules.is_locked(child) == locked and (not sound or child.error == 0)

    def _let_child_go(self) -> None:
        if self.child is not None:
            (self.client.unlock if rules.is_locked(self.child) else self.client.drop)(self.child)
            self.child = None

    @precondition(lambda self: self.parent is None)
    @rule(shared=st.booleans())
    def open(self, shared: bool) -> None:
        self._let_child_go()
        self.shared = shared
        self.parent = self.client.open(self.top, Lookup.SHARED if shared else 0)
        if self.parent is not None:
            self.client.resolve(self.parent)

    @precondition(lambda self: self.parent is None)
    @rule()
    def open_as_it_was_when_there_was_a_node_less(self) -> None:
        if not self._child_is(locked=True, sound=True):
            self._let_child_go()
        self.shared = False
        self.parent = self.client.open(self.older)
        if self.parent is not None and self.child is not None:  # go where the child is
            key = rules.chains_of(self.child)[0].bref.key
            same, self.after = self.client.lookup(self.parent, key, key)
            if same is not None:
                self.client.unlock(same)

    @precondition(lambda self: self.parent is not None and self.held < 2)
    @rule()
    def hold_the_parent(self) -> None:
        assert self.parent is not None
        self.client.ref(self.parent)
        self.held += 1

    @precondition(lambda self: self.parent is not None)
    @rule()
    def close(self) -> None:
        self._let_child_go()
        self._close_parent()

    def _close_parent(self) -> None:
        while self.parent is not None and self.held:
            self.client.drop(self.parent)
            self.held -= 1
        self.client.close(self.parent)
        self.parent = None

    @precondition(lambda self: self._usable_parent() and self.child is None)
    @rule(beg=st.integers(0, 4), nolock=st.booleans(), stale=st.none() | st.just(0))
    def lookup(self, beg: int, nolock: bool, stale: int | None) -> None:
        assert self.parent is not None
        flags = Lookup.NOLOCK if nolock else 0
        self.child, self.after = self.client.lookup(self.parent, beg, KEY_MAX, flags, stale)

    @precondition(lambda self: self._usable_parent() and self.child is not None and rules.has_members(self.child))
    @rule()
    def next(self) -> None:
        assert self.parent is not None
        assert self.child is not None
        flags = 0 if rules.is_locked(self.child) else Lookup.NOLOCK
        self.child, self.after = self.client.next(self.parent, self.child, KEY_MAX, self.after, flags)

    @precondition(lambda self: self._usable_parent() and self.child is None)
    @rule(by_key=st.booleans(), nolock=st.booleans())
    def scan(self, by_key: bool, nolock: bool) -> None:
        assert self.parent is not None
        self.client.scan(self.parent, 0 if by_key else 1, by_key=by_key, flags=Lookup.NOLOCK if nolock else 0)

    @precondition(lambda self: self._child_is(locked=True, sound=True))
    @rule(byte=st.integers(0, 255), grow=st.booleans(), check=st.none() | st.integers(0, 15))
    def edit(self, byte: int, grow: bool, check: int | None) -> None:
        assert self.child is not None
        if self.client.modify(self.child) and self.client.edit(self.child, 0x40, byte, clear_embedded=grow):
            if check is not None:
                self.client.set_check(self.child, check)

    @precondition(lambda self: self._usable_parent(exclusive=True) and self._child_is(locked=True, sound=True))
    @rule(nradix=st.sampled_from([10, 11]))
    def resize(self, nradix: int) -> None:
        assert self.parent is not None
        assert self.child is not None
        self.client.resize(self.parent, self.child, nradix)

    @precondition(lambda self: self._usable_parent(exclusive=True) and self._child_is(locked=True, sound=True))
    @rule(then=st.sampled_from(["nothing", "rename", "move"]), key=st.integers(5, 15).map(lambda n: 2 * n))
    def delete(self, then: str, key: int) -> None:
        assert self.parent is not None
        assert self.child is not None
        if self.client.delete(self.parent, self.child) and then != "nothing" and not self.client.anywhere(key):
            if then == "rename":
                self.client.rename(self.parent, self.child, key)
            else:
                self.client.create(self.parent, key, self.child)
        self._let_child_go()

    @precondition(lambda self: self._usable_parent(exclusive=True) and self.child is None)
    @rule(key=st.integers(16, 30).map(lambda n: 2 * n))
    def create(self, key: int) -> None:
        assert self.parent is not None
        if not self.client.anywhere(key):
            self.child = self.client.create(self.parent, key)

    @precondition(lambda self: self._child_is(locked=True, sound=True))
    @rule(climb=st.booleans())
    def look_and_load_or_climb(self, climb: bool) -> None:
        assert self.child is not None
        if climb:
            if self.parent is not None:
                self._close_parent()  # the child may be found below another block
            self.client.unlock(self.client.parent(self.child))
        else:
            self.client.look(self.child)
            self.client.load(self.child)

    @precondition(lambda self: self.child is not None and self.parent is not None)
    @rule()
    def close_and_keep_the_child(self) -> None:
        self._close_parent()

    @precondition(lambda self: self.child is not None and len(self.copies) < 3)
    @rule()
    def copy(self) -> None:
        assert self.child is not None
        self.copies.append(self.client.copy(self.child))

    @precondition(lambda self: bool(self.copies))
    @rule(noref=st.booleans())
    def use_a_copy(self, noref: bool) -> None:
        cluster = self.copies.pop()
        if noref:
            self.client.ref(cluster)
        if self.client.lock(cluster, Resolve.ALWAYS | (Resolve.NOREF if noref else 0)):
            self.client.look(cluster)
            self.client.load(cluster)
            self.client.unlock(cluster)
        elif noref:
            self.client.drop(cluster)
        self.client.drop(cluster)

    @precondition(lambda self: self.parent is None and self.child is None)
    @rule(snapshot=st.booleans())
    def edit_or_freeze_the_root(self, snapshot: bool) -> None:
        if self.client.lock(self.top):
            if snapshot:
                self.client.snapshot(self.top)
            elif self.client.modify_ip(self.top):
                self.client.edit(self.top, 0x40, 0x99)
            self.client.unlock(self.top)

    @rule()
    def from_chain(self) -> None:
        root = self.client.model.nodes[0].root
        if self.parent is None:
            self.client.unlock(self.client.from_chain(root))

    @invariant()
    def every_reference_and_lock_is_accounted_for(self) -> None:
        if hasattr(self, "client"):
            self.client.judge()

    def teardown(self) -> None:
        if hasattr(self, "client") and self.client.sound:
            self._let_child_go()
            if self.parent is not None:
                self._close_parent()
            for cluster in [*self.copies, self.older, self.top]:
                self.client.drop(cluster)
            assert not self.client.model.clusters
            assert all(chain.refs == 0 and chain.locks == 0 for chain in self.client.model.chains)
            GIVEN.update(self.client.model.given)


def test_any_sequence_of_operations_on_clusters_that_share_chains_keeps_the_rules() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    GIVEN.clear()
    PERFORMED.clear()
    run_state_machine_as_test(
        Clients, settings=settings(stateful_step_count=60, max_examples=max(60, settings().max_examples // 2))
    )
    assert len(GIVEN) > len(QUESTIONS), "hardly anything but good days"
    assert len(PERFORMED) > len(OPERATIONS) - 5, "hardly any operation"


class GoodDays(st.DataObject):
    """What Hypothesis would draw for days without trouble."""

    def __init__(self) -> None:
        """Nothing to draw from."""

    def draw(self, strategy: st.SearchStrategy[Any], label: Any = None) -> Any:  # noqa: ANN401, ARG002 - Hypothesis's
        assert label == "mood"
        return 9


def test_between_them_the_rules_of_the_state_machine_perform_every_operation() -> None:
    PERFORMED.clear()
    machine = Clients()
    machine.begin(GoodDays(), "two masters", 0)
    machine.open(shared=True)
    machine.lookup(beg=0, nolock=False, stale=None)
    machine.edit(byte=9, grow=False, check=3)
    machine.resize(nradix=11)
    machine.look_and_load_or_climb(climb=False)
    machine.copy()
    machine.next()
    machine.look_and_load_or_climb(climb=True)
    machine.open(shared=False)
    for then in ("rename", "move"):
        machine.lookup(beg=0, nolock=False, stale=None)
        machine.delete(then=then, key=20)
    machine.scan(by_key=False, nolock=True)
    machine.create(key=40)
    machine.close()
    machine.open_as_it_was_when_there_was_a_node_less()
    machine.close()
    machine.use_a_copy(noref=True)
    machine.edit_or_freeze_the_root(snapshot=False)
    machine.edit_or_freeze_the_root(snapshot=True)
    machine.from_chain()
    machine.teardown()
    assert set(PERFORMED) == set(OPERATIONS)
