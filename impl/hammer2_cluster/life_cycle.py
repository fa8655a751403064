"""Making, sharing and releasing clusters (L240-325, L556-584)."""

from hammer2_cluster.contracts import cluster_must_be, ocluster_must_be, returns_a_cluster_that
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_spec import cluster_rules as rules
from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK, BrefType, ClusterFlag


@returns_a_cluster_that(
    rules.is_locked, rules.the_focus_is_none_or_a_member, rules.without_an_error_there_is_a_focus_without_error
)
def from_chain(on: Runner, chain: Chain | None) -> Cluster:
    """A cluster of one chain, locked, focused, with one reference (L240-269).

    The chain is not referenced: the caller's reference and lock become the cluster's. The flags claim that everything
    is possible and synchronized; nothing was checked. When repaired, the chain's error is the cluster's, and grants no
    access. Raises NullDereference for NULL.
    """
    # It stands in slot 0 whatever its node: a chain does not know its slot, and the PFSs that clusters are made for in
    # this way, those of the super-roots (L260), have one node.
    cluster = on.chains.kmalloc()
    cluster.array[0].chain = chain
    cluster.nchains = 1
    cluster.focus = chain
    cluster.pmp = deref(chain).pmp
    cluster.refs = 1
    cluster.flags = (
        ClusterFlag.LOCKED | ClusterFlag.WRHARD | ClusterFlag.RDHARD | ClusterFlag.MSYNCED | ClusterFlag.SSYNCED
    )
    if on.semantics.known_ddflag:
        cluster.ddflag = int(deref(chain).bref.type == BrefType.INODE)
    if on.semantics.reported_chain and deref(chain).error:
        cluster.error = deref(chain).error
        cluster.flags &= ~(CLUSTER_RDOK | CLUSTER_WROK)
    return cluster


@cluster_must_be(rules.is_referenced)
async def ref(on: Runner, cluster: Cluster | None) -> None:
    """One more reference to the cluster and to each of its chains, so that it can be locked again (L271-289)."""
    cluster = deref(cluster)
    items = cluster.array
    cluster.refs += 1

    async def ref_member(i: int) -> None:
        on.chains.ref(deref(items[i].chain))

    await on.tell(cluster, ref_member)


@cluster_must_be(rules.is_referenced, rules.is_unlocked_before_its_last_reference_is_dropped)
async def drop(on: Runner, cluster: Cluster | None) -> None:
    """One reference less to the cluster and to each of its chains; the last one frees it (L291-319).

    Raises KernelAssert L305 if there is none.
    """
    cluster = deref(cluster)
    items = cluster.array
    kkassert(cluster.refs > 0, "L305")
    last = cluster.refs == 1

    async def drop_member(i: int) -> None:
        on.chains.drop(deref(items[i].chain))
        if last:
            items[i].chain = None

    await on.tell(cluster, drop_member)
    cluster.refs -= 1
    if last:
        cluster.focus = None
        on.chains.kfree(cluster)


@cluster_must_be(rules.is_referenced)
def wait(on: Runner, cluster: Cluster | None) -> None:
    """Sleep for a clock tick, on the focus (L321-325). Raises NullDereference for NULL."""
    on.chains.tsleep(deref(cluster).focus, 1)


@ocluster_must_be(rules.is_referenced)
@returns_a_cluster_that(rules.is_not_locked, rules.an_unlocked_cluster_has_no_focus)
async def copy(on: Runner, ocluster: Cluster | None) -> Cluster:
    """A referenced, unlocked cluster of the same chains, each referenced, without a focus (L556-584)."""
    old = deref(ocluster)
    new = on.chains.kmalloc()
    new.pmp = old.pmp
    new.nchains = old.nchains
    new.refs = 1
    if on.semantics.known_ddflag:
        new.ddflag = old.ddflag

    async def copy_member(i: int) -> None:
        chain = deref(old.array[i].chain)
        new.array[i].chain = chain
        on.chains.ref(chain)

    await on.tell(old, copy_member, fills=new)
    return new
