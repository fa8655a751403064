"""Putting elements under parents and taking them away (L972-1093)."""

from dataclasses import replace

from hammer2_cluster.locking import resolve
from hammer2_cluster.objects import Cluster, Pfs
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_spec.vocabulary import ClusterFlag


def _cluster_to_create(on: Runner, pmp: Pfs | None, supplied: Cluster | None) -> Cluster:
    """The cluster supplied, or a locked one without chains (L988-995)."""
    cluster = supplied
    if cluster is None:
        cluster = on.chains.kmalloc()
        cluster.pmp = pmp
        cluster.refs = 1
        cluster.flags = ClusterFlag.LOCKED
    cluster.focus = None
    return cluster


async def create(
    on: Runner,
    pmp: Pfs | None,
    cparent: Cluster | None,
    supplied: Cluster | None,
    key: int,
    keybits: int,
    type: int,
    bytes: int,
    flags: int,
) -> tuple[int | None, Cluster]:
    """A new element under each parent, or the supplied cluster's chains attached there (L972-1021).

    Slots that are empty in a supplied cluster are skipped; in a new one all are filled. Returns the Error of the last
    creation and the cluster; None where the original returns a variable that it never set. Raises KernelAssert L1010
    if a node cannot create its chain.
    """
    cluster = _cluster_to_create(on, pmp, supplied)
    parent = deref(cparent)
    items = cluster.array

    async def create_member(i: int) -> int:
        return await on.chains.create(parent.array[i], items[i], pmp, key, keybits, type, bytes, flags)

    error: int | None = None
    slots = range(parent.nchains)
    async for i, error in on.ask(
        cluster, create_member, slots=slots, even_empty=supplied is None, until=on.quorum_of(cluster)
    ):
        kkassert(error == 0, "L1010")
        if cluster.focus is None or parent.focus is parent.array[i].chain:
            cluster.focus = items[i].chain
    cluster.nchains = parent.nchains
    resolve(on, cluster)
    return error, cluster


async def rename(
    on: Runner, cparent: Cluster | None, cluster: Cluster | None, flags: int, key: tuple[int, int] | None
) -> None:
    """Each chain under its new parent (L1023-1061).

    key: the new (key, keybits), which is all that is used of the C's bref; None where it is NULL. Raises KernelAssert
    L1058 if a slot changes meanwhile.
    """
    cluster = deref(cluster)
    items = cluster.array
    cluster.focus = None
    parent = deref(cparent)
    parent.focus = None

    async def rename_member(i: int) -> None:
        chain = deref(items[i].chain)
        bref = None if key is None else replace(chain.bref, key=key[0], keybits=key[1])
        await on.chains.rename(parent.array[i], chain, bref, flags)
        kkassert(items[i].chain is chain, "L1058")

    async for _ in on.ask(cluster, rename_member):
        pass


async def delete(on: Runner, cparent: Cluster | None, cluster: Cluster | None, flags: int) -> None:
    """Delete each chain whose parent is the given one; print the mismatches (L1063-1093). flags: Delete bits."""
    if cparent is None:
        on.chains.kprintf_cparent_null()
        return
    parents = cparent
    cluster = deref(cluster)
    items = cluster.array

    async def delete_member(i: int) -> None:
        chain = deref(items[i].chain)
        parent = parents.array[i].chain if i < parents.nchains else None
        if chain.parent is parent:
            await on.chains.delete(parent, chain, flags)
        else:
            on.chains.kprintf_parent_mismatch(chain, parent)

    async for _ in on.ask(cluster, delete_member, until=on.quorum_of(cluster)):
        pass
