"""Putting chains under parents: hammer2_chain_create, hammer2_chain_rename, and the indirect blocks that this needs."""

from collections import Counter
from collections.abc import Sequence
from errno import ENOSPC
from typing import Final, NamedTuple

from hammer2_cluster import confirmed
from hammer2_cluster.device.device import FullError
from hammer2_cluster.objects import Blockref, ClusterItem, Pfs
from hammer2_cluster.store.blockref import last_key
from hammer2_cluster.store.chain import INODE_CAPACITY, StoredChain
from hammer2_cluster.store.lookup import stored
from hammer2_cluster.store.modification import modify, set_modified, set_update, setflush
from hammer2_cluster.store.volume import Volume
from hammer2_spec.vocabulary import BLOCKREF_BYTES, BrefFlag, BrefType, ChainFlag, Error, Insert

NO_SPACE: Final = ENOSPC
"""What create returns when there is no room; the vocabulary of 2015 has no name for it."""
KEY_SPACE_BITS: Final = 64


class Range(NamedTuple):
    """Keys key .. key + 2^keybits - 1."""

    key: int
    keybits: int

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self.key <= key <= last_key(self.key, self.keybits)


@confirmed.require(lambda key, keybits: key >= 0 and 0 <= keybits <= 64)
@confirmed.ensure(lambda key, keybits, result: result.key <= key <= last_key(result.key, keybits) == last_key(*result))
@confirmed.ensure(lambda keybits, result: result.key % 2**keybits == 0)
def aligned(key: int, keybits: int) -> Range:
    """The range of that size which a key lies in."""
    return Range(key >> keybits << keybits, keybits)


def _capacity(parent: StoredChain) -> int:
    return parent.bytes // BLOCKREF_BYTES if parent.bref.type == BrefType.INDIRECT else INODE_CAPACITY


def live_ranges(parent: StoredChain) -> list[Range]:
    """The keys of all live entries of a parent, in its table or in memory only."""
    mapped = [Range(entry.key, entry.keybits) for entry in parent.table()]
    unmapped = [chain.bref for chain in parent.children.all() if not chain.flags & ChainFlag.BMAPPED]
    return mapped + [Range(bref.key, bref.keybits) for bref in unmapped]


def range_to_move(entries: Sequence[Range], new: Range, capacity: int, room_above: int, limit: int) -> Range:
    """The range of keys that a new indirect block takes over from a full parent.

    entries: those of the parent. new: the one that found no place. capacity: entries of the indirect block.
    room_above: entries of the parent. limit: the most keybits that a range below the parent can have.

    The range holds at least two of the entries, so that a place comes free, and it and the new one, if that belongs
    there, fit into the block. Data blocks follow one another: a range is as wide as the block can describe.
    Names are scattered: a range is such that the parent ends up half filled with indirect blocks.
    """
    lowest = min(new.key, *(entry.key for entry in entries))
    highest = max(last_key(*new), *(last_key(*entry) for entry in entries))
    whole = (lowest ^ highest).bit_length()
    smallest = min(new.keybits, *(entry.keybits for entry in entries))
    if smallest > 0:
        keybits = smallest + capacity.bit_length() - 1
    else:
        keybits = whole - (room_above.bit_length() - 2)
    keybits = max(smallest + 1, min(keybits, limit))
    while True:
        buckets = Counter(aligned(entry.key, keybits) for entry in entries if entry.keybits < keybits)
        best = max(sorted(buckets), key=lambda bucket: buckets[bucket])
        moved = buckets[best] + (new.key in best)
        if buckets[best] < 2:
            keybits += 1
        elif moved > capacity:
            keybits -= 1
        else:
            return best


async def insert_indirect(item: ClusterItem, new: Range) -> None:
    """Make room in a full parent: an indirect block takes over some of its entries.

    Afterwards the slot holds the block where the new key belongs. Raises FullError with nothing changed.
    """
    parent = stored(item)
    volume = parent.volume
    radix = volume.header.indirect_radix
    capacity = (1 << radix) // BLOCKREF_BYTES
    limit = parent.bref.keybits - 1 if parent.bref.type == BrefType.INDIRECT else KEY_SPACE_BITS
    span = range_to_move(live_ranges(parent), new, capacity, _capacity(parent), limit)
    if not volume.has_room((1 << radix) + volume.cost_of_path(parent)):
        raise FullError(f"{volume.name}: no room for an indirect block")
    await modify(parent)
    if parent.error:
        raise FullError(f"{parent.name} cannot be modified")
    bref = Blockref(BrefType.INDIRECT, parent.bref.methods, keybits=span.keybits, key=span.key)
    indirect = await _new_chain(volume, bref, 1 << radix, parent.pmp)
    _move_entries(parent, indirect, span)
    volume.put_below(parent, indirect)
    setflush(parent)
    if new.key in span:
        item.chain = indirect
        volume.unlock(parent)
    else:
        volume.unlock(indirect)


def _move_entries(parent: StoredChain, indirect: StoredChain, span: Range) -> None:
    """What lies in the range goes below the indirect block: table entries, and chains in memory."""
    volume = parent.volume
    above, below = parent.table(), indirect.table()
    index = above.first_from(span.key)
    while index < len(above) and above[index].key in span:
        below.insert(above.remove(index))
    for chain in parent.children.all():
        if chain.bref.key in span:
            parent.children.remove(chain)
            volume.put_below(indirect, chain)
            if chain.flags & ChainFlag.ONFLUSH or chain.flags & ChainFlag.UPDATE:
                setflush(indirect)


async def _new_chain(volume: Volume, bref: Blockref, size: int, pmp: Pfs | None) -> StoredChain:
    """A chain with zero content and storage, locked, with one reference of the caller's. Raises FullError."""
    bref.data_off = volume.allocate(size.bit_length() - 1)
    chain = StoredChain(
        volume.new_id(), bref, size, ChainFlag.INITIAL | ChainFlag.ALLOCATED, hmp=volume.hmp, pmp=pmp, volume=volume
    )
    chain.data = bytearray(size)
    volume.ref(chain)
    await chain.lock.acquire(volume.waiting, False, f"the lock of {chain.name}")
    chain.locks += 1
    set_modified(chain)
    set_update(chain)
    return chain


async def create(
    item: ClusterItem, child: StoredChain | None, pmp: Pfs | None, bref: Blockref, size: int, flags: int = 0
) -> tuple[int, StoredChain | None]:
    """As ChainLayer.create. child: a detached chain to attach, or None for a new one of ``size`` bytes.

    bref: type, key and keybits of it. Returns an Error, or NO_SPACE, and the chain.
    """
    parent = stored(item)
    volume = parent.volume
    if parent.error or (child is not None and child.flags & ChainFlag.DESTROY):
        return Error.IO, child
    new = Range(bref.key, bref.keybits)
    try:
        while len(live_ranges(stored(item))) >= _capacity(stored(item)):
            await insert_indirect(item, new)
        parent = stored(item)
        if not volume.has_room((size if child is None else 0) + volume.cost_of_path(parent)):
            return NO_SPACE, child
        if child is None:
            bref.methods = parent.bref.methods
            child = await _new_chain(volume, bref, size, pmp)
        else:
            child.bref.key, child.bref.keybits = new
    except FullError:
        return NO_SPACE, child
    _attach(parent, child, pmp, flags)
    return Error.NONE, child


def _attach(parent: StoredChain, child: StoredChain, pmp: Pfs | None, flags: int) -> None:
    """Below the parent, in memory; its content and MODIFIED stay as they are."""
    volume = parent.volume
    child.pmp = pmp
    child.flags &= ~(ChainFlag.DELETED | ChainFlag.BMAPPED | ChainFlag.BMAPUPD | ChainFlag.PFSBOUNDARY)
    child.bref.flags &= ~BrefFlag.PFSROOT
    if flags & Insert.PFSROOT:
        child.bref.flags |= BrefFlag.PFSROOT
    volume.detached.discard(child)
    volume.put_below(parent, child)
    set_update(child)
    setflush(child)


async def rename(item: ClusterItem, chain: StoredChain, bref: Blockref | None, flags: int) -> None:
    """As ChainLayer.rename: attach, keeping the key unless bref says another."""
    where = bref or chain.bref
    target = Blockref(chain.bref.type, key=where.key, keybits=where.keybits)
    error, _ = await create(item, chain, chain.pmp, target, chain.bytes, flags)
    if error:
        chain.volume.fail(FullError(f"{chain.name} cannot be attached"))
