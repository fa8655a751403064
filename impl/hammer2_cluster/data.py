"""The data of a cluster (L1250-1372)."""

from collections.abc import Callable

from hammer2_cluster import accessors
from hammer2_cluster.objects import Chain, Cluster, Iocb
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner


def rdata(cluster: Cluster | None) -> Chain:
    """The chain whose data is to be read: the focus (L1265-1269). Its data may be NULL.

    Raises NullDereference without a focus.
    """
    return deref(deref(cluster).focus)


def wdata(cluster: Cluster | None) -> Chain:
    """The chain whose data is to be written: the focus (L1271-1276).

    Raises NullDereference without a focus, KernelAssert L1274 if it is not MODIFIED.
    """
    kkassert(accessors.modified(cluster), "L1274")
    return rdata(cluster)


def member_to_load(cluster: Cluster) -> int:
    """The first member whose data is there, else slot 0 (L1300-1311)."""
    return next((i for i, chain in cluster.members() if chain.data is not None), 0)


def load_async(on: Runner, cluster: Cluster | None, callback: Callable[[Iocb], None], ptr: object) -> None:
    """Load the cluster's data and call back (L1278-1372): at once if some member has it, else after reading one.

    Nothing here waits: the I/O layer calls back. Raises NullDereference if no member has data and slot 0 is empty.
    """
    cluster = deref(cluster)
    i = member_to_load(cluster)
    iocb = Iocb(callback, cluster, cluster.array[i].chain, ptr, i)
    cluster.iocb = iocb
    chain = deref(iocb.chain)
    if chain.data is not None:
        on.chains.callback(iocb)
    else:
        on.chains.adjreadcounter(chain)
        on.chains.io_getblk(iocb)
