"""All nodes of a store in one process, run straight: what the command line and most tests work with."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar, cast

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.device.device import Device, DeviceError
from hammer2_cluster.journal import Journal
from hammer2_cluster.store.chains import StoredChains, at_once
from hammer2_cluster.store.directory import UnavailableError, about, shown
from hammer2_cluster.store.filesystem import Filesystem, mount
from hammer2_cluster.store.layout import INDIRECT_RADIX
from hammer2_cluster.store.making import close_volume, format_volume, open_volume
from hammer2_cluster.store.members import Members, members_of
from hammer2_cluster.store.pfs import Root, create_pfs, find_root, roots_of
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.store.volume_header import BadVolumeError
from hammer2_cluster.straight import Straight
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import MAXCLUSTER

Result = TypeVar("Result")
Ids = Callable[[], bytes]
"""16 bytes that nobody else has."""

LABEL: Final = b"ROOT"
"""The PFS that a new store has."""


def _in_one_line(trouble: Sequence[str]) -> str:
    """Why none of the nodes takes part."""
    if len({*trouble}) == 1:
        return f"all nodes: {trouble[0]}"
    return "; ".join(f"node {n}: {why}" for n, why in enumerate(trouble))


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
        """For each node that takes no part: why."""
        self.chains: Final = StoredChains(volumes, uuids=lambda _hmp, _offset: ids())
        self._journal: Final = Journal(cast("ChainLayer", self.chains))
        self.on: Final = Straight(cast("ChainLayer", self._journal), semantics)

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
        for slot, (device, radix) in enumerate(zip(devices, radixes, strict=True)):
            at_once(format_volume(device, ids(), clid, slot=slot, nodes=len(devices), indirect_radix=radix))
        store = cls.open(devices, ids, semantics)
        store.run(create_pfs(Straight(store.chains, semantics), store.chains, LABEL, types, ids()))
        return store

    @classmethod
    def open(cls, devices: Sequence[Device | None], ids: Ids, semantics: Semantics = REPAIRED) -> "Store":
        """The volumes on devices; those that cannot be opened take no part. Raises BadVolumeError if none can."""
        return cls.of(at_once(members_of(devices)), ids, semantics)

    @classmethod
    def of(cls, members: Members, ids: Ids, semantics: Semantics = REPAIRED, *, must_settle: bool = True) -> "Store":
        """As open. must_settle: as in open_volume."""
        volumes: list[Volume | None] = []
        for hmp, (device, found, _) in enumerate(zip(*members, strict=True)):
            volumes.append(None)
            if device is None or found is None:
                continue
            try:
                confirmed = members.confirmed_tid
                volumes[hmp] = at_once(open_volume(device, hmp, confirmed_tid=confirmed, must_settle=must_settle))
            except (BadVolumeError, DeviceError) as error:
                members.trouble[hmp] = str(error)
        if not any(volumes):
            raise BadVolumeError(_in_one_line(members.trouble))
        return cls(volumes, members.trouble, ids, semantics)

    def run(self, operation: Coroutine[Any, Any, Result]) -> Result:
        """The result of an operation."""
        return self.on.run(operation)

    def mount(self, label: bytes = LABEL) -> Filesystem:
        """As filesystem.mount."""
        return self.run(mount(self.on, self.chains, label, self._journal))

    def snapshots(self) -> list[bytes]:
        """The labels of all PFSs but the first, on whatever node that can be read."""
        labels: set[bytes] = set()
        for volume in self.volumes:
            with suppress(UnavailableError):
                if volume is not None:
                    labels.update(root.inode.name for root in self.run(roots_of(self.on, self.chains, volume)))
        return sorted(labels - {LABEL})

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
                why = why or ("" if root else f"has no {shown(label)}")
            except UnavailableError as error:
                why = about(volume, error)
            header = volume.header
            nodes.append(NodeStatus(root, header.generation, header.size, volume.freemap.free_bytes, why))
        return nodes

    def close(self) -> None:
        """Close all devices. What was not flushed is lost. Raises WriteError."""
        for volume in self.volumes:
            if volume is not None:
                at_once(close_volume(volume))
