"""Making it durable: hammer2_flush for one topology, and the sync of a volume, which ends in the volume header.

A flush writes every modified block below a chain, children first, to new storage; each block that is written modifies
its parent, up to the root of the PFS and into the super-root's table. None of this can be seen on the medium until the
sync writes the header. Whatever fails on the way, the medium holds what the last header leads to.
"""

from hammer2_cluster.device.device import DeviceError, ReadError
from hammer2_cluster.store.block_table import BlockTable
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.check_codes import check_code
from hammer2_cluster.store.deletion import delete, destroy
from hammer2_cluster.store.modification import clear, modify
from hammer2_cluster.store.volume import Volume, entries_in, parent_of
from hammer2_cluster.store.volume_header import BadVolumeError
from hammer2_spec.vocabulary import CHAIN_FLUSH_MASK, OFF_MASK, SET_COUNT, BrefType, ChainFlag, Delete, Error, Resolve


def _to_flush(chain: StoredChain) -> list[StoredChain]:
    """The children that have something to write, or lead to some; not a mounted PFS, which has flushes of its own."""
    return [child for child in chain.children.all() if child.flags & CHAIN_FLUSH_MASK and not child.is_boundary()]


def _children_first(top: StoredChain) -> list[StoredChain]:
    """All that has to be visited, parents behind their children."""
    order = [top]
    for chain in order:  # grows meanwhile
        if chain.flags & ChainFlag.ONFLUSH:
            chain.flags &= ~ChainFlag.ONFLUSH
            order.extend(_to_flush(chain))
    return order[::-1]


async def flush(top: StoredChain, tid: int) -> None:
    """As ChainLayer.flush; tid: what the PFS's blocks will carry as mirror_tid.

    On a volume that has failed nothing is written (L1411-1414). Raises ValueError if the tid is behind one used before.
    """
    volume = top.volume
    if volume.failed:
        return
    if top.pmp is not None and tid < top.bref.mirror_tid:
        raise ValueError(f"{top.name}: a flush with tid {tid} after one with {top.bref.mirror_tid}")
    try:
        for chain in _children_first(top):
            await _flush_one(chain, tid)
    except DeviceError as error:
        volume.fail(error)


async def _flush_one(chain: StoredChain, tid: int) -> None:
    """Write one block, and let its parent's table say so. Raises DeviceError."""
    volume = chain.volume
    await volume.lock(chain, Resolve.NEVER)
    try:
        if _is_empty_indirect(chain) and await _collapse(chain):
            return
        if chain.flags & ChainFlag.MODIFIED:
            await _write(chain, tid)
        if chain.flags & ChainFlag.UPDATE and parent_of(chain) is not None:
            await _update_parent(chain)
        if not _to_flush(chain):
            chain.flags &= ~ChainFlag.ONFLUSH
            volume.unpromise(chain)
    finally:
        volume.unlock(chain)


def _is_empty_indirect(chain: StoredChain) -> bool:
    """Whether it is an indirect block with nothing below it, which nobody but the flush has in hand."""
    if chain.bref.type != BrefType.INDIRECT or not chain.flags & ChainFlag.MODIFIED or len(chain.children):
        return False
    held = 2 + bool(chain.flags & ChainFlag.UPDATE)  # MODIFIED, the lock of the flush, UPDATE
    return chain.refs == held and len(chain.table()) == 0


async def _collapse(chain: StoredChain) -> bool:
    """Delete an empty indirect block instead of writing it. The original of 2015 keeps them."""
    volume = chain.volume
    volume.ref(chain)
    parent = await _lock_parent(chain)
    if parent is not None:
        await delete(parent, chain, Delete.PERMANENT)
        volume.unlock(parent)
    volume.drop(chain)
    if volume.failed:
        raise volume.failed
    return bool(chain.flags & ChainFlag.DELETED)


async def _write(chain: StoredChain, tid: int) -> None:
    """The block itself, and what it refers to is counted. Raises DeviceError."""
    volume = chain.volume
    if chain.pmp is not None:
        chain.bref.mirror_tid = tid if chain.stamp is None else chain.stamp
        chain.stamp = None
    if chain.bref.type == BrefType.VOLUME:
        clear(chain, ChainFlag.MODIFIED)
        return
    if not chain.written:
        content = chain.content
        if content is None:
            raise ReadError(f"{chain.name} is modified and has no content")
        chain.check = check_code(chain.bref.methods, content)
        await volume.device.write(chain.entry().offset, content)
        for entry in entries_in(chain.bref.type, content):
            volume.freemap.hold(entry.data_off)
    volume.holding.add(chain.bref.data_off)
    volume.buffered.pop(chain.id, None)
    chain.buffer = None
    chain.written = False
    chain.flags &= ~ChainFlag.INITIAL
    clear(chain, ChainFlag.MODIFIED)


async def _lock_parent(chain: StoredChain) -> StoredChain | None:
    """Parent before child: let go of the chain, lock both, look again."""
    volume = chain.volume
    while (parent := parent_of(chain)) is not None:
        volume.ref(parent)
        volume.unlock(chain)
        await volume.lock(parent, Resolve.ALWAYS | Resolve.NOREF)
        await volume.lock(chain, Resolve.NEVER)
        if parent_of(chain) is parent:
            return parent
        volume.unlock(parent)
    return None


async def _update_parent(chain: StoredChain) -> None:
    """The entry in the parent's table becomes the chain's blockref as it is now. Raises DeviceError."""
    volume = chain.volume
    volume.ref(chain)
    parent = await _lock_parent(chain)
    if parent is not None:
        await modify(parent)
        if parent.error:
            raise volume.failed or ReadError(f"{parent.name} cannot be modified")
        table = parent.table()
        if chain.flags & ChainFlag.BMAPPED:
            index = table.find(chain.bref.key)
            if index is None:
                raise ReadError(f"{parent.name} has no entry for {chain.name}")
            table.remove(index)
        table.insert(chain.entry())
        chain.flags = (chain.flags | ChainFlag.BMAPPED) & ~ChainFlag.BMAPUPD
        clear(chain, ChainFlag.UPDATE)
        volume.unlock(parent)
    volume.drop(chain)


async def sync(volume: Volume, tid: int) -> None:
    """Make what was flushed durable on one node, whatever others do (hammer2_vfs_sync, for one device).

    ``volume.failed`` says if that was not possible.
    """
    await prepare(volume, tid)
    await confirm(volume)


async def prepare(volume: Volume, tid: int) -> None:
    """Write the super-root topology, the freemap and the first copy of the header: all is durable, and can be undone.

    Until it is confirmed, opening the volume may lead back to the generation before.
    """
    if volume.failed:
        return
    for chain in list(volume.detached):
        destroy(chain)
    await volume.lock(volume.vchain, Resolve.ALWAYS)
    await flush(volume.vchain, tid)
    volume.unlock(volume.vchain)
    if volume.failed:
        return
    try:
        await _write_header(volume, tid)
    except DeviceError as error:
        volume.fail(error)
    except BadVolumeError as error:  # a freemap block has gone bad since the volume was opened
        volume.fail(ReadError(str(error)))


async def confirm(volume: Volume) -> None:
    """Write the second copy of the header, if one was prepared. What came free may be used again then."""
    block, volume.prepared = volume.prepared, None
    if volume.failed or block is None:
        return
    try:
        await volume.device.write(volume.header.offsets()[1], block)
        await volume.device.sync()
    except DeviceError as error:
        volume.fail(error)
    else:
        if not volume.pins:
            volume.freemap.commit()


async def _write_header(volume: Volume, tid: int) -> None:
    """The new generation, if anything changed. One sync does: no header counts before it.

    Raises DeviceError, BadVolumeError.
    """
    header, device = volume.header, volume.device
    table = volume.vchain.data
    assert table is not None  # noqa: S101 - a volume's table is always in memory
    if table == header.sroot and not volume.dying and not volume.freemap.dirty():
        return
    before = list(BlockTable(bytes(header.sroot), 0, SET_COUNT))
    header.sroot[:] = table
    await _count(volume, before)
    header.generation += 1
    header.mirror_tid = max(header.mirror_tid, tid)
    volume.highest_tid = max(volume.highest_tid, tid)
    await volume.freemap.write(device, header)
    block = header.pack()
    await device.write(header.offsets()[0], block)
    await device.sync()
    volume.prepared = block


async def _count(volume: Volume, before: list[Entry]) -> None:
    """Count what the new header refers to, then no longer what the old one did; what nothing refers to dies."""
    freemap = volume.freemap
    for entry in BlockTable(volume.header.sroot, 0, SET_COUNT):
        freemap.hold(entry.data_off)
    dead = [entry for entry in before if freemap.release(entry.data_off)]
    for entry in volume.dying:
        freemap.give_back(entry.data_off)
        dead.append(entry)
    while dead:
        entry = dead.pop()
        dead.extend(below for below in await _entries_below(volume, entry) if freemap.release(below.data_off))
    volume.tables.clear()
    volume.holding.clear()
    volume.dying.clear()


async def _entries_below(volume: Volume, entry: Entry) -> list[Entry]:
    """What a dead block refers to. One that cannot be believed keeps what is below it taken: fsck will tell."""
    content: bytes | bytearray | None = volume.tables.get(entry.data_off & OFF_MASK)
    if content is None and entry.type in (BrefType.INODE, BrefType.INDIRECT):
        try:
            content, error = await volume.read(entry)
        except ReadError:
            return []
        if error is not Error.NONE:
            return []
    return [] if content is None else entries_in(entry.type, content)
