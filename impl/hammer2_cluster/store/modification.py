"""Making chains writable: hammer2_chain_modify, hammer2_chain_resize, hammer2_chain_setflush."""

from hammer2_cluster.device.device import DeviceError, ReadError
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.volume import parent_of
from hammer2_spec.vocabulary import OFF_MASK, BrefType, ChainFlag, Error, Modify


def setflush(chain: StoredChain | None) -> None:
    """Let the next flush descend from the root to this chain, and see to it that it will find room."""
    while chain is not None:
        chain.volume.promise(chain)
        chain.flags |= ChainFlag.ONFLUSH
        chain = parent_of(chain)


def set_modified(chain: StoredChain) -> None:
    """MODIFIED, and the reference that it holds."""
    if not chain.flags & ChainFlag.MODIFIED:
        chain.flags |= ChainFlag.MODIFIED
        chain.volume.ref(chain)
        chain.volume.unpromise(chain)


def set_update(chain: StoredChain) -> None:
    """UPDATE, and the reference that it holds: the parent's table says something else."""
    if chain.flags & ChainFlag.BMAPPED:
        chain.flags |= ChainFlag.BMAPUPD
    if not chain.flags & ChainFlag.UPDATE and chain.bref.type != BrefType.VOLUME:
        chain.flags |= ChainFlag.UPDATE
        chain.volume.ref(chain)


def clear(chain: StoredChain, flag: ChainFlag) -> None:
    """MODIFIED or UPDATE, and its reference."""
    if chain.flags & flag:
        chain.flags &= ~flag
        chain.volume.drop(chain)


async def modify(chain: StoredChain, flags: int = 0, nradix: int | None = None) -> None:
    """As ChainLayer.modify; with nradix also as resize. Every copy goes to new storage, whatever the flags say.

    What is on the medium with a wrong check code is not copied: that would give it a right one.
    """
    volume = chain.volume
    was_modified = bool(chain.flags & ChainFlag.MODIFIED)
    size = chain.bytes if nradix is None else 1 << nradix
    set_modified(chain)
    set_update(chain)
    setflush(parent_of(chain))
    try:
        await _bring_content(chain, overwritten=bool(flags & Modify.OPTDATA) and chain.bref.type == BrefType.DATA)
        if chain.bref.type != BrefType.VOLUME and (not was_modified or size != chain.bytes):
            _move(chain, size)
    except DeviceError as error:
        chain.error = Error.IO
        chain.data = chain.buffer = None
        chain.written = False
        volume.fail(error)
        return
    chain.error = Error.NONE
    chain.written = False
    chain.flags &= ~ChainFlag.INITIAL


async def _bring_content(chain: StoredChain, overwritten: bool) -> None:
    """The content, from wherever it is. Raises ReadError if it cannot be had or believed."""
    if overwritten and chain.content is None:
        chain.data = bytearray(chain.bytes)
        return
    await chain.volume.load(chain)
    if chain.error == Error.CHECK:
        raise ReadError(f"{chain.name}: check code is wrong")
    if chain.data is None:
        raise ReadError(f"{chain.name}: cannot be read")


def _move(chain: StoredChain, size: int) -> None:
    """New storage, and the content cut or extended with zeros. Raises FullError with nothing changed."""
    volume = chain.volume
    data_off = volume.allocate(size.bit_length() - 1)
    if chain.has_table() and chain.data is not None:
        volume.tables[chain.bref.data_off & OFF_MASK] = bytes(chain.data)
    volume.abandon(chain)
    chain.bref.data_off = data_off
    chain.bytes = size
    assert chain.data is not None  # noqa: S101 - _bring_content
    if len(chain.data) != size:
        chain.data = bytearray(chain.data[:size].ljust(size, b"\0"))
