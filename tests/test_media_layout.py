"""docs/reference/media-layout.md is enough to read an image: a reader that knows nothing else."""

import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

from fastcrc import crc32, crc64
from tests.store_kit import make, memory, put

Files = dict[bytes, bytes]


class Ref(NamedTuple):
    type: int
    methods: int
    keybits: int
    flags: int
    key: int
    tid: int
    data_off: int
    check: bytes


def table(block: bytes) -> Iterator[Ref]:
    for at in range(0, len(block), 64):
        kind, methods, _, keybits, _, flags, key, tid, _, off, check = struct.unpack_from("<6B2x4Q24s", block, at)
        if kind:
            yield Ref(kind, methods, keybits, flags, key, tid, off, check)


class Reader:
    """An image, by the page."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        places = [image[at : at + 4096] for at in range(0, 16384, 4096)]
        valid = {
            n: struct.unpack_from("<Q", place, 0x18)[0]
            for n, place in enumerate(places)
            if place[:8] == b"H2CLUST1" and crc32.iscsi(place[:4092]) == struct.unpack("<I", place[4092:])[0]
        }
        newest = max(valid.values())
        second = (2 * newest + 1) % 4
        confirmed = valid.get(second, newest) == newest
        wanted = newest if confirmed else newest - 1
        self.header = places[next(n for n, generation in valid.items() if generation == wanted)]
        self.version, self.slot, self.nodes = struct.unpack_from("<IBB", self.header, 8)
        self.volume, self.set = self.header[0x28:0x38], self.header[0x38:0x48]
        self.references: dict[int, int] = {}

    def block(self, ref: Ref) -> bytes:
        offset, size = ref.data_off & ~63, 1 << (ref.data_off & 63)
        data = self.image[offset : offset + size]
        assert ref.methods >> 4 in (2, 5)
        assert ref.check == crc32.iscsi(data).to_bytes(4, "little").ljust(24, b"\0")
        return data

    def entries(self, block: bytes) -> Iterator[tuple[Ref, bytes]]:
        """What is below a table, without indirect blocks; counts references."""
        for ref in table(block):
            first = ref.data_off not in self.references
            self.references[ref.data_off] = self.references.get(ref.data_off, 0) + 1
            data = self.block(ref)
            below = list(self.entries(data)) if ref.type == 2 else [(ref, data)]
            if not first and ref.type == 2:
                self.forget(data)
            yield from below

    def forget(self, block: bytes) -> None:
        """A block that is shared refers once to what is below."""
        for ref in table(block):
            self.references[ref.data_off] -= 1
            if ref.type == 2:
                self.forget(self.block(ref))

    def pfss(self) -> dict[bytes, Files]:
        ((_, super_root),) = self.entries(self.header[0x200:0x400])
        return {self.name(root): self.files(root) for _, root in self.entries(super_root[0x200:])}

    @staticmethod
    def name(inode: bytes) -> bytes:
        return inode[0x100 : 0x100 + struct.unpack_from("<H", inode, 0x80)[0]]

    def files(self, directory: bytes) -> Files:
        found = {}
        for ref, inode in self.entries(directory[0x200:]):
            name = self.name(inode)
            hash_ = (crc64.xz(name) | 1 << 63) & 0xFFFFFFFFFFFF0000 | 0x8000
            assert hash_ <= ref.key <= hash_ | 0x7FFF
            size = struct.unpack_from("<Q", inode, 0x60)[0]
            content = bytearray(size)
            if inode[0x51] & 1:
                content[:] = inode[0x200 : 0x200 + size]
            else:
                for block, data in self.entries(inode[0x200:]):
                    content[block.key : block.key + len(data)] = data[: size - block.key]
            found[name] = bytes(content)
        return found

    def counts(self) -> bytes:
        """The freemap."""
        zones = -(-len(self.image) // 2**24)
        counts = bytearray()
        for zone in range(zones):
            units = min(16384, len(self.image) // 1024 - zone * 16384)
            counts += (b"\xff" * 64 + bytes(units - 64)).ljust(16384, b"\xff")
        for node in table(self.header[0x400:0x600]):
            for leaf in table(self.block(node)):
                counts[leaf.key // 1024 : leaf.key // 1024 + 16384] = self.block(leaf)
        return bytes(counts)


def test_the_page_is_enough_to_read_an_image() -> None:
    devices = memory(3, 3 << 22)
    store = make(devices, radixes=[10, 12, 14])
    filesystem, chance, files = store.mount(), random.Random(11), Files()
    for n in range(60):
        files[b"file %d" % n] = chance.randbytes(chance.choice([0, 300, 512, 513, 5000, 70_000, 300_000]))
        put(store, filesystem, b"file %d" % n, files[b"file %d" % n])
    store.run(filesystem.write(b"file 1", 400_000, b"far behind"))
    files[b"file 1"] = files[b"file 1"].ljust(400_000, b"\0") + b"far behind"
    store.run(filesystem.flush())
    readers = [Reader(bytes(device.content)) for device in devices]
    assert [(reader.version, reader.slot, reader.nodes) for reader in readers] == [(2, 0, 3), (2, 1, 3), (2, 2, 3)]
    assert (len({reader.volume for reader in readers}), len({reader.set for reader in readers})) == (3, 1)
    for reader in readers:
        assert reader.pfss() == {b"ROOT": files}
        units = bytearray((b"\xff" * 64).ljust(3 << 12, b"\0").ljust(16384, b"\xff"))
        for data_off, references in reader.references.items():
            first, length = (data_off & ~63) // 1024, (1 << (data_off & 63)) // 1024
            units[first : first + length] = bytes((references,)) * length
        assert reader.counts() == units


def test_the_page_explains_snapshots() -> None:
    (device,) = memory(1, 1 << 20)
    store = make([device])
    filesystem = store.mount()
    put(store, filesystem, b"a", b"then" * 1000)
    store.run(filesystem.snapshot(b"snap"))
    put(store, filesystem, b"a", b"now")
    store.run(filesystem.flush())
    assert Reader(bytes(device.content)).pfss() == {b"ROOT": {b"a": b"now"}, b"snap": {b"a": b"then" * 1000}}
