"""Do nodes that are synchronized have the same? What is on their media is compared, file by file; nothing is written.

Copies of a PFS at the same mirror_tid must have the same elements; only their block tables may differ (L35-38). Data
blocks are told apart by the check codes that stand in the tables: whether a block has what its code says, fsck sees.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

from hammer2_cluster.device.device import Device, ReadError
from hammer2_cluster.difference import content_of, element_of, entries_below
from hammer2_cluster.store.block_table import BlockTable
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.inode_data import TABLE_AT, InodeData, is_direct
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.store.volume_header import generations
from hammer2_spec.vocabulary import SET_COUNT, BrefType

_DIGEST_BYTES: Final = 16


class Copy(NamedTuple):
    """A version of a PFS, of which every node that has it must have the same."""

    label: bytes
    clid: bytes
    mirror_tid: int


class File(NamedTuple):
    """A file as one node has it."""

    name: bytes
    digest: bytes
    """Of all that is in it, but for block tables."""


class Difference(NamedTuple):
    """A file that is not the same on nodes that should have the same."""

    of: Copy
    name: bytes
    groups: list[list[int]]
    """Nodes that have the same, or none of that name; the largest group first."""


async def files_on(device: Device, confirmed_tid: int) -> dict[Copy, dict[int, File]]:
    """The files of every PFS of a node, by key; those that cannot be read are left out.

    confirmed_tid: the highest one that some node has confirmed. Raises BadVolumeError, ReadError.
    """
    volume = Volume(device, (await generations(device)).current(confirmed_tid))
    found: dict[Copy, dict[int, File]] = {}
    for super_root in BlockTable(bytes(volume.header.sroot), 0, SET_COUNT):
        for root in await entries_below(volume, super_root.type, await content_of(volume, super_root)):
            content = await content_of(volume, root)
            inode = InodeData.read(bytearray(content))
            files = found.setdefault(Copy(inode.name, inode.pfs_clid, root.mirror_tid), {})
            for entry in await entries_below(volume, root.type, content):
                try:
                    name = InodeData.read(bytearray(await content_of(volume, entry))).name
                    files[entry.key] = File(name, await _digest(volume, entry))
                except ReadError:
                    pass
    return found


async def _digest(volume: Volume, entry: Entry) -> bytes:
    """Of an element and all below it. Raises ReadError."""
    told = blake2b(repr(element_of(entry)).encode(), digest_size=_DIGEST_BYTES)
    if entry.type == BrefType.DATA:
        told.update(repr((entry.methods, entry.check)).encode())
        return told.digest()
    content = await content_of(volume, entry)
    told.update(content if is_direct(content) else content[:TABLE_AT])
    for below in await entries_below(volume, entry.type, content):
        told.update(await _digest(volume, below))
    return told.digest()


def differences(nodes: Mapping[int, Mapping[Copy, Mapping[int, File]]]) -> Iterable[Difference]:
    """What is not the same on nodes that have the same version. nodes: what files_on says of each."""
    for of in sorted({of for copies in nodes.values() for of in copies}):
        having = {n: copies[of] for n, copies in nodes.items() if of in copies}
        for key in sorted({key for files in having.values() for key in files}):
            groups: dict[File | None, list[int]] = {}
            for n, files in having.items():
                groups.setdefault(files.get(key), []).append(n)
            if len(groups) > 1:
                name = next(file.name for file in groups if file is not None)
                yield Difference(of, name, sorted(groups.values(), key=lambda group: (-len(group), group)))
