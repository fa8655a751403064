"""Taking chains away: hammer2_chain_delete, and what becomes of them."""

from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.modification import clear, modify, setflush
from hammer2_cluster.store.volume import parent_of
from hammer2_spec.vocabulary import ChainFlag, Delete


async def delete(parent: StoredChain, chain: StoredChain, flags: int) -> None:
    """As ChainLayer.delete. Idempotent. The blocks come free when the table that referred to them is gone."""
    if chain.flags & ChainFlag.DELETED:
        return
    if chain.flags & ChainFlag.BMAPPED:
        await modify(parent)
        if parent.error:
            return  # the volume has failed: nothing of this will be written
        index = parent.table().find(chain.bref.key)
        if index is not None:
            parent.table().remove(index)
    volume = chain.volume
    chain.flags |= ChainFlag.DELETED
    chain.flags &= ~(ChainFlag.BMAPPED | ChainFlag.BMAPUPD)
    setflush(parent)
    volume.detached.add(chain)
    volume.take_out(chain)
    clear(chain, ChainFlag.UPDATE)
    if flags & Delete.PERMANENT:
        destroy(chain)


def destroy(top: StoredChain) -> None:
    """Below a detached chain nothing will be written: dirty content is thrown away, unused storage given back."""
    volume = top.volume
    volume.detached.discard(top)
    waiting = [top]
    while waiting:
        chain = waiting.pop()
        waiting.extend(chain.children.all())
        volume.ref(chain)
        chain.flags = (chain.flags | ChainFlag.DESTROY) & ~ChainFlag.ONFLUSH
        volume.abandon(chain)
        volume.unpromise(chain)
        chain.bref.data_off = 0
        chain.buffer = None
        chain.written = False
        volume.buffered.pop(chain.id, None)
        clear(chain, ChainFlag.MODIFIED)
        clear(chain, ChainFlag.UPDATE)
        volume.drop(chain)


def is_detached(chain: StoredChain) -> bool:
    """Whether no way leads from the root to it."""
    top = chain
    while (above := parent_of(top)) is not None:
        top = above
    return top is not chain.volume.vchain
