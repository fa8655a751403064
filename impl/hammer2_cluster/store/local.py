"""All nodes of a store in one process, run straight: what the command line and most tests work with."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from hammer2_cluster.device.device import Device, DeviceError
from hammer2_cluster.store.chains import StoredChains, at_once
from hammer2_cluster.store.directory import FilesystemError, NotFoundError, UnavailableError, shown
from hammer2_cluster.store.filesystem import Filesystem, mount
from hammer2_cluster.store.layout import INDIRECT_RADIX
from hammer2_cluster.store.making import close_volume, format_volume, open_volume
from hammer2_cluster.store.pfs import Root, create_pfs, find_root, remove_pfs, roots_of
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.store.volume_header import BadVolumeError, Generations, confirmed_tid, generations
from hammer2_cluster.straight import Straight
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import MAXCLUSTER

Result = TypeVar("Result")
Ids = Callable[[], bytes]
"""16 bytes that nobody else has."""

LABEL: Final = b"ROOT"
"""The PFS that a new store has."""


class NodeStatus(NamedTuple):
    """One node, as far as it can be known."""

    root: Root | None
    """Of the PFS asked for."""
    generation: int
    size: int
    """In bytes."""
    free: int
    """In bytes; the rest is used, or reserved."""
    trouble: str
    """Why the node takes no part, or nothing."""


class Store:
    """The nodes of a cluster, and a straight runner on them."""

    def __init__(
        self, volumes: Sequence[Volume | None], trouble: Sequence[str], ids: Ids, semantics: Semantics = REPAIRED
    ) -> None:
        self.volumes: Final = list(volumes)
        self.trouble: Final = list(trouble)
        """For each node that is not open: why."""
        self.chains: Final = StoredChains(volumes, uuids=lambda _hmp, _offset: ids())
        self.on: Final = Straight(self.chains, semantics)

    @classmethod
    def make(
        cls,
        devices: Sequence[Device],
        types: Sequence[int],
        ids: Ids,
        *,
        indirect_radixes: Sequence[int] | None = None,
        semantics: Semantics = REPAIRED,
    ) -> "Store":
        """A new, empty PFS on new volumes. What the devices held is lost.

        types: MASTER, SLAVE, ... of each node. indirect_radixes: of each node, if they are not to be the default.
        Raises ValueError, DeviceError, FilesystemError.
        """
        if not 1 <= len(devices) <= MAXCLUSTER or len(devices) != len(types):
            raise ValueError(f"a cluster has 1 to {MAXCLUSTER} nodes and a type for each, not {len(devices)}")
        clid = ids()
        radixes = indirect_radixes or [INDIRECT_RADIX] * len(devices)
        for device, radix in zip(devices, radixes, strict=True):
            at_once(format_volume(device, ids(), clid, indirect_radix=radix))
        store = cls.open(devices, ids, semantics)
        store.run(create_pfs(store.on, store.chains, LABEL, types, ids()))
        return store

    @classmethod
    def open(cls, devices: Sequence[Device | None], ids: Ids, semantics: Semantics = REPAIRED) -> "Store":
        """The volumes on devices; those that cannot be opened take no part. Raises BadVolumeError if none can."""
        found: list[Generations | None] = []
        volumes: list[Volume | None] = []
        trouble = ["not there" if device is None else "" for device in devices]
        for hmp, device in enumerate(devices):
            try:
                found.append(None if device is None else at_once(generations(device)))
            except (BadVolumeError, DeviceError) as error:
                found.append(None)
                trouble[hmp] = str(error)
        confirmed = confirmed_tid(one for one in found if one is not None)
        for hmp, device in enumerate(devices):
            try:
                there = device is not None and found[hmp] is not None
                volumes.append(at_once(open_volume(device, hmp, confirmed_tid=confirmed)) if device and there else None)
            except (BadVolumeError, DeviceError) as error:
                volumes.append(None)
                trouble[hmp] = str(error)
        opened = [volume for volume in volumes if volume is not None]
        if not opened:
            named = [f"node {hmp}: {why}" for hmp, why in enumerate(trouble)]
            raise BadVolumeError("; ".join(named) if len(set(trouble)) > 1 else f"all nodes: {trouble[0]}")
        if len({volume.header.clid for volume in opened}) > 1:
            raise BadVolumeError("these nodes were not made together")
        return cls(volumes, trouble, ids, semantics)

    def run(self, operation: Coroutine[Any, Any, Result]) -> Result:
        """The result of an operation."""
        return self.on.run(operation)

    def mount(self, label: bytes = LABEL) -> Filesystem:
        """As filesystem.mount."""
        return self.run(mount(self.on, self.chains, label))

    def snapshots(self) -> list[bytes]:
        """The labels of all PFSs but the first, on whatever node. Raises UnavailableError."""
        labels: set[bytes] = set()
        for volume in self.volumes:
            if volume is not None:
                labels.update(root.inode.name for root in self.run(roots_of(self.on, self.chains, volume)))
        return sorted(labels - {LABEL})

    async def remove_snapshot(self, label: bytes) -> None:
        """Take a snapshot away on all nodes, durably. Raises NotFoundError, UnavailableError."""
        if label == LABEL:
            raise FilesystemError(f"{shown(label)} is no snapshot")
        found = False
        for volume in self.volumes:
            if volume is not None:
                found |= await remove_pfs(self.on, self.chains, volume, label)
        if not found:
            raise NotFoundError(f"there is no snapshot {shown(label)}")

    def status(self, label: bytes = LABEL) -> list[NodeStatus]:
        """Every node."""
        nodes = []
        for volume, trouble in zip(self.volumes, self.trouble, strict=True):
            if volume is None:
                nodes.append(NodeStatus(None, 0, 0, 0, trouble))
                continue
            root, why = None, str(volume.failed or "")
            try:
                root = self.run(find_root(self.on, self.chains, volume, label))
            except UnavailableError as error:
                why = str(error)
            header = volume.header
            nodes.append(NodeStatus(root, header.generation, header.size, volume.freemap.free_bytes, why))
        return nodes

    def close(self) -> None:
        """Close all devices. What was not flushed is lost. Raises WriteError."""
        for volume in self.volumes:
            if volume is not None:
                at_once(close_volume(volume))
