"""A store in a directory: one image file per node, 0.img, 1.img, ... in slot order."""

import os
import re
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from hammer2_cluster.device.device import BusyError, Device, DeviceError
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.outcomes import Fatal
from hammer2_cluster.store.directory import FilesystemError, NotFoundError, shown
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.volume_header import BadVolumeError
from hammer2_oracle.options import complain
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, PfsType

IMAGE: Final = re.compile(r"([0-7])\.img")
PIECE_BYTES: Final = 1 << 20


class StoreError(Exception):
    """A store cannot be used, or not in this way. The text is one clear line."""


def unique_id() -> bytes:
    """16 bytes that nobody else has."""
    return uuid.uuid4().bytes


def images(directory: Path) -> list[Path | None]:
    """The images of a store by slot, None in gaps. Raises StoreError if there is none."""
    try:
        found = {int(match[1]): path for path in directory.iterdir() if (match := IMAGE.fullmatch(path.name))}
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}") from None
    if not found:
        raise StoreError(f"{directory}: no images, expected 0.img, 1.img, ...")
    return [found.get(slot) for slot in range(max(found) + 1)]


@contextmanager
def devices_in(directory: Path) -> Iterator[tuple[list[Device | None], list[str]]]:
    """The images of a store, open and locked, and for each why it is not. Raises StoreError if someone has one open."""
    devices: list[Device | None] = []
    why: list[str] = []
    try:
        for path in images(directory):
            try:
                devices.append(None if path is None else FileDevice(path))
                why.append("not there" if path is None else "")
            except BusyError as error:
                raise StoreError(str(error)) from None
            except DeviceError as error:
                devices.append(None)
                why.append(str(error))
        yield devices, why
    finally:
        for device in devices:
            if device is not None:
                device.close()


@contextmanager
def opened(directory: Path, semantics: Semantics) -> Iterator[Store]:
    """The store in a directory. A node that cannot be opened is named and takes no part.

    Raises StoreError for whatever goes wrong with it, in here and in what the caller does with it.
    """
    with devices_in(directory) as (devices, why):
        try:
            if not any(devices):
                raise StoreError("; ".join(why))
            store = Store.open(devices, unique_id, semantics)
            for node, trouble in enumerate(why):
                if trouble or store.trouble[node]:
                    store.trouble[node] = trouble or store.trouble[node]
                    complain(f"node {node} takes no part: {store.trouble[node]}")
            yield store
        except (FilesystemError, BadVolumeError, DeviceError, Fatal) as error:
            raise StoreError(f"{directory}: {in_words(error)}") from None


def initialize(directory: Path, types: Sequence[int], size: int, semantics: Semantics) -> None:
    """Make a store: a directory, an image of ``size`` bytes for each type. Raises StoreError with nothing made."""
    if not 1 <= len(types) <= MAXCLUSTER:
        raise StoreError(f"a cluster has 1 to {MAXCLUSTER} nodes, not {len(types)}")
    made_directory = not directory.exists()
    made: list[FileDevice] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if there := [path for path in directory.iterdir() if IMAGE.fullmatch(path.name)]:
            raise StoreError(f"{there[0]}: is there already")  # noqa: TRY301 - like any other reason to undo
        made.extend(FileDevice.make(directory / f"{slot}.img", size) for slot in range(len(types)))
        Store.make(made, types, unique_id, semantics=semantics).close()
    except BaseException as error:
        for device in made:
            device.close()
            device.path.unlink(missing_ok=True)
        if made_directory and directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
        if isinstance(error, OSError):
            raise StoreError(f"{error.filename or directory}: {error.strerror}") from None
        if isinstance(error, (ValueError, DeviceError, FilesystemError, Fatal)):
            raise StoreError(in_words(error)) from None
        raise


def in_words(error: Exception) -> str:
    """What went wrong; the original's own ways to end are named as such."""
    return f"the original would not survive this: {error}" if isinstance(error, Fatal) else str(error)


def printable(name: bytes) -> str:
    """A name on one line of a terminal: what cannot be printed is escaped."""
    text = name.decode("utf-8", "surrogateescape")
    return "".join(c if c.isprintable() else f"\\x{ord(c) & 0xFF:02x}" for c in text)


def name_in_json(name: bytes) -> dict[str, str | None]:
    """A name as text, if it is UTF-8, and in any case as hexadecimal digits."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = None
    return {"name": text, "name_hex": name.hex()}


def mounted(store: Store, label: str | None = None) -> Filesystem:
    """The filesystem, or a snapshot of it; a master that is left out is named. Raises StoreError."""
    try:
        filesystem = store.mount() if label is None else store.mount(name_of(label))
    except NotFoundError:
        if label is None:
            raise
        raise StoreError(f"there is no snapshot {shown(name_of(label))}") from None
    for node, why in enumerate(filesystem.left_out):
        if why and not store.trouble[node] and filesystem.pmp.pfs_types[node] == PfsType.MASTER:
            complain(f"node {node} takes no part: {why}")
    return filesystem


@contextmanager
def changing(store: Store, filesystem: Filesystem) -> Iterator[None]:
    """What is done in here is durable afterwards, or not done; a node that could not be written is named."""
    happened = "nothing was changed"
    try:
        yield
        happened = "while it was written: it is done as a whole, or not at all"
        store.run(filesystem.flush())
    except KeyboardInterrupt:
        raise KeyboardInterrupt(happened) from None
    for node, volume in enumerate(store.volumes):
        if volume is not None and volume.failed:
            complain(f"node {node} was not written: {volume.failed}")


@contextmanager
def complete(file: Path) -> Iterator[IO[bytes]]:
    """A file that is there as a whole afterwards, or as it was before; a device or pipe is written as it comes.

    Raises StoreError.
    """
    file = file.resolve()
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
