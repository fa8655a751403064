"""What ``hammer2-cluster store replace`` does: a new, empty image in the place of one that is lost, or is to go."""

from pathlib import Path
from typing import Final

from hammer2_cluster.device.device import DeviceError
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import FilesystemError
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.making import format_volume
from hammer2_cluster.store.members import NOT_THERE, Members
from hammer2_cluster.store.volume_header import BadVolumeError, VolumeHeader
from hammer2_oracle.store_directory import StoreError, members_in, sync_directory, unique_id

UNFINISHED: Final = ".replacement"
"""Behind the name of an image that is not in its place yet."""


def put_new_image(directory: Path, node: int, size: int | None) -> None:
    """Let a node have an image with nothing in it, which takes no part before it is resynchronized.

    size: in bytes; as another image has it if None. The old image is gone at once, or still there.
    Raises StoreError, unless the others can do without the old one: a majority of the masters must be in step.
    """
    with members_in(directory, must_write=True) as members:
        if node >= len(members.devices):
            raise StoreError(f"{directory}: there is no node {node}")
        path = directory / f"{node}.img"
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise StoreError(f"{path}: is no plain file; what it stands for has to be replaced")
        header = _header_of_the_others(directory, members, node)
        new = path.with_name(path.name + UNFINISHED)
        try:
            new.unlink(missing_ok=True)
            device = FileDevice.make(new, header.size if size is None else size)
            try:
                at_once(
                    format_volume(
                        device,
                        unique_id(),
                        header.clid,
                        slot=node,
                        nodes=header.nodes,
                        indirect_radix=header.indirect_radix,
                        check=header.check,
                    )
                )
                new.replace(path)
            finally:
                device.close()
            sync_directory(directory)
        except OSError as error:
            raise StoreError(f"{error.filename or directory}: {error.strerror}") from None
        except (ValueError, DeviceError) as error:
            raise StoreError(f"{path}: {error}") from None
        finally:
            new.unlink(missing_ok=True)


def _header_of_the_others(directory: Path, members: Members, node: int) -> VolumeHeader:
    """Of one of the nodes that the store goes on with. Raises StoreError if they are too few."""
    members.devices[node], members.found[node], members.trouble[node] = None, None, NOT_THERE
    try:
        Store.of(members, unique_id).mount()
    except (BadVolumeError, DeviceError, FilesystemError) as error:
        raise StoreError(f"{directory}: node {node} cannot be replaced, the others need it: {error}") from None
    return next(found.newest for found in members.found if found is not None)
