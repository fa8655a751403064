"""A client that uses the operations as their callers may, on the model, and judges what it gets by the claims."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import cache
from inspect import signature
from typing import Any, Protocol

from icontract import ViolationError

from hammer2_cluster import accessors, data, life_cycle, locking, lookups, modifying, topology
from hammer2_cluster.model import Chooser, Misuse, Model, Node, NodeSpec
from hammer2_cluster.objects import Chain, Cluster, Iocb
from hammer2_cluster.outcomes import Fatal
from hammer2_cluster.snapshot import CLID, FSID, TABLE, snapshot
from hammer2_cluster.standing import SOFT_AND_SUPROOT
from hammer2_cluster.straight import Straight
from hammer2_spec import cluster_rules as rules
from hammer2_spec import resolve as specification
from hammer2_spec.configuration import ABSENT, Slot, Verdict
from hammer2_spec.resolve import majority
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import (
    INODE_BYTES,
    KEY_MAX,
    BrefType,
    ChainFlag,
    ClusterFlag,
    Lookup,
    OpFlag,
    PfsSubtype,
    PfsType,
    Resolve,
)

SCAN_LIMIT = 12
"""More steps than any scan of the model's few elements may take."""


class Violation(AssertionError):
    """Something that the claims do not allow: the sentence that is broken, and where it was seen."""

    def __init__(self, rule: str, operation: str, detail: str = "") -> None:
        super().__init__(f"{rule} - but not after {operation}{': ' if detail else ''}{detail}")
        self.rule = rule
        self.operation = operation


class Observer(Protocol):
    """Whoever wants to know what a client does."""

    def begins(self, operation: str, args: dict[str, object]) -> None:
        """An operation begins."""

    def ends(self) -> None:
        """It has ended, well or not."""


class Nobody:
    """An observer that does not look."""

    def begins(self, operation: str, args: dict[str, object]) -> None:
        """Nothing."""

    def ends(self) -> None:
        """Nothing."""


@cache
def parameters(operation: Callable[..., Any]) -> list[str]:
    """The names of an operation's parameters."""
    return list(signature(operation).parameters)


class Client:
    """Holds clusters, and performs operations on them."""

    def __init__(self, specs: Sequence[NodeSpec], nmasters: int | None, semantics: Semantics, chooser: Chooser) -> None:
        self.model = Model(specs, nmasters, chooser)
        self.nmasters = nmasters
        self.on = Straight(self.model, semantics)
        self.observer: Observer = Nobody()
        self.doing = "nothing"
        self._broken = False

    # ---- performing and judging

    def demand(self, holds: object, rule: str, detail: str = "") -> None:
        """Raises Violation, with the rule as a sentence, unless it holds."""
        if not holds:
            self._broken = True
            raise Violation(rule, self.doing, detail)

    def obeys(self, rule: Callable[[Any], bool], cluster: Cluster) -> None:
        """The rule, a sentence of the specification, holds for the cluster."""
        self.demand(rule(cluster), " ".join((rule.__doc__ or "").split()), f"cluster {cluster.id}")

    def perform(self, operation: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - whatever it returns
        """Run one operation, and judge what must hold after any."""
        self.doing = operation.__name__
        names = parameters(operation)
        if names[0] == "on":
            args = (self.on, *args)
        self.observer.begins(self.doing, dict(zip(names, args, strict=True)))
        try:
            result = operation(*args)
            if isinstance(result, Coroutine):
                result = self.on.run(result)
        except Fatal as fatal:
            self._broken = True
            raise Violation("No operation faults, asserts or panics", self.doing, str(fatal)) from fatal
        except Misuse as misuse:
            self._broken = True
            raise Violation("The layer below is used as it allows", self.doing, str(misuse)) from misuse
        except ViolationError as violation:
            self._broken = True
            raise Violation("Every contract is kept", self.doing, str(violation).splitlines()[0]) from violation
        finally:
            self.observer.ends()
        if self.model.misuses:
            raise Violation("The layer below is used as it allows", self.doing, self.model.misuses[0])
        self.judge()
        return result

    @property
    def sound(self) -> bool:
        """Nothing was wrong so far."""
        return not self._broken

    def judge(self) -> None:
        """Every reference and lock belongs to exactly one cluster; every cluster is sound."""
        refs: Counter[Chain] = Counter()
        locks: Counter[Chain] = Counter()
        for cluster in self.model.clusters.values():
            for chain in self.model.members_of(cluster):
                refs[chain] += cluster.refs
                locks[chain] += rules.is_locked(cluster)
            self.obeys(rules.is_referenced, cluster)
            self.obeys(rules.the_focus_is_none_or_a_member, cluster)
            self.obeys(rules.slots_beyond_nchains_are_empty, cluster)
        for chain in [*self.model.chains]:
            where = f"chain {chain.id} of node {chain.hmp}: {chain.refs} refs, {chain.locks} locks"
            self.demand(chain.refs == refs[chain], "Every reference taken is released exactly once", where)
            self.demand(chain.locks == locks[chain], "Every lock taken is released exactly once", where)

    # ---- the world's facts

    def verdict(self, chains: Iterable[Chain | None]) -> Verdict:
        """What the specification of resolve says of a row of chains, by the tids of their inodes."""
        slots = []
        for i, chain in enumerate(chains):
            if chain is None:
                slots.append(ABSENT)
                continue
            inode = chain
            while inode.bref.type == BrefType.INDIRECT and inode.parent is not None:
                inode = inode.parent
            slots.append(Slot(True, self.model.types[i], inode.bref.mirror_tid, chain.error))
        return specification.resolve(slots, self.nmasters, None, 0, REPAIRED)

    def needed(self) -> int:
        """Masters that make a quorum."""
        return majority(self.nmasters)

    def sound_masters(self, cluster: Cluster) -> list[tuple[Node, Chain]]:
        """The members that are masters at the true tid, without error."""
        nodes = self.model.nodes
        return [
            (nodes[i], chain)
            for i, chain in cluster.members()
            if nodes[i].spec.type == PfsType.MASTER and nodes[i].spec.tid == self.model.true_tid() and not chain.error
        ]

    def soft(self) -> bool:
        """There is no quorum to ask: a soft master or soft slave wins, or it is the super-root."""
        return any(pfs_type in SOFT_AND_SUPROOT for pfs_type in self.model.types)

    def first_of_quorum(self, cluster: Cluster, beg: int, end: int) -> tuple[bool, Chain | None]:
        """Whether the sound masters agree on a first element of the range, and which."""
        answers: Counter[object] = Counter()
        found: dict[object, Chain | None] = {}
        for node, _ in self.sound_masters(cluster):
            first = next(
                (c for c in node.elements() if beg < c.bref.key + 2**c.bref.keybits and c.bref.key <= end), None
            )
            what = None if first is None else lookups.element(first)
            answers[what] += 1
            found[what] = first
        agreed = [what for what, n in answers.items() if n >= self.needed()]
        return bool(agreed), found[agreed[0]] if agreed else None

    # ---- operations, each with what it promises

    def top(self) -> Cluster:
        """The directory as an inode holds it: referenced, not locked."""
        cluster = self.model.kmalloc()
        cluster.pmp, cluster.refs, cluster.nchains = self.model.pfs, 1, len(self.model.nodes)
        for i, node in enumerate(self.model.nodes):
            cluster.array[i].chain = node.root
            node.root.refs += 1
        return cluster

    def _judge_resolved(self, cluster: Cluster) -> None:
        """A cluster that was resolved is what the specification says of its members."""
        self.obeys(rules.what_is_locked_holds_its_chains_locked, cluster)
        verdict = self.verdict(item.chain for item in cluster.array[: cluster.nchains])
        self.demand(
            (cluster.error == 0) == (verdict.error == 0),
            "A cluster has an error exactly if its members cannot serve it",
            f"error {cluster.error}, expected {verdict.error}",
        )
        if cluster.error == 0:
            self.obeys(rules.without_an_error_there_is_a_focus_without_error, cluster)
            slot = cluster.slot_of(cluster.focus)
            chosen = verdict.focus
            assert chosen is not None  # noqa: S101 - without an error there is a focus
            types = self.model.types
            self.demand(
                slot is not None and types[slot] == types[chosen],
                "The focus is a member of the kind that resolve chooses",
                f"member {slot}, expected one like {chosen}",
            )

    def _judge_unservable(self, cluster: Cluster) -> None:
        verdict = self.verdict(item.chain for item in cluster.array[: cluster.nchains])
        self.demand(verdict.error, "A cluster whose quorum, or soft member, responds can be locked")

    def lock(self, cluster: Cluster, how: int = Resolve.ALWAYS) -> bool:
        """Lock; False if that fails."""
        refs = cluster.refs
        error = self.perform(locking.lock, cluster, how)
        if error:
            self.demand(not rules.is_locked(cluster), "A lock that fails leaves the cluster unlocked")
            self.demand(cluster.refs == refs, "A lock that fails leaves no reference")
            self.obeys(rules.an_unlocked_cluster_has_no_focus, cluster)
            self._judge_unservable(cluster)
            return False
        self.demand(cluster.error == 0, "A lock reports what keeps the cluster from being used")
        self._judge_resolved(cluster)
        return True

    def unlock(self, cluster: Cluster) -> None:
        """Unlock."""
        last = cluster.refs == 1
        self.perform(locking.unlock, cluster)
        self.demand(last == (cluster.id in self.model.freed), "The last reference, and no other, destroys the cluster")
        self.obeys(rules.an_unlocked_cluster_has_no_focus, cluster)

    def ref(self, cluster: Cluster) -> None:
        """Reference."""
        self.perform(life_cycle.ref, cluster)

    def drop(self, cluster: Cluster) -> None:
        """Drop."""
        last = cluster.refs == 1
        self.perform(life_cycle.drop, cluster)
        self.demand(last == (cluster.id in self.model.freed), "The last reference, and no other, destroys the cluster")

    def copy(self, cluster: Cluster) -> Cluster:
        """Copy."""
        new: Cluster = self.perform(life_cycle.copy, cluster)
        self.demand(new.refs == 1 and not rules.is_locked(new), "A copy is referenced once and not locked")
        self.obeys(rules.an_unlocked_cluster_has_no_focus, new)
        same = [item.chain for item in new.array] == [item.chain for item in cluster.array]
        self.demand(same, "A copy has the same members")
        return new

    def open(self, cluster: Cluster, flags: int = 0) -> Cluster | None:
        """lookup_init."""
        new: Cluster | None = self.perform(lookups.lookup_init, cluster, flags)
        if new is None:
            self.demand(cluster.error != 0, "A lookup that cannot begin says why")
            self._judge_unservable(cluster)
            return None
        self.demand(new.error == 0, "A lookup begins only if its parent can be used")
        self._judge_resolved(new)
        return new

    def close(self, cluster: Cluster | None) -> None:
        """lookup_done."""
        self.perform(lookups.lookup_done, cluster)

    def _judge_found(
        self, parent: Cluster, found: Cluster | None, agreed: bool, expected: Chain | None, follows: int | None
    ) -> None:
        if self.soft():
            if found is not None:
                self.obeys(rules.members_agree_on_what_they_found, found)
            return
        if found is None:
            if parent.error == 0:
                self.demand(
                    agreed and expected is None,
                    "Nothing is found only if a quorum has nothing there",
                    f"expected key {expected.bref.key if expected else None}",
                )
            return
        self.obeys(rules.has_members, found)
        self.obeys(rules.members_agree_on_what_they_found, found)
        self.demand(agreed and expected is not None, "What is found is what a quorum has")
        assert expected is not None  # noqa: S101 - just demanded
        for _, chain in found.members():
            same = lookups.element(chain) == lookups.element(expected)
            self.demand(
                same, "What is found is what a quorum has", f"key {chain.bref.key}, expected {expected.bref.key}"
            )
        self._judge_resolved(found)
        types = self.model.types
        slot = found.slot_of(found.focus)
        if follows is not None and slot is not None and types[follows] == types[slot] and found.array[follows].chain:
            candidate = found.array[follows].chain
            if candidate is not None and candidate.error == 0:
                self.demand(
                    slot == follows, "The focus follows the parent's focus", f"member {slot}, expected {follows}"
                )

    def lookup(
        self, parent: Cluster, beg: int, end: int, flags: int = 0, key_next: int | None = None
    ) -> tuple[Cluster | None, int]:
        """The first element of a range."""
        agreed, expected = self.first_of_quorum(parent, beg, end)
        follows = parent.slot_of(parent.focus)
        variable = beg if key_next is None else key_next
        found, after = self.perform(lookups.lookup, parent, variable, beg, end, flags)
        self._judge_found(parent, found, agreed, expected, follows)
        self._judge_parent(parent)
        if found is not None and found.focus is not None and not self.soft():
            self._judge_key_next(parent, found.focus, after)
        return found, after

    def _judge_parent(self, parent: Cluster) -> None:
        """The parent of a lookup is still locked, and if it has no error it has a focus."""
        self.obeys(rules.what_is_locked_holds_its_chains_locked, parent)
        self.obeys(rules.without_an_error_there_is_a_focus_without_error, parent)

    def _judge_key_next(self, parent: Cluster, found: Chain, after: int) -> None:
        end = found.bref.key + 2**found.bref.keybits
        self.demand(after == 0 or after > found.bref.key, "The next key lies behind what was found", f"{after:#x}")
        for node, _ in self.sound_masters(parent):
            held = [c for c in node.elements() if c.bref.key >= end]
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
        agreed, expected = self.first_of_quorum(parent, beg, end)
        follows = parent.slot_of(parent.focus)
        found, after = self.perform(lookups.next, parent, cluster, key_next, beg & KEY_MAX, end, flags)
        self.demand(found is None or found is cluster, "The next element replaces the one before in its cluster")
        self._judge_found(parent, found, agreed, expected, follows)
        self._judge_parent(parent)
        if found is not None and found.focus is not None and not self.soft():
            self._judge_key_next(parent, found.focus, after)
        return found, after

    def scan(
        self, parent: Cluster, beg: int = 0, end: int = KEY_MAX, *, by_key: bool = False, flags: int = 0
    ) -> list[int]:
        """All keys of a range, by next or by lookups that go on at key_next."""
        masters = self.sound_masters(parent)
        held = Counter(lookups.element(c) for node, _ in masters for c in node.elements() if beg <= c.bref.key <= end)
        expected = sorted(e.key for e, n in held.items() if n >= self.needed())
        seen: list[int] = []
        cluster, after = self.lookup(parent, beg, end, flags)
        while cluster is not None:
            chains = rules.chains_of(cluster)
            seen.append(chains[0].bref.key)
            self.demand(len(seen) < SCAN_LIMIT, "A scan ends")
            if by_key:
                (self.drop if flags & Lookup.NOLOCK else self.unlock)(cluster)
                if after == 0 or after > end:
                    break
                cluster, after = self.lookup(parent, after, end, flags)
            else:
                cluster, after = self.next(parent, cluster, end, after, flags)
        if parent.error == 0 and not self.soft():
            self.demand(
                seen == expected,
                "A scan visits every key that a quorum has, once, in order",
                f"{seen}, expected {expected}",
            )
        return seen

    def modify(self, cluster: Cluster) -> bool:
        """Make writable; False if that fails."""
        if self.perform(modifying.modify, cluster, 0):
            return False
        self.obeys(rules.can_be_written, cluster)
        self.obeys(rules.the_focus_can_be_written, cluster)
        return True

    def modify_ip(self, cluster: Cluster) -> bool:
        """Make an inode's cluster writable; False if that fails."""
        inode = self.model.inodes[0]
        chain = self.perform(modifying.modify_ip, inode, cluster, 0)
        self.demand(inode.flags & 1, "modify_ip marks the inode modified")
        if chain is None:
            return False
        self.demand(chain is cluster.focus, "The data to write is the focus's")
        self.obeys(rules.the_focus_can_be_written, cluster)
        return True

    def edit(self, cluster: Cluster, offset: int, byte: int, *, clear_embedded: bool = False) -> bool:
        """What callers do: edit the focus's data, then modsync."""
        focus = cluster.focus
        assert focus is not None  # noqa: S101 - modify succeeded
        assert focus.data is not None  # noqa: S101 - modify succeeded
        focus.data[offset] = byte
        if clear_embedded:
            focus.data[0x051] &= ~1
            focus.data[0x200:0x400] = bytes(0x200)
        before = {chain: bytes(chain.data) for _, chain in cluster.members() if chain.data is not None}
        if self.perform(modifying.modsync, cluster):
            return False
        copies = 0
        for _, chain in self.sound_masters(cluster):
            assert focus.data is not None  # noqa: S101 - modsync does not take it away
            self.demand(chain.data is not None, "What was edited in the focus is in every other chain that counts")
            assert chain.data is not None  # noqa: S101 - just demanded
            copies += chain.data[offset] == byte
            self.demand(chain.data[offset] == byte, "What was edited in the focus is in every other chain that counts")
            own = before[chain]
            if chain is not focus and not focus.data[0x051] & 1:
                clean = bytes(0x200) if own[0x051] & 1 else own[0x200:0x400]
                self.demand(
                    chain.data[0x200:0x400] == clean, "Block tables are never copied, and data is no block table"
                )
            if focus.data[0x051] & 2:
                same = chain.data[0x087] == own[0x087] and chain.data[0x0A0:0x0B0] == own[0x0A0:0x0B0]
                self.demand(same, "A node's PFS identity is its own")
        self.demand(copies >= self.needed() or self.soft(), "What was edited is on a quorum")
        return True

    def resize(self, parent: Cluster, cluster: Cluster, nradix: int) -> bool:
        """Resize; False if that fails."""
        if self.perform(modifying.resize, None, parent, cluster, nradix, 0):
            return False
        self.obeys(rules.the_focus_can_be_written, cluster)
        sizes = [chain.bytes for _, chain in self.sound_masters(cluster)]
        self.demand(all(size == 2**nradix for size in sizes), "Every chain that counts has the new size")
        return True

    def anywhere(self, key: int) -> bool:
        """Whether any node has an element with this key."""
        return any(chain.bref.key == key for node in self.model.nodes for chain in node.elements())

    def holders(self, key: int) -> int:
        """Masters at the true tid that hold an element with this key."""
        true_tid = self.model.true_tid()
        nodes = [n for n in self.model.nodes if n.spec.type == PfsType.MASTER and n.spec.tid == true_tid]
        return sum(any(c.bref.key == key for c in node.elements()) for node in nodes)

    def create(self, parent: Cluster, key: int, supplied: Cluster | None = None) -> Cluster | None:
        """A new element; None if that fails."""
        pfs = self.model.pfs
        made: tuple[int | None, Cluster | None]
        made = self.perform(topology.create, pfs, parent, supplied, key, 0, BrefType.INODE, INODE_BYTES, 0)
        error, cluster = made
        self.demand(error is not None, "create returns a value that was set")
        if error:
            self.demand(cluster is supplied, "A creation that fails leaves no cluster behind")
            self.demand(self.holders(key) == 0, "A creation that fails leaves nothing behind")
            self._judge_locked(parent)
            return None
        self.demand(cluster is not None, "A creation that succeeds returns a cluster")
        assert cluster is not None  # noqa: S101 - just demanded
        self.demand(self.holders(key) >= self.needed() or self.soft(), "What was created is on a quorum")
        self._judge_parent(parent)
        self._judge_resolved(cluster)
        return cluster

    def _judge_locked(self, cluster: Cluster) -> None:
        self.obeys(rules.what_is_locked_holds_its_chains_locked, cluster)

    def delete(self, parent: Cluster | None, cluster: Cluster) -> bool:
        """Delete; False if that fails."""
        chains = rules.chains_of(cluster)
        if self.perform(topology.delete, parent, cluster, 0):
            return False
        deleted = sum(bool(chain.flags & ChainFlag.DELETED) for chain in chains)
        self.demand(deleted >= self.needed() or self.soft(), "What was deleted is gone from a quorum")
        return True

    def rename(self, parent: Cluster, cluster: Cluster, key: int) -> bool:
        """Attach a deleted element under a key; False if that fails."""
        if self.perform(topology.rename, parent, cluster, 0, (key, 0)):
            return False
        self.demand(self.holders(key) >= self.needed() or self.soft(), "What was renamed is on a quorum")
        self._judge_parent(parent)
        self._judge_resolved(cluster)
        return True

    def parent(self, cluster: Cluster) -> Cluster:
        """The parent of a locked child."""
        follows = cluster.slot_of(cluster.focus)
        above: Cluster = self.perform(lookups.parent, cluster)
        self.demand(rules.is_locked(above) and rules.is_locked(cluster), "Parent and child are locked")
        for i, chain in cluster.members():
            self.demand(above.array[i].chain is chain.parent, "The parent holds the parent of each member")
        self._judge_resolved(above)
        self._judge_resolved(cluster)
        slot = above.slot_of(above.focus)
        if above.error == 0 and slot is not None and follows is not None:
            candidate = above.array[follows].chain
            types = self.model.types
            if candidate is not None and not candidate.error and types[slot] == types[follows]:
                self.demand(
                    slot == follows, "The parent's focus follows the child's", f"member {slot}, expected {follows}"
                )
        return above

    def load(self, cluster: Cluster) -> None:
        """load_async."""
        delivered: list[Iocb] = []
        sound = {chain for _, chain in cluster.members() if not chain.error and self._standing(cluster, chain)}
        ready = {chain for chain in sound if chain.data is not None}
        reads = self.model.given["getblk", "data"] + self.model.given["getblk", "read error"]
        good = self.model.given["getblk", "data"]
        self.perform(data.load_async, cluster, delivered.append, None)
        self.demand(len(delivered) == 1, "The callback is made once", f"{len(delivered)} times")
        chain = delivered[0].chain
        done = self.model.given["getblk", "data"] + self.model.given["getblk", "read error"] - reads
        if ready:
            self.demand(chain in ready and not done, "Data already resolved is preferred, with no I/O, if it is valid")
        elif self.model.given["getblk", "data"] > good:
            self.demand(chain in sound, "What is delivered is valid data")
        else:
            self.demand(chain is None and delivered[0].error, "Without valid data the callback says so")
            self.demand(done == len(sound), "Every member that may have valid data is read")

    def _standing(self, cluster: Cluster, chain: Chain) -> bool:
        """Whether a member counts by the world's facts: soft, or at the tid of an error-free majority."""
        node = self.model.node_of(chain)
        if self.model.types[node.number] in SOFT_AND_SUPROOT:
            return True
        if node.spec.type not in (PfsType.MASTER, PfsType.SLAVE) or node.spec.tid != self.model.true_tid():
            return False
        return len(self.sound_masters(cluster)) >= self.needed()

    def snapshot(self, cluster: Cluster) -> bool:
        """Freeze; False if that fails."""
        for node in self.model.nodes:
            node.snapshots.clear()
        sources = {i: chain.data and bytes(chain.data[TABLE]) for i, chain in cluster.members()}
        if self.perform(snapshot, cluster, "now"):
            return False
        done = 0
        ids = set()
        for node, _ in self.sound_masters(cluster):
            for chain in node.snapshots:
                made = bytes(chain.data) if chain.data is not None else self.model.stored(chain)
                if made[0x087] == PfsType.MASTER and made[0x003] == PfsSubtype.SNAPSHOT:
                    self.demand(made[0x051] & OpFlag.PFSROOT, "A snapshot is the root of a PFS")
                    self.demand(made[TABLE] == sources[node.number], "A snapshot has its own node's block table")
                    ids.add((made[FSID], made[CLID]))
                    done += 1
        self.demand(done >= self.needed() or self.soft(), "A snapshot is on a quorum")
        self.demand(len(ids) <= 1, "A snapshot has one filesystem id and one cluster id on all nodes")
        return True

    def look(self, cluster: Cluster) -> None:
        """The accessors, on a locked cluster."""
        focus = cluster.focus
        chains = rules.chains_of(cluster)
        perform = self.perform
        self.demand(
            focus is not None and perform(accessors.type, cluster) == focus.bref.type,
            "type is the focus's",
        )
        modified = focus is not None and bool(focus.flags & ChainFlag.MODIFIED)
        self.demand(perform(accessors.modified, cluster) == modified, "modified is the focus's")
        bref = perform(accessors.bref, cluster)
        self.demand(focus is not None and bref.key == focus.bref.key, "bref is the focus's")
        resize = perform(accessors.need_resize, cluster, 1024)
        self.demand(resize == any(chain.bytes != 1024 for chain in chains), "need_resize: some chain's size differs")
        unlinked = perform(accessors.isunlinked, cluster)
        flagged = any(chain.flags & ChainFlag.UNLINKED for chain in chains)
        self.demand(bool(unlinked) == flagged, "isunlinked: some chain is flagged")
        perform(accessors.set_chainflags, cluster, ChainFlag.UNLINKED)
        self.demand(all(chain.flags & ChainFlag.UNLINKED for chain in chains), "set_chainflags sets it on all chains")
        perform(accessors.clr_chainflags, cluster, ChainFlag.UNLINKED)
        self.demand(not any(c.flags & ChainFlag.UNLINKED for c in chains), "clr_chainflags clears it on all chains")
        perform(accessors.setflush, cluster)
        self.demand(all(chain.flags & ChainFlag.ONFLUSH for chain in chains), "setflush schedules every chain")
        if rules.every_member_is_modified(cluster):
            perform(accessors.setmethod_check, cluster, 3)
        self.demand(perform(data.rdata, cluster) is focus, "rdata is the focus's")
        perform(life_cycle.wait, cluster)

    def from_chain(self, chain: Chain) -> Cluster:
        """A cluster of one chain of a node, which the caller has referenced and locked."""
        chain.refs += 1
        self.on.run(self.model.lock(chain, Resolve.ALWAYS | Resolve.NOREF))
        cluster: Cluster = self.perform(life_cycle.from_chain, chain)
        self.demand(cluster.focus is chain and cluster.refs == 1, "from_chain focuses on the chain, with one reference")
        return cluster

    def flags(self, cluster: Cluster) -> int:
        """The six flags of a cluster, as resolve sets them."""
        return cluster.flags & ~ClusterFlag.LOCKED
