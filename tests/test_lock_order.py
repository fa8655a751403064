"""Two clients, three nodes, a parent and its child: nobody waits for ever, whatever happens in whatever order."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import product
from typing import Any, cast

import pytest
from tests.sim_kit import World

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.lock_order import OutOfOrder
from hammer2_cluster.locking import lock, unlock
from hammer2_cluster.lookups import lookup, lookup_done, lookup_init, parent
from hammer2_cluster.node import Errand, Node, Suspended, suspended
from hammer2_cluster.objects import Blockref, Chain, Cluster, Pfs
from hammer2_cluster.outcomes import deref
from hammer2_cluster.simulated import Event, Stuck
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.straight import Straight
from hammer2_spec.semantics import REPAIRED, SEED, Semantics, describe
from hammer2_spec.vocabulary import DIRHASH_VISIBLE, KEY_MAX, BrefType, ClusterFlag, Lookup, PfsType, Resolve

Program = Callable[[World, int], Coroutine[Any, Any, None]]
MOST = 4000
"""States; more are a failure of the test."""


async def both(world: World, c: int) -> None:
    """Lock the parent, then its child, then let go of both."""
    on, root = world.ons[c], world.roots[c]
    parent = deref(await lookup_init(on, root, 0))
    child, _ = await lookup(on, parent, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
    await unlock(on, deref(child))
    await lookup_done(on, parent)


def position(program: Any) -> list[tuple[str, int]]:  # noqa: ANN401 - whatever awaits something
    """Where a client stands, from its program down to what it awaits."""
    frames = []
    while program is not None and hasattr(program, "cr_frame"):
        frame = program.cr_frame
        frames.append((program.__qualname__, -1 if frame is None else frame.f_lasti))
        program = program.cr_await
    return frames


def named(errand: Errand) -> str:
    """An errand, the same in every run."""
    step = getattr(errand.step, "func", errand.step)
    return f"{errand.client} {step.__qualname__} {errand.asked.id} {errand.slot}"


def fingerprint(world: World) -> str:
    """What all that comes depends on: where the clients stand, what they have heard, what waits and is held where."""
    known = [
        (cluster.id, cluster.flags, cluster.refs, [(item.owes, item.chain is None) for item in cluster.array[:3]])
        for on in world.ons
        for cluster in on._known.values()  # noqa: SLF001 - a test may look
    ]
    nodes = [
        (
            [named(errand) for errand in node._queue],  # noqa: SLF001 - as above
            [(named(begun.errand), begun.waits.why) for begun in node._waiting],  # noqa: SLF001 - as above
        )
        for node in world.sim.nodes
    ]
    clients = [position(world.sim._clients[c].operation) for c in range(2)]  # noqa: SLF001 - as above
    held = sorted((chain.name, repr(chain.lock._holders)) for chain in world.chains_in_memory())  # noqa: SLF001 - as above
    return repr((clients, known, nodes, held))


def explore(programs: Sequence[Program]) -> tuple[int, int]:
    """Every schedule, but that two that meet go on as one. How many states there are, and how many ends."""
    seen: set[str] = set()
    ends = 0
    scripts: list[list[int]] = [[]]
    while scripts:
        script = scripts.pop()
        world = World(3, clients=2, files={b"a": b"x"}, instant=True)
        for c, program in enumerate(programs):
            world.sim.start(c, program(world, c))
        steps = iter(script)

        def pick(events: Sequence[Event], steps: Iterator[int] = steps) -> Event:
            return events[next(steps)]

        for _ in script:
            world.sim.happen(pick)
        events = world.sim.events()
        if not events:
            world.sim.settle()
            assert world.what_is_held() == []
            ends += 1
            continue
        where = fingerprint(world)
        if where in seen:
            continue
        seen.add(where)
        assert len(seen) <= MOST
        silent = next((n for n, event in enumerate(events) if event.is_silent), None)
        choices = range(len(events)) if silent is None else [silent]
        scripts += [[*script, n] for n in choices]
    return len(seen), ends


@pytest.mark.claims("C02")
def test_two_clients_three_nodes_parent_and_child_never_wait_for_each_other_in_any_schedule() -> None:
    states, ends = explore([both, both])
    assert states > 50
    assert ends


def test_who_holds_a_child_and_locks_its_parent_is_told() -> None:
    world = World(files={b"a": b"x"})
    root = world.root.array[0].chain
    assert isinstance(root, StoredChain)
    at_once(root.volume.lock(root, Resolve.ALWAYS))
    with pytest.raises(OutOfOrder, match="which is above"):
        at_once(root.volume.lock(deref(root.volume.super_root), Resolve.ALWAYS))


def test_without_one_order_of_questions_two_clients_do_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the order of the queues is for: the same clients, but their questions cross on the way."""
    world = World(2, clients=2, files={b"a": b"x"}, instant=True)
    late: list[Errand] = []
    accept = Node.accept

    def cross(node: Node, errand: Errand) -> bool:
        if node.number == 1 and errand.client == 0:
            late.append(errand)
            return True
        return accept(node, errand)

    monkeypatch.setattr(Node, "accept", cross)
    world.sim.start(0, both(world, 0))
    world.sim.start(1, both(world, 1))
    monkeypatch.undo()
    for errand in late:
        accept(world.sim.nodes[1], errand)
    with pytest.raises(Stuck, match=r"client 0 waits .*client 1 waits"):
        world.sim.settle()


# ---------------------------------------------------------------- the original, slot after slot


class Doors:
    """The locks of a few chains, as one client takes them; it waits at each, once at least."""

    def __init__(self, me: str, held: dict[Chain, list[str]]) -> None:
        self.me = me
        self.held = held
        self.waits: Chain | None = None

    def kmalloc(self) -> Cluster:
        return Cluster(0)

    def kfree(self, cluster: Cluster) -> None:
        """Nobody keeps count."""

    def ref(self, chain: Chain) -> None:
        chain.refs += 1

    def drop(self, chain: Chain) -> None:
        chain.refs -= 1

    async def lock(self, chain: Chain, how: int) -> None:  # noqa: ARG002 - a ChainLayer's
        self.waits = chain
        await suspended(Suspended(lambda: self.is_free(chain), f"chain {chain.id}"))
        self.waits = None
        self.held.setdefault(chain, []).append(self.me)
        chain.refs, chain.locks = chain.refs + 1, chain.locks + 1

    def is_free(self, chain: Chain) -> bool:
        return set(self.held.get(chain, ())) <= {self.me}

    def unlock(self, chain: Chain) -> None:
        self.held[chain].remove(self.me)
        chain.refs, chain.locks = chain.refs - 1, chain.locks - 1


def of(chains: Sequence[Chain], pfs: Pfs) -> Cluster:
    cluster = Cluster(0, pfs, refs=1, nchains=len(chains))
    for item, chain in zip(cluster.array, chains, strict=False):
        item.chain, chain.refs = chain, chain.refs + 1
    return cluster


async def down(on: Straight, parents: Cluster, children: Cluster) -> None:
    for cluster in (parents, children):
        await lock(on, cluster, Resolve.ALWAYS)
    for cluster in (children, parents):
        await unlock(on, cluster)


async def up(on: Straight, child: Cluster) -> None:
    await unlock(on, await parent(on, child))
    await unlock(on, child)


def who_waits_in(schedule: Sequence[int], semantics: Semantics) -> list[str]:
    """Who waits for ever, after these choices and then the first one each time."""
    pfs = Pfs(0, [PfsType.MASTER] * 2 + [PfsType.NONE] * 6, 2)
    above = [Chain(n, Blockref(BrefType.INODE, mirror_tid=1), pmp=pfs) for n in range(2)]
    below = [Chain(n + 2, Blockref(BrefType.INODE, mirror_tid=1), parent=above[n], pmp=pfs, locks=1) for n in range(2)]
    held = {chain: ["up"] for chain in below}
    doors = {me: Doors(me, held) for me in ("up", "down")}
    ons = {me: Straight(cast("ChainLayer", door), semantics) for me, door in doors.items()}
    child = of(below, pfs)
    child.flags, child.focus = ClusterFlag.LOCKED | ClusterFlag.RDHARD | ClusterFlag.WRHARD, below[0]
    going: dict[str, Coroutine[Any, Any, None]] = {
        "up": up(ons["up"], child),
        "down": down(ons["down"], of(above, pfs), of(below, pfs)),
    }
    choices = iter(schedule)
    while going:
        able = [me for me in going if (door := doors[me].waits) is None or doors[me].is_free(door)]
        if not able:
            return sorted(going)
        me = able[next(choices, 0) if len(able) > 1 else 0]
        try:
            going[me].send(None)
        except StopIteration:
            del going[me]
    return []


@pytest.mark.claims("C02", "C64")
@pytest.mark.parametrize("semantics", [SEED, REPAIRED, REPAIRED._replace(released_children=False)], ids=describe)
def test_who_goes_up_slot_by_slot_meets_who_comes_down_unless_it_lets_go_of_all_children_first(
    semantics: Semantics,
) -> None:
    ends = [who_waits_in(schedule, semantics) for schedule in product(range(2), repeat=8)]
    assert (["down", "up"] in ends) == (not semantics.released_children)
    assert [] in ends
