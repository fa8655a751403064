"""Putting elements under parents and taking them away (L972-1093)."""

from collections.abc import Sequence
from dataclasses import replace

from hammer2_cluster.contracts import cluster_must_be, cparent_must_be, success_means, void_in_the_seed
from hammer2_cluster.locking import resolve, unlock
from hammer2_cluster.objects import Chain, Cluster, Pfs
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_cluster.standing import (
    carry,
    decide_anew,
    follow,
    follow_moved_parent,
    settle_write,
    takes_writes,
    writable,
    write_access,
)
from hammer2_spec import cluster_rules as rules
from hammer2_spec.vocabulary import BrefType, ClusterFlag, Delete, Error


def _cluster_to_create(
    on: Runner, pmp: Pfs | None, cparent: Cluster | None, supplied: Cluster | None, type: int
) -> Cluster:
    """The cluster supplied, or a locked one without chains (L988-995)."""
    cluster = supplied
    if cluster is None:
        cluster = on.chains.kmalloc()
        cluster.pmp = deref(cparent).pmp if on.semantics.parents_pfs else pmp
        cluster.refs = 1
        cluster.flags = ClusterFlag.LOCKED
        if on.semantics.known_ddflag:
            cluster.ddflag = int(type == BrefType.INODE)
    cluster.focus = None
    return cluster


@cparent_must_be(rules.is_locked)
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
) -> tuple[int | None, Cluster | None]:
    """A new element under each parent, or the supplied cluster's chains attached there (L972-1021).

    Slots that are empty in a supplied cluster are skipped; in a new one all are filled. Returns an Error and the
    cluster: in the seed the Error of the last creation, None where that variable was never set. When repaired, a node
    that fails is removed from both clusters; if too few remain the Error says so, and what was created is taken back,
    a new cluster released (None is returned for it). Raises KernelAssert L1010 if a node cannot create its chain.
    """
    cluster = _cluster_to_create(on, pmp, cparent, supplied, type)
    parent = deref(cparent)
    await on.known(parent)
    items = cluster.array
    repaired = on.semantics.reported_create
    focus_slot = parent.slot_of(parent.focus)
    refs = parent.refs
    owner = parent.pmp if on.semantics.parents_pfs else pmp

    async def create_member(i: int) -> tuple[Chain | None, int | None]:
        above = parent.array[i].chain
        if repaired and not takes_writes(above):
            return above, None
        error = await on.chains.create(parent.array[i], items[i], owner, key, keybits, type, bytes, flags)
        carry(on, above, parent.array[i].chain, refs)
        return above, error

    last: int | None = None
    granted = write_access(parent, supplied)
    slots = writable(on, parent, under=supplied)
    failed = [] if supplied is None else [i for i in writable(on, supplied) if i not in slots]
    until = on.quorum_of(cluster, failed)
    async for i, (above, answer) in on.ask(
        cluster, create_member, slots=slots, even_empty=supplied is None, fills=parent, until=until
    ):
        follow_moved_parent(on, parent, above, i)
        if repaired:
            if answer != 0:
                failed.append(i)
            continue
        last = answer
        kkassert(last == 0, "L1010")
        if cluster.focus is None or parent.focus is parent.array[i].chain:
            cluster.focus = items[i].chain
    cluster.nchains = max(cluster.nchains, parent.nchains) if on.semantics.uneven_clusters else parent.nchains
    if repaired:
        error = await settle_write(on, failed, granted, cluster, parent)
        if error:
            await detach(on, cluster, slots, Delete.PERMANENT if supplied is None else 0)
            decide_anew(on, parent)  # one whose entry could not be taken back has an error now
            error = parent.error or error  # the directory says why; of a new element there may be nothing
            if supplied is None:
                await unlock(on, cluster)
            return error, supplied
    else:
        resolve(on, cluster)
    follow(on, cluster, focus_slot)
    return 0 if repaired else last, cluster


async def detach(on: Runner, cluster: Cluster, slots: Sequence[int], flags: int) -> None:
    """Take back what is attached, now or late, each chain under its own parent, which must be locked.

    flags: Delete bits.
    """

    async def detach_member(i: int) -> None:
        chain = deref(cluster.array[i].chain)
        if chain.parent is not None:
            await on.chains.delete(chain.parent, chain, flags)

    await on.tell(cluster, detach_member, slots=slots)


@cparent_must_be(rules.is_locked)
@cluster_must_be(rules.is_locked)
@success_means(rules.can_be_written)
@void_in_the_seed
async def rename(
    on: Runner, cparent: Cluster | None, cluster: Cluster | None, flags: int, key: tuple[int, int] | None
) -> int:
    """Each chain under its new parent (L1023-1061).

    key: the new (key, keybits), which is all that is used of the C's bref; None where it is NULL. Returns 0; when
    repaired, an Error if too few members could be moved. Raises KernelAssert L1058 if a slot changes meanwhile.
    """
    cluster = deref(cluster)
    items = cluster.array
    kept = on.semantics.kept_focus
    if not kept:
        cluster.focus = None
    parent = deref(cparent)
    if not kept:
        parent.focus = None

    async def rename_member(i: int) -> tuple[Chain | None, bool]:
        above, chain = parent.array[i].chain, deref(items[i].chain)
        if on.semantics.believed_writes and not takes_writes(above):
            return above, False
        bref = None if key is None else replace(chain.bref, key=key[0], keybits=key[1])
        await on.chains.rename(parent.array[i], chain, bref, flags)
        carry(on, above, parent.array[i].chain, refs)
        kkassert(items[i].chain is chain, "L1058")
        return above, chain.parent is parent.array[i].chain

    await on.known(cluster, parent)
    refs = parent.refs
    granted = write_access(cluster, parent)
    slots = writable(on, cluster, under=parent)
    failed = [i for i in writable(on, cluster) if i not in slots]
    until = on.quorum_of(cluster, failed)
    async for i, (above, attached) in on.ask(cluster, rename_member, slots=slots, fills=parent, until=until):
        follow_moved_parent(on, parent, above, i)
        if not attached:
            failed.append(i)
    return await settle_write(on, failed, granted, cluster, parent) if on.semantics.reported_rename else 0


@cluster_must_be(rules.is_locked)
@success_means(rules.can_be_written)
@void_in_the_seed
async def delete(on: Runner, cparent: Cluster | None, cluster: Cluster | None, flags: int) -> int:
    """Delete each chain whose parent is the given one; print the mismatches (L1063-1093). flags: Delete bits.

    Returns 0; when repaired, an Error if too few members could be deleted.
    """
    reported = on.semantics.reported_delete
    if cparent is None:
        on.chains.kprintf_cparent_null()
        return Error.INCOMPLETE if reported else 0
    parents = cparent
    cluster = deref(cluster)
    items = cluster.array

    async def delete_member(i: int) -> bool:
        chain = deref(items[i].chain)
        # When repaired, there is no chain beyond nchains.
        parent = parents.array[i].chain if on.semantics.uneven_clusters or i < parents.nchains else None
        if chain.parent is not parent:
            on.chains.kprintf_parent_mismatch(chain, parent)
            return False
        # The original takes NULL and NULL for a match: a chain that others detached, under an empty slot.
        if reported and (i not in writable_parents or not takes_writes(parent)):
            return False
        await on.chains.delete(parent, chain, flags)
        return chain.parent is None and takes_writes(parent)

    await on.known(cluster)
    failed: list[int] = []
    granted = write_access(cluster)
    slots = writable(on, cluster)
    writable_parents = writable(on, parents)
    until = on.quorum_of(cluster, failed)
    async for i, deleted in on.ask(cluster, delete_member, slots=slots, fills=parents, until=until):
        if not deleted:
            failed.append(i)
    if not reported:
        return 0
    await on.known(parents)
    decide_anew(on, parents)  # one that could not give up its entry has an error now
    return await settle_write(on, failed, granted, cluster)
