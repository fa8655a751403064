"""The content of a file: bytes in its inode, or blocks of 64 KiB below it, of which the last may be smaller."""

from collections.abc import AsyncIterator, Iterable
from typing import Final

from hammer2_cluster import confirmed
from hammer2_cluster.accessors import need_resize
from hammer2_cluster.data import rdata, wdata
from hammer2_cluster.locking import unlock
from hammer2_cluster.lookups import lookup, lookup_done
from hammer2_cluster.modifying import modify, modsync, resize
from hammer2_cluster.objects import Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.store.directory import (
    NoSpaceError,
    check,
    edit_inode,
    inode_of,
    lock_again,
    must_have_answered,
    trusted,
)
from hammer2_cluster.store.inode_data import TABLE_AT, InodeData, is_direct
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.topology import create
from hammer2_spec.vocabulary import EMBEDDED_BYTES, INODE_BYTES, BrefType, Lookup, OpFlag

BLOCK_RADIX: Final = 16
BLOCK_BYTES: Final = 1 << BLOCK_RADIX
MIN_BLOCK_RADIX: Final = 10
RESERVE_FRACTION: Final = 32
"""This part of a volume is kept for deleting, which needs space before it gives some back."""


@confirmed.require(lambda length: 0 < length <= BLOCK_BYTES)
@confirmed.ensure(lambda length, result: length <= 2**result <= BLOCK_BYTES, "it fits, and there are such blocks")
@confirmed.ensure(lambda length, result: result == MIN_BLOCK_RADIX or length > 2 ** (result - 1), "it is the smallest")
def radix_for(length: int) -> int:
    """The smallest block that holds so many bytes."""
    return max(MIN_BLOCK_RADIX, (length - 1).bit_length())


def blocks_of(content: Iterable[bytes]) -> Iterable[bytes]:
    """Pieces of any length as blocks of BLOCK_BYTES; the last one may be shorter."""
    waiting = bytearray()
    for piece in content:
        waiting += piece
        while len(waiting) >= BLOCK_BYTES:
            yield bytes(waiting[:BLOCK_BYTES])
            del waiting[:BLOCK_BYTES]
    if waiting:
        yield bytes(waiting)


# ---- room


def room_on(volume: Volume) -> int:
    """How large a file surely fits, in bytes, its inode and block tables included."""
    free = volume.freemap.free_bytes - volume.promised
    return free - max(volume.header.size // RESERVE_FRACTION, 2 * BLOCK_BYTES) - free // 16


def space_to_write(offset: int, length: int, size: int) -> int:
    """Bytes that the blocks take which a write touches, in a file that has ``size`` bytes then."""
    first = offset - offset % BLOCK_BYTES
    blocks = range(first, offset + max(length, 1), BLOCK_BYTES)
    return INODE_BYTES + sum(1 << radix_for(min(BLOCK_BYTES, max(1, size - block))) for block in blocks)


def must_fit(volume: Volume, size: int) -> None:
    """Raises NoSpaceError, naming the node, unless a file of so many bytes fits there."""
    room, free = room_on(volume), volume.freemap.free_bytes
    radix = radix_for(min(max(size, 1), BLOCK_BYTES))
    if room < size:
        why = f"{max(0, room)} of the {free} free bytes can hold files, the rest is kept for tables and for deleting"
        raise NoSpaceError(f"{volume.name}: no room for {size} bytes: {why}")
    if not volume.freemap.has_extents(radix, -(-size >> radix)):
        raise NoSpaceError(f"{volume.name}: no room for {size} bytes in blocks of {1 << radix}")


# ---- writing; ``cluster`` is the locked inode


async def fill(on: Runner, cluster: Cluster, inode: InodeData, content: Iterable[bytes]) -> None:
    """The content of a file that has none yet, ``inode.size`` bytes. Raises NoSpaceError, UnavailableError."""
    if inode.op_flags & OpFlag.DIRECTDATA:
        await edit_inode(on, cluster, inode, b"".join(content))
        return
    fparent = await lock_again(on, cluster, 0)
    offset = 0
    for block in blocks_of(content):
        await _write_block(on, fparent, offset, 0, block, min(BLOCK_BYTES, inode.size - offset))
        offset += len(block)
    await lookup_done(on, fparent)


async def overwrite(on: Runner, cluster: Cluster, offset: int, piece: bytes) -> None:
    """Replace bytes of a file, which may make it longer. Raises NoSpaceError, UnavailableError."""
    inode = inode_of(cluster)
    old = deref(rdata(cluster).data)[TABLE_AT : TABLE_AT + min(inode.size, EMBEDDED_BYTES)]
    direct, inode.size = bool(inode.op_flags & OpFlag.DIRECTDATA), max(inode.size, offset + len(piece))
    if direct and inode.size <= EMBEDDED_BYTES:
        old = old.ljust(inode.size, b"\0")
        old[offset : offset + len(piece)] = piece
        await edit_inode(on, cluster, inode, bytes(old))
        return
    if direct:
        await _to_blocks(on, cluster, inode, bytes(old))
    else:
        await edit_inode(on, cluster, inode)
    await _write_pieces(on, cluster, inode.size, offset, piece)


async def _to_blocks(on: Runner, cluster: Cluster, inode: InodeData, embedded: bytes) -> None:
    """Let an inode with embedded data have a block table instead."""
    await edit_inode(on, cluster, inode, b"")  # on all members, while it counts as data
    inode.op_flags &= ~OpFlag.DIRECTDATA
    await edit_inode(on, cluster, inode)
    if embedded:
        await _write_pieces(on, cluster, inode.size, 0, embedded)


async def _write_pieces(on: Runner, cluster: Cluster, size: int, offset: int, piece: bytes) -> None:
    """Bytes from an offset on, cut at the borders of blocks."""
    fparent = await lock_again(on, cluster, 0)
    done = 0
    while done < len(piece):
        at = offset + done
        block, start = at - at % BLOCK_BYTES, at % BLOCK_BYTES
        part = piece[done : done + BLOCK_BYTES - start]
        await _write_block(on, fparent, block, start, part, min(BLOCK_BYTES, size - block))
        done += len(part)
    await lookup_done(on, fparent)


async def _write_block(on: Runner, fparent: Cluster, offset: int, start: int, piece: bytes, length: int) -> None:
    """Bytes of the block at ``offset`` in a file, from ``start`` on; the block holds ``length`` bytes at least."""
    radix = radix_for(length)
    found, _ = await lookup(on, fparent, 0, offset, offset, Lookup.ALWAYS)
    block = await _create_block(on, fparent, offset, radix) if found is None else trusted(found)
    if need_resize(block, 1 << radix) and rdata(block).bytes < 1 << radix:
        check(await resize(on, None, fparent, block, radix, 0), block)
    else:
        check(await modify(on, block, 0), block)
    data = deref(wdata(trusted(block)).data)
    data[start : start + len(piece)] = piece
    check(await modsync(on, block), block)
    await unlock(on, block)


async def _create_block(on: Runner, fparent: Cluster, offset: int, radix: int) -> Cluster:
    must_have_answered(fparent)
    error, block = await create(on, fparent.pmp, fparent, None, offset, BLOCK_RADIX, BrefType.DATA, 1 << radix, 0)
    check(error, fparent)
    return deref(block)


# ---- reading


async def content_of(on: Runner, cluster: Cluster) -> AsyncIterator[bytes]:
    """All bytes of a file, block by block. Raises UnavailableError."""
    inode = inode_of(cluster)
    data = deref(rdata(cluster).data)
    if is_direct(data):
        yield bytes(data[TABLE_AT : TABLE_AT + inode.size])
        return
    fparent = await lock_again(on, cluster, Lookup.SHARED)
    for offset in range(0, inode.size, BLOCK_BYTES):
        yield await _read_block(on, fparent, offset, min(BLOCK_BYTES, inode.size - offset))
    await lookup_done(on, fparent)


async def _read_block(on: Runner, fparent: Cluster, offset: int, length: int) -> bytes:
    block, _ = await lookup(on, fparent, 0, offset, offset, Lookup.ALWAYS | Lookup.SHARED)
    if block is None:
        must_have_answered(fparent)
        return bytes(length)
    data = bytes(deref(rdata(trusted(block)).data)[:length])
    await unlock(on, block)
    return data.ljust(length, b"\0")
