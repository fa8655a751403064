"""Lines of files that may be large, compressed, cut short or no text at all, within bounded memory."""

import json
import lzma
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec
from msgspec import UNSET

from hammer2_oracle.words import shortened

LINE_LIMIT: Final = 64 * 2**20
"""Bytes in a line at the most."""
XZ_MEMORY_LIMIT: Final = 128 * 2**20
"""Bytes of memory that decompression may take at the most; `xz -9` needs 65 MiB."""
PIECE: Final = 2**18
"""Bytes that are read, or decompressed, at a time."""

ITF_NAME: Final = ".itf.json"
"""A file that is so named is one record, whatever lines it has."""
XZ_MAGIC: Final = b"\xfd7zXZ\x00"
ENCODE: Final = msgspec.json.Encoder().encode
REST: Final = "from here on the file is not judged"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Unreadable(Exception):
    """A place in a file where it is not what it should be: one line that says where, what, and what was expected."""

    def __init__(self, file: str, line: int | None, field: str | None, reason: str) -> None:
        field, reason = field and shortened(field), shortened(reason)
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {reason}" if field is None else f"{place}: {field}: {reason}")
        self.file, self.line, self.field, self.reason = file, line, field, reason


class Lines:
    """The lines of one file, numbered from 1, without their line ends.

    Args:
        file: its name; ``-`` is standard input. What begins like xz, or is named so, is decompressed.

    Raises:
        Unreadable: when it is opened or while it is read. Every line before has been delivered by then.
    """

    def __init__(self, file: str) -> None:
        self.file = "standard input" if file == "-" else file
        self.named_xz = file.endswith(".xz")
        self.is_one_record = file.endswith(ITF_NAME)
        self.number = 1
        """Of the line that is delivered next, or could not be."""
        self.bytes_read = 0
        try:
            self.stream: BinaryIO = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - __exit__
        except AttributeError:
            raise self.unreadable_file("is closed") from None
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            raise self.unreadable_file(getattr(error, "strerror", None) or str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stream is not sys.stdin.buffer:
            self.stream.close()

    def unreadable_file(self, reason: str) -> Unreadable:
        """What is wrong with the file as a whole."""
        return Unreadable(self.file, None, None, reason)

    def unreadable(self, reason: str, field: str | None = None) -> Unreadable:
        """What is wrong with the line that is being read."""
        return Unreadable(self.file, self.number, field, reason)

    def __iter__(self) -> Iterator[bytes]:
        pieces: list[bytes] = []
        size = 0
        for text in self._text():
            *ends, rest = [text] if self.is_one_record else text.split(b"\n")
            for end in ends:
                if size + len(end) > LINE_LIMIT:
                    raise self.unreadable(f"the line is longer than {LINE_LIMIT >> 20} MiB; {REST}")
                yield b"".join((*pieces, end)) if pieces else end
                self.number += 1
                pieces, size = [], 0
            if rest:
                pieces.append(rest)
                size += len(rest)
            if size > LINE_LIMIT:
                raise self.unreadable(f"the line is longer than {LINE_LIMIT >> 20} MiB; {REST}")
        if pieces:
            yield b"".join(pieces)
            self.number += 1
        if self.number == 1:
            raise self.unreadable_file("is empty, expected at least one record")

    def _bytes(self) -> Iterator[bytes]:
        while True:
            try:
                # Not read(): from a pipe that would wait until the piece is full.
                piece = self.stream.read1(PIECE)  # type: ignore[attr-defined]  # every buffered reader has it
            except OSError as error:
                raise self.unreadable(f"{error.strerror or error}; {REST}") from None
            if not piece:
                return
            self.bytes_read += len(piece)
            yield piece

    def _text(self) -> Iterator[bytes]:
        source = self._bytes()
        first = b""
        while len(first) < len(XZ_MAGIC) and (piece := next(source, b"")):
            first += piece
        if first.startswith(XZ_MAGIC) or self.named_xz:
            yield from self._decompressed(first, source)
            return
        if first.startswith(BYTE_ORDER_MARK):
            raise self.unreadable("begins with a byte order mark, expected JSON")
        yield first
        yield from source

    def _decompressed(self, piece: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
        while piece:
            decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY_LIMIT)
            while not decompressor.eof:
                try:
                    yield decompressor.decompress(piece, PIECE)
                except lzma.LZMAError as error:
                    raise self.unreadable(f"the xz data cannot be read: {error}; {REST}") from None
                piece = b""
                if decompressor.needs_input and not decompressor.eof:
                    piece = next(source, b"")
                    if not piece:
                        raise self.unreadable("the xz data ends too early: the file is cut short")
            # Another stream may follow, after zero bytes.
            piece = (decompressor.unused_data or next(source, b"")).lstrip(b"\0")
            while not piece and (piece := next(source, b"")):
                piece = piece.lstrip(b"\0")


def key_twice(line: bytes, read: object = UNSET) -> str | None:
    """A key that an object in a line of JSON has twice, None if there is none.

    Args:
        line: valid JSON.
        read: what it was read as, where that has no key but those of the line.
    """
    # A key that comes twice is lost when it is read, and its quotation marks with it.
    read = msgspec.json.decode(line) if read is UNSET else read
    if b"\\" not in line and line.count(b'"') == ENCODE(read).count(b'"'):
        return None
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        found.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)

    json.loads(line, object_pairs_hook=look)
    return found[0] if found else None
