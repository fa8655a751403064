"""Random days of a cluster: whatever fails, what was acknowledged stays, and every day ends well."""

from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tests.cluster_kit import FAST, Cluster, equal_nodes, nothing
from tests.sim_kit import FILES, by_seed
from tests.store_kit import problems

from hammer2_cluster.control import STEPS
from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.resync import is_out_of_step
from hammer2_cluster.sessions import Unwritten
from hammer2_cluster.store.directory import NotFoundError, UnavailableError


class Days(RuleBasedStateMachine):
    """Good days and bad ones of two clients and three nodes, which are resynchronized now and then."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.cluster, self.pick = Cluster(clients=2, watched=True), by_seed(seed)
        self.may_be: dict[bytes, set[bytes | None]] = {name: {data} for name, data in FILES.items()}
        self.count = 0

    def perform(self, me: int | str, on: FrontEnd, operation: Callable[[], Coroutine[Any, Any, object]]) -> object:
        cluster = self.cluster
        try:
            return cluster.sim.run(me, on.perform(operation, UnavailableError, FAST), self.pick)
        finally:
            while cluster.sim.events():
                cluster.sim.happen(self.pick)
            cluster.media_agree_with_the_control_state()

    def client(self, c: int, operation: Callable[[], Coroutine[Any, Any, object]]) -> object:
        return self.perform(c, self.cluster.ons[c], operation)

    @rule(c=st.integers(0, 1), name=st.sampled_from([b"a", b"b", b"c"]), size=st.sampled_from([5, 700, 70000]))
    def put(self, c: int, name: bytes, size: int) -> None:
        self.count += 1
        data = (b"%d." % self.count * size)[:size]
        before = self.may_be.get(name, {None})
        try:
            self.client(c, partial(self.cluster.put, c, name, data))
            self.may_be[name] = {data}
        except Unwritten:
            self.may_be[name] = {*before, data}
        except UnavailableError:
            pass

    @rule(c=st.integers(0, 1), name=st.sampled_from([b"a", b"b", b"c"]))
    def get(self, c: int, name: bytes) -> None:
        with suppress(UnavailableError, Unwritten):
            self.judge(c, name)

    def judge(self, c: int, name: bytes) -> None:
        """What is read is what was acknowledged."""
        try:
            found = self.client(c, partial(self.cluster.get, c, name))
        except NotFoundError:
            found = None
        assert found in self.may_be.get(name, {None})

    @rule(n=st.integers(0, 2))
    def stall(self, n: int) -> None:
        self.cluster.sim.stalled.add(n)

    @rule()
    def go_on(self) -> None:
        self.cluster.sim.stalled.clear()

    @rule(n=st.integers(0, 2), kind=st.sampled_from([Kind.WRITE_ERROR, Kind.FULL, Kind.READ_ERROR, Kind.CORRUPTION]))
    def fault(self, n: int, kind: Kind) -> None:
        self.cluster.devices[n].faults.append(Fault(kind, times=1))

    @rule(n=st.integers(0, 2))
    def disconnect(self, n: int) -> None:
        self.cluster.failures.disconnected(n)

    @precondition(lambda self: not any(is_out_of_step(self.cluster.control, n) for n in self.cluster.replaced))
    @rule(n=st.integers(0, 2))
    def replace(self, n: int) -> None:
        """A node has a new medium. Where two are lost at once, what only they had is lost indeed."""
        self.cluster.replace_medium(n)

    @precondition(lambda self: self.cluster.failures.away)
    @rule()
    def come_back(self) -> None:
        cluster = self.cluster
        for n in list(cluster.failures.away):
            cluster.devices[n].faults.clear()
            cluster.failures.returned(n)
        cluster.media_agree_with_the_control_state()

    def teardown(self) -> None:
        """When failures stop, every node ends synchronized, and whatever was acknowledged is there (C97)."""
        if not hasattr(self, "cluster"):
            return
        cluster = self.cluster
        cluster.sim.stalled.clear()
        cluster.sim.settle(self.pick)
        for n, device in enumerate(cluster.devices):
            device.faults.clear()
            cluster.failures.returned(n)
        for _ in range(ROUNDS):
            with suppress(UnavailableError, Unwritten):
                self.client(0, lambda: cluster.sessions[0].write(nothing))
            cluster.sim.settle(self.pick)
        assert not any(is_out_of_step(cluster.control, n) for n in range(3))
        for name in (b"a", b"b", b"c"):
            self.judge(0, name)
        assert equal_nodes(cluster, (0, 1, 2))
        assert not problems(cluster.devices)
        TAKEN.update(cluster.control.taken)


TAKEN: Counter[str] = Counter()
"""How often the code took each action of the protocol, in all days."""
NOT_HERE = {"Read", "NoSpace"}
"""Reads leave no trace, and what a write needs on a node is there or it is not begun."""
RARE = {"BeginAgain", "NoSpaceForCopy", "FreeSpace", "SyncRefused"}
"""Actions that few days do not come to."""
FAULTS = {"FlushFail", "SyncInterrupt", "WriteFail"}
"""What a fault that strikes at one moment brings about: a few short days may not come to it."""
ENOUGH = 100
"""So many days do."""
ROUNDS = 3
"""Sessions that it may take until all is well: one may still be refused by a node that has promised to another."""


class Amount(NamedTuple):
    """How much is done in all, and in how many parts, which processes of their own can do."""

    parts: int
    runs: int
    steps: int
    """Of each run."""


AMOUNT = {"fuzz": Amount(1, 200, 200), "nightly": Amount(50, 10_000, 200)}.get(
    settings.get_current_profile_name(), Amount(1, 60, 30)
)


@pytest.mark.hypothesis
@pytest.mark.claims("C80", "C90", "C97")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(AMOUNT.parts))
def test_days_end_well_and_take_the_actions_of_the_protocol(part: int, run_seed: str) -> None:
    runs = AMOUNT.runs // AMOUNT.parts
    several = AMOUNT.parts > 1
    days = seed(f"{run_seed}, part {part}")(type("Days", (Days,), {})) if several else Days
    run_state_machine_as_test(days, settings=settings(max_examples=runs, stateful_step_count=AMOUNT.steps))
    print(f"{runs} days: {', '.join(f'{action} {count}' for action, count in TAKEN.most_common())}")
    assert {*STEPS} - NOT_HERE - RARE - (FAULTS if runs < ENOUGH else set()) <= {*TAKEN}


def test_what_a_node_did_for_a_session_that_has_ended_is_thrown_away() -> None:
    days = Days()
    days.begin(seed=964)
    days.put(c=0, name=b"c", size=70000)
    days.fault(n=0, kind=Kind.FULL)
    days.stall(n=2)
    days.put(c=0, name=b"c", size=5)
    days.fault(n=2, kind=Kind.FULL)
    days.fault(n=1, kind=Kind.READ_ERROR)
    days.get(c=0, name=b"b")
    days.get(c=1, name=b"b")
    days.come_back()
    days.teardown()
