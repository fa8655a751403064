"""What a resynchronization reads at its source and changes at its target: elements by key, told apart by mirror_tid."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from hammer2_cluster.device.device import FullError, ReadError, WriteError
from hammer2_cluster.lookups import Element, element
from hammer2_cluster.modifying import Edited, copy_edited
from hammer2_cluster.objects import Blockref, ClusterItem
from hammer2_cluster.outcomes import deref
from hammer2_cluster.store import lookup
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.deletion import delete
from hammer2_cluster.store.inode_data import is_direct
from hammer2_cluster.store.insertion import create
from hammer2_cluster.store.modification import modify
from hammer2_cluster.store.volume import Volume, entries_in, parent_of
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import KEY_MAX, BrefType, Delete, Error, Lookup, Resolve

Path = tuple[int, ...]
"""The keys of the inodes on the way down from the PFS's root, which is ()."""


UNDER_WAY: Final = -1
"""The mirror_tid of an element whose copying has begun, and is not complete: no source has it."""


class Found(NamedTuple):
    """An element of the target."""

    what: Element
    tid: int


def element_of(entry: Entry) -> Element:
    """What a table entry of the source says of an element."""
    return Element(entry.type, entry.key, entry.keybits, entry.length)


# ---- at the source: from the media, so that nothing that is in memory or locked matters


async def content_of(volume: Volume, entry: Entry) -> bytes:
    """A block of the snapshot. Raises ReadError if it cannot be believed."""
    data, error = await volume.read(entry)
    if error is not Error.NONE:
        raise ReadError(f"{volume.name}: block {entry.data_off:#x}: check code is wrong")
    return bytes(data)


async def entries_below(volume: Volume, kind: int, content: bytes) -> list[Entry]:
    """The elements right below a block, whatever indirect blocks lead to them. Raises ReadError."""
    found: list[Entry] = []
    left = entries_in(kind, content)
    while left:
        entry = left.pop()
        if entry.type == BrefType.INDIRECT:
            left.extend(entries_in(entry.type, await content_of(volume, entry)))
        else:
            found.append(entry)
    return sorted(found, key=lambda entry: entry.key)


# ---- at the target: in memory, to be flushed as a whole


@asynccontextmanager
async def inode_at(root: StoredChain, path: Path) -> AsyncIterator[ClusterItem]:
    """The inode at a path, locked meanwhile; the slot may move to an indirect block below. Raises ReadError."""
    volume, item = root.volume, ClusterItem(root)
    await volume.lock(root, Resolve.ALWAYS)
    try:
        for key in path:
            inode = await below(item, key, Lookup.ALWAYS)
            if inode is None:
                raise ReadError(f"{volume.name}: nothing at {key:#x}")
            volume.unlock(lookup.stored(item))
            item.chain = inode
        yield item
    finally:
        volume.unlock(lookup.stored(item))


async def below(item: ClusterItem, key: int, flags: int = Lookup.NODATA) -> StoredChain | None:
    """The element at a key right below an inode, locked; with its content only if the flags say so."""
    chain, _ = await lookup.lookup(item, 0, key, key, flags)
    return chain


async def elements_at(root: StoredChain, path: Path) -> dict[int, Found] | None:
    """The elements below the inode at a path, by key; None if not all of them can be read. Raises ReadError."""
    found: dict[int, Found] = {}
    async with inode_at(root, path) as item:
        chain, _ = await lookup.lookup(item, 0, 0, KEY_MAX, Lookup.NODATA)
        while chain is not None and chain is not item.chain:
            found[chain.bref.key] = Found(element(chain), chain.bref.mirror_tid if chain.stamp is None else chain.stamp)
            chain, _ = await lookup.next_entry(item, chain, 0, KEY_MAX, Lookup.NODATA)
        if chain is not None:  # an inode with embedded data is found below itself
            root.volume.unlock(chain)
        return None if lookup.stored(item).error else found


async def is_readable(root: StoredChain, path: Path, key: int) -> bool:
    """Whether the element at a key below the inode at a path can be believed. Raises ReadError."""
    async with inode_at(root, path) as item:
        chain = await below(item, key, Lookup.ALWAYS)
        if chain is None:
            return False
        root.volume.unlock(chain)
        return not chain.error


async def remove(root: StoredChain, path: Path, key: int) -> None:
    """Take away what the source does not have. Raises ReadError, WriteError."""
    async with inode_at(root, path) as item:
        await _remove_at(item, key)


async def _remove_at(item: ClusterItem, key: int) -> None:
    chain = await below(item, key)
    if chain is None:
        return
    await delete(deref(parent_of(chain)), chain, Delete.PERMANENT)
    chain.volume.unlock(chain)
    if chain.volume.failed:
        raise WriteError(str(chain.volume.failed))


async def replace(root: StoredChain, path: Path, entry: Entry, content: bytes, before: Found | None) -> None:
    """Make an element what it is at the source, all but its block table. Raises ReadError, WriteError.

    before: what the target has at this key. PFS identity is never copied, for the root is never replaced.
    """
    async with inode_at(root, path) as item:
        if before is not None and before.what != element_of(entry):
            await _remove_at(item, entry.key)
        chain = await below(item, entry.key, Lookup.ALWAYS)
        if chain is not None and (chain.error or _loses_its_blocks(chain, entry, content)):
            root.volume.unlock(chain)
            await _remove_at(item, entry.key)
            chain = None
        if chain is None:
            chain = await _new_element(root, item, entry)
        else:
            await modify(chain)
        try:
            if chain.error:
                raise WriteError(f"{root.volume.name}: what is to be copied cannot be written")
            copy_edited(REPAIRED, Edited(entry.type, entry.length, bytearray(content)), deref(chain.data))
            chain.bref.methods = entry.methods
            chain.stamp = UNDER_WAY
        finally:
            root.volume.unlock(chain)


def _loses_its_blocks(chain: StoredChain, entry: Entry, content: bytes) -> bool:
    """Whether it is an inode with a block table that is to hold its data itself: no place is left for what is below."""
    direct_then = entry.type == BrefType.INODE and is_direct(content)
    return direct_then and chain.data is not None and not is_direct(chain.data)


async def _new_element(root: StoredChain, item: ClusterItem, entry: Entry) -> StoredChain:
    bref = Blockref(entry.type, key=entry.key, keybits=entry.keybits)
    if lookup.stored(item).error:
        raise ReadError(f"{root.volume.name}: what is above it cannot be read")
    _, chain = await create(item, None, root.pmp, bref, entry.length)
    if chain is None:
        raise FullError(f"{root.volume.name}: no room for what is to be copied")
    return chain


async def declare(root: StoredChain, path: Path, entry: Entry) -> None:
    """An element and all below it are as they are at the source: it gets the source's mirror_tid. Raises ReadError."""
    async with inode_at(root, path) as item:
        chain = await below(item, entry.key)
        if chain is None:
            raise ReadError(f"{root.volume.name}: nothing at {entry.key:#x}")
        chain.stamp = entry.mirror_tid
        root.volume.unlock(chain)
