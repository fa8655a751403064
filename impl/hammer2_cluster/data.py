"""The data of a cluster (L1250-1372)."""

from collections.abc import Callable

from hammer2_cluster import accessors
from hammer2_cluster.contracts import always, cluster_must_be
from hammer2_cluster.objects import Chain, Cluster, Iocb
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_cluster.standing import believed
from hammer2_spec import cluster_rules as rules
from hammer2_spec.vocabulary import ChainFlag, Error


@always(lambda cluster, result: result is cluster.focus, "the focus")
def rdata(cluster: Cluster | None) -> Chain:
    """The chain whose data is to be read: the focus (L1265-1269). Its data may be NULL.

    Raises NullDereference without a focus.
    """
    # Nothing to wait for, as L1260-1262 has it: a lock returns when what it reads is there, and where a runner goes on
    # without a member's answer, that member cannot be the focus.
    return deref(deref(cluster).focus)


@always(lambda cluster, result: result is cluster.focus, "the focus")
@always(lambda result: result.flags & ChainFlag.MODIFIED != 0, "only what is MODIFIED is written to")
def wdata(cluster: Cluster | None) -> Chain:
    """The chain whose data is to be written: the focus (L1271-1276).

    Raises NullDereference without a focus, KernelAssert L1274 if it is not MODIFIED.
    """
    kkassert(accessors.modified(cluster), "L1274")
    return rdata(cluster)


def is_resolved(on: Runner, chain: Chain) -> bool:
    """The data is there; when repaired, that of a block that was never written is there too: it is zero."""
    return chain.data is not None or (on.semantics.zero_filled and bool(chain.flags & ChainFlag.INITIAL))


def members_to_load(on: Runner, cluster: Cluster) -> list[int]:
    """Whom to load from, in this order.

    In the seed one: the first member whose data is there, else slot 0 (L1300-1311). When repaired, all that may be
    believed: those whose data is there first.
    """
    if on.semantics.valid_data:
        return sorted(believed(on, cluster), key=lambda i: not is_resolved(on, deref(cluster.array[i].chain)))
    return [next((i for i, chain in cluster.members() if chain.data is not None), 0)]


@cluster_must_be(rules.is_referenced)
@always(
    lambda cluster, ptr: cluster.iocb is not None and cluster.iocb.cluster is cluster and cluster.iocb.ptr is ptr,
    "the cluster's control block is this caller's",
)
def load_async(on: Runner, cluster: Cluster | None, callback: Callable[[Iocb], None], ptr: object) -> None:
    """Load the cluster's data and call back once (L1278-1372): at once if some member has it, else after reading one.

    Nothing here waits: the I/O layer calls back. When repaired, a read that fails is followed by another member's; if
    there is no valid data the callback gets a control block without a chain, whose ``error`` says so. Raises
    NullDereference if no member has data and slot 0 is empty.
    """
    cluster = deref(cluster)
    members = iter(members_to_load(on, cluster))

    def loaded(iocb: Iocb) -> None:
        """After a read: deliver, unless it failed and there is another member."""
        if iocb.error:
            another = next(members, None)
            if another is not None:
                load(another)
                return
            iocb.chain = None
        callback(iocb)

    def load(i: int) -> None:
        iocb = Iocb(loaded if on.semantics.valid_data else callback, cluster, cluster.array[i].chain, ptr, i)
        cluster.iocb = iocb
        chain = deref(iocb.chain)
        if is_resolved(on, chain):
            if on.semantics.zero_filled and chain.data is None:
                iocb.dio = bytes(chain.bytes)
            on.chains.callback(iocb)
        else:
            on.chains.adjreadcounter(chain)
            on.chains.io_getblk(iocb)

    one = next(members, None)
    if on.semantics.valid_data and one is None:
        cluster.iocb = Iocb(callback, cluster, None, ptr, error=cluster.error or Error.INCOMPLETE)
        on.chains.callback(cluster.iocb)
    else:
        load(deref(one))
