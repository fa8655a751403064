"""Finding elements under a parent, scanning them, and the way up (L757-970, L1205-1248)."""

from hammer2_cluster.life_cycle import copy, drop
from hammer2_cluster.locking import lock, resolve, unlock
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_spec.vocabulary import BrefType, ClusterFlag, Lookup, Resolve


async def lookup_init(on: Runner, cparent: Cluster | None, flags: int) -> Cluster:
    """An independently locked cluster over the parent's chains, shared with LOOKUP_SHARED (L757-785)."""
    cluster = on.chains.kmalloc()
    parent = deref(cparent)
    cluster.pmp = parent.pmp
    for mine, its in zip(cluster.array, parent.array[: parent.nchains], strict=False):
        mine.chain = its.chain
    cluster.nchains = parent.nchains
    await lock(on, cluster, Resolve.ALWAYS | Resolve.SHARED if flags & Lookup.SHARED else Resolve.ALWAYS)
    return cluster


async def lookup_done(on: Runner, cparent: Cluster | None) -> None:
    """Release what lookup_init returned; NULL is fine (L787-792)."""
    if cparent is not None:
        await unlock(on, cparent)


class Match:
    """What the members found, as lookup and next fold it (L838-867, L932-957)."""

    def __init__(self, cparent: Cluster, cluster: Cluster, first_assertion: int) -> None:
        self._cparent = cparent
        self._cluster = cluster
        self._line = first_assertion
        self._like = (0, 0, 0, 0)
        self.found = False

    def take(self, i: int, chain: Chain) -> None:
        """Focus on the first one found, or follow the parent's focus; all must agree with the first one."""
        cluster, cparent = self._cluster, self._cparent
        self.found = True
        this = (chain.bref.type, chain.bref.key, chain.bref.keybits, chain.bytes)
        if cluster.focus is None:
            self._like = this
            cluster.ddflag = int(chain.bref.type == BrefType.INODE)
            cluster.focus = chain
        if cparent.focus is cparent.array[i].chain:
            cluster.focus = chain
        for n, (expected, got) in enumerate(zip(self._like, this, strict=True)):
            kkassert(expected == got, f"L{self._line + n}")


async def lookup(
    on: Runner, cparent: Cluster | None, key_next: int, key_beg: int, key_end: int, flags: int
) -> tuple[Cluster | None, int]:
    """The first element that overlaps key_beg..key_end, or None, and the key at which to go on (L794-882).

    key_next: what the caller's variable holds before. flags: Lookup bits. The result is locked unless NOLOCK is given.
    Raises KernelAssert L863 to L866 if the members found different elements.
    """
    parent = deref(cparent)
    cluster = on.chains.kmalloc()
    cluster.pmp = parent.pmp
    cluster.refs = 1
    if flags & Lookup.NOLOCK == 0:
        cluster.flags |= ClusterFlag.LOCKED
    key_accum = key_next
    match = Match(parent, cluster, 863)

    async def find(i: int) -> tuple[Chain | None, int]:
        item = cluster.array[i]
        item.chain, member_next = await on.chains.lookup(parent.array[i], key_next, key_beg, key_end, flags)
        return item.chain, member_next

    async for i, (chain, member_next) in on.ask(parent, find, fills=cluster, until=on.quorum_of(cluster)):
        if chain is not None:
            match.take(i, chain)
        key_accum = min(key_accum, member_next)
    cluster.nchains = parent.nchains
    resolve(on, cluster)
    if not match.found:
        await drop(on, cluster)
    return cluster if match.found else None, key_accum


async def next(  # noqa: A001 - the original's name
    on: Runner, cparent: Cluster | None, cluster: Cluster | None, key_next: int, key_beg: int, key_end: int, flags: int
) -> tuple[Cluster | None, int]:
    """The element behind the cluster's, in the cluster itself, or None, and the key at which to go on (L884-970).

    The cluster is consumed when there is none. Arguments as for lookup. Raises KernelAssert L953 to L956 if the members
    found different elements.
    """
    key_accum = key_next
    cluster = deref(cluster)
    items = cluster.array
    cluster.focus = None
    parent = deref(cparent)
    parent.focus = None
    cluster.ddflag = 0
    match = Match(parent, cluster, 953)

    async def find_next(i: int) -> tuple[Chain | None, int]:
        item = items[i]
        chain = deref(item.chain)
        if parent.array[i].chain is None:  # released, and yet the slot keeps it (L920)
            (on.chains.drop if flags & Lookup.NOLOCK else on.chains.unlock)(chain)
            return None, key_next
        item.chain, member_next = await on.chains.next(parent.array[i], chain, key_next, key_beg, key_end, flags)
        return item.chain, member_next

    slots = range(parent.nchains)
    async for i, (chain, member_next) in on.ask(cluster, find_next, slots=slots, until=on.quorum_of(cluster)):
        if chain is not None:
            match.take(i, chain)
        key_accum = min(key_accum, member_next)
    cluster.nchains = parent.nchains
    resolve(on, cluster)
    if not match.found:
        await drop(on, cluster)
    return cluster if match.found else None, key_next  # the original never stores key_accum


async def parent(on: Runner, cluster: Cluster | None) -> Cluster:
    """The locked parent of a locked cluster, which stays locked; its focus follows the cluster's (L1205-1248)."""
    child = deref(cluster)
    cparent = await copy(on, child)

    async def climb(i: int) -> tuple[Chain, Chain | None]:
        """Parent before child is the lock order: let go of the child, lock both, look again (L1229-1238)."""
        item = cparent.array[i]
        chain = deref(item.chain)
        while (above := chain.parent) is not None:
            on.chains.ref(above)
            on.chains.unlock(chain)
            await on.chains.lock(above, Resolve.ALWAYS)
            await on.chains.lock(chain, Resolve.ALWAYS)
            on.chains.drop(above)
            if chain.parent is above:
                break
            on.chains.unlock(above)
        item.chain = above
        on.chains.drop(chain)
        return chain, above

    async for _, (chain, above) in on.ask(cparent, climb, until=on.quorum_of(cparent)):
        if child.focus is chain:
            cparent.focus = above
    cparent.flags |= ClusterFlag.LOCKED
    resolve(on, cparent)
    return cparent
