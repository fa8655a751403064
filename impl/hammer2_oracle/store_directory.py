"""A store in a directory: one image file per node, 0.img, 1.img, ... in slot order."""

import os
import re
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Final

from hammer2_cluster.device.device import BusyError, Device, DeviceError
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.outcomes import Fatal
from hammer2_cluster.promises import begin_epoch
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import FilesystemError, NotFoundError, UnavailableError, about, shown
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.members import Members, members_of
from hammer2_cluster.store.volume_header import BadVolumeError
from hammer2_oracle import store_failures
from hammer2_oracle.options import complain
from hammer2_oracle.timed_device import TimedDevice
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, PfsType

IMAGE: Final = re.compile(r"([0-7])\.img")
UNFINISHED: Final = ".unfinished"
"""Behind the name of an image that init is still making."""
PIECE_BYTES: Final = 1 << 20


class StoreError(Exception):
    """A store cannot be used, or not in this way. The text is one clear line."""


def unique_id() -> bytes:
    """16 bytes that nobody else has."""
    return uuid.uuid4().bytes


def images(directory: Path) -> list[Path | None]:
    """The images of a store by slot, None in gaps. Raises StoreError if there is none."""
    try:
        paths = list(directory.iterdir())
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}") from None
    if _is_unfinished({path.name for path in paths}):
        raise StoreError(f"{directory}: init was interrupted here, or is at work; run it again")
    found = {int(match[1]): path for path in paths if (match := IMAGE.fullmatch(path.name))}
    if not found:
        raise StoreError(f"{directory}: no images, expected 0.img, 1.img, ...")
    return [found.get(slot) for slot in range(max(found) + 1)]


@contextmanager
def members_in(directory: Path, *, must_write: bool) -> Iterator[Members]:
    """The images of a store, open and locked, and why one takes no part. Raises StoreError if someone has one open.

    must_write: False lets images take part that can only be read.
    """
    paths = images(directory)
    try:
        failing = store_failures.kept(directory)
    except ValueError as error:
        raise StoreError(str(error)) from None
    with ExitStack() as stack:
        devices: list[Device | None] = []
        why: list[str] = []
        for slot, path in enumerate(paths):
            devices.append(None)
            why.append("")
            try:
                if path is not None:
                    device = stack.enter_context(closing(_device(path, must_write)))
                    devices[-1], why[-1] = store_failures.struck(device, failing.get(slot))
            except BusyError as error:
                raise StoreError(str(error)) from None
            except DeviceError as error:
                why[-1] = str(error)
        members = at_once(members_of(devices))
        for slot, trouble in enumerate(why):
            members.trouble[slot] = trouble or members.trouble[slot]
        yield members


def _device(path: Path, must_write: bool) -> TimedDevice:
    def opened() -> FileDevice:
        try:
            return FileDevice(path)
        except BusyError:
            raise
        except DeviceError:
            if must_write:
                raise
            return FileDevice(path, writable=False)

    return TimedDevice(opened, str(path))


@contextmanager
def opened(directory: Path, semantics: Semantics, *, must_write: bool) -> Iterator[Store]:
    """The store in a directory. A node that cannot be opened, or drops out on the way, is named.

    must_write: as in members_in. Raises StoreError for whatever goes wrong with the store, in here and in what the
    caller does with it.
    """
    with members_in(directory, must_write=must_write) as members:
        try:
            store = Store.of(members, unique_id, semantics, must_settle=must_write)
        except BadVolumeError as error:
            raise StoreError(f"{directory}: {error}") from None
        try:
            for node, trouble in enumerate(store.trouble):
                if trouble:
                    complain(f"node {node} takes no part: {trouble}")
            yield store
        except FilesystemError as error:
            if not isinstance(error, UnavailableError):  # which says itself who is to blame
                _name_who_dropped_out(store)
            raise StoreError(f"{directory}: {in_words(error)}") from None
        except (BadVolumeError, DeviceError, Fatal) as error:
            raise StoreError(f"{directory}: {in_words(error)}") from None
        _name_who_dropped_out(store)
        if must_write:
            store_failures.keep_causes(directory, _who_missed_it(store))


def _who_missed_it(store: Store) -> dict[int, str]:
    """The nodes that have not written what the others have, and why."""
    failed = [volume.failed if volume else None for volume in store.volumes]
    why = [trouble or str(error or "") for trouble, error in zip(store.trouble, failed, strict=True)]
    return {node: text for node, text in enumerate(why) if text}


def _name_who_dropped_out(store: Store) -> None:
    for node, volume in enumerate(store.volumes):
        if volume is None or store.trouble[node]:
            continue
        if volume.failed:
            complain(f"node {node} was not written: {about(volume, volume.failed)}")
        elif volume.unreadable:
            complain(f"node {node} was not heard on everything: {volume.unreadable}")


def initialize(directory: Path, types: Sequence[int], size: int, semantics: Semantics) -> None:
    """Make a store: a directory, an image of ``size`` bytes for each type. Raises StoreError with nothing made.

    The images have other names until all of them are complete; what an interrupted run has left is replaced.
    """
    if not 1 <= len(types) <= MAXCLUSTER:
        raise StoreError(f"a cluster has 1 to {MAXCLUSTER} nodes, not {len(types)}")
    made_directory = not directory.exists()
    made: list[FileDevice] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _make_room(directory)
        made.extend(FileDevice.make(directory / f"{slot}.img{UNFINISHED}", size) for slot in range(len(types)))
        Store.make(made, types, unique_id, semantics=semantics).close()
        for device in reversed(made):  # 0.img is the last to appear: without it, the others are unfinished too
            device.path.replace(device.path.with_suffix(""))
        sync_directory(directory)
    except BaseException as error:
        for device in made:
            device.close()
            device.path.unlink(missing_ok=True)
            device.path.with_suffix("").unlink(missing_ok=True)
        if made_directory and directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
        if isinstance(error, OSError):
            raise StoreError(f"{error.filename or directory}: {error.strerror}") from None
        if isinstance(error, (ValueError, DeviceError, FilesystemError, Fatal)):
            raise StoreError(in_words(error)) from None
        raise


def _is_unfinished(names: set[str]) -> bool:
    return "0.img" not in names and f"0.img{UNFINISHED}" in names


def _make_room(directory: Path) -> None:
    """Take away what an init that was killed has left. Raises StoreError if there is a store, or an init at work."""
    names = {path.name for path in directory.iterdir()}
    there = sorted(filter(IMAGE.fullmatch, names))
    unfinished = sorted(name for name in names if IMAGE.fullmatch(name.removesuffix(UNFINISHED)) and name not in there)
    if there and not _is_unfinished(names):
        raise StoreError(f"{directory / there[0]}: is there already")
    for name in unfinished:
        try:
            FileDevice(directory / name).close()
        except BusyError as error:
            raise StoreError(str(error)) from None
        except DeviceError:
            pass  # cut short: nobody has it open
    if unfinished:
        complain(f"{directory}: an init was interrupted here, what it left is replaced")
    for name in (*there, *reversed(unfinished)):  # 0.img.unfinished says what the others are
        (directory / name).unlink()


def sync_directory(directory: Path) -> None:
    """Make the names in it durable."""
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def in_words(error: Exception) -> str:
    """What went wrong; the original's own ways to end are named as such."""
    return f"the original would not survive this: {error}" if isinstance(error, Fatal) else str(error)


def name_in_json(name: bytes) -> dict[str, str | None]:
    """A name as text, if it is UTF-8, and in any case as hexadecimal digits."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = None
    return {"name": text, "name_hex": name.hex()}


def mounted(store: Store, label: str | None = None) -> Filesystem:
    """The filesystem, or a snapshot of it; who is left out is named, but for slaves that wait. Raises StoreError."""
    try:
        filesystem = store.mount() if label is None else store.mount(name_of(label))
    except NotFoundError:
        if label is None:
            raise
        raise StoreError(f"there is no snapshot {shown(name_of(label))}") from None
    for node, why in enumerate(filesystem.left_out):
        volume = store.volumes[node]
        if volume is None or not why:
            continue
        kind = filesystem.pmp.pfs_types[node]
        if volume.unreadable or kind == PfsType.MASTER or (label is None and kind == PfsType.NONE):
            complain(f"node {node} takes no part: {why}")
            store.trouble[node] = why
    return filesystem


@contextmanager
def interrupted(what_became_of_it: str) -> Iterator[None]:
    """Ctrl-C in here says so."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(what_became_of_it) from None


@contextmanager
def writing(store: Store, filesystem: Filesystem) -> Iterator[None]:
    """What becomes durable in here has tids that no node has, not even one that is away."""
    with interrupted("while it was written: it is done as a whole, or not at all"):
        if None in store.volumes:  # who knows what it has
            filesystem.tid = max(filesystem.tid, store.run(begin_epoch(store.volumes)))
        yield


@contextmanager
def changing(store: Store, filesystem: Filesystem) -> Iterator[None]:
    """What is done in here is durable afterwards, or not done."""
    with interrupted("nothing was changed"):
        yield
    with writing(store, filesystem):
        store.run(filesystem.flush())


@contextmanager
def complete(file: Path, store: Path) -> Iterator[IO[bytes]]:
    """A file that is there as a whole afterwards, or as it was before; a device or pipe is written as it comes.

    store: the directory whose images are not to be overwritten. Raises StoreError.
    """
    file = file.resolve()
    if _is_an_image(file, store):
        raise StoreError(f"{file}: is an image of the store")
    special = file.exists() and not file.is_file()
    part = file if special else file.with_name(f".{os.getpid()}.part")
    try:
        try:
            with part.open("wb" if special else "xb") as target:
                yield target
            if not special:
                part.replace(file)
        finally:
            if not special:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from None


def _is_an_image(file: Path, store: Path) -> bool:
    """Whether it is one of the store's images, or would be taken for one."""
    if file.parent == store.resolve() and IMAGE.fullmatch(file.name.removesuffix(UNFINISHED)):
        return True
    return file.exists() and any(path is not None and path.samefile(file) for path in images(store))


def pieces_of(content: IO[bytes], size: int, file: str) -> Iterator[bytes]:
    """The content, piece by piece. Raises StoreError unless it has so many bytes."""
    done = 0
    try:
        while piece := content.read(PIECE_BYTES):
            done += len(piece)
            if done > size:
                break
            yield piece
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from None
    if done != size:
        raise StoreError(f"{file}: changed while it was read, nothing was stored")


@contextmanager
def source(file: str) -> Iterator[tuple[IO[bytes], int]]:
    """A file, or - for standard input, and its size in bytes. What cannot be measured is copied. Raises StoreError."""
    if file == "-" and sys.stdin is None:
        raise StoreError("standard input: is closed")
    with ExitStack() as stack:
        try:
            content: IO[bytes] = (
                sys.stdin.buffer if file == "-" else stack.enter_context(open(file, "rb"))  # noqa: PTH123 - any bytes
            )
            if not _is_plain(content):
                copy = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(content, copy)
                copy.seek(0)
                content = copy
            start = content.tell()
            size = content.seek(0, os.SEEK_END) - start
            content.seek(start)
        except OSError as error:
            raise StoreError(f"{file}: {error.strerror}") from None
        yield content, size


def _is_plain(content: IO[bytes]) -> bool:
    """Whether it is a file whose size is known; those of /proc say 0."""
    try:
        status = os.fstat(content.fileno())
    except (OSError, AttributeError):
        return content.seekable()
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


class Counter:
    """Shows nothing."""

    def advance(self, count: int) -> None:
        """So many bytes more."""


@contextmanager
def byte_progress(what: str, total: int | None) -> Iterator[Counter]:
    """Show how far something is: bytes, their rate, the time that remains; on a terminal only."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield Counter()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)

        class Shown(Counter):
            def advance(self, count: int) -> None:
                progress.update(task, advance=count)

        yield Shown()


def name_of(argument: str) -> bytes:
    """A name as the shell gave it."""
    return os.fsencode(argument)
