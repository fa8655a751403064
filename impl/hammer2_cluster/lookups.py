"""Finding elements under a parent, scanning them, and the way up (L757-970, L1205-1248)."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeVar

from hammer2_cluster.contracts import cluster_must_be, cparent_must_be, returns_a_cluster_that
from hammer2_cluster.life_cycle import copy, drop
from hammer2_cluster.locking import inode_of, lock, resolve, type_of, unlock
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_cluster.standing import (
    SOFT_AND_SUPROOT,
    carry,
    decide_anew,
    follow,
    follow_moved_parent,
    readable,
    remove,
)
from hammer2_spec import cluster_rules as rules
from hammer2_spec.resolve import majority
from hammer2_spec.vocabulary import (
    CLUSTER_RDOK,
    CLUSTER_WROK,
    KEY_MAX,
    BrefFlag,
    BrefType,
    ClusterFlag,
    Error,
    Lookup,
    PfsType,
    Resolve,
)

Said = TypeVar("Said")


@returns_a_cluster_that(rules.is_locked, rules.without_an_error_there_is_a_focus_without_error)
async def lookup_init(on: Runner, cparent: Cluster | None, flags: int) -> Cluster | None:
    """An independently locked cluster over the parent's chains, shared with LOOKUP_SHARED (L757-785).

    When repaired, None if it cannot be locked: the parent's ``error`` says why.
    """
    cluster = on.chains.kmalloc()
    parent = deref(cparent)
    cluster.pmp = parent.pmp
    cluster.nchains = parent.nchains

    async def take(i: int) -> None:
        cluster.array[i].chain = parent.array[i].chain

    await on.tell(parent, take, fills=cluster)
    error = await lock(on, cluster, Resolve.ALWAYS | Resolve.SHARED if flags & Lookup.SHARED else Resolve.ALWAYS)
    if error:
        parent.error = error
        return None
    return cluster


@cparent_must_be(rules.is_locked, rules.is_referenced)
async def lookup_done(on: Runner, cparent: Cluster | None) -> None:
    """Release what lookup_init returned; NULL is fine (L787-792)."""
    if cparent is not None:
        await unlock(on, cparent)


class Element(NamedTuple):
    """What must be the same on every node."""

    type: int
    key: int
    keybits: int
    bytes: int


def element(chain: Chain) -> Element:
    """A chain as other nodes know it."""
    bref = chain.bref
    return Element(type=bref.type, key=bref.key, keybits=bref.keybits, bytes=chain.bytes)


def identity_of(chain: Chain) -> Element | None:
    """What must be the same of a chain on every node; a block table is a node's own, so it is that of its inode.

    None for the root of a PFS, which stands where its name belongs on that node.
    """
    inode = inode_of(chain)
    return None if inode.bref.flags & BrefFlag.PFSROOT else element(inode)


def _what_holds(cluster: Cluster, said: Mapping[int, Said], focus_slot: int | None) -> list[Said]:
    """What a majority of masters says, or under a focus that is soft or the super-root's that member; [] if nothing."""
    if focus_slot is not None and type_of(cluster, focus_slot) in SOFT_AND_SUPROOT:
        return [said[focus_slot]] if focus_slot in said else []
    votes = Counter(what for i, what in said.items() if type_of(cluster, i) == PfsType.MASTER)
    return [what for what, n in votes.items() if n >= _masters_needed(cluster)]


def _masters_needed(cparent: Cluster) -> int:
    return majority(None if cparent.pmp is None else cparent.pmp.pfs_nmasters)


class Answer(NamedTuple):
    """What a lookup at one node came to."""

    parent: Chain | None
    """The parent slot's chain before; it may have moved to a deeper block."""
    chain: Chain | None
    key_next: int


class Match:
    """What the members found, folded one by one as lookup and next do (L838-871, L932-960)."""

    def __init__(self, on: Runner, cparent: Cluster, cluster: Cluster, key_next: int, first_assertion: int) -> None:
        self._on = on
        self._cparent = cparent
        self._cluster = cluster
        self._key_next = key_next
        self._key_nexts: dict[int, int] = {}
        self._line = first_assertion
        self._like: Element | None = None
        self._found: dict[int, Element | None] = {}
        self._unread: list[int] = []
        self.focus_slot = cparent.slot_of(cparent.focus)

    def take(self, i: int, answer: Answer) -> None:
        """In the seed, focus on the first one found, or follow the parent's focus; all must agree with the first one.

        When repaired, the answers are kept, to be decided on together; who could not read its directory has given none.
        """
        semantics = self._on.semantics
        cluster, cparent = self._cluster, self._cparent
        parent, chain, key_next = answer
        follow_moved_parent(self._on, cparent, parent, i)
        if semantics.abstaining_members and deref(cparent.array[i].chain).error:
            self._unread.append(i)
            return
        self._found[i] = None if chain is None else element(chain)
        self._key_nexts[i] = key_next
        if chain is None or semantics.outvoted_members:
            return
        if cluster.focus is None:
            self._like = element(chain)
            cluster.ddflag = int(chain.bref.type == BrefType.INODE)
            cluster.focus = chain
        if cparent.focus is cparent.array[i].chain:
            cluster.focus = chain
        for n, (expected, got) in enumerate(zip(deref(self._like), element(chain), strict=True)):
            kkassert(expected == got, f"L{self._line + n}")

    def key_next(self) -> int:
        """Where to go on; 0 at the end of the key space."""
        if self._on.semantics.fresh_key_next:
            nexts = [self._key_nexts[i] for i, what in self._found_there().items() if what is not None]
            return min([KEY_MAX + 1, *nexts]) & KEY_MAX
        # The original starts from what the variable held, and heeds members that found nothing (L814, L869).
        return min([self._key_next, *self._key_nexts.values()])

    def outvoted(self) -> Sequence[int] | None:
        """The members that found something else than what holds; they are struck out. None if nothing holds."""
        found = self._found_there()
        winners = _what_holds(self._cparent, found, self.focus_slot)
        if not winners:
            return None
        winner = winners.pop()
        outvoted = [i for i, what in found.items() if what != winner]
        for i in outvoted:
            self._found[i] = None
        return outvoted + self._unread

    def _found_there(self) -> dict[int, Element | None]:
        """What those found that are still there. When repaired, a node that went away after its answer has no vote."""
        if not self._on.semantics.outvoted_members:
            return self._found
        return {i: what for i, what in self._found.items() if self._cparent.array[i].chain is not None}

    def decided(self, _answered: Collection[int]) -> bool:
        """Whether enough masters have found the same to know what holds, or it cannot become known any more."""
        cparent, cluster = self._cparent, self._cluster
        late = cluster.late()
        found = self._found_there()
        if any(type_of(cparent, i) in SOFT_AND_SUPROOT for i in (*late, *found)):
            return not late
        votes: Counter[tuple[Element | None, int | None]] = Counter()
        for i, what in found.items():
            chain = cluster.array[i].chain
            if type_of(cparent, i) == PfsType.MASTER and (chain is None or not chain.error):
                votes[what, None if chain is None else chain.bref.mirror_tid] += 1
        most = max(votes.values(), default=0)
        needed = _masters_needed(cparent)
        return most >= needed or most + len(late) < needed

    def holds_something(self) -> bool:
        """Whether any member found something that holds."""
        return any(what is not None for what in self._found_there().values())


async def _settle(on: Runner, cparent: Cluster, cluster: Cluster, match: Match) -> Cluster | None:
    """The epilogue of lookup and next (L873-881, L962-969): the cluster, resolved, or None and the cluster freed."""
    cluster.nchains = cparent.nchains
    holds = await _strike_out(on, cparent, cluster, match) if on.semantics.outvoted_members else True
    resolve(on, cluster)
    if not holds or not match.holds_something():
        for i in cluster.late():
            await remove(on, cluster, i)  # whatever it finds, locked
        if on.semantics.carried_references:
            cluster.flags &= ~ClusterFlag.LOCKED  # whoever has another reference is left with no chain to unlock
        await drop(on, cluster)
        return None
    follow(on, cluster, match.focus_slot)
    return cluster


def _refuse(cluster: Cluster) -> None:
    """No quorum agrees what it is, or what is in it."""
    cluster.error = Error.INCOMPLETE
    cluster.flags &= ~CLUSTER_RDOK & ~CLUSTER_WROK


async def _strike_out(on: Runner, cparent: Cluster, cluster: Cluster, match: Match) -> bool:
    """Remove the members whose answer does not hold from both clusters. False if none does: the parent says so."""
    outvoted = match.outvoted()
    is_focus_late = any(item.owes and item.chain is cparent.focus for item in cparent.array)
    if is_focus_late:
        cparent.focus = None  # its slot may come to hold another block
    for i in range(cluster.nchains) if outvoted is None else outvoted:
        await remove(on, cluster, i)
    if outvoted is None:
        _refuse(cparent)
        return False
    for i in outvoted:
        await remove(on, cparent, i)
    if outvoted or is_focus_late:
        decide_anew(on, cparent)
    for _, chain in cluster.members():
        cluster.ddflag = int(chain.bref.type == BrefType.INODE)
    return True


@cparent_must_be(rules.is_locked)
@returns_a_cluster_that(rules.has_members, rules.members_agree_on_what_they_found, rules.the_focus_is_none_or_a_member)
async def lookup(
    on: Runner, cparent: Cluster | None, key_next: int, key_beg: int, key_end: int, flags: int
) -> tuple[Cluster | None, int]:
    """The first element that overlaps key_beg..key_end, or None, and the key at which to go on (L794-882).

    key_next: what the caller's variable holds before. flags: Lookup bits. The result is locked unless NOLOCK is given.
    Raises KernelAssert L863 to L866 if the members found different elements; when repaired, those outvoted are removed
    from both clusters, and if no majority agrees there is none, and the parent has an error.
    """
    parent = deref(cparent)
    await on.known(parent)
    cluster = on.chains.kmalloc()
    cluster.pmp = parent.pmp
    cluster.refs = 1
    if not flags & Lookup.NOLOCK:
        cluster.flags = ClusterFlag.LOCKED
    match = Match(on, parent, cluster, key_next, 863)
    refs = parent.refs

    async def find(i: int) -> Answer:
        item, above = cluster.array[i], parent.array[i]
        was = above.chain
        item.chain, member_next = await on.chains.lookup(above, key_next, key_beg, key_end, flags)
        carry(on, was, above.chain, refs)
        return Answer(was, item.chain, member_next)

    slots = readable(on, parent)
    async for i, answer in on.ask(parent, find, slots=slots, fills=cluster, until=match.decided):
        match.take(i, answer)
    return await _settle(on, parent, cluster, match), match.key_next()


@cparent_must_be(rules.is_locked)
@cluster_must_be(rules.has_members)
@returns_a_cluster_that(rules.has_members, rules.members_agree_on_what_they_found, rules.the_focus_is_none_or_a_member)
async def next(  # noqa: A001 - the original's name
    on: Runner, cparent: Cluster | None, cluster: Cluster | None, key_next: int, key_beg: int, key_end: int, flags: int
) -> tuple[Cluster | None, int]:
    """The element behind the cluster's, in the cluster itself, or None, and the key at which to go on (L884-970).

    The cluster is consumed when there is none. Arguments as for lookup. Raises KernelAssert L953 to L956 if the members
    found different elements; when repaired, as lookup.
    """
    cluster = deref(cluster)
    cluster.focus = None
    parent = deref(cparent)
    await on.known(parent)
    semantics = on.semantics
    if not semantics.kept_focus:
        parent.focus = None
    if not semantics.outvoted_members:
        cluster.ddflag = 0
    items = cluster.array
    match = Match(on, parent, cluster, key_next, 953)
    asked = readable(on, parent)
    refs, parent_refs = cluster.refs, parent.refs

    async def find_next(i: int) -> Answer | None:
        item, above = items[i], parent.array[i]
        was, chain = above.chain, deref(item.chain)
        if was is None or i not in asked:
            (on.chains.drop if flags & Lookup.NOLOCK else on.chains.unlock)(chain)
            if semantics.emptied_slot:  # the original's slot keeps the chain that it released (L920)
                item.chain = None
                carry(on, chain, None, refs)
            return None
        item.chain, member_next = await on.chains.next(above, chain, key_next, key_beg, key_end, flags)
        carry(on, chain, item.chain, refs)
        carry(on, was, above.chain, parent_refs)
        return Answer(was, item.chain, member_next)

    slots = range(max(parent.nchains, cluster.nchains) if semantics.uneven_clusters else parent.nchains)
    async for i, answer in on.ask(cluster, find_next, slots=slots, fills=parent, until=match.decided):
        if answer is not None:
            match.take(i, answer)
    found = await _settle(on, parent, cluster, match)
    return found, match.key_next() if semantics.stored_key_next else key_next  # the original drops key_accum


async def _leave_who_moved(on: Runner, child: Cluster, cparent: Cluster, focus_slot: int | None) -> bool:
    """Remove the members that are in another directory than what holds from both clusters. False if nothing holds."""
    directories = {i: identity_of(above) for i, above in cparent.members() if not above.error}
    holds = _what_holds(child, directories, focus_slot)
    for i in [i for i, directory in directories.items() if holds and directory not in holds]:
        await remove(on, cparent, i)
        await remove(on, child, i)
    return bool(holds)


def _is_above_its_pfs(cparent: Cluster) -> bool:
    """A member is the super-root: the child is the root of the PFS that the cluster has the slots of."""
    return any(above.pmp is not cparent.pmp for _, above in cparent.members())


@cluster_must_be(rules.is_locked)
@returns_a_cluster_that(rules.is_locked, rules.the_focus_is_none_or_a_member)
async def parent(on: Runner, cluster: Cluster | None) -> Cluster:
    """The locked parent of a locked cluster, which stays locked; its focus follows the cluster's (L1205-1248).

    Both are locked exclusively then. When repaired, either cluster's ``error`` tells that it cannot be used.
    """
    semantics = on.semantics
    child = deref(cluster)
    cparent = await copy(on, child)
    first: dict[int, Chain | None] = {}

    def let_go(chain: Chain) -> Chain | None:
        """Parent before child is the lock order: the child is unlocked, and its parent stays in memory (L1229-1231)."""
        above = chain.parent
        if above is not None:
            on.chains.ref(above)
            on.chains.unlock(chain)
        return above

    async def let_go_first(i: int) -> None:
        first[i] = let_go(deref(cparent.array[i].chain))

    async def climb(i: int) -> tuple[Chain, Chain | None]:
        """Lock both, and look again (L1232-1238)."""
        item = cparent.array[i]
        chain = deref(item.chain)
        above = first[i] if semantics.released_children else let_go(chain)
        while above is not None:
            await on.chains.lock(above, Resolve.ALWAYS)
            await on.chains.lock(chain, Resolve.ALWAYS)
            on.chains.drop(above)
            if chain.parent is above:
                break
            on.chains.unlock(above)
            above = let_go(chain)
        item.chain = above
        on.chains.drop(chain)
        return chain, above

    quorum = on.quorum_of(cparent)

    def is_enough(answered: Collection[int]) -> bool:
        """A super-root decides alone, so it is waited for."""
        return quorum is not None and quorum(answered) and not _is_above_its_pfs(cparent)

    cparent.flags = ClusterFlag.LOCKED
    if semantics.released_children:
        await on.tell(cparent, let_go_first)
    async for _, (chain, above) in on.ask(cparent, climb, fills=child, until=is_enough):
        if not semantics.fresh_focus and child.focus is chain:
            cparent.focus = above
    if semantics.known_ddflag:
        cparent.ddflag = 0  # what was found is the child
    slot = child.slot_of(child.focus)
    agreed = await _leave_who_moved(on, child, cparent, slot) if semantics.agreeing_parents else True
    if semantics.superroot_parents and _is_above_its_pfs(cparent):
        cparent.pmp = None
    resolve(on, cparent)
    follow(on, cparent, slot)
    if not agreed and not cparent.error:
        _refuse(cparent)
    if semantics.rechecked_child:
        await on.known(child)
        resolve(on, child)
        follow(on, child, slot)
    return cparent
