"""A device in a file."""

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from hammer2_cluster.device.device import (
    MAX_BLOCK_BYTES,
    BusyError,
    DeviceError,
    FullError,
    ReadError,
    WriteError,
    check_block,
    check_size,
)

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileDevice:
    """An image file, or a block special file, locked against other processes as long as it is open."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Open an existing file. Raises DeviceError, naming the path, if that cannot be done.

        writable: whether it may be written; else every write is a WriteError.
        """
        self.path: Final = path
        try:
            how = os.O_RDWR if writable else os.O_RDONLY
            self._file = os.open(path, how | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for its other end
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}") from None
        try:
            self._lock()
            self._size = self._measure()
        except BaseException:
            self.close()
            raise

    def _measure(self) -> int:
        mode = os.fstat(self._file).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            raise DeviceError(f"{self.path}: neither a file nor a block device")
        size = os.lseek(self._file, 0, os.SEEK_END)
        if size <= 0 or size % MAX_BLOCK_BYTES:
            raise DeviceError(f"{self.path}: {size} bytes, expected a multiple of {MAX_BLOCK_BYTES}: truncated?")
        return size

    @classmethod
    def make(cls, path: Path, size: int) -> "FileDevice":
        """Make a sparse file of ``size`` bytes and open it. Raises DeviceError if it exists or cannot be made."""
        check_size(size)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}") from None
        try:
            os.ftruncate(file, size)
        except OSError as error:
            path.unlink()
            raise DeviceError(f"{path}: {error.strerror}") from None
        finally:
            os.close(file)
        return cls(path)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise DeviceError(f"{self.path}: cannot be locked: {error.strerror}") from None
            raise BusyError(f"{self.path}: in use by another process") from None

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    async def read(self, offset: int, length: int) -> bytes:
        """As Device.read."""
        check_block(self._size, offset, length)
        try:
            data = os.pread(self._file, length, offset)
        except OSError as error:
            raise ReadError(f"{self.path}: block {offset:#x}: {error.strerror}") from None
        if len(data) != length:
            raise ReadError(f"{self.path}: block {offset:#x}: {len(data)} bytes instead of {length}: truncated?")
        return data

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        """As Device.write."""
        check_block(self._size, offset, len(data))
        try:
            written = os.pwrite(self._file, data, offset)
        except OSError as error:
            kind = FullError if error.errno in _NO_ROOM else WriteError
            raise kind(f"{self.path}: block {offset:#x}: {error.strerror}") from None
        if written != len(data):
            raise WriteError(f"{self.path}: block {offset:#x}: only {written} of {len(data)} bytes were written")

    async def sync(self) -> None:
        """As Device.sync."""
        try:
            os.fdatasync(self._file)
        except OSError as error:
            kind = FullError if error.errno in _NO_ROOM else WriteError
            raise kind(f"{self.path}: sync: {error.strerror}") from None

    def close(self) -> None:
        """As Device.close."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
