"""A device in memory."""

from hammer2_cluster.device.device import check_block, check_size


class MemoryDevice:
    """Never fails, never waits. Begins with zeros, or with the content given."""

    def __init__(self, size: int, content: bytes | bytearray | None = None) -> None:
        check_size(size)
        self.content = bytearray(size) if content is None else bytearray(content)
        if len(self.content) != size:
            raise ValueError(f"the content has {len(self.content)} bytes, the device {size}")
        self.closed = False

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content)

    async def read(self, offset: int, length: int) -> bytes:
        """As Device.read."""
        check_block(self.size, offset, length)
        return bytes(self.content[offset : offset + length])

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        """As Device.write."""
        check_block(self.size, offset, len(data))
        self.content[offset : offset + len(data)] = data

    async def sync(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """As Device.close."""
        self.closed = True
