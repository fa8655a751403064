"""Loading data from whichever member is first (L295-297, L1278-1342): load_async where members answer by themselves."""

from collections.abc import Callable, Collection

from hammer2_cluster.data import members_to_load
from hammer2_cluster.objects import Cluster, Iocb
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_spec.vocabulary import Error, Resolve


async def load_first(on: Runner, cluster: Cluster, callback: Callable[[Iocb], None], ptr: object = None) -> None:
    """Call back once, with the first validated data, or without a chain if there is none.

    Data that some member has already is delivered at once, with no I/O. Otherwise all members that may be believed
    read; those that come later finish by themselves, and are ignored. The cluster is locked, and the caller's alone.
    """
    slots = members_to_load(on, cluster)
    ready = [i for i in slots if deref(cluster.array[i].chain).data is not None]
    if ready:
        callback(_block(cluster, callback, ptr, ready[0]))
        return
    delivered: list[int] = []

    async def read(i: int) -> int:
        chain = deref(cluster.array[i].chain)
        on.chains.adjreadcounter(chain)
        # Recursive: the data stays while the cluster is locked. Shared: the cluster's may be, and others' beside it.
        await on.chains.lock(chain, Resolve.ALWAYS | Resolve.SHARED)
        on.chains.unlock(chain)
        return chain.error

    def is_delivered(_answered: Collection[int]) -> bool:
        return bool(delivered)

    async for i, error in on.ask(cluster, read, slots=sorted(slots), until=is_delivered):
        if not error and not delivered:
            delivered.append(i)
            callback(_block(cluster, callback, ptr, i))
    if not delivered:
        nothing = Iocb(callback, cluster, None, ptr, 0, error=cluster.error or Error.IO)
        cluster.iocb = nothing
        callback(nothing)


def _block(cluster: Cluster, callback: Callable[[Iocb], None], ptr: object, i: int) -> Iocb:
    """The control block of a member whose data is there."""
    iocb = Iocb(callback, cluster, cluster.array[i].chain, ptr, i)
    cluster.iocb = iocb
    return iocb
