"""One node: a device, the header and the freemap on it, and the chains in memory."""

from typing import Final

from hammer2_cluster.device.device import MAX_BLOCK_BYTES, Device, DeviceError, FullError, ReadError, WriteError
from hammer2_cluster.objects import Blockref, Pfs
from hammer2_cluster.store.blockref import Entry, bref_of, size_of
from hammer2_cluster.store.chain import StoredChain, table_in
from hammer2_cluster.store.check_codes import check_code, matches
from hammer2_cluster.store.freemap import Freemap, is_an_extent
from hammer2_cluster.store.inode_data import is_direct
from hammer2_cluster.store.volume_header import VolumeHeader
from hammer2_cluster.waiting import NeverWaits, Waiting
from hammer2_spec.vocabulary import (
    OFF_MASK,
    BrefFlag,
    BrefType,
    ChainFlag,
    Error,
    Resolve,
    enc_check,
)

WRITE_BEHIND_BYTES: Final = 1 << 23
"""File data that may wait in memory for the flush."""


class Volume:
    """A node's storage. Made by ``format_volume`` and ``open_volume``."""

    def __init__(
        self, device: Device, header: VolumeHeader, hmp: int = 0, name: str = "", waiting: Waiting | None = None
    ) -> None:
        self.device: Final = device
        self.header: Final = header
        self.hmp: Final = hmp
        """The number of the device among those of a cluster."""
        self.name: Final = name or f"node {hmp}"
        self.waiting: Final[Waiting] = waiting or NeverWaits()
        self.freemap: Final = Freemap(header.size)
        self.failed: DeviceError | None = None
        """Why nothing is written any more (L1395-1401): what is in memory cannot become durable as a whole."""
        self.unreadable = ""
        """The first block that could not be read or not be believed, and why: others answered in its place."""
        self.pfs: Final[dict[int, Pfs]] = {}
        """The PFSs that are mounted, by the key of their root under the super-root."""
        self.detached: Final[set[StoredChain]] = set()
        """Deleted chains that are still in memory, and may be attached elsewhere until the next sync."""
        self.tables: Final[dict[int, bytes]] = {}
        """Contents of blocks that were replaced since the last sync and have a table, by media offset."""
        self.holding: Final[set[int]] = set()
        """Blocks written since the last sync, whose entries have been counted: their blockrefs' data_off."""
        self.dying: Final[list[Entry]] = []
        """Those of them that were replaced or deleted before anything referred to them."""
        self.buffered: Final[dict[int, StoredChain]] = {}
        """Data chains whose buffer is to be written sooner or later, by id, the oldest first."""
        self.promised = 0
        """Bytes that the next flush will allocate for the copies it makes on the way to the root."""
        self.pins: Final[set[object]] = set()
        """Who reads a virtual snapshot (L1440-1443): while anybody does, no block that comes free is used again."""
        self.prepared: bytes | None = None
        """The header of a generation that is durable, and not yet confirmed."""
        self.highest_tid = header.mirror_tid
        """Of all generations that are on the device, those that do not count included."""
        self.super_root: StoredChain | None = None
        """Its inode, once the volume is open."""
        self._next_id = 0
        bref = Blockref(BrefType.VOLUME, enc_check(header.check), keybits=64)
        table = bytearray(header.sroot)
        self.vchain: Final = StoredChain(self.new_id(), bref, volume=self, hmp=hmp, refs=1, data=table)

    def new_id(self) -> int:
        """A number for a chain, unique on this volume."""
        self._next_id += 1
        return self._next_id

    # ---- chains in memory

    def child_of(self, parent: StoredChain, entry: Entry) -> StoredChain:
        """The chain in memory for an entry of the parent's table, made if need be, without a reference."""
        child = parent.children.get(entry.key)
        if child is None:
            child = StoredChain(
                self.new_id(),
                bref_of(entry),
                entry.length,
                ChainFlag.BMAPPED | ChainFlag.ALLOCATED,
                parent=parent,
                hmp=self.hmp,
                pmp=parent.pmp,
                volume=self,
                check=entry.check,
            )
            self._join_pfs(child)
            self.put_below(parent, child)
        return child

    def _join_pfs(self, chain: StoredChain) -> None:
        """A PFS root belongs to its PFS if that is mounted."""
        if chain.bref.flags & BrefFlag.PFSROOT and (pmp := self.pfs.get(chain.bref.key)):
            chain.pmp = pmp
            chain.flags |= ChainFlag.PFSBOUNDARY

    def put_below(self, parent: StoredChain, child: StoredChain) -> None:
        """Make it a child in memory."""
        parent.children.add(child)
        child.parent = parent
        child.flags |= ChainFlag.ONRBTREE

    def take_out(self, chain: StoredChain) -> None:
        """Undo put_below; a parent that nobody needs any more goes too."""
        parent = parent_of(chain)
        if parent is not None:
            parent.children.remove(chain)
            chain.parent = None
            chain.flags &= ~ChainFlag.ONRBTREE
            self._free_if_unused(parent)

    def ref(self, chain: StoredChain) -> None:
        """One more reference."""
        chain.refs += 1

    def drop(self, chain: StoredChain) -> None:
        """One reference less. Raises RuntimeError if there is none."""
        if chain.refs <= 0:
            raise RuntimeError(f"{chain.name} has no reference to drop")
        chain.refs -= 1
        self._free_if_unused(chain)

    def _free_if_unused(self, chain: StoredChain) -> None:
        """Forget a chain without references and children, then perhaps its parent."""
        if chain.refs == 0 and not len(chain.children):
            self.unpromise(chain)
            if chain in self.detached:
                self.detached.remove(chain)
                self.abandon(chain)
            self.take_out(chain)

    # ---- locks and data

    async def lock(self, chain: StoredChain, how: int) -> None:
        """As ChainLayer.lock."""
        if not how & Resolve.NOREF:
            self.ref(chain)
        await chain.lock.acquire(self.waiting, bool(how & Resolve.SHARED), f"the lock of {chain.name}")
        chain.locks += 1
        wanted = how & Resolve.MASK
        if wanted == Resolve.NEVER:
            return
        if wanted == Resolve.MAYBE and (chain.flags & ChainFlag.INITIAL or chain.bref.type == BrefType.DATA):
            return
        await self.load(chain)

    def unlock(self, chain: StoredChain) -> None:
        """As ChainLayer.unlock."""
        chain.lock.release(self.waiting)
        chain.locks -= 1
        if chain.locks == 0 and chain is not self.vchain:
            if chain.flags & ChainFlag.MODIFIED and chain.data is not None and not chain.written:
                chain.buffer = chain.data
                if chain.bref.type == BrefType.DATA:
                    self.buffered[chain.id] = chain
            chain.data = None
        self.drop(chain)

    async def load(self, chain: StoredChain) -> None:
        """Make the content present, if that can be done; ``chain.error`` says how it went."""
        if chain.data is not None:
            return
        if chain.buffer is not None:
            chain.data, chain.buffer, chain.error = chain.buffer, None, Error.NONE
            self.buffered.pop(chain.id, None)
            return
        try:
            data, error = await self.read(chain.entry())
        except ReadError as failure:
            chain.error = Error.IO
            self.unreadable = self.unreadable or f"{chain.place}: {failure}"
            return
        if error:
            self.unreadable = self.unreadable or f"{chain.place}: check code is wrong"
        if chain.data is None:  # someone who shares the lock may have been quicker
            chain.data, chain.error = data, error

    async def read(self, entry: Entry) -> tuple[bytearray, Error]:
        """The content of a block, and CHECK if it is not what the entry says. Raises ReadError."""
        if not is_an_extent(entry.data_off, self.header.size):
            raise ReadError(f"an entry says block {entry.data_off:#x}, which is none")
        data = bytearray(await self.device.read(entry.offset, entry.length))
        good = matches(entry.methods, entry.check, data)
        return data, Error.NONE if good else Error.CHECK

    async def write_behind(self) -> None:
        """Write data that nobody has locked, if much has gathered: its new place on the medium is nobody else's.

        The chains stay MODIFIED. After an error nothing is written any more.
        """
        while len(self.buffered) * MAX_BLOCK_BYTES > WRITE_BEHIND_BYTES and self.failed is None:
            chain = next(iter(self.buffered.values()))
            del self.buffered[chain.id]
            if chain.buffer is not None:
                content, chain.buffer, chain.written = chain.buffer, None, True
                chain.check = check_code(chain.bref.methods, content)
                try:
                    await self.device.write(chain.entry().offset, content)
                except WriteError as error:
                    self.fail(error)

    # ---- space

    def fail(self, error: DeviceError) -> None:
        """Write nothing any more; the first reason is kept."""
        self.failed = self.failed or error

    def has_room(self, size: int) -> bool:
        """Whether so many bytes can be allocated, and what is promised still be kept."""
        return self.freemap.free_bytes - self.promised >= size

    def allocate(self, radix: int) -> int:
        """A new extent of 2^radix bytes. Raises FullError."""
        data_off = self.freemap.allocate(radix) if self.has_room(1 << radix) else None
        if data_off is None:
            raise FullError(f"{self.name}: no room for {1 << radix} bytes")
        return data_off

    def promise(self, chain: StoredChain) -> None:
        """Set space aside for the copy of the chain that the next flush will make."""
        if not chain.promised and not chain.flags & ChainFlag.MODIFIED:
            chain.promised = chain.bytes
            self.promised += chain.promised

    def unpromise(self, chain: StoredChain) -> None:
        """It was made, or is not needed."""
        self.promised -= chain.promised
        chain.promised = 0

    def cost_of_path(self, chain: StoredChain | None) -> int:
        """Bytes that a change below this chain makes the next flush allocate, beyond what is promised."""
        cost = 0
        while chain is not None:
            if not chain.promised and not chain.flags & ChainFlag.MODIFIED:
                cost += chain.bytes
            chain = parent_of(chain)
        return cost

    def abandon(self, chain: StoredChain) -> None:
        """The chain does not live in its block any more. What a table refers to stays until that table goes."""
        data_off = chain.bref.data_off
        if not size_of(data_off) or self.freemap.count(data_off):
            return
        if data_off in self.holding:
            self.dying.append(chain.entry())
        else:
            self.tables.pop(data_off & OFF_MASK, None)
            self.freemap.give_back_unwritten(data_off)


def parent_of(chain: StoredChain) -> StoredChain | None:
    """Its parent, which is of the same volume."""
    parent = chain.parent
    assert parent is None or isinstance(parent, StoredChain)  # noqa: S101 - what a type checker has to be told
    return parent


def entries_in(kind: int, content: bytes | bytearray) -> list[Entry]:
    """The entries of a block's table; none if it has no table."""
    if kind not in (BrefType.INODE, BrefType.INDIRECT) or (kind == BrefType.INODE and is_direct(content)):
        return []
    return list(table_in(kind, content))
