"""The lock order, checked whenever somebody locks: on each node a parent before its children.

Two clients that lock in one order do not wait for each other in a circle. Across nodes the order is that of the queues:
all nodes see all clients' questions in one order, and each grants its locks in the order in which they were asked for
(``node``). So this is what is left to check.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hammer2_cluster.outcomes import deref
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.volume import Volume
from hammer2_spec.vocabulary import Resolve


@asynccontextmanager
async def to_be_flushed(root: StoredChain) -> AsyncIterator[None]:
    """The root of a PFS, locked behind the super-root: its flush changes what is above it."""
    volume, above = root.volume, deref(root.volume.super_root)
    await volume.lock(above, Resolve.ALWAYS)
    try:
        await volume.lock(root, Resolve.ALWAYS)
        try:
            yield
        finally:
            volume.unlock(root)
    finally:
        volume.unlock(above)


class OutOfOrder(AssertionError):
    """Somebody locks a chain while it holds one that is below it."""


def watch(volume: Volume) -> None:
    """Let every lock that is taken on a volume from now on be checked."""
    take = volume.lock

    async def lock(chain: StoredChain, how: int) -> None:
        caller = volume.waiting.caller()
        if not chain.lock.is_held_by(caller):
            held = [below.name for below in _below(chain) if below.lock.is_held_by(caller)]
            if held:
                raise OutOfOrder(f"client {caller} holds {', '.join(held)} and locks {chain.name}, which is above")
        await take(chain, how)

    volume.lock = lock  # type: ignore[method-assign]  # the only way in, as long as it is watched


def _below(top: StoredChain) -> list[StoredChain]:
    found = top.children.all()
    for chain in found:  # grows meanwhile
        found.extend(chain.children.all())
    return found
