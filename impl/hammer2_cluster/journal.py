"""What a write has changed at each node, as a digest: equal on nodes that did the same.

It is a fence too: at a node that has promised itself to a later session, and for a write whose session is over, nothing
is changed any more.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.node import Fenced
from hammer2_cluster.objects import Blockref, Chain, ClusterItem, Inode, Pfs
from hammer2_cluster.outcomes import deref
from hammer2_spec.vocabulary import BrefFlag, ChainFlag

NOTHING: Final = b""
SPOILED: Final = b"spoiled"


class Journal:
    """A chain layer that keeps, for each node, a digest of the changes that succeeded there since the last ``begin``.

    It stands for the one below it: what it does not watch it passes on. A node's digest is written at the node.
    """

    def __init__(self, below: ChainLayer) -> None:
        """below: the layer that does the work."""
        self._below: Final = below
        self._digests: Final[dict[int, bytes]] = {}
        self._begun_in: Final[dict[int, int]] = {}
        """The epoch of the write that has begun at each node."""
        self.may_change: Callable[[int, int], bool] = lambda _n, _epoch: True
        """Whether a write that was begun in an epoch may still change something at a node."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the layer below has
        return getattr(self._below, name)

    def begin(self, n: int, epoch: int) -> None:
        """A session's write begins at a node."""
        self._digests[n] = NOTHING
        self._begun_in[n] = epoch

    def digest(self, n: int) -> bytes:
        """Of what was changed at a node; NOTHING if nothing was."""
        return self._digests.get(n, NOTHING)

    def spoil(self, n: int) -> None:
        """A node has missed something, which a digest of what it did may not show: it is not in step any more."""
        self._digests[n] = SPOILED

    def _fence(self, chain: Chain) -> None:
        """Before anything is changed. Raises Fenced."""
        n = deref(chain.hmp)
        if not self.may_change(n, self._begun_in.get(n, 0)):
            raise Fenced(f"node {n}: another session has begun")

    def _note(self, chain: Chain, what: Callable[..., object]) -> None:
        n = deref(chain.hmp)
        before = self._digests.get(n, NOTHING)
        if before is not SPOILED:
            # Roots of PFSs stand where their names belong, a node's own affair.
            key = None if chain.bref.flags & BrefFlag.PFSROOT else chain.bref.key
            entry = (what.__name__, chain.bref.type, key, chain.bref.keybits, chain.bytes)
            self._digests[n] = blake2b(before + repr(entry).encode(), digest_size=16).digest()

    async def create(
        self,
        parent: ClusterItem,
        item: ClusterItem,
        pmp: Pfs | None,
        key: int,
        keybits: int,
        type: int,
        bytes: int,
        flags: int,
    ) -> int:
        """As ChainLayer."""
        self._fence(deref(parent.chain))
        error = await self._below.create(parent, item, pmp, key, keybits, type, bytes, flags)
        if not error and item.chain is not None:
            self._note(item.chain, self.create)
        return error

    async def rename(self, parent: ClusterItem, chain: Chain, bref: Blockref | None, flags: int) -> None:
        """As ChainLayer."""
        self._fence(chain)
        await self._below.rename(parent, chain, bref, flags)
        if chain.parent is not None and chain.parent is parent.chain:
            self._note(chain, self.rename)

    async def delete(self, parent: Chain | None, chain: Chain, flags: int) -> None:
        """As ChainLayer."""
        self._fence(chain)
        await self._below.delete(parent, chain, flags)
        if chain.flags & ChainFlag.DELETED:
            self._note(chain, self.delete)

    async def modify(self, chain: Chain, flags: int) -> None:
        """As ChainLayer."""
        self._fence(chain)
        await self._below.modify(chain, flags)
        if not chain.error:
            self._note(chain, self.modify)

    async def resize(self, ip: Inode | None, parent: Chain, chain: Chain, nradix: int, flags: int) -> None:
        """As ChainLayer."""
        self._fence(chain)
        await self._below.resize(ip, parent, chain, nradix, flags)
        if not chain.error:
            self._note(chain, self.resize)
