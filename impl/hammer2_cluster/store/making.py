"""A volume comes into being, and is opened again."""

from hammer2_cluster.device.device import MIN_BLOCK_BYTES, Device, DeviceError, WriteError
from hammer2_cluster.objects import Blockref, ClusterItem
from hammer2_cluster.store.flush import sync
from hammer2_cluster.store.inode_data import DIRECTORY, InodeData
from hammer2_cluster.store.insertion import create
from hammer2_cluster.store.layout import HEADER_BYTES, HEADER_COUNT, INDIRECT_RADIX, PROMISE_OFFSET, header_offset
from hammer2_cluster.store.lookup import first_entry
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.store.volume_header import (
    ANY_TID,
    NOTHING_CONFIRMED,
    SECOND_COPIES,
    BadVolumeError,
    Generations,
    VolumeHeader,
    check_geometry,
    generations,
)
from hammer2_cluster.waiting import Waiting
from hammer2_spec.vocabulary import INODE_BYTES, BrefType, Check, PfsType, Resolve

SUPER_ROOT_KEY = 0


async def format_volume(
    device: Device,
    volume_id: bytes,
    clid: bytes,
    *,
    slot: int = 0,
    nodes: int = 1,
    indirect_radix: int = INDIRECT_RADIX,
    check: int = Check.ISCSI32,
) -> None:
    """Make an empty volume with a super-root. What the device held is lost.

    volume_id, clid: 16 bytes each, unique to the volume and to the volumes that are made together.
    slot, nodes: which one of these it is, and how many they are, 1..8.
    Raises ValueError if a volume cannot have this size or radix, DeviceError.
    """
    check_geometry(device.size, indirect_radix, slot, nodes)
    header = VolumeHeader(device.size, 0, 0, indirect_radix, check, volume_id, clid, slot, nodes)
    for place in range(HEADER_COUNT):
        await device.write(header_offset(place), bytes(HEADER_BYTES))
    await device.write(PROMISE_OFFSET, bytes(MIN_BLOCK_BYTES))
    for offset in header.offsets():  # generation 0, without a super-root: what the first flush is seen to follow
        await device.write(offset, header.pack())
    await device.sync()
    volume = Volume(device, header)
    await volume.lock(volume.vchain, Resolve.ALWAYS)
    bref = Blockref(BrefType.INODE, key=SUPER_ROOT_KEY)
    error, root = await create(ClusterItem(volume.vchain), None, None, bref, INODE_BYTES)
    if root is None or root.data is None:
        raise DeviceError(f"the super-root cannot be created: error {error}")
    InodeData(type=DIRECTORY, pfs_type=PfsType.SUPROOT).write(root.data)
    volume.unlock(root)
    volume.unlock(volume.vchain)
    await sync(volume, 0)
    if volume.failed:
        raise volume.failed
    await device.sync()


async def _settle(device: Device, found: Generations, header: VolumeHeader) -> None:
    """Make it plain on the device which generation counts, before anything else is written. Raises WriteError.

    One that does not is wiped out. Second copies that are not valid are written anew: a bad one would make the next
    generation that stands there look confirmed.
    """
    blocks = {header_offset(place): header.pack() for place in found.bad if place in SECOND_COPIES}
    first, second = found.newest.offsets()
    if header is not found.newest:
        blocks[first] = bytes(HEADER_BYTES)
        if found.is_confirmed:
            blocks[second] = header.pack()
    elif not found.is_confirmed:
        blocks[second] = header.pack()
    for offset, block in blocks.items():
        await device.write(offset, block)
    if blocks:
        await device.sync()


async def open_volume(
    device: Device,
    hmp: int = 0,
    name: str = "",
    waiting: Waiting | None = None,
    confirmed_tid: int = NOTHING_CONFIRMED,
    *,
    latest_tid: int = ANY_TID,
    must_settle: bool = True,
) -> Volume:
    """The volume on a device, as of the newest generation that counts. Raises BadVolumeError, DeviceError.

    A generation that a crash left open is confirmed or wiped out on the device.

    confirmed_tid: the highest tid that some node of the cluster has confirmed. latest_tid: the highest one that anybody
    knows this node to have; what is later never counts. must_settle: False for those who only read: then a volume
    will do which cannot be written, or must not be because its newest headers may have been lost. If somebody has
    confirmed a later tid, that is no secret: then the volume is simply behind.
    """
    found = await generations(device)
    header = found.current(confirmed_tid, latest_tid)
    doubt = found.doubt if confirmed_tid <= header.mirror_tid else ""
    if doubt and must_settle:
        raise BadVolumeError(doubt)
    try:
        if not doubt:
            await _settle(device, found, header)
    except WriteError:
        if must_settle:
            raise
    volume = Volume(device, header, hmp, name, waiting)
    volume.unreadable = doubt
    volume.highest_tid = found.highest_tid
    await volume.freemap.load(device, header)
    await volume.lock(volume.vchain, Resolve.ALWAYS)
    root = first_entry(volume.vchain, SUPER_ROOT_KEY, SUPER_ROOT_KEY)
    volume.unlock(volume.vchain)
    if root is None:
        raise BadVolumeError("there is no super-root")
    volume.super_root = root
    volume.ref(root)
    return volume


async def close_volume(volume: Volume) -> None:
    """Close the device. What was not synced is lost. Raises WriteError."""
    if volume.failed is None:
        await volume.device.sync()
    volume.device.close()
