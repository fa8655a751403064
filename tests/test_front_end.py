"""The operations where nodes answer one after the other, late, or never: in simulation, every choice chosen."""

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

import pytest
from tests.sim_kit import FILES, World, by_seed, every_run, read_all
from tests.store_kit import problems, tree_of

from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.locking import lock, unlock
from hammer2_cluster.lookups import lookup, lookup_done, lookup_init, next, parent  # noqa: A004 - the original's name
from hammer2_cluster.modifying import modify
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import KernelPanic, deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.simulated import Event, Pick, Stuck, first
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import UnavailableError
from hammer2_spec.vocabulary import CLUSTER_WROK, DIRHASH_VISIBLE, KEY_MAX, Lookup, Resolve

BIG = b"0123456789" * 9000


async def lock_and_modify(on: Runner, root: Cluster) -> tuple[int, int, int]:
    locked = await lock(on, root, Resolve.ALWAYS)
    modified = await modify(on, root, 0)
    flags = root.flags & CLUSTER_WROK
    await unlock(on, root)
    return locked, modified, flags


async def scan(on: Runner, root: Cluster) -> list[int]:
    cparent = deref(await lookup_init(on, root, 0))
    keys = []
    cluster, key_next = await lookup(on, cparent, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
    while cluster is not None:
        keys.append(deref(cluster.focus).bref.key)
        cluster, key_next = await next(on, cparent, cluster, key_next, key_next, KEY_MAX, Lookup.ALWAYS)
    await lookup_done(on, cparent)
    return keys


async def climb(on: Runner, root: Cluster) -> int:
    cparent = deref(await lookup_init(on, root, 0))
    cluster, _ = await lookup(on, cparent, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
    await lookup_done(on, cparent)
    above = await parent(on, cluster)
    type_above = deref(above.focus).bref.type
    await unlock(on, above)
    await unlock(on, cluster)
    return type_above


Program = Callable[[Runner, Cluster], Coroutine[Any, Any, object]]
PROGRAMS: tuple[Program, ...] = (lock_and_modify, scan, climb)


def media(world: World) -> list[Any]:
    """What the nodes hold in memory and on their media, whatever the order in which it came about."""
    return [
        sorted((chain.bref.key, chain.flags, chain.refs, chain.locks) for chain in world.chains_in_memory()),
        [tree_of(volume) for volume in world.volumes],
    ]


def end_of(program: Program, world: World, pick: Pick) -> object:
    result = world.sim.run(0, program(world.on, world.roots[0]), pick)
    world.sim.settle(pick)
    assert not world.what_is_held()
    return result, media(world)


def straight_end_of(program: Program, count: int) -> object:
    world = World(count, files={b"a": b"x"})
    return world.straight.run(program(world.straight, world.roots[0])), media(world)


@pytest.mark.claims("C03", "C04", "C09")
@pytest.mark.parametrize(
    ("program", "count", "reduced", "schedules"),
    [
        (lock_and_modify, 2, False, 8),
        (lock_and_modify, 2, True, 4),
        (lock_and_modify, 3, True, 120),
        (scan, 2, False, 48),
        (scan, 2, True, 8),
        (climb, 2, True, 8),
    ],
)
def test_every_schedule_ends_as_the_straight_runner_does(
    program: Program, count: int, reduced: bool, schedules: int
) -> None:
    def run(world: World, pick: Pick) -> object:
        return end_of(program, world, pick)

    ends = list(every_run(lambda: World(count, files={b"a": b"x"}, instant=True), run, 2000, reduced=reduced))
    assert len(ends) == schedules
    expected = straight_end_of(program, count)
    assert all(end == expected for end in ends)


@pytest.mark.parametrize("program", PROGRAMS)
def test_on_three_nodes_schedules_drawn_at_random_end_as_the_straight_runner_does(program: Program) -> None:
    expected = straight_end_of(program, 3)
    for seed in range(100):
        assert end_of(program, World(3, files={b"a": b"x"}), by_seed(seed)) == expected


@pytest.mark.claims("C01", "C04")
@pytest.mark.parametrize("seed", range(12))
def test_two_clients_on_one_directory_in_any_order_leave_equal_nodes_and_hold_nothing(seed: int) -> None:
    world, pick = World(clients=2), by_seed(seed)
    world.sim.start(1, read_all(world.filesystems[1], b"b"))
    world.sim.run(0, world.filesystem.put(b"c", [BIG], len(BIG)), pick)
    world.sim.settle(pick)
    assert world.sim.result(1) == FILES[b"b"]
    assert world.sim.run(1, read_all(world.filesystems[1], b"c"), pick) == BIG
    world.sim.run(0, world.filesystem.flush(), pick)
    world.sim.settle(pick)
    assert not world.what_is_held()
    assert len({tree_of(volume) for volume in world.volumes}) == 1
    assert not problems(world.devices)


@pytest.mark.parametrize("seed", range(12))
def test_writes_of_two_clients_to_one_file_have_one_order_on_all_nodes(seed: int) -> None:
    world, pick = World(clients=2), by_seed(seed)
    for c, filesystem in enumerate(world.filesystems):
        world.sim.start(c, filesystem.write(b"a", 0, b"first" if c else b"other"))
    world.sim.settle(pick)
    assert len({tree_of(volume) for volume in world.volumes}) == 1
    assert world.sim.run(0, read_all(world.filesystem, b"a"), pick) in (b"first", b"other")
    world.sim.settle(pick)
    assert not world.what_is_held()


@pytest.mark.claims("C02", "C03")
@pytest.mark.parametrize("stalled", range(3))
@pytest.mark.parametrize("seed", range(4))
def test_a_node_that_stalls_costs_nothing_but_itself_and_harms_nothing_when_it_goes_on(stalled: int, seed: int) -> None:
    world, pick = World(clients=2), by_seed(seed)
    world.sim.stalled.add(stalled)
    world.sim.run(0, world.filesystem.put(b"c", [BIG], len(BIG)), pick)
    assert world.sim.run(1, read_all(world.filesystems[1], b"c"), pick) == BIG
    world.sim.run(0, world.filesystem.remove(b"b"), pick)
    world.sim.settle(pick)
    assert world.on.owed[stalled] > 10
    assert not world.what_is_held([n for n in range(3) if n != stalled])
    world.sim.stalled.clear()
    world.sim.settle(pick)
    assert not world.what_is_held()
    assert not +world.on.owed
    world.sim.run(0, world.filesystem.flush(), pick)
    world.sim.settle(pick)
    assert len({tree_of(volume) for volume in world.volumes}) == 1


def test_without_a_quorum_an_operation_waits_and_says_for_whom() -> None:
    world = World()
    world.sim.stalled |= {1, 2}
    with pytest.raises(Stuck, match="client 0 waits for answers of nodes 1, 2"):
        world.sim.run(0, read_all(world.filesystem, b"a"))
    world.sim.stalled.discard(1)
    world.sim.settle()
    assert world.sim.result(0) == FILES[b"a"]


@pytest.mark.claims("C05", "C80", "C84")
@pytest.mark.parametrize("lost", range(3))
@pytest.mark.parametrize("seed", range(6))
def test_a_node_that_is_disconnected_in_the_middle_is_done_without(lost: int, seed: int) -> None:
    world, pick = World(), by_seed(seed)
    world.sim.start(0, world.filesystem.put(b"c", [BIG], len(BIG)))
    for _ in range(10 + 5 * seed):
        world.sim.happen(pick)
    world.sim.disconnect(lost)
    world.sim.settle(pick)
    world.sim.result(0)
    assert world.sim.run(0, read_all(world.filesystem, b"c"), pick) == BIG
    world.sim.settle(pick)
    others = [n for n in range(3) if n != lost]
    assert not world.what_is_held(others)
    assert world.roots[0].array[lost].chain is None
    world.sim.run(0, world.filesystem.flush(), pick)
    world.sim.settle(pick)
    assert len({tree_of(world.volumes[n]) for n in others}) == 1


def test_without_a_quorum_of_connected_nodes_an_operation_fails_and_holds_nothing() -> None:
    world = World()
    world.sim.start(0, world.filesystem.put(b"c", [BIG], len(BIG)))
    for _ in range(30):
        world.sim.happen()
    world.sim.disconnect(0)
    world.sim.disconnect(2)
    world.sim.settle()
    with pytest.raises(UnavailableError):
        world.sim.result(0)


@pytest.mark.claims("C07")
def test_a_node_whose_queue_is_full_is_treated_as_disconnected() -> None:
    world = World(limit=20)
    world.sim.stalled.add(2)
    for n in range(10):
        world.sim.run(0, world.filesystem.put(b"f%d" % n, [b"x"], 1))
    world.sim.settle()
    assert not world.sim.nodes[2].connected
    assert world.sim.nodes[2].owes == 0
    assert not world.what_is_held([0, 1])


def test_a_slow_medium_is_waited_for_only_while_it_is_needed() -> None:
    world = World()
    world.devices[2].faults.append(Fault(Kind.SLOW, ticks=50))
    assert world.sim.run(0, read_all(world.filesystem, b"b")) == FILES[b"b"]
    assert world.sim.now == 0
    world.sim.settle()
    assert world.sim.now >= 50
    assert not world.what_is_held()
    world.sim.stalled.add(0)
    assert world.sim.run(0, read_all(world.filesystem, b"b")) == FILES[b"b"]
    assert world.sim.now >= 100


def node_last(n: int) -> Pick:
    """Whatever that node does happens when nothing else can."""

    def pick(events: Sequence[Event]) -> Event:
        return first([event for event in events if event.node != n] or events)

    return pick


@pytest.mark.claims("C63", "C80", "C81")
@pytest.mark.parametrize("what", ["other size", "error", "other tid"])
def test_a_late_member_that_found_something_else_leaves_the_cluster_and_is_reported(what: str) -> None:
    world = World()
    reported: list[int | None] = []

    def report(_client: Hashable, chain: Chain) -> None:
        reported.append(chain.hmp)

    world.sim.shared.report = report
    root = deref(world.roots[0].array[2].chain)
    at_once(world.chains.lock(root, Resolve.ALWAYS))
    item = world.chains.kmalloc().array[0]
    item.chain = root
    found, _ = at_once(world.chains.lookup(item, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.NOLOCK))
    odd = deref(found)
    world.chains.unlock(deref(item.chain))
    before = odd.refs
    match what:
        case "other size":
            odd.bytes = 2048
        case "other tid":
            odd.bref.mirror_tid -= 1
        case _:
            at_once(world.volumes[2].device.read(0, 65536))
            world.devices[2].faults.append(Fault(Kind.READ_ERROR))
    keys = world.sim.run(0, scan(world.on, world.roots[0]), node_last(2))
    assert len(keys) == 2
    world.sim.settle()
    assert 2 in reported
    assert (odd.refs, odd.locks) == (before, 0)
    world.chains.drop(odd)
    assert not world.what_is_held()


@pytest.mark.parametrize(("one", "other"), [(climb, climb), (climb, scan), (scan, lock_and_modify)])
def test_two_clients_that_go_up_and_down_never_wait_for_each_other_in_a_circle(one: Program, other: Program) -> None:
    for seed in range(150):
        world, pick = World(clients=2, files={b"a": b"x"}, instant=seed % 2 == 0), by_seed(seed)
        world.sim.start(0, one(world.ons[0], world.roots[0]))
        world.sim.start(1, other(world.ons[1], world.roots[1]))
        world.sim.settle(pick)
        assert not world.what_is_held()


def test_what_a_step_raises_reaches_its_client() -> None:
    world = World()

    async def operation() -> None:
        async def step(i: int) -> None:
            if i == 1:
                raise KernelPanic("test")

        async for _ in world.on.ask(world.roots[0], step):
            pass

    with pytest.raises(KernelPanic, match="test"):
        world.sim.run(0, operation())


def test_the_same_seed_gives_the_same_run() -> None:
    def happened(seed: int) -> list[Event]:
        world, pick = World(clients=2), by_seed(seed)
        world.sim.start(0, world.filesystem.put(b"c", [BIG], len(BIG)))
        world.sim.start(1, read_all(world.filesystems[1], b"b"))
        world.sim.settle(pick)
        return list(world.sim.happened)

    assert happened(5) == happened(5)
    assert happened(5) != happened(6)
