"""Finding entries: hammer2_chain_lookup, hammer2_chain_next. Memory and table are merged, memory wins."""

from hammer2_cluster.objects import ClusterItem
from hammer2_cluster.outcomes import KernelPanic
from hammer2_cluster.store.blockref import last_key
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.inode_data import is_direct
from hammer2_cluster.store.volume import parent_of
from hammer2_spec.vocabulary import KEY_MAX, BrefType, Lookup, Resolve


def stored(item: ClusterItem) -> StoredChain:
    """The chain in a slot. Raises KernelPanic if there is none."""
    if not isinstance(item.chain, StoredChain):
        raise KernelPanic("no_stored_chain")
    return item.chain


def first_entry(parent: StoredChain, beg: int, end: int) -> StoredChain | None:
    """The live entry below the parent that overlaps beg..end and has the lowest key, in memory now, unreferenced.

    Entries that are deleted are in neither of the two places.
    """
    table = parent.table()
    index = table.first_from(beg)
    mapped = table[index] if index < len(table) else None
    in_memory = parent.children.first_from(beg)
    if in_memory is not None and (mapped is None or in_memory.bref.key <= mapped.key):
        return in_memory if in_memory.bref.key <= end else None
    if mapped is None or mapped.key > end:
        return None
    return parent.volume.child_of(parent, mapped)


def _covers(parent: StoredChain, beg: int, end: int) -> bool:
    return parent.bref.type != BrefType.INDIRECT or (parent.bref.key <= beg and end <= parent.last)


async def _climb(item: ClusterItem, how: int) -> None:
    """From an indirect block to its parent, which is locked in its stead."""
    chain = stored(item)
    volume = chain.volume
    while (above := parent_of(chain)) is not None:
        volume.ref(above)
        volume.unlock(chain)
        await volume.lock(above, how | Resolve.NOREF)
        item.chain = chain = above
        if _is_live(above):
            return
    raise KernelPanic("indirect_without_parent")


def _is_live(chain: StoredChain) -> bool:
    """Whether it is still below something: it may have been deleted while its lock was waited for."""
    return parent_of(chain) is not None or chain.bref.type in (BrefType.VOLUME, BrefType.INODE)


async def _descend(item: ClusterItem, child: StoredChain, how: int) -> None:
    """From a block to an indirect block below it, which is locked in its stead."""
    parent = stored(item)
    await parent.volume.lock(child, how)
    parent.volume.unlock(parent)
    item.chain = child


async def _as_asked(chain: StoredChain, flags: int) -> StoredChain:
    """Reference and lock a result."""
    if flags & Lookup.NOLOCK:
        chain.volume.ref(chain)
        return chain
    shared = Resolve.SHARED if flags & Lookup.SHARED else 0
    wanted = Resolve.ALWAYS
    if flags & Lookup.NODATA:
        wanted = Resolve.NEVER
    elif not flags & Lookup.ALWAYS:
        wanted = Resolve.MAYBE
    await chain.volume.lock(chain, wanted | shared)
    return chain


async def lookup(
    item: ClusterItem, key_next: int, key_beg: int, key_end: int, flags: int
) -> tuple[StoredChain | None, int]:
    """As ChainLayer.lookup.

    A block on the way that cannot be believed stays in the slot, with its error, and nothing is found: what is below it
    is not known. Raises KernelPanic if the parent was locked without its data.
    """
    how = Resolve.ALWAYS | (Resolve.SHARED if flags & Lookup.SHARED else 0)
    while not _covers(stored(item), key_beg, key_end):
        await _climb(item, how)
    beg = key_beg
    while True:
        parent = stored(item)
        if parent.error:
            return None, key_next
        if parent.data is None:
            raise KernelPanic("lookup_without_data")
        if parent.bref.type == BrefType.INODE and is_direct(parent.data):
            return await _as_asked(parent, flags), (key_end + 1) & KEY_MAX
        child = first_entry(parent, beg, key_end)
        if child is None:
            beg = parent.last + 1
            if key_beg == key_end or parent.bref.type != BrefType.INDIRECT or not beg <= min(key_end, KEY_MAX):
                return None, key_next
            await _climb(item, how)
        elif child.bref.type == BrefType.INDIRECT and not flags & Lookup.MATCHIND:
            await _descend(item, child, how)
        else:
            return await _as_asked(child, flags), (child.last + 1) & KEY_MAX


async def next_entry(
    item: ClusterItem, chain: StoredChain, key_next: int, key_end: int, flags: int
) -> tuple[StoredChain | None, int]:
    """As ChainLayer.next."""
    beg = last_key(chain.bref.key, chain.bref.keybits) + 1
    is_parent = chain is item.chain
    if flags & Lookup.NOLOCK:
        chain.volume.drop(chain)
    else:
        chain.volume.unlock(chain)
    if is_parent or not beg <= min(key_end, KEY_MAX):
        return None, key_next
    return await lookup(item, key_next, beg, key_end, flags)
