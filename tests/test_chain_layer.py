"""The contract of ChainLayer, kept alike by its three implementers: recorded, model and stored.

What the recorded one answers from is written down while the model is asked the same.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from tests.store_kit import make, memory

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.model import Model, NodeSpec
from hammer2_cluster.objects import Blockref, Chain, Cluster, ClusterItem, Inode, Iocb
from hammer2_cluster.outcomes import deref
from hammer2_cluster.store.chains import at_once
from hammer2_oracle.recorded import Recorded, RecordedWorld
from hammer2_oracle.run_record import Recording
from hammer2_oracle.trace_record import AnyCall
from hammer2_proofs.operations.client import Client
from hammer2_spec.semantics import SEED
from hammer2_spec.vocabulary import (
    INODE_BYTES,
    KEY_MAX,
    BrefType,
    ChainFlag,
    Insert,
    Lookup,
    Modify,
    Resolve,
)

KEYS = (3, 5, 6, 40)


@dataclass
class World:
    """A directory with elements at KEYS, on one node."""

    layer: ChainLayer
    root: Chain
    answers_later: bool = False
    """A read's callback is no part of the call."""

    def parent(self, how: int = Resolve.ALWAYS) -> ClusterItem:
        """A slot with the directory, locked."""
        at_once(self.layer.lock(self.root, how))
        return ClusterItem(self.root)

    def find(self, item: ClusterItem, key: int, flags: int = Lookup.ALWAYS) -> Chain | None:
        chain, _ = at_once(self.layer.lookup(item, 0, key, key, flags))
        return chain

    def release(self, *chains: Chain | None) -> None:
        for chain in chains:
            self.layer.unlock(deref(chain))

    def keys(self) -> list[int]:
        """What a scan visits."""
        item, keys = self.parent(), []
        chain, key_next = at_once(self.layer.lookup(item, 0, 0, KEY_MAX, Lookup.ALWAYS))
        while chain is not None:
            keys.append(chain.bref.key)
            chain, key_next = at_once(self.layer.next(item, chain, key_next, 0, KEY_MAX, Lookup.ALWAYS))
        self.release(item.chain)
        return keys


class GoodDay:
    """Whatever is left open goes well."""

    def choose(self, question: str, answers: Sequence[str]) -> str:
        del question
        return answers[0]


def modelled(indirect: bool) -> World:
    model = Model([NodeSpec(keys=KEYS, indirect=indirect)], 1, GoodDay())
    model.nodes[0].root.refs = 1
    return World(model, model.nodes[0].root)


class RecordedAsItHappens:
    """The recorded layer: before each call the model is asked the same, and what it did is written down for it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        client = SimpleNamespace(model=model, observer=None, on=SimpleNamespace(semantics=SEED))
        self._recording = Recording(cast(Client, client))
        self._recording.begins("a call", {})
        self._world = RecordedWorld(deref(self._recording._world))  # noqa: SLF001 - what a trace begins with
        self._recorded = Recorded(self._world)
        self.root = self._world.chains[model.nodes[0].root.id]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any call
        ask, answer = getattr(self._recording, name), getattr(self._recorded, name)

        async def waiting(*args: object) -> object:
            await ask(*self._before(args))
            self._recorded.expect([self._written()])
            result = await answer(*args)
            self._recorded.finish()
            return result

        def plain(*args: object) -> object:
            ask(*self._before(args))
            self._recorded.expect([self._written()])
            result = answer(*args)
            self._recorded.finish()
            return result

        return waiting if inspect.iscoroutinefunction(answer) else plain

    def _before(self, args: Sequence[object]) -> list[object]:
        """The model's own objects, with what the caller wrote into data."""
        for theirs, ours in zip(self._model.chains, self._world.chains, strict=True):
            if theirs.data is not None and ours.data is not None:
                theirs.data[:] = ours.data
        self._recording.look()
        return [self._theirs(arg) for arg in args]

    def _theirs(self, thing: object) -> object:
        match thing:
            case Chain():
                return self._model.chains[thing.id]
            case Cluster():
                return self._model.clusters[thing.id]
            case ClusterItem():
                return ClusterItem(cast("Chain | None", self._theirs(thing.chain)), thing.cache_index)
            case Inode():
                return self._model.inodes[thing.id]
            case Iocb():
                cluster, chain = (self._theirs(one) for one in (thing.cluster, thing.chain))
                return Iocb(lambda _: None, cast(Cluster, cluster), cast(Chain, chain), None, thing.lbase)
            case _:
                return thing

    def _written(self) -> AnyCall:
        """The last call as a record that was written and read."""
        calls = self._recording._calls  # noqa: SLF001 - what was written down last
        return cast(AnyCall, msgspec.json.decode(msgspec.json.encode(calls.pop()), type=AnyCall))


def recorded(indirect: bool) -> World:
    layer = RecordedAsItHappens(cast(Model, modelled(indirect).layer))
    return World(cast(ChainLayer, layer), layer.root, answers_later=True)


def stored(others: int) -> World:
    """others: how many elements stand beside those of KEYS, far above, so that there are indirect blocks."""
    store = make(memory(1), radixes=[10])
    layer, root = store.chains, deref(deref(store.volumes[0]).super_root)
    world = World(layer, root)
    for key in (*KEYS, *(2**20 + 2**12 * n for n in range(others))):
        world.release(add(world, key))
    store.run(layer.sync(root))
    if others == 0:
        pfs = world.keys()[-1]
        item = world.parent()
        chain = deref(world.find(item, pfs))
        at_once(layer.delete(item.chain, chain, 0))
        world.release(chain, item.chain)
    return world


def add(world: World, key: int, bytes_: int = INODE_BYTES, flags: int = 0) -> Chain:
    """A new element, locked."""
    item, made = world.parent(), ClusterItem()
    assert world.find(item, key) is None
    assert at_once(world.layer.create(item, made, world.root.pmp, key, 0, BrefType.INODE, bytes_, flags)) == 0
    world.release(item.chain)
    return deref(made.chain)


WORLDS: dict[str, Callable[[], World]] = {
    "recorded": lambda: recorded(indirect=False),
    "recorded, indirect": lambda: recorded(indirect=True),
    "model": lambda: modelled(indirect=False),
    "model, indirect": lambda: modelled(indirect=True),
    "stored": lambda: stored(0),
    "stored, indirect": lambda: stored(100),
}


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return WORLDS[request.param]()


def test_a_lock_takes_a_reference_and_loads_and_unlock_undoes_it(world: World) -> None:
    refs = world.root.refs
    at_once(world.layer.lock(world.root, Resolve.ALWAYS))
    at_once(world.layer.lock(world.root, Resolve.ALWAYS | Resolve.SHARED))
    assert (world.root.refs, world.root.locks, world.root.error) == (refs + 2, 2, 0)
    assert world.root.data is not None
    world.release(world.root, world.root)
    assert (world.root.refs, world.root.locks) == (refs, 0)
    assert world.root.data is None


def test_a_lock_with_noref_takes_the_callers_reference(world: World) -> None:
    refs = world.root.refs
    world.layer.ref(world.root)
    at_once(world.layer.lock(world.root, Resolve.ALWAYS | Resolve.NOREF))
    assert world.root.refs == refs + 1
    world.release(world.root)
    assert world.root.refs == refs


def test_ref_and_drop_balance(world: World) -> None:
    refs = world.root.refs
    world.layer.ref(world.root)
    assert world.root.refs == refs + 1
    world.layer.drop(world.root)
    assert world.root.refs == refs


@pytest.mark.parametrize(
    ("begin", "end", "expected"), [(0, 2, None), (0, 3, 3), (4, 5, 5), (4, 100, 5), (6, 6, 6), (41, 60, None)]
)
def test_a_lookup_finds_the_lowest_overlap(world: World, begin: int, end: int, expected: int | None) -> None:
    item = world.parent()
    chain, key_next = at_once(world.layer.lookup(item, 77, begin, end, Lookup.ALWAYS))
    if chain is None:
        assert expected is None
    else:
        assert chain.bref.key == expected
        assert (chain.locks, chain.error, chain.data is not None) == (1, 0, True)
        assert not [key for key in KEYS if chain.bref.key < key < key_next]
        world.release(chain)
    assert deref(item.chain).locks == 1
    world.release(item.chain)
    assert world.root.locks == 0


def test_a_lookup_without_lock_only_references(world: World) -> None:
    item = world.parent()
    chain = deref(world.find(item, 5, Lookup.NOLOCK))
    assert (chain.refs, chain.locks) == (1, 0)
    world.layer.drop(chain)
    world.release(item.chain)


def test_a_scan_visits_every_key_once_in_order_and_ends(world: World) -> None:
    keys = world.keys()
    assert keys[: len(KEYS)] == list(KEYS)
    assert keys == sorted(set(keys))
    assert world.keys() == keys


def test_next_ends_at_the_end_of_the_range(world: World) -> None:
    item = world.parent()
    chain, key_next = at_once(world.layer.lookup(item, 0, 4, 5, Lookup.ALWAYS))
    chain, _ = at_once(world.layer.next(item, deref(chain), key_next, 4, 5, Lookup.ALWAYS))
    assert chain is None
    world.release(item.chain)


@pytest.mark.parametrize("key", [0, 4, 39, 41, 1000])
def test_what_is_created_is_new_and_can_be_found(world: World, key: int) -> None:
    before = world.keys()
    chain = add(world, key)
    assert (chain.refs >= 1, chain.locks, chain.error, chain.bytes) == (True, 1, 0, INODE_BYTES)
    assert chain.flags & ChainFlag.MODIFIED
    assert chain.flags & ChainFlag.INITIAL
    assert (chain.bref.key, chain.bref.keybits, chain.bref.type, chain.bref.mirror_tid) == (key, 0, BrefType.INODE, 0)
    assert not any(deref(chain.data))
    world.release(chain)
    assert world.keys() == sorted([*before, key])


def test_what_is_deleted_is_gone_and_detached(world: World) -> None:
    before, item = world.keys(), world.parent()
    chain = deref(world.find(item, 5))
    at_once(world.layer.delete(item.chain, chain, 0))
    assert chain.parent is None
    assert chain.flags & ChainFlag.DELETED
    world.release(chain, item.chain)
    assert world.keys() == [key for key in before if key != 5]


def test_what_is_renamed_is_the_same_chain_at_another_key(world: World) -> None:
    before, item = world.keys(), world.parent()
    chain = deref(world.find(item, 5))
    at_once(world.layer.modify(chain, 0))
    deref(chain.data)[0x100:0x104] = b"mark"
    at_once(world.layer.delete(item.chain, chain, 0))
    world.release(item.chain)
    item = world.parent()
    assert world.find(item, 700) is None
    at_once(world.layer.rename(item, chain, replace(chain.bref, key=700, keybits=0), 0))
    assert chain.parent is item.chain
    assert not chain.flags & ChainFlag.DELETED
    world.release(chain, item.chain)
    assert world.keys() == sorted([*(key for key in before if key != 5), 700])
    item = world.parent()
    chain = deref(world.find(item, 700))
    assert deref(chain.data)[0x100:0x104] == b"mark"
    world.release(chain, item.chain)


@pytest.mark.parametrize("flags", [0, Modify.OPTDATA, Modify.NOREALLOC])
def test_a_modified_chain_is_writable_and_keeps_its_content(world: World, flags: int) -> None:
    item = world.parent()
    chain = deref(world.find(item, 6))
    content = bytes(deref(chain.data))
    for _ in range(2):
        at_once(world.layer.modify(chain, flags))
        assert chain.flags & ChainFlag.MODIFIED
        assert chain.error == 0
        assert deref(chain.data) == content
    deref(chain.data)[0x100] = 99
    world.release(chain)
    chain = deref(world.find(item, 6))
    assert deref(chain.data)[0x100] == 99
    world.release(chain, item.chain)


def test_what_was_flushed_is_not_modified(world: World) -> None:
    item = world.parent()
    chain = deref(world.find(item, 6))
    at_once(world.layer.modify(chain, 0))
    deref(chain.data)[0x100] = 98
    at_once(world.layer.flush(chain))
    assert not chain.flags & ChainFlag.MODIFIED
    world.release(chain)
    chain = deref(world.find(item, 6))
    assert deref(chain.data)[0x100] == 98
    world.release(chain, item.chain)


def test_a_resized_chain_has_the_new_size_and_what_fits_of_its_content(world: World) -> None:
    item = world.parent()
    chain = deref(world.find(item, 6))
    content = bytes(deref(chain.data))
    at_once(world.layer.resize(None, deref(item.chain), chain, 11, 0))
    assert (chain.bytes, chain.error) == (2048, 0)
    assert bytes(deref(chain.data)) == content.ljust(2048, b"\0")
    assert chain.flags & ChainFlag.MODIFIED
    world.release(chain, item.chain)


def test_setflush_marks_the_chain(world: World) -> None:
    item = world.parent()
    chain = deref(world.find(item, 6))
    world.layer.setflush(chain)
    assert chain.flags & ChainFlag.ONFLUSH
    world.release(chain, item.chain)


def test_an_inode_is_created_under_the_super_root_in_a_locked_cluster(world: World) -> None:
    inode, cluster, error = at_once(world.layer.inode_create(0, "snapshot", Insert.PFSROOT))
    assert error == 0
    assert inode is not None
    assert cluster is not None
    assert (cluster.nchains, cluster.refs) == (1, 1)
    chain = deref(cluster.array[0].chain)
    assert cluster.focus is chain
    assert (chain.locks, chain.bref.type, chain.pmp is world.root.pmp) == (1, BrefType.INODE, world.root.pmp is None)
    world.layer.inode_unlock_ex(inode, cluster)
    world.release(chain)


@pytest.mark.parametrize("offset", [0x90, 0xA0])
def test_a_unique_id_fills_16_bytes_and_differs_from_the_next(world: World, offset: int) -> None:
    item = world.parent()
    chain = deref(world.find(item, 6))
    at_once(world.layer.modify(chain, 0))
    seen = []
    for _ in range(2):
        before = bytes(deref(chain.data))
        world.layer.uuidgen(chain, offset)
        after = bytes(deref(chain.data))
        assert after[:offset] + after[offset + 16 :] == before[:offset] + before[offset + 16 :]
        seen.append(after[offset : offset + 16])
    assert seen[0] != seen[1]
    world.release(chain, item.chain)


def test_a_read_calls_back_exactly_once(world: World) -> None:
    item, called = world.parent(), list[Iocb]()
    chain = deref(world.find(item, 6, Lookup.NOLOCK))
    iocb = Iocb(called.append, world.layer.kmalloc(), chain, None, 0)
    world.layer.io_getblk(iocb)
    assert called == ([] if world.answers_later else [iocb])
    assert iocb.error == 0
    world.layer.callback(iocb)
    assert called == ([iocb] if world.answers_later else [iocb, iocb])
    world.layer.drop(chain)
    world.release(item.chain)


def test_an_attached_chain_keeps_its_key_without_a_blockref(world: World) -> None:
    item = world.parent()
    chain = deref(world.find(item, 40))
    at_once(world.layer.delete(item.chain, chain, 0))
    at_once(world.layer.rename(item, chain, None, 0))
    world.release(chain, item.chain)
    assert world.keys()[:4] == list(KEYS)


def test_a_blockref_says_nothing_but_key_and_keybits_to_a_rename(world: World) -> None:
    item = world.parent()
    chain = deref(world.find(item, 40))
    at_once(world.layer.delete(item.chain, chain, 0))
    at_once(world.layer.rename(item, chain, Blockref(type=99, key=41, mirror_tid=7), 0))
    assert (chain.bref.type, chain.bref.key) == (BrefType.INODE, 41)
    assert chain.bref.mirror_tid != 7
    world.release(chain, item.chain)
