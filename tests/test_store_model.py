"""What is stored is what a dictionary would hold: chains on one node, files on 1 to 8 of them."""

import random
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.store_kit import content_of, make, memory, problems, put, read, reopen, tree_of

from hammer2_cluster.device.faults import FaultyDevice
from hammer2_cluster.objects import Blockref, ClusterItem
from hammer2_cluster.outcomes import deref
from hammer2_cluster.store import chains as stored_chains
from hammer2_cluster.store import directory as directory_module
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.deletion import delete
from hammer2_cluster.store.directory import ExistsError, FilesystemError, NoSpaceError, NotFoundError
from hammer2_cluster.store.flush import flush, sync
from hammer2_cluster.store.insertion import NO_SPACE, create, rename
from hammer2_cluster.store.lookup import lookup, next_entry, stored
from hammer2_cluster.store.making import format_volume, open_volume
from hammer2_cluster.store.modification import modify, setflush
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import INODE_BYTES, KEY_MAX, BrefType, ChainFlag, Delete, Lookup, PfsType, Resolve

KEYS = st.one_of(st.integers(0, 120), st.integers(0, 2**64 - 1), st.sampled_from([0, KEY_MAX, KEY_MAX - 1, 1 << 63]))
COUNTS = st.sampled_from([1, 9, 30, 100])
THOROUGH = settings.default is not None and settings.default.max_examples > 1000
"""Under the profile ``fuzz``: more of everything."""
STEPS = settings(max_examples=500 if THOROUGH else 25, stateful_step_count=60)
pytestmark = pytest.mark.hypothesis


async def flush_one(chain: StoredChain) -> None:
    await flush(chain, 0)


async def mark_one(chain: StoredChain) -> None:
    setflush(chain)


class ChainsAreADictionary(RuleBasedStateMachine):
    """Inodes below the super-root of one volume, against {key: content}."""

    @initialize(radix=st.sampled_from([10, 11, 12]), size=st.sampled_from([1 << 19, 1 << 21]))
    def begin(self, radix: int, size: int) -> None:
        self.device = memory(1, size)[0]
        at_once(format_volume(self.device, b"v" * 16, b"c" * 16, indirect_radix=radix))
        self.live: dict[int, bytes] = {}
        self.durable: dict[int, bytes] = {}
        self.tid = 0
        self._open()

    def _open(self) -> None:
        self.volume = at_once(open_volume(self.device))
        assert self.volume.super_root is not None
        self.root = self.volume.super_root

    async def _parent(self) -> ClusterItem:
        await self.volume.lock(self.root, Resolve.ALWAYS)
        return ClusterItem(self.root)

    @rule(key=KEYS, data=st.binary(min_size=8, max_size=8))
    def add(self, key: int, data: bytes) -> None:
        async def add() -> int:
            item = await self._parent()
            found, _ = await lookup(item, 0, key, key, Lookup.ALWAYS)
            assert (found is not None) == (key in self.live)
            error = 0
            if found is None:
                error, made = await create(item, None, None, Blockref(BrefType.INODE, key=key), INODE_BYTES, 0)
                if made is not None:
                    assert made.data is not None
                    assert not any(made.data)
                    assert made.bref.mirror_tid == 0
                    made.data[:8] = data
                    self.live[key] = data
                    self.volume.unlock(made)
            else:
                self.volume.unlock(found)
            self.volume.unlock(stored(item))
            return error

        assert at_once(add()) in (0, NO_SPACE)

    @rule(choice=st.randoms(use_true_random=False), count=COUNTS, bits=st.sampled_from([7, 16, 64]))
    def add_many(self, choice: random.Random, count: int, bits: int) -> None:
        for _ in range(count):
            self.add(choice.getrandbits(bits), choice.randbytes(8))

    @precondition(lambda self: self.live)
    @rule(choice=st.randoms(use_true_random=False))
    def take_away_half(self, choice: random.Random) -> None:
        for _ in range(len(self.live) // 2):
            if self.live:
                self.take_away(choice, choice.choice([0, Delete.PERMANENT]))

    @precondition(lambda self: self.live)
    @rule(choice=st.randoms(use_true_random=False), data=st.binary(min_size=8, max_size=8))
    def change(self, choice: random.Random, data: bytes) -> None:
        key = choice.choice(sorted(self.live))

        async def change() -> None:
            item = await self._parent()
            found, _ = await lookup(item, 0, key, key, Lookup.ALWAYS)
            assert found is not None
            await modify(found, 0)
            if found.error:
                assert self.volume.failed is not None
            elif found.data is not None:
                found.data[:8] = data
                self.live[key] = data
            self.volume.unlock(found)
            self.volume.unlock(stored(item))

        at_once(change())
        if self.volume.failed:
            self.crash()

    @precondition(lambda self: self.live)
    @rule(choice=st.randoms(use_true_random=False), flags=st.sampled_from([0, Delete.PERMANENT]))
    def take_away(self, choice: random.Random, flags: int) -> None:
        key = choice.choice(sorted(self.live))

        async def take_away() -> None:
            item = await self._parent()
            found, _ = await lookup(item, 0, key, key, Lookup.ALWAYS)
            assert found is not None
            await delete(stored(item), found, flags)
            assert found.parent is None or self.volume.failed
            self.volume.unlock(found)
            self.volume.unlock(stored(item))

        at_once(take_away())
        if self.volume.failed:
            self.crash()
        else:
            del self.live[key]

    @precondition(lambda self: self.live)
    @rule(choice=st.randoms(use_true_random=False), to=KEYS)
    def move(self, choice: random.Random, to: int) -> None:
        key = choice.choice(sorted(self.live))
        if to in self.live:
            return

        async def move() -> None:
            item = await self._parent()
            found, _ = await lookup(item, 0, key, key, Lookup.ALWAYS)
            assert found is not None
            await delete(stored(item), found, 0)
            nothing, _ = await lookup(item, 0, to, to, 0)
            assert nothing is None
            await rename(item, found, Blockref(key=to), 0)
            self.volume.unlock(found)
            self.volume.unlock(stored(item))

        at_once(move())
        if self.volume.failed:
            self.crash()
        else:
            self.live[to] = self.live.pop(key)

    @rule(low=KEYS, high=KEYS)
    def scan(self, low: int, high: int) -> None:
        async def scan() -> list[tuple[int, bytes]]:
            item, rows = await self._parent(), []
            chain, key_next = await lookup(item, 0, low, high, Lookup.ALWAYS)
            while chain is not None:
                assert chain.error == 0
                assert chain.data is not None
                assert key_next == (chain.bref.key + 1) % 2**64
                rows.append((chain.bref.key, bytes(chain.data[:8])))
                chain, key_next = await next_entry(item, chain, 0, high, Lookup.ALWAYS)
            self.volume.unlock(stored(item))
            return rows

        low, high = sorted((low, high))
        assert at_once(scan()) == [(key, data) for key, data in sorted(self.live.items()) if low <= key <= high]

    @rule(choice=st.randoms(use_true_random=False), what=st.sampled_from([flush_one, mark_one]))
    def flush_without_sync(self, choice: random.Random, what: Callable[[StoredChain], Awaitable[None]]) -> None:
        """What is written, or marked, and not yet part of any generation."""

        async def at_an_element() -> None:
            item = await self._parent()
            if self.live:
                key = choice.choice(sorted(self.live))
                found, _ = await lookup(item, 0, key, key, Lookup.ALWAYS)
                assert found is not None
                await what(found)
                self.volume.unlock(found)
            else:
                await what(stored(item))
            self.volume.unlock(stored(item))

        at_once(at_an_element())
        if self.volume.failed:
            self.crash()

    @rule()
    def sync(self) -> None:
        self.tid += 1
        at_once(sync(self.volume, self.tid))
        if self.volume.failed:
            self.crash()
            return
        self.durable = dict(self.live)
        assert problems([self.device]) == []
        self.nothing_is_left_in_memory()

    def nothing_is_left_in_memory(self) -> None:
        volume, counts = self.volume, self.volume.freemap.counts
        assert volume.promised == 0
        assert volume.freemap.free_bytes == 1024 * counts.count(0)
        assert not volume.detached | volume.holding
        assert not volume.tables
        assert not volume.dying
        assert self.root.refs == 1
        assert len(self.root.children) == 0
        assert not self.root.flags & (ChainFlag.MODIFIED | ChainFlag.UPDATE | ChainFlag.ONFLUSH)

    @rule()
    def crash(self) -> None:
        self._open()
        self.live = dict(self.durable)

    def teardown(self) -> None:
        if hasattr(self, "volume"):
            self.scan(0, KEY_MAX)
            self.sync()
            self.scan(0, KEY_MAX)


NAMES = st.one_of(st.binary(min_size=1, max_size=3), st.binary(min_size=1, max_size=255)).filter(
    lambda n: b"\0" not in n
)
SIZES = st.sampled_from([0, 1, 511, 512, 513, 1024, 5000, 65535, 65536, 65537, 200_000])


NODES = st.tuples(st.sampled_from([10, 11, 12, 14]), st.sampled_from([PfsType.MASTER, PfsType.MASTER, PfsType.SLAVE]))
SLAVES_ARE_WRITTEN = REPAIRED._replace(believed_writes=False)
"""As in the original, which writes to every member; repaired, only a resynchronization writes to slaves."""


class FilesAreADictionary(RuleBasedStateMachine):
    """Files on 1 to 8 nodes, masters and slaves, whose trees differ in shape, against {name: content}."""

    @initialize(
        nodes=st.lists(NODES, min_size=1, max_size=8).filter(lambda nodes: any(n[1] == PfsType.MASTER for n in nodes)),
        semantics=st.sampled_from([REPAIRED, REPAIRED, SLAVES_ARE_WRITTEN]),
        few=st.sampled_from([0, 3, 30]),
        seed=st.integers(0, 2**32),
    )
    def begin(self, nodes: list[tuple[int, PfsType]], semantics: Semantics, few: int, seed: int) -> None:
        self.devices = memory(len(nodes), 1 << 22)
        self.types = [kind for _, kind in nodes]
        self.semantics = semantics
        self.store = make(self.devices, self.types, [radix for radix, _ in nodes], semantics)
        self.files: dict[bytes, bytes] = {}
        self.durable: dict[bytes, bytes] = {}
        self.snapshots: dict[bytes, dict[bytes, bytes]] = {}
        self._mount()
        self.put_many(random.Random(seed), few)

    def _mount(self) -> None:
        self.filesystem = self.store.mount()
        assert not [
            why
            for kind, why in zip(self.types, self.filesystem.left_out, strict=True)
            if why and (kind == PfsType.MASTER or self.semantics is SLAVES_ARE_WRITTEN)
        ]

    def put_many(self, choice: random.Random, count: int) -> None:
        """Enough to make indirect blocks, if there are some."""
        for n in range(count):
            self.put(b"file %d" % n, choice.choice([0, 100, 600]), n)

    @rule(name=NAMES, size=SIZES, seed=st.integers(0, 2**32))
    def put(self, name: bytes, size: int, seed: int) -> None:
        data = random.Random(seed).randbytes(size)
        try:
            put(self.store, self.filesystem, name, data)
        except NoSpaceError:
            return
        self.files[name] = data

    @precondition(lambda self: self.files)
    @rule(choice=st.randoms(use_true_random=False), offset=SIZES, size=SIZES)
    def write(self, choice: random.Random, offset: int, size: int) -> None:
        name, piece = choice.choice(sorted(self.files)), choice.randbytes(size)
        try:
            self.store.run(self.filesystem.write(name, offset, piece))
        except NoSpaceError:
            return
        old = self.files[name].ljust(offset, b"\0")
        self.files[name] = old[:offset] + piece + old[offset + size :]

    @precondition(lambda self: self.files)
    @rule(choice=st.randoms(use_true_random=False))
    def remove(self, choice: random.Random) -> None:
        name = choice.choice(sorted(self.files))
        self.store.run(self.filesystem.remove(name))
        del self.files[name]

    @precondition(lambda self: self.files)
    @rule(choice=st.randoms(use_true_random=False), new=NAMES)
    def rename(self, choice: random.Random, new: bytes) -> None:
        name = choice.choice(sorted(self.files))
        try:
            self.store.run(self.filesystem.rename(name, new))
        except ExistsError:
            assert new in self.files
        else:
            self.files[new] = self.files.pop(name)

    @rule(name=NAMES)
    def what_is_not_there_is_not_found(self, name: bytes) -> None:
        if name not in self.files:
            with pytest.raises(NotFoundError):
                self.store.run(self.filesystem.remove(name))

    @rule()
    def flush(self) -> None:
        self.store.run(self.filesystem.flush())
        self.durable = dict(self.files)
        assert problems(self.devices) == []
        self.synchronized_nodes_are_equal()

    def synchronized_nodes_are_equal(self) -> None:
        """By key, not by block. Masters are in step, and slaves if they are written, or nothing has changed yet."""
        tids = [deref(node.root).mirror_tid for node in self.store.status()]
        synchronized = [n for n, tid in enumerate(tids) if tid == max(tids)]
        must_be = [n for n, kind in enumerate(self.types) if kind == PfsType.MASTER]
        if self.semantics is SLAVES_ARE_WRITTEN:
            must_be = [*range(len(self.types))]
        assert {*must_be} <= {*synchronized}
        trees = [tree_of(deref(self.store.volumes[n])) for n in synchronized]
        assert trees == [trees[0]] * len(synchronized)

    @precondition(lambda self: len(self.snapshots) < 3)
    @rule()
    def snapshot(self) -> None:
        label = b"snapshot %d" % len(self.snapshots)
        try:
            self.store.run(self.filesystem.snapshot(label))
        except NoSpaceError:
            return
        self.snapshots[label] = self.durable = dict(self.files)
        assert problems(self.devices) == []

    @rule()
    def close_and_open(self) -> None:
        self.store = reopen(self.devices, self.semantics)
        self.files = dict(self.durable)
        self._mount()
        for label, files in self.snapshots.items():
            assert content_of(self.store, self.store.mount(label)) == files

    @invariant()
    def the_files_are_those_of_the_dictionary(self) -> None:
        if hasattr(self, "filesystem"):
            assert content_of(self.store, self.filesystem) == self.files


def test_chains_are_a_dictionary() -> None:
    run_state_machine_as_test(ChainsAreADictionary, settings=STEPS)


def test_files_are_a_dictionary() -> None:
    run_state_machine_as_test(
        FilesAreADictionary, settings=settings(STEPS, max_examples=STEPS.max_examples // 3, stateful_step_count=25)
    )


def test_names_whose_hashes_collide_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def three_hashes(name: bytes) -> int:
        return 1 << 63 | (sum(name) % 3) << 16 | 0x8000

    for module in (stored_chains, directory_module):
        monkeypatch.setattr(module, "dirhash", three_hashes)
    run_state_machine_as_test(
        FilesAreADictionary, settings=settings(STEPS, max_examples=STEPS.max_examples // 6, stateful_step_count=25)
    )


def test_a_rename_to_a_name_that_is_taken_is_refused_and_changes_nothing() -> None:
    store = make(memory(3, 1 << 19))
    filesystem, files = store.mount(), {b"a": b"one", b"b": b"two" * 500}
    for name, data in files.items():
        put(store, filesystem, name, data)
    for new in (b"a", b"b"):
        with pytest.raises(ExistsError, match=f"there is a '{new.decode()}'"):
            store.run(filesystem.rename(b"a", new))
    store.run(filesystem.flush())
    assert content_of(store, filesystem) == files


def test_one_name_more_than_a_hash_has_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "dirhash", lambda _name: 1 << 63 | 0x8000)
    monkeypatch.setattr(directory_module, "DIRHASH_LOMASK", 3)
    store = make(memory(1, 1 << 19))
    filesystem = store.mount()
    for n in range(4):
        put(store, filesystem, b"%d" % n, b"")
    with pytest.raises(FilesystemError, match="too many names have the hash of '4'"):
        put(store, filesystem, b"4", b"")
    store.run(filesystem.remove(b"1"))
    put(store, filesystem, b"4", b"")
    assert sorted(content_of(store, filesystem)) == [b"0", b"2", b"3", b"4"]


@pytest.mark.parametrize(("flags", "reads"), [(Lookup.NODATA, 0), (0, 0), (Lookup.ALWAYS, 1)])
def test_a_lookup_reads_a_data_block_only_if_always_asked_to(flags: int, reads: int) -> None:
    device = FaultyDevice(memory(1, 1 << 19)[0])
    put(store := make([device]), filesystem := store.mount(), b"a", b"x" * 3000)
    store.run(filesystem.flush())

    async def read() -> tuple[int, bool]:
        volume = await open_volume(device)
        item = ClusterItem(deref(volume.super_root))
        await volume.lock(deref(volume.super_root), Resolve.ALWAYS)
        for _ in ("ROOT", "a"):
            chain, _ = await lookup(item, 0, 0, KEY_MAX, Lookup.ALWAYS)
            volume.unlock(stored(item))
            item = ClusterItem(deref(chain))
        before = device.count.reads
        chain, _ = await lookup(item, 0, 0, 0, flags)
        return device.count.reads - before, deref(chain).data is not None

    assert at_once(read()) == (reads, bool(reads))


def test_a_large_file_does_not_wait_in_memory() -> None:
    devices = memory(1, 1 << 25)
    store = make(devices)
    filesystem, chance = store.mount(), random.Random(12)
    pieces = [chance.randbytes(1 << 20) for _ in range(20)]
    volume = store.volumes[0]
    assert volume is not None
    most = 0

    def watched() -> Iterator[bytes]:
        nonlocal most
        for piece in pieces:
            most = max(most, len(volume.buffered))
            yield piece

    store.run(filesystem.put(b"large", watched(), 20 << 20))
    assert 64 <= most <= 160
    assert read(store, filesystem, b"large") == b"".join(pieces)
    store.run(filesystem.write(b"large", 5, b"changed after it was written"))
    store.run(filesystem.flush())
    assert problems(devices) == []
    store = reopen(devices)
    expected = bytearray(b"".join(pieces))
    expected[5:33] = b"changed after it was written"
    assert read(store, store.mount(), b"large") == expected
