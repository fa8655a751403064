"""The stored chain layer beside the model: the same calls of ChainLayer to both, and all that can be seen is compared.

The model is asked on a good day, so that nothing is left open; it also sees to it that the calls are legal.
"""

import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from tests.store_kit import make, memory, problems
from tests.test_chain_layer import GoodDay

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.model import Model, NodeSpec, inode_above
from hammer2_cluster.objects import Blockref, Chain, ClusterItem, Iocb
from hammer2_cluster.outcomes import deref
from hammer2_cluster.store.chains import StoredChains, at_once
from hammer2_spec.vocabulary import (
    INODE_BYTES,
    KEY_MAX,
    BrefType,
    ChainFlag,
    Delete,
    Insert,
    Lookup,
    Modify,
    Resolve,
)

pytestmark = pytest.mark.hypothesis
THOROUGH = settings.default is not None and settings.default.max_examples > 1000
KEYS = st.one_of(st.integers(0, 60), st.integers(0, KEY_MAX), st.sampled_from([KEY_MAX, KEY_MAX - 1, 1 << 63]))
CHOICE = st.randoms(use_true_random=False)
MARKS = st.binary(min_size=8, max_size=8)
MARK_AT = 0x100
ROOT_KEY = 1 << 62
Result = TypeVar("Result")
Items = tuple[ClusterItem, ...]
"""The parent slot of the model, and that of the store."""


@dataclass(eq=False)
class Pair:
    """One chain as either layer has it, and what the test holds of it."""

    model: Chain
    stored: Chain
    locks: int = 0
    refs: int = 0
    """Besides those of the locks."""
    gone: bool = False
    """Deleted for good: it cannot be attached again."""


def seen(chain: Chain, root: Chain, held_by_flags: int) -> dict[str, object]:
    """What the contract lets a caller see of a chain."""
    return {
        "type": BrefType(chain.bref.type).name,
        "key": chain.bref.key,
        "keybits": chain.bref.keybits,
        "bytes": chain.bytes,
        "mirror_tid": chain.bref.mirror_tid,
        "error": chain.error,
        "locks": chain.locks,
        "refs": chain.refs - held_by_flags,
        "modified": bool(chain.flags & ChainFlag.MODIFIED),
        "deleted": bool(chain.flags & ChainFlag.DELETED),
        "initial": bool(chain.flags & ChainFlag.INITIAL),
        "below the root": inode_above(chain) is root,
    }


class StoredBesideModel(RuleBasedStateMachine):
    """A directory with elements, on one node."""

    @initialize(radix=st.sampled_from([10, 11, 12]))
    def begin(self, radix: int) -> None:
        self.device = memory(1, 1 << 22)[0]
        store = make([self.device], radixes=[radix])
        self.stored: StoredChains = store.chains
        ids = count(1)
        self.stored.uuids = lambda _hmp, _offset: bytes((next(ids),)) * 16
        self.model = Model([NodeSpec(tid=0, keys=())], None, GoodDay())
        self.layers: tuple[ChainLayer, ChainLayer] = (self.model, self.stored)
        self.held: list[Pair] = []
        self.root = Pair(self.model.nodes[0].root, self._directory(deref(deref(store.volumes[0]).super_root)))
        self.root.model.refs = 1
        self.root.model.bref.key = ROOT_KEY
        self.root.model.bref.keybits = 0

    def _directory(self, super_root: Chain) -> Chain:
        """An empty inode below the super-root, with a reference."""
        at_once(self.stored.lock(super_root, Resolve.ALWAYS))
        item, made = ClusterItem(super_root), ClusterItem()
        assert at_once(self.stored.lookup(item, 0, ROOT_KEY, ROOT_KEY, 0))[0] is None
        assert at_once(self.stored.create(item, made, None, ROOT_KEY, 0, BrefType.INODE, INODE_BYTES, 0)) == 0
        chain = deref(made.chain)
        deref(chain.data)[MARK_AT:] = self.model.stored(self.model.nodes[0].root)[MARK_AT:0x200].ljust(768, b"\0")
        self.stored.ref(chain)
        self.stored.unlock(chain)
        self.stored.unlock(deref(item.chain))
        return chain

    # ---- the same to both

    def _both(self, call: Callable[[ChainLayer, Callable[[Pair], Chain]], Result]) -> tuple[Result, Result]:
        return call(self.model, lambda pair: pair.model), call(self.stored, lambda pair: pair.stored)

    def _same(self, call: Callable[[ChainLayer, Callable[[Pair], Chain]], Result]) -> Result:
        """What both answer, which must be the same."""
        by_model, by_store = self._both(call)
        assert by_model == by_store
        return by_store

    def _await(self, call: Callable[[ChainLayer, Callable[[Pair], Chain]], Coroutine[Any, Any, Result]]) -> Result:
        return self._same(lambda layer, of: at_once(call(layer, of)))

    def _sides(self, pair: Pair, items: Items) -> Iterator[tuple[ChainLayer, ClusterItem, Chain]]:
        """Layer, parent slot and chain, of the model and of the store."""
        return zip(self.layers, items, (pair.model, pair.stored), strict=True)

    def _locked_root(self) -> Items:
        self._await(lambda layer, of: layer.lock(of(self.root), Resolve.ALWAYS))
        return ClusterItem(self.root.model), ClusterItem(self.root.stored)

    def _release(self, items: Items) -> None:
        """The parent slots, which stand at the root or at an indirect block below it."""
        for layer, item, root in zip(self.layers, items, (self.root.model, self.root.stored), strict=True):
            chain = deref(item.chain)
            assert chain is root or (chain.bref.type == BrefType.INDIRECT and inode_above(chain) is root)
            layer.unlock(chain)

    def _pair(self, model: Chain | None, stored: Chain | None) -> Pair | None:
        """The pair of two chains that were found at the same time."""
        assert (model is None) == (stored is None)
        if model is None or stored is None:
            return None
        known = next((pair for pair in self.held if pair.model is model or pair.stored is stored), None)
        if known is None:
            known = Pair(model, stored)
            self.held.append(known)
        assert (known.model, known.stored) == (model, stored)
        return known

    def _let_go_of_what_is_shared(self) -> None:
        """Before an exclusive lock, which would wait for its own caller's shared one."""
        for pair in [pair for pair in self.held if pair.model in self.model.shared]:
            for _ in range(pair.locks):
                self._unlock(pair)

    def _look_up(self, items: Items, low: int, high: int, flags: int) -> tuple[Pair | None, int]:
        if not flags & (Lookup.SHARED | Lookup.NOLOCK):
            self._let_go_of_what_is_shared()
        found = [
            at_once(layer.lookup(item, 77, low, high, flags)) for layer, item in zip(self.layers, items, strict=True)
        ]
        return self._found(found, flags)

    def _found(self, found: list[tuple[Chain | None, int]], flags: int) -> tuple[Pair | None, int]:
        (model, model_next), (stored, stored_next) = found
        assert model_next == stored_next
        pair = self._pair(model, stored)
        if pair is not None:
            pair.locks += not flags & Lookup.NOLOCK
            pair.refs += bool(flags & Lookup.NOLOCK)
            self.alike(pair)
        return pair, stored_next

    def _is_free(self, key: int, keybits: int) -> bool:
        """Whether nothing overlaps these keys."""
        items = self._locked_root()
        pair, _ = self._look_up(items, key, key + (1 << keybits) - 1, Lookup.NODATA)
        self._release(items)
        if pair is not None:
            self._unlock(pair)
        return pair is None

    def _unlock(self, pair: Pair) -> None:
        self._same(lambda layer, of: layer.unlock(of(pair)))
        pair.locks -= 1
        self._forget_unheld(pair)

    def _forget_unheld(self, pair: Pair) -> None:
        if not pair.locks and not pair.refs:
            self.held.remove(pair)

    def alike(self, pair: Pair) -> None:
        flags = pair.stored.flags
        by_flags = bool(flags & ChainFlag.MODIFIED) + bool(flags & ChainFlag.UPDATE)
        of_model, of_store = seen(pair.model, self.root.model, 0), seen(pair.stored, self.root.stored, by_flags)
        if pair is self.root or pair.gone:  # whether there is anything left to be written is each layer's own business
            of_model |= {name: of_store[name] for name in ("modified", "initial")}
        assert of_model == of_store
        if pair is not self.root:
            assert (pair.stored.locks, of_store["refs"]) == (pair.locks, pair.locks + pair.refs)
        if pair.locks and pair.model.data is not None and pair.stored.data is not None:
            assert pair.model.data == pair.stored.data

    # ---- lookups

    @rule(low=KEYS, high=KEYS, flags=st.sampled_from([Lookup.ALWAYS, Lookup.ALWAYS | Lookup.SHARED, Lookup.NOLOCK]))
    def find(self, low: int, high: int, flags: int) -> None:
        low, high = sorted((low, high))
        items = self._locked_root()
        self._look_up(items, low, high, flags)
        self._release(items)

    @rule(low=KEYS, high=KEYS, flags=st.sampled_from([Lookup.ALWAYS, Lookup.NOLOCK]))
    def scan(self, low: int, high: int, flags: int) -> None:
        low, high = sorted((low, high))
        items = self._locked_root()
        pair, key_next = self._look_up(items, low, high, flags)
        while pair is not None:
            before = pair
            found = [
                at_once(layer.next(item, chain, key_next, low, high, flags))
                for layer, item, chain in self._sides(pair, items)
            ]
            before.locks -= not flags & Lookup.NOLOCK
            before.refs -= bool(flags & Lookup.NOLOCK)
            pair, key_next = self._found(found, flags)
            self._forget_unheld(before)
        self._release(items)

    # ---- references and locks

    def _one(self, choice: random.Random, which: Callable[[Pair], bool] = lambda _: True) -> Pair | None:
        some = [pair for pair in self.held if which(pair)]
        return choice.choice(some) if some else None

    @precondition(lambda self: self.held)
    @rule(choice=CHOICE)
    def reference(self, choice: random.Random) -> None:
        pair = deref(self._one(choice))
        self._same(lambda layer, of: layer.ref(of(pair)))
        pair.refs += 1

    @rule(choice=CHOICE)
    def drop(self, choice: random.Random) -> None:
        if pair := self._one(choice, lambda pair: pair.refs > 0):
            self._same(lambda layer, of: layer.drop(of(pair)))
            pair.refs -= 1
            self._forget_unheld(pair)

    @precondition(lambda self: self.held)
    @rule(
        choice=CHOICE,
        how=st.sampled_from([Resolve.ALWAYS, Resolve.MAYBE, Resolve.NEVER, Resolve.ALWAYS | Resolve.SHARED]),
        noref=st.booleans(),
    )
    def lock(self, choice: random.Random, how: int, noref: bool) -> None:
        pair = deref(self._one(choice))
        if pair.model in self.model.shared:
            how |= Resolve.SHARED
        if pair.gone and pair.stored.data is None:  # its dirty buffer was thrown away, and no block was written
            how = how & ~int(Resolve.MASK) | Resolve.NEVER
        if noref and pair.refs:
            pair.refs -= 1
            how |= Resolve.NOREF
        self._await(lambda layer, of: layer.lock(of(pair), how))
        pair.locks += 1

    @rule(choice=CHOICE)
    def unlock(self, choice: random.Random) -> None:
        if pair := self._one(choice, lambda pair: pair.locks > 0):
            self._unlock(pair)

    # ---- modifying

    @rule(
        key=KEYS,
        what=st.sampled_from([(BrefType.INODE, 0, 1024), (BrefType.DATA, 2, 1024), (BrefType.DATA, 5, 4096)]),
        flags=st.sampled_from([0, Insert.PFSROOT]),
    )
    def add(self, key: int, what: tuple[int, int, int], flags: int) -> None:
        kind, keybits, size = what
        key = key >> keybits << keybits
        if self._is_free(key, keybits):
            items, made = self._locked_root(), (ClusterItem(), ClusterItem())
            self._look_up(items, key, key + (1 << keybits) - 1, 0)
            errors = [
                at_once(layer.create(parent, item, None, key, keybits, kind, size, flags))
                for layer, parent, item in zip(self.layers, items, made, strict=True)
            ]
            assert errors == [0, 0]
            pair = deref(self._pair(made[0].chain, made[1].chain))
            pair.locks += 1
            self.alike(pair)
            self._release(items)
            self._unlock(pair)

    @rule(choice=CHOICE, count=st.sampled_from([3, 20]))
    def add_many(self, choice: random.Random, count: int) -> None:
        for _ in range(count):
            self.add(choice.getrandbits(choice.choice([6, 64])), (BrefType.INODE, 0, 1024), 0)

    def _element(self, choice: random.Random, kind: int | None = None) -> int | None:
        """The key of an element."""
        keys = [chain.bref.key for chain in self.model.nodes[0].elements() if kind in (None, chain.bref.type)]
        return choice.choice(keys) if keys else None

    def _locked(self, choice: random.Random, kind: int | None = None) -> tuple[Pair | None, Items]:
        """An element, locked once more, and the parent slots, which are locked too."""
        key = self._element(choice, kind)
        if key is None:
            return None, ()
        items = self._locked_root()
        return self._look_up(items, key, key, Lookup.ALWAYS)[0], items

    @rule(choice=CHOICE, flags=st.sampled_from([0, 0, Delete.PERMANENT]), keep=st.booleans())
    def take_away(self, choice: random.Random, flags: int, keep: bool) -> None:
        pair, items = self._locked(choice)
        if pair is None:
            return
        for layer, item, chain in self._sides(pair, items):
            at_once(layer.delete(item.chain, chain, flags))
        pair.gone |= bool(flags & Delete.PERMANENT)
        self.alike(pair)
        self._release(items)
        if not keep:
            self._unlock(pair)

    @rule(choice=CHOICE, to=st.one_of(st.none(), KEYS), by_create=st.booleans())
    def put_back(self, choice: random.Random, to: int | None, by_create: bool) -> None:
        """A detached element is attached again, where it was or elsewhere."""
        self.take_away(choice, 0, True)
        pair = self._one(choice, lambda pair: pair.model.parent is None and not pair.gone and pair.locks > 0)
        if pair is None:
            return
        keybits = pair.model.bref.keybits
        key = pair.model.bref.key if to is None else to >> keybits << keybits
        if not self._is_free(key, keybits):
            return
        items = self._locked_root()
        self._look_up(items, key, key + (1 << keybits) - 1, 0)
        for layer, item, chain in self._sides(pair, items):
            if by_create:
                slot = ClusterItem(chain)
                made = layer.create(item, slot, None, key, keybits, chain.bref.type, chain.bytes, 0)
                assert at_once(made) == 0
                assert slot.chain is chain
            else:
                bref = None if to is None else Blockref(key=key, keybits=keybits)
                at_once(layer.rename(item, chain, bref, 0))
        self._release(items)
        self.alike(pair)

    @rule(choice=CHOICE, flags=st.sampled_from([0, Modify.OPTDATA, Modify.NOREALLOC]), mark=MARKS, keep=st.booleans())
    def change(self, choice: random.Random, flags: int, mark: bytes, keep: bool) -> None:
        pair, items = self._locked(choice)
        if pair is None:
            return
        self._await(lambda layer, of: layer.modify(of(pair), flags))
        for chain in (pair.model, pair.stored):
            content = deref(chain.data)
            if flags & Modify.OPTDATA:  # the caller is going to write all of it
                content[:] = bytes(len(content))
            content[MARK_AT : MARK_AT + 8] = mark
        self.alike(pair)
        self._release(items)
        if not keep:
            self._unlock(pair)

    @rule(choice=CHOICE, radix=st.integers(10, 13), mark=MARKS)
    def change_the_size(self, choice: random.Random, radix: int, mark: bytes) -> None:
        pair, items = self._locked(choice, BrefType.DATA)
        if pair is None:
            return
        for layer, item, chain in self._sides(pair, items):
            at_once(layer.resize(None, deref(item.chain), chain, radix, 0))
        self.alike(pair)
        self._await(lambda layer, of: layer.modify(of(pair), 0))  # a resize may have lost the buffer
        for chain in (pair.model, pair.stored):
            deref(chain.data)[-8:] = mark
        self._release(items)
        self._unlock(pair)

    @rule(choice=CHOICE)
    def name_it(self, choice: random.Random) -> None:
        pair, items = self._locked(choice)
        if pair is None:
            return
        if self.model.uuids < 250:
            self._await(lambda layer, of: layer.modify(of(pair), 0))
            self._same(lambda layer, of: layer.uuidgen(of(pair), 0x0A0))
        self.alike(pair)
        self._release(items)
        self._unlock(pair)

    @rule(choice=CHOICE)
    def read(self, choice: random.Random) -> None:
        key = self._element(choice)
        if key is None:
            return
        items = self._locked_root()
        pair = deref(self._look_up(items, key, key, Lookup.NOLOCK)[0])
        if pair.model.flags & ChainFlag.INITIAL:  # never written: the contract does not let it be read
            self._release(items)
            return

        def how_it_went(layer: ChainLayer, of: Callable[[Pair], Chain]) -> list[int]:
            called: list[int] = []
            layer.adjreadcounter(of(pair))
            cluster = layer.kmalloc()
            iocb = Iocb(lambda iocb: called.append(iocb.error), cluster, of(pair), None, 0)
            layer.io_getblk(iocb)
            layer.callback(iocb)
            layer.kfree(cluster)
            return called

        assert self._same(how_it_went) == [0, 0]
        self._release(items)

    # ---- flushing

    @rule(choice=CHOICE)
    def flush_one(self, choice: random.Random) -> None:
        pair, items = self._locked(choice)
        if pair is None:
            return
        self._release(items)
        self._same(lambda layer, of: layer.setflush(of(pair)))
        assert pair.model.flags & pair.stored.flags & ChainFlag.ONFLUSH
        self._await(lambda layer, of: layer.flush(of(pair)))
        assert not (pair.model.flags | pair.stored.flags) & (ChainFlag.ONFLUSH | ChainFlag.MODIFIED)
        self._unlock(pair)

    @rule()
    def flush_all(self) -> None:
        """What was deleted until now cannot be attached any more."""
        for pair in [pair for pair in self.held if pair.model.parent is None]:
            for _ in range(pair.locks):
                self._unlock(pair)
            for _ in range(pair.refs):
                self._same(lambda layer, of, pair=pair: layer.drop(of(pair)))  # type: ignore[misc]  # bound at once
                pair.refs -= 1
                self._forget_unheld(pair)
        for chain in self.model.nodes[0].chains:
            self.model.ref(chain) if chain.refs else setattr(chain, "refs", 1)
            at_once(self.model.flush(chain))
            self.model.drop(chain)
            if not chain.locks:
                chain.data = None
        at_once(self.stored.flush(self.root.stored))
        at_once(self.stored.sync(self.root.stored))
        assert problems([self.device]) == []

    # ---- all of it

    @invariant()
    def all_elements_are_alike(self) -> None:
        if hasattr(self, "root"):
            for pair in (self.root, *self.held):
                self.alike(pair)

    def teardown(self) -> None:
        if hasattr(self, "root"):
            self.scan(0, KEY_MAX, Lookup.ALWAYS)
            self.flush_all()
            self.scan(0, KEY_MAX, Lookup.ALWAYS)


def test_the_stored_layer_cannot_be_told_from_the_model() -> None:
    run_machine(StoredBesideModel, settings=settings(max_examples=500 if THOROUGH else 40, stateful_step_count=60))
