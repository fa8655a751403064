"""What becomes of operations when the quorum is lost, or nobody waits for them, and of reads as of a moment."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.sim_kit import FILES, World, by_seed, read_all
from tests.test_front_end import climb

from hammer2_cluster.as_of import narrowed
from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.loading import load_first
from hammer2_cluster.locking import lock, unlock
from hammer2_cluster.node import TooLate, within
from hammer2_cluster.objects import Iocb
from hammer2_cluster.outcomes import deref
from hammer2_cluster.patience import FAIL, WAIT, Cancelled, Patience, fail_after
from hammer2_cluster.store.directory import UnavailableError
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import LABEL
from hammer2_spec.vocabulary import PfsType, Resolve

BIG = b"0123456789" * 9000
Operation = Callable[[World], Coroutine[Any, Any, object]]
OPERATIONS: dict[str, Operation] = {
    "get": lambda world: read_all(world.filesystem, b"b"),
    "put": lambda world: world.filesystem.put(b"c", [BIG], len(BIG)),
    "write": lambda world: world.filesystem.write(b"b", 700, b"more" * 300),
    "rename": lambda world: world.filesystem.rename(b"a", b"z"),
    "remove": lambda world: world.filesystem.remove(b"a"),
}


WITH_PARENTS: dict[str, Operation] = OPERATIONS | {"climb": lambda world: climb(world.on, world.roots[0])}


def perform(world: World, operation: Operation, patience: Patience = WAIT) -> Coroutine[Any, Any, object]:
    return world.on.perform(lambda: operation(world), UnavailableError, patience)


def read(world: World) -> Coroutine[Any, Any, object]:
    return read_all(world.filesystem, b"a")


@pytest.mark.claims("C05", "C85")
def test_who_waits_goes_on_when_nodes_come_back() -> None:
    world = World()
    world.sim.start(0, perform(world, read))
    world.sim.disconnect(1)
    world.sim.disconnect(2)
    while world.sim.events():
        world.sim.happen()
    assert not world.sim.has_ended(0)
    assert world.sim.who_waits() == "client 0 waits for a quorum"
    world.come_back(2)
    world.sim.settle()
    assert world.sim.result(0) == FILES[b"a"]
    assert not world.what_is_held([0, 2])


@pytest.mark.claims("C05", "C85")
def test_who_does_not_wait_fails_at_once() -> None:
    world = World()
    world.sim.disconnect(1)
    world.sim.disconnect(2)
    with pytest.raises(UnavailableError):
        world.sim.run(0, perform(world, read, FAIL))
    assert world.sim.now == 0
    world.sim.settle()
    assert not world.what_is_held([0])


@pytest.mark.claims("C33", "C85")
@pytest.mark.parametrize("lost", ["stalled", "disconnected"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_who_waits_for_a_time_fails_after_it_and_holds_nothing(name: str, lost: str) -> None:
    world = World()
    for n in (0, 2):
        if lost == "stalled":
            world.sim.stalled.add(n)
        else:
            world.sim.disconnect(n)
    with pytest.raises(UnavailableError):
        world.sim.run(0, perform(world, OPERATIONS[name], fail_after(30)))
    assert world.sim.now == 30
    world.sim.stalled.clear()
    world.sim.settle()
    assert not world.what_is_held([1] if lost == "disconnected" else None)


@pytest.mark.parametrize("name", WITH_PARENTS)
def test_an_operation_that_is_cancelled_at_any_point_releases_everything(name: str) -> None:
    for instant in (True, False):
        cancelled = 0
        for moment in range(1000):
            world, pick = World(instant=instant), by_seed(moment)
            world.sim.start(0, perform(world, WITH_PARENTS[name]))
            for _ in range(moment):
                if not world.sim.has_ended(0):
                    world.sim.happen(pick)
            if world.sim.has_ended(0):
                break
            world.sim.cancel(0)
            with pytest.raises(Cancelled):
                world.sim.result(0)
            world.sim.settle(pick)
            assert not world.what_is_held(), moment
            cancelled += 1
        assert cancelled > 5


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_whose_quorum_is_lost_at_any_point_releases_everything(name: str) -> None:
    failed = 0
    for moment in range(0, 60, 3):
        world, pick = World(), by_seed(moment)
        world.sim.start(0, perform(world, OPERATIONS[name], FAIL))
        for _ in range(moment):
            if not world.sim.has_ended(0):
                world.sim.happen(pick)
        world.sim.disconnect(moment % 3)
        world.sim.disconnect((moment + 1) % 3)
        while world.sim.events():
            world.sim.happen(pick)
        assert world.sim.has_ended(0)
        assert not world.what_is_held([(moment + 2) % 3]), moment
        try:
            world.sim.result(0)
        except UnavailableError:
            failed += 1
    assert failed > 3


@pytest.mark.claims("C31", "C32")
def test_what_was_validated_is_read_from_one_node_whatever_becomes_of_the_quorum() -> None:
    world = World()
    view = world.sim.run(0, narrowed(world.on, world.roots[0], lambda _: True, prefer=1))
    world.on.keep(view)
    as_of = Filesystem(world.on, world.chains, LABEL, view, [])
    world.sim.settle()
    assert [item.chain is not None for item in view.array[:3]] == [False, True, False]
    world.sim.disconnect(0)
    world.sim.disconnect(2)
    assert world.sim.run(0, read_all(as_of, b"b")) == FILES[b"b"]
    with pytest.raises(UnavailableError):
        world.sim.run(0, read_all(world.filesystem, b"b"))
    with pytest.raises(UnavailableError):
        world.sim.run(0, world.on.perform(lambda: as_of.remove(b"b"), UnavailableError, FAIL))
    world.sim.settle()
    assert deref(view.array[1].chain).locks == 0


@pytest.mark.claims("C31")
def test_a_read_is_narrowed_only_to_a_member_with_everything_below_it() -> None:
    world = World()
    view = world.sim.run(0, narrowed(world.on, world.roots[0], lambda n: n == 2, prefer=1))
    world.sim.settle()
    assert [item.chain is not None for item in view.array[:3]] == [False, False, True]
    assert deref(view.pmp).pfs_types[2] == PfsType.SOFT_SLAVE
    assert world.sim.run(0, narrowed(world.on, world.roots[0], lambda _: False)) is None
    world.sim.settle()
    world.roots.append(view)
    assert not world.what_is_held()


class Loaded:
    """A root that is locked on all nodes, its data dropped on some, and what was delivered of it."""

    def __init__(self, without_data: tuple[int, ...]) -> None:
        self.world = World()
        self.delivered: list[Iocb] = []
        world = self.world
        world.sim.run(0, lock(world.on, world.roots[0], Resolve.ALWAYS))
        world.sim.settle()
        for n in without_data:
            deref(world.roots[0].array[n].chain).data = None
        self.reads = [device.count.reads for device in world.devices]

    def load(self, *, last: int | None = None) -> None:
        if last is not None:
            self.world.sim.stalled.add(last)
        self.world.sim.run(0, load_first(self.world.on, self.world.roots[0], self.delivered.append, "mine"))

    def read_since(self) -> list[int]:
        devices = self.world.devices
        return [device.count.reads - before for device, before in zip(devices, self.reads, strict=True)]


@pytest.mark.claims("C71")
def test_data_that_is_there_is_delivered_at_once_without_reading() -> None:
    loaded = Loaded((0, 2))
    loaded.load()
    assert [iocb.lbase for iocb in loaded.delivered] == [1]
    assert loaded.delivered[0].ptr == "mine"
    assert loaded.read_since() == [0, 0, 0]


@pytest.mark.claims("C23", "C70")
def test_the_first_data_wins_and_what_comes_later_is_ignored() -> None:
    loaded = Loaded((0, 1, 2))
    loaded.load(last=0)
    assert [iocb.lbase for iocb in loaded.delivered] == [1]
    loaded.world.sim.stalled.clear()
    loaded.world.sim.settle()
    assert len(loaded.delivered) == 1
    assert loaded.read_since() == [1, 1, 1]
    loaded.world.sim.run(0, unlock(loaded.world.on, loaded.world.roots[0]))
    loaded.world.sim.settle()
    assert not loaded.world.what_is_held()


def test_two_who_share_a_lock_load_without_waiting_for_each_other() -> None:
    world = World(clients=2)
    delivered: list[Iocb] = []
    for on, root in zip(world.ons, world.roots, strict=True):
        world.sim.run(on.me, lock(on, root, Resolve.ALWAYS | Resolve.SHARED))
    for _, chain in world.roots[0].members():
        chain.data = None
    for on, root in zip(world.ons, world.roots, strict=True):
        world.sim.start(on.me, load_first(on, root, delivered.append))
    world.sim.settle()
    assert len(delivered) == 2


@pytest.mark.claims("C70")
def test_a_read_that_fails_does_not_win_and_without_any_valid_data_the_callback_says_so() -> None:
    loaded = Loaded((0, 1, 2))
    loaded.world.devices[0].faults.append(Fault(Kind.READ_ERROR))
    loaded.load()
    assert [iocb.lbase for iocb in loaded.delivered] == [1]
    loaded = Loaded((0, 1, 2))
    for device in loaded.world.devices:
        device.faults.append(Fault(Kind.CORRUPTION))
    loaded.load()
    assert [(iocb.chain, iocb.error != 0) for iocb in loaded.delivered] == [(None, True)]


def test_whatever_takes_too_long_is_abandoned_where_it_waits() -> None:
    world = World()
    ended: list[str] = []

    async def long() -> None:
        try:
            await world.sim.nodes[0].ticks(30)
        finally:
            ended.append("here")

    async def short() -> str:
        await world.sim.nodes[0].ticks(3)
        return "done"

    assert world.sim.run(0, within(world.on.clock, 20, short())) == "done"
    with pytest.raises(TooLate, match="tick 33"):
        world.sim.run(0, within(world.on.clock, 20, long()))
    assert (world.sim.now, ended) == (23, ["here"])
