"""A client that locks, looks up, scans and reads, and judges what it gets by the claims."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from hammer2_cluster import accessors, data, life_cycle, locking, lookups
from hammer2_cluster.model import inode_above
from hammer2_cluster.objects import Chain, Cluster, Iocb
from hammer2_cluster.outcomes import deref
from hammer2_proofs.operations.judge import ALONE, Judge
from hammer2_spec import cluster_rules as rules
from hammer2_spec.vocabulary import (
    CLUSTER_RDOK,
    CLUSTER_WROK,
    KEY_MAX,
    BrefType,
    ChainFlag,
    ClusterFlag,
    Error,
    Lookup,
    PfsType,
    Resolve,
)

SCAN_LIMIT = 12
"""So many more elements than all nodes hold a scan may find before it is called endless."""


class Reader(Judge):
    """Each operation that modifies nothing, with what it promises."""

    def top(self, nchains: int | None = None) -> Cluster:
        """The directory as an inode holds it: referenced, not locked. nchains: made when there were so many nodes."""
        nodes = self.model.nodes[:nchains]
        cluster = self.model.kmalloc()
        cluster.pmp, cluster.refs, cluster.nchains = self.model.pfs, 1, len(nodes)
        cluster.flags = ClusterFlag.NOSYNC
        for i, node in enumerate(nodes):
            cluster.array[i].chain = node.root
            node.root.refs += 1
        return cluster

    # ---- references and locks

    def lock(self, cluster: Cluster, how: int = Resolve.ALWAYS) -> bool:
        """Lock; False if that fails."""
        refs, flags = cluster.refs, cluster.flags
        error = self.perform(locking.lock, cluster, how)
        self.demand(not self.noted("already locked"), "Only a second lock is reported")
        self.flags_are_kept(flags, cluster, locked=not error)
        self.passes_on("lock", how)
        if error:
            self.demand(error == cluster.error, "A lock that fails says why")
            self.demand(cluster.refs == refs, "A lock that fails leaves no reference")
            self.obeys(rules.an_unlocked_cluster_has_no_focus, cluster)
            self.judge_unservable(cluster)
            return False
        self.demand(cluster.error == 0, "A lock reports what keeps the cluster from being used")
        taken = 0 if how & Resolve.NOREF else 1
        self.demand(cluster.refs == refs + taken, "A lock takes a reference, or the caller's")
        self.judge_resolved(cluster)
        return True

    def unlock(self, cluster: Cluster) -> None:
        """Unlock."""
        refs, flags = cluster.refs, cluster.flags
        self.perform(locking.unlock, cluster)
        self.demand(not self.noted("not locked"), "Only a second unlock is reported")
        self.is_gone(cluster, last=refs == 1)
        self.demand(cluster.refs == refs - 1, "An unlock gives back one reference")
        self.flags_are_kept(flags, cluster, locked=False)
        self.obeys(rules.an_unlocked_cluster_has_no_focus, cluster)

    def ref(self, cluster: Cluster) -> None:
        """Reference."""
        refs = cluster.refs
        self.perform(life_cycle.ref, cluster)
        self.demand(cluster.refs == refs + 1, "A reference is one more")

    def drop(self, cluster: Cluster) -> None:
        """Drop."""
        refs = cluster.refs
        self.perform(life_cycle.drop, cluster)
        self.demand(cluster.refs == refs - 1, "A drop gives back one reference")
        self.is_gone(cluster, last=refs == 1)

    def resolve(self, cluster: Cluster) -> None:
        """Decide again, twice."""
        self.perform(locking.resolve, cluster)
        self.judge_resolved(cluster)
        decided = cluster.focus, cluster.error, cluster.flags
        self.perform(locking.resolve, cluster)
        same = (cluster.focus, cluster.error, cluster.flags) == decided
        self.demand(same, "Resolving twice gives the same")

    def copy(self, cluster: Cluster) -> Cluster:
        """Copy."""
        new: Cluster = self.perform(life_cycle.copy, cluster)
        self.demand(not rules.is_locked(new), "A copy is not locked")
        self.judge_new(new, cluster)
        self.obeys(rules.an_unlocked_cluster_has_no_focus, new)
        same = [item.chain for item in new.array] == [item.chain for item in cluster.array]
        self.demand(same, "A copy has the same members")
        self.demand(new.ddflag == cluster.ddflag, "A copy is of the same kind of element")
        return new

    def from_chain(self, chain: Chain) -> Cluster:
        """A cluster of one chain of a node, which the caller has referenced and locked."""
        chain.refs += 1
        self.run(self.model.lock(chain, Resolve.ALWAYS | Resolve.NOREF))
        cluster: Cluster = self.perform(life_cycle.from_chain, chain)
        self.demand(cluster.focus is chain and cluster.refs == 1, "from_chain focuses on the chain, with one reference")
        self.demand(cluster.nchains == 1, "A cluster of one chain has one slot")
        inode = chain.bref.type == BrefType.INODE
        self.demand(bool(cluster.ddflag) == inode, "The flag ddflag says whether the elements are inodes")
        self.demand(cluster.pmp is chain.pmp, "from_chain makes a cluster of the chain's PFS")
        self.demand(cluster.error == chain.error, "A cluster has an error exactly if its members cannot serve it")
        synced = ClusterFlag.LOCKED | ClusterFlag.MSYNCED | ClusterFlag.SSYNCED
        access = ClusterFlag.RDHARD | ClusterFlag.WRHARD
        expected = synced if chain.error else synced | access
        self.demand(cluster.flags == expected, "A cluster's flags say what its members allow", f"{cluster.flags:#x}")
        return cluster

    # ---- looking up

    def open(self, cluster: Cluster, flags: int = 0) -> Cluster | None:
        """lookup_init."""
        new: Cluster | None = self.perform(lookups.lookup_init, cluster, flags)
        self.passes_on("lock", Resolve.ALWAYS | (Resolve.SHARED if flags & Lookup.SHARED else 0))
        if new is None:
            self.demand(cluster.error != 0, "A lookup that cannot begin says why")
            self.judge_unservable(cluster)
            return None
        self.demand(new.error == 0, "A lookup begins only if its parent can be used")
        self.judge_new(new, cluster)
        self.judge_resolved(new)
        return new

    def close(self, cluster: Cluster | None) -> None:
        """lookup_done."""
        self.perform(lookups.lookup_done, cluster)
        if cluster is not None:
            self.is_gone(cluster, last=True)

    def _judge_found(
        self,
        parent: Cluster,
        found: Cluster | None,
        agreed: tuple[bool, Chain | None],
        follows: int | None,
        before: list[Chain | None],
        asked: Mapping[int, lookups.Element | None],
        refs: int = 1,
    ) -> None:
        is_agreed, expected = agreed
        self._judge_who_left(parent, found, before, follows, asked)
        if found is not None:
            self.demand(rules.can_be_read(parent), "Nothing is found under a parent that cannot be read")
            self.obeys(rules.has_members, found)
            self.obeys(rules.members_agree_on_what_they_found, found)
            chains = rules.chains_of(found)
            inodes = all(chain.bref.type == BrefType.INODE for chain in chains)
            self.demand(bool(found.ddflag) == inodes, "The flag ddflag says whether the elements are inodes")
            self.judge_new(found, parent, refs)
            self.judge_resolved(found, follows)
        if parent.error and self.verdict_on(parent).error == 0:
            self.demand(parent.error == Error.INCOMPLETE, "A parent of which no quorum agrees is incomplete")
            self.demand(self.bad or not is_agreed, "What a quorum agrees on, nothing there included, is the answer")
        if found is None:
            self.demand(
                parent.error or (is_agreed and expected is None),
                "Nothing is found only if a quorum has nothing there",
                f"expected key {expected.bref.key if expected else None}",
            )
            return
        self.demand(is_agreed and expected is not None, "What is found is what a quorum has")
        assert expected is not None  # noqa: S101 - just demanded
        for _, chain in found.members():
            same = lookups.element(chain) == lookups.element(expected)
            where = f"key {chain.bref.key}, expected {expected.bref.key}"
            self.demand(same, "What is found is what a quorum has", where)

    def _what_is_there(
        self, parent: Cluster, beg: int, end: int, found: Cluster | None = None
    ) -> dict[int, lookups.Element | None]:
        """What the members have that are asked: for more, those that have found what was before."""
        members = [i for i in self.may_be_read(parent) if found is None or found.array[i].chain is not None]
        firsts = {i: self.first_of(self.model.nodes[i], deref(parent.array[i].chain), beg, end) for i in members}
        return {i: None if first is None else lookups.element(first) for i, first in firsts.items()}

    def _judge_who_left(
        self,
        parent: Cluster,
        found: Cluster | None,
        before: list[Chain | None],
        follows: int | None,
        asked: Mapping[int, lookups.Element | None],
    ) -> None:
        """Members leave the parent in consequence of what they found; who has found it is in the result too."""
        if parent.error:
            return
        self.demand(
            follows is None
            or parent.array[follows].chain is None
            or self.was_late(follows)
            or parent.slot_of(parent.focus) == follows,
            "The parent's focus stays where it is while that member stays",
        )
        holds = [None] if found is None else [lookups.element(chain) for _, chain in found.members()]
        for i, was in enumerate(before):
            now = parent.array[i].chain
            if was is not None and i not in asked and not self.was_late(i):
                stays = now is not None or (self.unread_leave and was.error)
                self.demand(stays, "Who may not be read is not asked, and stays a member", f"member {i}")
            if now is not None and i in asked and not self.was_late(i):
                has = found is not None and found.array[i].chain is not None
                self.demand(has or asked[i] in holds, "Who is outvoted leaves the parent", f"member {i}")
            if found is not None and found.array[i].chain is not None:
                self.demand(now is not None, "Who has found what holds stays a member of the parent", f"member {i}")
            if now is None and was is not None:
                gone = found is None or found.array[i].chain is None
                self.demand(gone, "Who leaves the parent leaves the result", f"member {i}")

    def lookup(
        self, parent: Cluster, beg: int, end: int, flags: int = 0, key_next: int | None = None
    ) -> tuple[Cluster | None, int]:
        """The first element of a range."""
        agreed = self.first_of_quorum(parent, beg, end)
        follows, before = parent.slot_of(parent.focus), [item.chain for item in parent.array]
        asked = self._what_is_there(parent, beg, end)
        variable = beg if key_next is None else key_next
        parent_flags = parent.flags
        found, after = self.perform(lookups.lookup, parent, variable, beg, end, flags)
        self.flags_are_kept(parent_flags, parent, locked=True)
        self.passes_on("lookup", flags)
        self.passes_on("range", variable, beg, end)
        if found is not None:
            locked = not flags & Lookup.NOLOCK
            self.demand(rules.is_locked(found) == locked, "A result is locked unless NOLOCK is given")
        if not (parent_flags | parent.flags) & CLUSTER_RDOK:
            agreed = False, None  # whoever cannot be read says nothing
        self._judge_found(parent, found, self._unless_unread(agreed, parent, before, beg, end), follows, before, asked)
        self.judge_usable(parent)
        self._judge_key_next(parent, found, after)
        return found, after

    def overtake_scan(self, top: Cluster, cluster: Cluster, key_next: int) -> Cluster | None:
        """The element behind, under a parent that a node is late to lock, and perhaps cannot; nobody waits for it."""
        beg, bad = rules.chains_of(cluster)[0].bref.key + 1, self.bad_answers()
        agreed, expected = self.first_of_quorum(top, beg, KEY_MAX)
        found: Cluster | None = cluster
        with self.behind():
            parent = self.do(lookups.lookup_init, top, 0)
            if parent is not None:
                found, _ = self.do(lookups.next, parent, cluster, key_next, beg & KEY_MAX, KEY_MAX, 0)
                self.do(lookups.lookup_done, parent)
        if found is not None:
            self.obeys(rules.members_agree_on_what_they_found, found)
        if parent is not None and agreed and self.bad_answers() == bad:
            keys = {chain.bref.key for chain in rules.chains_of(found)} if found else set()
            self.demand(keys == ({expected.bref.key} if expected else set()), "What is found is what a quorum has")
        return found

    def _unless_unread(
        self, agreed: tuple[bool, Chain | None], parent: Cluster, before: list[Chain | None], beg: int, end: int
    ) -> tuple[bool, Chain | None]:
        """What the masters agree on that could read their directory: those that could not are out of the parent."""
        stayed = [item.chain is not None for was, item in zip(before, parent.array, strict=True) if was is not None]
        if parent.error or all(stayed):
            return agreed
        return self.first_of_quorum(parent, beg, end)

    def _judge_key_next(self, parent: Cluster, found: Cluster | None, after: int) -> None:
        nowhere = found is not None or parent.error or after == 0
        self.demand(nowhere, "Where nothing is found there is nowhere to go on")
        if found is None or found.focus is None or found.focus is parent.focus:
            return
        key, end = found.focus.bref.key, found.focus.bref.key + 2**found.focus.bref.keybits
        self.demand(after == 0 or after > key, "The next key lies behind what was found", f"{after:#x}")
        for node, chain in self.deciding(parent):
            inode = self.inode_of(chain)
            held = [c for c in node.elements(inode) if c.bref.key >= end]
            if held and after:
                self.demand(after <= held[0].bref.key, "No element lies between what was found and the next key")
            self.demand(after or not held, "The next key is 0 only at the end of the key space")

    def next(
        self, parent: Cluster, cluster: Cluster, end: int, key_next: int, flags: int = 0
    ) -> tuple[Cluster | None, int]:
        """The element behind."""
        focus = cluster.focus or next((chain for _, chain in cluster.members()), None)
        assert focus is not None  # noqa: S101 - a cluster found has members
        beg = focus.bref.key + 2**focus.bref.keybits
        agreed, asked = self.first_of_quorum(parent, beg, end), self._what_is_there(parent, beg, end, cluster)
        if any(self.inode_of(chain) is focus for _, chain in parent.members()):
            agreed, asked = (True, None), {}  # a file with embedded data, which is all that there is
        follows, before = parent.slot_of(parent.focus), [item.chain for item in parent.array]
        decides = self.who_decides(parent)
        held = [cluster.array[n.number].chain is not None for n, c in self.deciding(parent) if self.speaks(parent, c)]
        if sum(held) < self.needed(decides):
            agreed = False, None
        parent_flags, refs = parent.flags, cluster.refs
        found, after = self.perform(lookups.next, parent, cluster, key_next, beg & KEY_MAX, end, flags)
        self.flags_are_kept(parent_flags, parent, locked=True)
        self.passes_on("lookup", flags)
        self.demand(found is None or found is cluster, "The next element replaces the one before in its cluster")
        self.passes_on("range", key_next, beg & KEY_MAX, end)
        self.demand(found is not None or cluster.refs == refs - 1, "A scan that ends gives its cluster back")
        self.is_gone(cluster, last=found is None and refs == 1)
        self.demand(found or refs == 1 or rules.is_not_locked(cluster), "A scan that ends leaves nothing locked")
        agreed = self._unless_unread(agreed, parent, before, beg, end)
        self._judge_found(parent, found, agreed, follows, before, asked, refs)
        self.judge_usable(parent)
        self._judge_key_next(parent, found, after)
        return found, after

    def scan(
        self, parent: Cluster, beg: int = 0, end: int = KEY_MAX, *, by_key: bool = False, flags: int = 0
    ) -> list[int]:
        """All keys of a range, by next or by lookups that go on at key_next."""
        held = Counter(
            lookups.element(c)
            for node, chain in self.deciding(parent)
            if self.speaks(parent, chain)
            for c in node.elements(self.inode_of(chain))
            if beg <= c.bref.key <= end
        )
        embedded = any(c.data is not None and c.data[0x051] & 1 for _, c in parent.members())
        expected = sorted(e.key for e, n in held.items() if n >= self.needed(self.who_decides(parent)))
        most = SCAN_LIMIT + sum(1 for node in self.model.nodes for _ in node.elements())
        seen: list[int] = []
        cluster, after = self.lookup(parent, beg, end, flags)
        while cluster is not None:
            chains = rules.chains_of(cluster)
            seen.append(chains[0].bref.key)
            self.demand(len(seen) < most, "A scan ends")
            if by_key:
                (self.drop if flags & Lookup.NOLOCK else self.unlock)(cluster)
                if after == 0 or after > end:
                    break
                cluster, after = self.lookup(parent, after, end, flags)
            else:
                cluster, after = self.next(parent, cluster, end, after, flags)
        if parent.error == 0 and not embedded:
            self.demand(
                seen == expected,
                "A scan visits every key that a quorum has, once, in order",
                f"{seen}, expected {expected}",
            )
        return seen

    def parent(self, cluster: Cluster) -> Cluster:
        """The parent of a locked child."""
        follows, before = cluster.slot_of(cluster.focus), dict(cluster.members())
        above: Cluster = self.perform(lookups.parent, cluster)
        open_to_others = {child for waits in self.noted("waits") for child in waits if self.slot_by_slot}
        rule = "Who waits on the way up holds no child whose parent others may have"
        self.demand(open_to_others.isdisjoint(before.values()), rule)
        self.demand(rules.is_locked(above) and rules.is_locked(cluster), "Parent and child are locked")
        self.judge_new(above, cluster, is_above=True)
        for i, chain in cluster.members():
            held = above.array[i].chain
            left = held is None and chain.parent is not None
            may_leave = bool(chain.parent and chain.parent.error) or not self.had_answered(above, i)
            same = held is chain.parent or (left and may_leave)
            self.demand(same, "The parent holds the parent of each member")
        self.passes_on("lock", Resolve.ALWAYS)
        self.demand(above.ddflag == 0, "The flag ddflag speaks of what was found, and a parent was not")
        if self._judge_directories(before, cluster, above, follows):
            self.judge_resolved(above, follows)
        self.judge_resolved(cluster, follows)
        return above

    def _judge_directories(
        self, before: Mapping[int, Chain], cluster: Cluster, above: Cluster, follows: int | None
    ) -> bool:
        """Members of a parent are one directory, a quorum's or the focus's own; False if none agree, and it says so."""
        there = {i: inode_above(chain) for i, chain in before.items()}
        said = {
            i: None if inode is self.model.nodes[i].root else lookups.element(inode)  # a node's own name for the PFS
            for i, inode in there.items()
            if inode is not None and not deref(before[i].parent).error and self.had_answered(above, i)
        }
        masters = Counter(what for i, what in said.items() if self.model.types[i] == PfsType.MASTER)
        agreed = [what for what, n in masters.items() if n >= self.needed()]
        if follows is not None and self.model.types[follows] in ALONE:
            agreed = [said[follows]] if follows in said else []
        for i, what in said.items() if agreed else ():
            may_leave = self.unread_leave and before[i].error  # looked at again, it may be unreadable
            stays = above.array[i].chain is not None and (cluster.array[i].chain is not None or may_leave)
            gone = above.array[i].chain is None and cluster.array[i].chain is None
            self.demand(what not in agreed or stays, "Who is in the directory of a quorum stays", f"member {i}")
            self.demand(what in agreed or gone, "Who is in another directory leaves child and parent", f"member {i}")
        if agreed or self.verdict_on(above).error:
            return True
        self.demand(self.bad, "A quorum is in one directory where nobody moves anything")
        self.demand(above.error == Error.INCOMPLETE, "A parent of which no quorum agrees is incomplete")
        self.obeys(rules.an_error_grants_no_access, above)
        return False

    # ---- reading

    def load(self, cluster: Cluster) -> None:
        """load_async."""
        delivered: list[Iocb] = []
        token = object()
        sound = {chain for _, chain in cluster.members() if not chain.error and self.standing(cluster, chain)}
        blank = {chain for chain in sound if chain.data is None and chain.flags & ChainFlag.INITIAL}
        ready = {chain for chain in sound if chain.data is not None} | blank
        good = self.model.given["getblk", "data"] + self.model.given["getblk", "data, later"]
        self.perform(data.load_async, cluster, delivered.append, token)
        self.model.deliver()
        self.judge()
        self.demand(len(delivered) == 1, "The callback is made once", f"{len(delivered)} times")
        iocb, reads = delivered[0], self.noted("read")
        chain = iocb.chain
        self.demand(self.noted("count a read") == reads, "Every read is counted")
        same = iocb.cluster is cluster and iocb.ptr is token and cluster.iocb is iocb and iocb.flags == 0
        self.demand(same, "The callback gets the cluster's control block with the caller's pointer")
        if chain is not None:
            self.demand(cluster.array[iocb.lbase].chain is chain, "The control block says which member it was")
            self.demand(iocb.error == 0, "What is delivered has no error")
        if ready:
            self.demand(chain in ready and not reads, "Data already resolved is preferred, with no I/O, if it is valid")
            zeroes = None if chain not in blank else bytes(chain.bytes)
            self.demand(iocb.dio == zeroes, "What was never written is delivered as zeroes")
        elif self.model.given["getblk", "data"] + self.model.given["getblk", "data, later"] > good:
            self.demand(chain in sound, "What is delivered is valid data")
        else:
            why = Error.IO if reads else cluster.error or Error.INCOMPLETE
            self.demand(chain is None and iocb.error == why, "Without valid data the callback says so")
            self.demand(len(reads) == len(sound), "Every member that may have valid data is read")

    def look(self, cluster: Cluster) -> None:
        """The accessors, on a locked cluster."""
        focus = cluster.focus
        chains = [chain for _, chain in cluster.members()]
        perform, demand = self.perform, self.demand
        demand(focus is not None, "A locked cluster without an error has a focus")
        assert focus is not None  # noqa: S101 - just demanded
        demand(perform(accessors.type, cluster) == focus.bref.type, "type is the focus's")
        modified = int(bool(focus.flags & ChainFlag.MODIFIED))
        demand(perform(accessors.modified, cluster) == modified, "modified is the focus's")
        bref = replace(focus.bref, data_off=focus.bref.data_off % 64)
        demand(perform(accessors.bref, cluster) == bref, "bref is the focus's, with the size radix of its offset alone")
        for size in (1024, 2048):
            differs = int(any(chain.bytes != size for chain in chains))
            demand(perform(accessors.need_resize, cluster, size) == differs, "need_resize: some chain's size differs")
        before = [chain.flags for chain in chains]
        demand(perform(accessors.isunlinked, cluster) == 0, "isunlinked: some chain is flagged")
        chains[-1].flags |= ChainFlag.UNLINKED
        demand(perform(accessors.isunlinked, cluster) == ChainFlag.UNLINKED, "isunlinked: some chain is flagged")
        perform(accessors.set_chainflags, cluster, ChainFlag.UNLINKED | ChainFlag.BMAPUPD)
        marked = [flags | ChainFlag.UNLINKED | ChainFlag.BMAPUPD for flags in before]
        demand([chain.flags for chain in chains] == marked, "set_chainflags sets it on all chains")
        unlinked = perform(accessors.isunlinked, cluster)
        demand(unlinked == ChainFlag.UNLINKED, "isunlinked: some chain is flagged")
        perform(accessors.clr_chainflags, cluster, ChainFlag.UNLINKED | ChainFlag.BMAPUPD)
        demand([chain.flags for chain in chains] == before, "clr_chainflags clears it on all chains")
        perform(accessors.setflush, cluster)
        demand(all(chain.flags & ChainFlag.ONFLUSH for chain in chains), "setflush schedules every chain")
        demand(perform(data.rdata, cluster) is focus, "rdata is the focus's")
        perform(life_cycle.wait, cluster)
        demand(self.noted("sleep") == [(focus, 1)], "wait sleeps on the focus for a tick")

    def access(self, cluster: Cluster) -> tuple[bool, bool]:
        """Whether a cluster says that it can be read, and be written."""
        return bool(cluster.flags & CLUSTER_RDOK), bool(cluster.flags & CLUSTER_WROK)
