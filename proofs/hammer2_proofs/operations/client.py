"""A client that uses the operations as their callers may, on the model, and judges what it gets by the claims."""

from dataclasses import replace

from hammer2_cluster import accessors, data, locking, lookups, modifying, topology
from hammer2_cluster.model import NEW_DIRECTORY
from hammer2_cluster.modifying import TABLE
from hammer2_cluster.objects import Chain, Cluster, Pfs
from hammer2_cluster.snapshot import CLID, FSID, snapshot
from hammer2_proofs.operations.judge import ALONE, Violation, Write
from hammer2_proofs.operations.reading import Reader
from hammer2_spec import cluster_rules as rules
from hammer2_spec.vocabulary import (
    CLUSTER_WROK,
    INODE_BYTES,
    BrefFlag,
    BrefType,
    ChainFlag,
    Delete,
    Error,
    InodeFlag,
    Insert,
    Modify,
    OpFlag,
    PfsSubtype,
    PfsType,
)

__all__ = ["Client", "Violation"]

KEYBITS = 1
"""Of what a client creates or renames."""


def _state(chain: Chain) -> tuple[tuple[object, ...], bytes | None]:
    """What a write may change of a chain; its data, too, if it is there."""
    fields = replace(chain.bref), chain.bytes, chain.flags, chain.error, chain.parent
    return fields, None if chain.data is None else bytes(chain.data)


class Client(Reader):
    """Each operation that modifies something, with what it promises, beside those that do not."""

    def _about_to_write(self, cluster: Cluster, under: Cluster | None = None) -> Write:
        """A write to a cluster, under a parent if it needs one."""
        decides = self.who_decides(cluster)
        granted = CLUSTER_WROK & cluster.flags & (CLUSTER_WROK if under is None else under.flags)
        above = None if under is None else {node.number for node, _ in self.deciding(under, decides)}
        able = sum(above is None or node.number in above for node, _ in self.deciding(cluster))
        others: dict[Chain, tuple[tuple[object, ...], bytes | None]] = {}
        for each in (cluster,) if under is None else (cluster, under):
            may = self.may_be_written(each)
            others |= {chain: _state(chain) for _, chain in each.members() if chain not in may}
        return Write(decides, granted, able if granted else 0, others)

    def _judge_left_alone(self, write: Write) -> None:
        for chain, (fields, content) in write.others.items():
            now, content_now = _state(chain)
            same = now == fields and content_now in (None, content)  # it may have left, and been unlocked
            self.demand(same, "What may not be written is left alone", f"chain {chain.id} of node {chain.hmp}")

    def _judge_enough(self, write: Write, done: int, rule: str) -> None:
        self.demand(done >= self.needed(write.decides), rule, f"{done} nodes")

    def modify(self, cluster: Cluster, flags: int = 0) -> bool:
        """Make writable; False if that fails."""
        follows, write = cluster.slot_of(cluster.focus), self._about_to_write(cluster)
        error = self.perform(modifying.modify, cluster, flags)
        self.passes_on("modify", flags)
        self._judge_left_alone(write)
        if error:
            self.judge_refused(cluster, error, write)
            return False
        self.obeys(rules.can_be_written, cluster)
        self.obeys(rules.the_focus_is_modified if flags & Modify.OPTDATA else rules.the_focus_can_be_written, cluster)
        modified = sum(bool(c.flags & ChainFlag.MODIFIED) for _, c in self.deciding(cluster, write.decides))
        self._judge_enough(write, modified, "What may be edited is modified on a quorum")
        self.judge_resolved(cluster, follows)
        return True

    def modify_ip(self, cluster: Cluster, number: int = 0) -> bool:
        """Make an inode's cluster writable; False if that fails."""
        inode = self.model.inodes[number]
        inode.flags = InodeFlag.MTIME
        follows, write = cluster.slot_of(cluster.focus), self._about_to_write(cluster)
        chain = self.perform(modifying.modify_ip, inode, cluster, 0)
        self.passes_on("modify", 0)
        self._judge_left_alone(write)
        marked = inode.flags == InodeFlag.MTIME | InodeFlag.MODIFIED
        self.demand(marked, "modify_ip marks the inode modified, and nothing else")
        if chain is None:
            self.demand(not self.noted("repoint") and not self.noted("dirty"), "What was not modified is not dirty")
            self.judge_refused(cluster, cluster.error or Error.INCOMPLETE, write)
            return False
        self.demand(self.noted("repoint") == [(inode, cluster)], "modify_ip repoints the inode to the cluster")
        dirty = [(inode,)] if inode.vp else []
        self.demand(self.noted("dirty") == dirty, "The inode's vnode is dirty, if it has one")
        self.demand(chain is cluster.focus, "The data to write is the focus's")
        self.obeys(rules.the_focus_can_be_written, cluster)
        self.judge_resolved(cluster, follows)
        return True

    def edit(self, cluster: Cluster, offset: int, byte: int, *, clear_embedded: bool = False) -> bool:
        """What callers do: edit the focus's data, then modsync."""
        self.demand(self.perform(data.wdata, cluster) is cluster.focus, "wdata is the focus's")
        focus = cluster.focus
        assert focus is not None  # noqa: S101 - modify succeeded
        assert focus.data is not None  # noqa: S101 - modify succeeded
        focus.data[offset] = byte
        if clear_embedded:
            focus.data[0x051] &= ~1
            focus.data[0x200:0x400] = bytes(0x200)
        edited = bytes(focus.data)
        before = {chain: bytes(chain.data) for _, chain in cluster.members() if chain.data is not None}
        write = self._about_to_write(cluster)
        like = [c for _, c in self.deciding(cluster) if (c.bytes, c.bref.type) == (focus.bytes, focus.bref.type)]
        able = sum(chain in before and bool(chain.flags & ChainFlag.MODIFIED) for chain in like)
        error = self.perform(modifying.modsync, cluster)
        self._judge_left_alone(write)
        if error:
            self.judge_refused(cluster, error, write._replace(able=min(able, write.able)))
            return False
        carried = self.deciding(cluster, write.decides)
        for _, chain in carried:
            self._judge_carried(chain, focus, edited, before)
        self._judge_enough(write, len(carried), "What was edited is on a quorum")
        self.judge_usable(cluster)
        return True

    def _judge_carried(self, chain: Chain, focus: Chain, edited: bytes, before: dict[Chain, bytes]) -> None:
        rule = "What was edited in the focus is in every other chain that counts"
        self.demand(chain.data is not None, rule)
        assert chain.data is not None  # noqa: S101 - just demanded
        if chain is focus:
            self.demand(chain.data == edited, "What was edited in the focus stays as it is")
            return
        self.demand(chain.flags & ChainFlag.MODIFIED, "Only what is MODIFIED is written to")
        self.demand((chain.bytes, chain.bref.type) == (focus.bytes, focus.bref.type), rule)
        own, expected = before[chain], bytearray(edited)
        if chain.bref.type == BrefType.INODE and not edited[0x051] & 1:
            expected[0x200:] = own[0x200:]
            if own[0x051] & 1:
                expected[0x200:0x400] = bytes(0x200)
            self.demand(
                chain.data[0x200:] == expected[0x200:], "Block tables are never copied, and data is no block table"
            )
        if chain.bref.type == BrefType.INODE and edited[0x051] & 2:
            for part in (slice(0x003, 0x004), slice(0x087, 0x088), slice(0x090, 0x0B0)):
                expected[part] = own[part]
                self.demand(chain.data[part] == expected[part], "A node's PFS identity is its own")
        self.demand(chain.data[: chain.bytes] == expected[: chain.bytes], rule)

    def set_check(self, cluster: Cluster, check: int) -> None:
        """setmethod_check, on what was modified."""
        before, may = {chain: chain.bref.methods for _, chain in cluster.members()}, self.may_be_written(cluster)
        self.perform(accessors.setmethod_check, cluster, check)
        for _, chain in cluster.members():
            written = chain in may
            expected = before[chain] & 0x0F | check << 4 if written else before[chain]
            self.demand(chain.bref.methods == expected, "setmethod_check is for every chain that is written")

    def resize(self, parent: Cluster, cluster: Cluster, nradix: int) -> bool:
        """Resize; False if that fails."""
        inode = self.model.inodes[0]
        follows, write = cluster.slot_of(cluster.focus), self._about_to_write(cluster, parent)
        elsewhere = sum(parent.array[n.number].chain not in (None, c.parent) for n, c in self.deciding(cluster))
        error = self.perform(modifying.resize, inode, parent, cluster, nradix, 0x10)
        self.passes_on("resize", inode)
        self.passes_on("modify", 0x10)
        self._judge_left_alone(write)
        if error:
            self.judge_refused(cluster, error, write._replace(able=write.able - elsewhere))
            return False
        self.obeys(rules.the_focus_is_modified, cluster)
        self.judge_resolved(cluster, follows)
        sizes = [chain.bytes for _, chain in self.deciding(cluster, write.decides)]
        self.demand(all(size == 2**nradix for size in sizes), "Every chain that counts has the new size")
        self._judge_enough(write, len(sizes), "What was resized is on a quorum")
        return True

    def create(
        self,
        parent: Cluster,
        key: int,
        supplied: Cluster | None = None,
        *,
        type: int = BrefType.INODE,
        pfs: Pfs | None = None,
        flags: int = Insert.PFSROOT,
    ) -> Cluster | None:
        """A new element, or the supplied one attached; None if that fails. pfs: the transaction's."""
        follows = parent.slot_of(parent.focus)
        attached = [] if supplied is None else [chain for _, chain in supplied.members()]
        old, write = len(self.model.chains), self._about_to_write(parent if supplied is None else supplied, parent)
        made: tuple[int | None, Cluster | None]
        made = self.perform(topology.create, pfs, parent, supplied, key, KEYBITS, type, INODE_BYTES, flags)
        error, cluster = made
        self.passes_on("create", flags)
        self._judge_left_alone(write)
        self.demand(error is not None, "create returns a value that was set")
        new = [chain for chain in self.model.chains[old:] if chain.bref.type != BrefType.INDIRECT]
        if error:
            self.demand(cluster is supplied, "A creation that fails leaves no cluster behind")
            stuck = {chain for (chain,) in self.noted("not deleted")}
            self.demand(stuck or not self.anywhere(key), "A creation that fails leaves nothing behind")
            gone = all(c.flags & ChainFlag.DESTROY or c in stuck for c in new)
            self.demand(gone, "What is taken back for good is destroyed")
            kept = not any(chain.flags & ChainFlag.DESTROY for chain in attached)
            self.demand(kept, "What was supplied is only detached again")
            self.judge_usable(parent)
            shown = supplied if supplied is not None and rules.can_be_written(parent) else parent
            self.judge_refused(shown, error, write)
            return None
        self.demand(cluster is not None, "A creation that succeeds returns a cluster")
        assert cluster is not None  # noqa: S101 - just demanded
        self.demand(cluster.pmp is parent.pmp, "A new element belongs to its parent's PFS")
        self._judge_enough(write, self.holders(key, write.decides), "What was created is on a quorum")
        for chain in new:
            asked = (chain.bref.type, chain.bytes) == (type, INODE_BYTES)
            self.demand(asked, "What was created is as it was asked for")
            self.demand(chain.pmp is parent.pmp, "A new element belongs to its parent's PFS")
        for _, chain in cluster.members():
            asked = (chain.bref.key, chain.bref.keybits) == (key, KEYBITS) or chain not in self.may_be_written(cluster)
            self.demand(asked, "What was created has the key that was asked for")
        for i, chain in cluster.members():
            right = chain.parent is parent.array[i].chain or chain not in self.may_be_written(cluster)
            self.demand(right, "A new element is under its parent", f"member {i}")
        if supplied is None:
            self.judge_new(cluster, parent)
            self.demand(rules.is_locked(cluster), "A new element is locked")
            inode = type == BrefType.INODE
            self.demand(bool(cluster.ddflag) == inode, "The flag ddflag says whether the elements are inodes")
        self.judge_resolved(parent, follows)
        self.judge_resolved(cluster, follows)
        return cluster

    def delete(self, parent: Cluster | None, cluster: Cluster, flags: int = Delete.NOSTATS) -> bool:
        """Delete; False if that fails."""
        follows = cluster.slot_of(cluster.focus)
        follows_above = None if parent is None else parent.slot_of(parent.focus)
        write, may = self._about_to_write(cluster, parent), self.may_be_written(cluster)
        parents = {chain: chain.parent for _, chain in cluster.members()}
        may_above = [] if parent is None or not rules.can_be_written(parent) else self.may_be_written(parent)
        chains = [(chain, chain.parent in may_above) for i, chain in cluster.members() if chain in may]
        above = {c: None if parent is None else parent.array[i].chain for i, c in cluster.members()}
        writable = rules.can_be_written(cluster)
        error = self.perform(topology.delete, parent, cluster, flags)
        self.passes_on("delete", flags)
        self._judge_left_alone(write)
        for chain, right in chains:
            deleted = bool(chain.flags & ChainFlag.DELETED) and chain.parent is None
            excused = (chain,) in self.noted("not deleted") or not (right and writable)
            self.demand(deleted or excused, "Each chain under the given parent is deleted")
            destroyed = bool(chain.flags & ChainFlag.DESTROY)
            self.demand(destroyed == (deleted and bool(flags & Delete.PERMANENT) and right), "Only PERMANENT destroys")
            if parent is not None and writable and above[chain] is not parents[chain]:
                reported = (chain, above[chain]) in self.noted("parent mismatch")
                self.demand(reported, "A parent that is not the given one is reported")
        if parent is None:
            self.demand(self.noted("no parent") == [()], "A delete without a parent is reported")
            self.demand(error == Error.INCOMPLETE, "A delete without a parent fails")
        else:
            self.judge_resolved(parent, follows_above)
        if error:
            if parent is not None:
                wrong = sum(not right for _, right in chains)
                self.judge_refused(cluster, error, write._replace(able=write.able - wrong))
            return False
        kept = {chain for chain, above in parents.items() if above is not None and above.error}
        decide = [chain for _, chain in self.deciding(cluster, write.decides)]
        gone = sum(bool(chain.flags & ChainFlag.DELETED) and chain not in kept for chain in decide)
        self._judge_enough(write, gone, "What was deleted is gone from a quorum")
        self.judge_resolved(cluster, follows)
        return True

    def rename(self, parent: Cluster, cluster: Cluster, key: int | None) -> bool:
        """Attach a deleted element under a key, its own if None; False if that fails."""
        before, write = {chain: chain.bref for _, chain in cluster.members()}, self._about_to_write(cluster, parent)
        follows, follows_above = cluster.slot_of(cluster.focus), parent.slot_of(parent.focus)
        error = self.perform(topology.rename, parent, cluster, 2, None if key is None else (key, KEYBITS))
        self.passes_on("rename", 2)
        asked_for = {c: None if key is None else replace(b, key=key, keybits=KEYBITS) for c, b in before.items()}
        same = all(each in [*asked_for.items()] for each in self.noted("new bref"))
        self.demand(same, "Only key and keybits come from the argument")
        self._judge_left_alone(write)
        if error:
            self.judge_refused(cluster, error, write)
            return False
        wanted = next(iter(before.values())).key if key is None else key
        self._judge_enough(write, self.holders(wanted, write.decides), "What was renamed is on a quorum")
        for _, chain in self.deciding(cluster, write.decides):
            self.demand(chain.bref.key == wanted, "What was renamed has the key that was asked for")
        self.judge_resolved(parent, follows_above)
        self.judge_resolved(cluster, follows)
        return True

    def overtake(self, top: Cluster, write: str, cluster: Cluster) -> None:
        """A write under a parent that a node has not locked yet, and perhaps cannot; nobody waits for that node."""
        error: int = Error.INCOMPLETE
        decides, needed = self.who_decides(cluster), self.needed(self.who_decides(cluster))
        with self.behind():
            parent = self.do(lookups.lookup_init, top, 0)
            if parent is not None:
                key = 2 if write in ("resize", "delete") else 9
                same, _ = self.do(lookups.lookup, parent, key, key, key, 0)
                if same is not None:
                    self.do(locking.unlock, same)
                if parent.error == 0:
                    error = self._write_under(parent, write, cluster)
                self.do(lookups.lookup_done, parent)
        if write == "resize":
            done = sum(chain.bytes == 2**11 for _, chain in self.deciding(cluster, decides))
        elif write == "delete":
            done = sum(bool(chain.flags & ChainFlag.DELETED) for _, chain in self.deciding(cluster, decides))
        else:
            done = self.holders(9, decides)
            stuck = self.model.given["delete", "not done"] > 0
            gone = not error or write == "rename" or done == 0 or stuck
            self.demand(gone, "A creation that fails leaves nothing behind")
        self.demand(error or done >= needed, "What was written is on a quorum, whoever is late", f"{done} nodes")

    def _write_under(self, parent: Cluster, write: str, cluster: Cluster) -> int:
        error: int
        match write:
            case "create":
                error, made = self.do(topology.create, None, parent, None, 9, 0, BrefType.INODE, INODE_BYTES, 0)
                if made is not None:
                    self.do(locking.unlock, made)
            case "move":
                error, _ = self.do(topology.create, None, parent, cluster, 9, 0, BrefType.INODE, INODE_BYTES, 0)
            case "rename":
                error = self.do(topology.rename, parent, cluster, 0, (9, 0))
            case "resize":
                error = self.do(modifying.resize, None, parent, cluster, 11, 0)
            case _:
                error = self.do(topology.delete, parent, cluster, 0)
        return error

    def snapshot(self, cluster: Cluster) -> bool:
        """Freeze; False if that fails."""
        old = [set(node.elements(node.super_root)) for node in self.model.nodes]
        write = self._about_to_write(cluster)
        able = self.needed(write.decides) if write.decides in ALONE else len(self.deciding(cluster))
        known, created = len(self.model.chains), self.model.given["inode_create", "done"]
        contents = {i: self.model.stored(c) if c.data is None else c.data for i, c in cluster.members()}
        sources = {i: bytes(content[TABLE]) for i, content in contents.items()}
        error = self.perform(snapshot, cluster, "now")
        self.demand(not self.noted("locked above a child"), "The super-root is locked before what is below it")
        self.demand(self.noted("snapshot") == [("now",)], "A snapshot is announced")
        self.demand(self.noted("dirhash") == [("now",)], "A name has a key")
        for hmp, name, flags in self.noted("inode_create"):
            self.demand((hmp in sources, name, flags) == (True, "now", Insert.PFSROOT), "A snapshot is a PFS root")
        unlocked = [made for made, _ in self.noted("inode_unlock_ex")]
        made = [(n, set(n.elements(n.super_root)) - old[n.number]) for n in self.model.nodes]
        created = self.model.given["inode_create", "done"] - created
        stuck = {chain for (chain,) in self.noted("not deleted")}
        self.demand(len(unlocked) == created, "What was made is unlocked once")
        if error:
            self.judge_refused(cluster, error, write._replace(able=min(able, write.able)))
            left = [n.number for n, chains in made if chains - stuck and not n.super_root.error]
            self.demand(not left, "A snapshot that fails leaves nothing behind", f"on nodes {left}")
            taken = [chain for chain in self.model.chains[known:] if chain.flags & ChainFlag.DELETED]
            kept = [chain for chain in taken if not chain.flags & ChainFlag.DESTROY]
            by_others = self.model.given["wait for a lock", "deleted"]
            self.demand(len(kept) <= by_others, "What is taken back for good is destroyed")
            return False
        ids = set()
        done = 0
        for node, chains in made:
            for chain in chains:
                if node.super_root.error or chain in stuck:  # it failed there, and could not be taken back
                    continue
                done += self.model.types[node.number] == write.decides
                ids.add(self._judge_snapshot(chain, sources[node.number]))
        self._judge_enough(write, done, "A snapshot is on a quorum")
        self.demand(len(ids) <= 1, "A snapshot has one filesystem id and one cluster id on all nodes")
        self.judge_resolved(cluster, cluster.slot_of(cluster.focus))
        return True

    def _judge_snapshot(self, chain: Chain, source: bytes | bytearray | None) -> tuple[bytes, bytes]:
        made = bytes(chain.data) if chain.data is not None else self.model.stored(chain)
        marked = chain.bref.flags == BrefFlag.PFSROOT | NEW_DIRECTORY
        self.demand(marked, "A snapshot is flagged as a PFS root, beside what a directory is flagged as")
        self.demand(made[0x087] == PfsType.MASTER, "A snapshot is a master")
        self.demand(made[0x003] == PfsSubtype.SNAPSHOT, "A snapshot is marked as one")
        marked = made[0x051] == OpFlag.PFSROOT | NEW_DIRECTORY
        self.demand(marked, "A snapshot is the root of a PFS, beside what a directory is")
        self.demand(made[TABLE] == source, "A snapshot has its own node's block table")
        self.demand((chain,) in self.noted("flush"), "A snapshot is flushed")
        self.demand(made[FSID] != made[CLID] and any(made[FSID]) and any(made[CLID]), "A snapshot has ids of its own")
        return made[FSID], made[CLID]
