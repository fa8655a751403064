"""Small worlds, and short programs that use every operation as its callers do."""

from hammer2_cluster.model import NodeSpec
from hammer2_cluster.objects import Cluster
from hammer2_cluster.outcomes import deref
from hammer2_proofs.operations.client import Client
from hammer2_proofs.operations.search import Program, World
from hammer2_spec import cluster_rules as rules
from hammer2_spec.vocabulary import KEY_MAX, BrefType, Delete, Lookup, Modify, PfsType, Resolve

M = NodeSpec()
SLAVE = NodeSpec(type=PfsType.SLAVE)
SOFT_MASTER = NodeSpec(type=PfsType.SOFT_MASTER, tid=7)
SOFT_SLAVE = NodeSpec(type=PfsType.SOFT_SLAVE)
OTHER_SOFT_MASTER = NodeSpec(type=PfsType.SOFT_MASTER, tid=7, keys=(0, 2))
SMALL, WIDE = NodeSpec(keys=(2,)), NodeSpec(keys=(0, 1, 2))

WORLDS: dict[str, World] = {
    "a master": World((M,), 1),
    "a master with an indirect block": World((NodeSpec(indirect=True),), 1),
    "a master of two": World((M,), 2),
    "two masters": World((M, M), 2),
    "a master and a slave": World((M, SLAVE), 1),
    "a slave and a master": World((SLAVE, M), 1),
    "a master and a slave that is behind": World((M, NodeSpec(type=PfsType.SLAVE, tid=4, keys=(1,))), 1),
    "a soft master and a master": World((SOFT_MASTER, M), 1),
    "a master and a soft master with other elements": World((M, OTHER_SOFT_MASTER), 1),
    "a soft slave and a master": World((SOFT_SLAVE, M), 1),
    "two soft masters": World((SOFT_MASTER, SOFT_MASTER), 3),
    "two super-roots": World((NodeSpec(type=PfsType.SUPROOT), NodeSpec(type=PfsType.SUPROOT)), 0),
    "no PFS": World((M,), None),
    "two masters at the end of the key space": World((NodeSpec(keys=(1, KEY_MAX)),) * 2, 2),
    "two masters with embedded data": World((NodeSpec(embedded=True),) * 2, 2),
    "two masters, an indirect block on one": World((M, NodeSpec(indirect=True)), 2),
    "three masters": World((M, M, M), 3),
    "three masters, the first lacks a key": World((SMALL, M, M), 3),
    "three masters, the last lacks a key": World((M, M, SMALL), 3),
    "three masters, the first has a key too many": World((WIDE, M, M), 3),
    "three masters, the last has a key too many": World((M, M, WIDE), 3),
    "three masters, the first with an element of another type": World((NodeSpec(element=BrefType.DATA), M, M), 3),
    "two masters with data blocks": World((NodeSpec(element=BrefType.DATA),) * 2, 2),
    "three masters and a slave": World((M, M, M, SLAVE), 3),
    "two masters and a cache": World((NodeSpec(type=PfsType.CACHE), M, M), 2),
    "three masters, the last with other sizes": World((M, M, NodeSpec(bytes=2048)), 3),
    "three masters, the last is behind": World((M, M, NodeSpec(tid=4, keys=(1,))), 3),
    "three masters, the last with older elements": World((M, M, NodeSpec(element_tid=4)), 3),
    "three masters, the first is behind": World((NodeSpec(tid=4, keys=(1,)), M, M), 3),
    "three masters, the last is ahead": World((M, M, NodeSpec(tid=6, keys=(1, 2, 3))), 3),
    "three masters, the first is broken": World((NodeSpec(root_error=1), M, M), 3),
    "three masters, indirect blocks on two": World((NodeSpec(indirect=True), M, NodeSpec(indirect=True)), 3),
    "three masters of which none agree": World((NodeSpec(keys=(1,)), NodeSpec(keys=(2,)), NodeSpec(keys=(3,))), 3),
    "a master and a slave with other elements": World((M, NodeSpec(type=PfsType.SLAVE, keys=(0, 2), keybits=1)), 1),
}


def lock(client: Client) -> None:
    """Lock, look, unlock; lock again by the reference that is left."""
    top = client.top()
    if client.lock(top):
        client.look(top)
        client.load(top)
        client.unlock(top)
    client.ref(top)
    if client.lock(top, Resolve.ALWAYS | Resolve.NOREF):
        client.unlock(top)
    else:
        client.drop(top)
    if client.lock(top, Resolve.ALWAYS | Resolve.SHARED):
        client.resolve(top)
        client.unlock(top)
    client.drop(top)


def copy(client: Client) -> None:
    """Copy a locked cluster, lock the copy."""
    top = client.top()
    if client.lock(top):
        new = client.copy(top)
        client.unlock(top)
        if client.lock(new):
            client.unlock(new)
        client.drop(new)
    client.drop(top)


def load(client: Client) -> None:
    """Load what was locked without its data."""
    top = client.top()
    client.load(top)
    if client.lock(top, Resolve.NEVER):
        client.look(top)
        client.load(top)
        client.unlock(top)
    client.drop(top)


def never_written(client: Client) -> None:
    """Load an element that was created and never written."""
    top = client.top()
    if parent := client.open(top):
        client.lookup(parent, 9, 9)
        made = None if parent.error else client.create(parent, 9, type=BrefType.DATA, flags=0)
        if made:
            client.ref(made)
            client.unlock(made)
            if client.lock(made, Resolve.NEVER):
                client.load(made)
                client.unlock(made)
            client.drop(made)
        client.close(parent)
    client.drop(top)


def look_into(client: Client) -> None:
    """Look into an element as into a directory; one with embedded data holds itself."""
    top = client.top()
    if parent := client.open(top):
        found, _ = client.lookup(parent, 2, 2)
        client.close(parent)
        if found:
            if not found.error and found.ddflag and (inner := client.open(found)):
                client.scan(inner)
                client.close(inner)
            client.unlock(found)
    client.drop(top)


def scan(client: Client) -> None:
    """Scan a directory by next."""
    top = client.top()
    if parent := client.open(top, Lookup.SHARED):
        client.scan(parent, flags=Lookup.SHARED)
        client.close(parent)
    client.drop(top)


def scan_by_key(client: Client) -> None:
    """Scan by lookups that go on at the next key, without locks."""
    top = client.top()
    if parent := client.open(top, Lookup.ALWAYS):
        client.scan(parent, 1, by_key=True, flags=Lookup.NOLOCK)
        client.close(parent)
    client.drop(top)


def scan_unlocked(client: Client) -> None:
    """Scan by next without locks."""
    top = client.top()
    if parent := client.open(top):
        client.scan(parent, flags=Lookup.NOLOCK)
        client.close(parent)
    client.drop(top)


def find_what_some_lack(client: Client) -> None:
    """Look up keys that not all nodes have, or none."""
    top = client.top()
    if parent := client.open(top):
        for key in (1, 0):
            found, _ = client.lookup(parent, key, key) if not parent.error else (None, 0)
            if found:
                client.unlock(found)
        client.close(parent)
    client.drop(top)


def find_and_lock(client: Client) -> None:
    """Look up without locks, then lock what was found."""
    top = client.top()
    if parent := client.open(top):
        found, _ = client.lookup(parent, 2, 2, Lookup.NOLOCK, key_next=0)
        client.close(parent)
        if found:
            other = client.copy(found)
            if client.lock(found):
                client.unlock(found)
            client.drop(found)
            client.drop(other)
    client.drop(top)


def find_and_load(client: Client) -> None:
    """Look up without locks, then load what was found."""
    top = client.top()
    if parent := client.open(top):
        found, _ = client.lookup(parent, 2, 2, Lookup.NOLOCK)
        client.close(parent)
        if found:
            if client.lock(found, Resolve.NEVER):
                client.load(found)
                client.unlock(found)
            client.drop(found)
    client.drop(top)


def edit_root(client: Client) -> None:
    """Change the root inode, and how it is checked."""
    top = client.top()
    if client.lock(top):
        if client.modify_ip(top, 0) and client.modify_ip(top, 1) and client.edit(top, 0x40, 0x99):
            client.set_check(top, 3)
            client.look(top)
        client.unlock(top)
    client.drop(top)


def _write(client: Client, parent: Cluster, key: int, write: str) -> None:
    found, _ = client.lookup(parent, key, key, Lookup.ALWAYS if write == "edit" else 0)
    if not found:
        return
    if found.error:
        client.load(found)
    if write == "edit":
        if client.modify(found, Modify.OPTDATA) and client.edit(found, 0x40, 0x99):
            client.set_check(found, 15)
            client.set_check(found, 4)
            client.load(found)
    elif write == "grow":
        if client.modify(found):
            client.edit(found, 0x40, 0x99, clear_embedded=True)
    elif write == "resize":
        if client.resize(parent, found, 11) and client.modify(found):
            client.edit(found, 0x40, 0x99)
    elif write == "resize under another parent":
        client.resize(found, found, 11)
    elif write == "delete":
        client.delete(parent, found, Delete.PERMANENT)
    elif write == "delete under another parent":
        client.delete(found, found)
    elif client.delete(parent, found):
        if write.startswith("rename"):
            client.rename(parent, found, 9 if write == "rename" else None)
        else:
            client.create(parent, 9, found, pfs=client.model.pfs)
    client.unlock(found)


def writes(write: str) -> Program:
    """A write to an element under a locked parent."""

    def program(client: Client) -> None:
        top = client.top()
        if parent := client.open(top):
            _write(client, parent, 2, write)
            client.close(parent)
        client.drop(top)

    program.__doc__ = f"{write.capitalize()} an element."
    return program


def create(client: Client) -> None:
    """Create an element, write it, find it again."""
    top = client.top()
    if parent := client.open(top):
        client.lookup(parent, 9, 9)
        made = client.create(parent, 9, pfs=client.model.pfs) if not parent.error else None
        if made:
            if not made.error and client.modify(made):
                client.edit(made, 0x40, 0x99)
            client.unlock(made)
        client.close(parent)
    client.drop(top)


ATTACHING = ("move", "rename")
"""Writes that attach what was deleted."""


def with_an_older_parent(write: str) -> Program:
    """Go on under a parent that was made when the PFS had a node less."""

    def program(client: Client) -> None:
        top, older = client.top(), client.top(max(1, len(client.model.nodes) - 1))
        flags = Lookup.NOLOCK if write == "next without locks" else 0
        found, other, after, found_key = None, None, 0, 0
        if parent := client.open(top):
            found, after = client.lookup(parent, 1, KEY_MAX, flags)
            found_key = rules.chains_of(found)[0].bref.key if found else 0
            if found and not found.error and write in ATTACHING and not client.delete(parent, found):
                client.unlock(found)
                found = None
            client.close(parent)
        if found and not found.error and (parent := client.open(older)):
            if write == "next":
                found, _ = client.next(parent, found, KEY_MAX, after)
            elif write == "next without locks":
                held = found
                client.ref(held)
                found, _ = client.next(parent, held, KEY_MAX, after, flags)
                client.drop(held)
            else:
                key = 9 if write in ATTACHING else found_key
                same, _ = client.lookup(parent, key, key)
                if same:
                    client.unlock(same)
                if write == "resize" and same:
                    other = client.copy(found)
                    client.resize(parent, found, 11)
                elif write == "delete" and same:
                    client.delete(parent, found)
                elif write == "move" and not parent.error:
                    client.create(parent, 9, found, pfs=client.model.pfs)
                elif write == "rename" and not parent.error:
                    client.rename(parent, found, 9)
            client.close(parent)
        if found:
            (client.drop if flags & Lookup.NOLOCK else client.unlock)(found)
        if other:
            if client.lock(other):
                if client.modify(other):
                    client.edit(other, 0x40, 0x99)
                client.unlock(other)
            client.drop(other)
        client.drop(older)
        client.drop(top)

    program.__doc__ = f"{write.capitalize()} under a parent that has a slot less."
    return program


def overtaken(write: str) -> Program:
    """A write while a node is late."""

    def program(client: Client) -> None:
        top = client.top()
        found = None
        if parent := client.open(top):
            found, _ = client.lookup(parent, 2, 2)
            if found and (found.error or (write in ATTACHING and not client.delete(parent, found))):
                client.unlock(found)
                found = None
            client.close(parent)
        if found:
            client.overtake(top, write, found)
            client.unlock(found)
        client.drop(top)

    program.__doc__ = f"{write.capitalize()} while a node is late."
    return program


def with_more_references(client: Client) -> None:
    """Scan and create where each cluster has three references."""
    top = client.top()
    if parent := client.open(top):
        client.ref(parent)
        client.ref(parent)
        found, after = client.lookup(parent, 1, KEY_MAX)
        if found:
            client.ref(found)
            client.ref(found)
            following, _ = client.next(parent, found, KEY_MAX, after)
            if following:
                client.unlock(following)
            client.drop(found)
            client.drop(found)
        client.lookup(parent, 9, 9)
        made = None if parent.error else client.create(parent, 9, pfs=client.model.pfs)
        if made:
            client.unlock(made)
        client.unlock(parent)
        client.drop(parent)
        client.drop(parent)
    client.drop(top)


def scan_on_while_a_node_is_late(client: Client) -> None:
    """Scan on, under a parent that is locked anew, while a node is late."""
    top = client.top()
    found, after = None, 0
    if parent := client.open(top):
        found, after = client.lookup(parent, 1, KEY_MAX)
        client.close(parent)
    if found and (found := client.overtake_scan(top, found, after)):
        client.unlock(found)
    client.drop(top)


def delete_without_a_parent(client: Client) -> None:
    """Delete under NULL."""
    top = client.top()
    if parent := client.open(top):
        found, _ = client.lookup(parent, 2, 2)
        if found:
            client.delete(None, found)
            client.unlock(found)
        client.close(None)
        client.close(parent)
    client.drop(top)


def delete_two(client: Client) -> None:
    """Delete two elements under one parent, which may fail the first one."""
    top = client.top()
    if parent := client.open(top):
        found = [client.lookup(parent, key, key)[0] for key in (1, 2)]
        for each in found:
            if each:
                client.delete(parent, each, Delete.PERMANENT)
                client.unlock(each)
        client.close(parent)
    client.drop(top)


def climb(client: Client) -> None:
    """From a child to its parent, and the child is used again."""
    top = client.top()
    parent = client.open(top)
    if parent:
        found, _ = client.lookup(parent, 2, 2)
        client.close(parent)
        if found:
            if not found.error:
                above = client.parent(found)
                if not above.error and not found.error:
                    client.look(found)
                    client.delete(above, found)
                client.unlock(above)
            client.unlock(found)
    client.drop(top)


def climb_out(client: Client) -> None:
    """From the root of a PFS to what is above it."""
    top = client.top()
    if client.lock(top):
        above = client.parent(top)
        if not above.error:
            client.look(above)
        client.unlock(above)
        client.unlock(top)
    client.drop(top)


def use_the_parent(client: Client) -> None:
    """From a child to its parent, which is used as it is found."""
    top = client.top()
    found = None
    if parent := client.open(top):
        found, _ = client.lookup(parent, 2, 2)
        client.close(parent)
    if found:
        if not found.error:
            above = client.parent(found)
            same, _ = (None, 0) if above.error else client.lookup(above, 1, 1)
            if same:
                client.unlock(same)
            if above.error:
                other = client.copy(above)
                if client.lock(other):  # what could not be read can be now
                    client.unlock(other)
                client.drop(other)
                client.lookup(above, 1, 1)
                client.create(above, 9)
            elif len(client.model.nodes) == 1 and client.modify(above):
                client.edit(above, 0x40, 0x99)
            client.unlock(above)
        client.unlock(found)
    client.drop(top)


def freeze(how: int) -> Program:
    """A snapshot of the root."""

    def program(client: Client) -> None:
        top = client.top()
        if client.lock(top, how):
            client.snapshot(top)
            client.unlock(top)
        client.drop(top)

    program.__doc__ = "Make a snapshot of the root, " + ("whose data is there." if how == Resolve.ALWAYS else "unread.")
    return program


def create_and_go_on(client: Client) -> None:
    """A scan during which an element is created."""
    top = client.top()
    if parent := client.open(top):
        found, after = client.lookup(parent, 0, KEY_MAX)
        if found:
            made = client.create(parent, 9, pfs=client.model.pfs) if not parent.error else None
            if made:
                client.unlock(made)
            found, after = client.next(parent, found, KEY_MAX, after)
            if found:
                client.unlock(found)
        client.close(parent)
    client.drop(top)


def overwrite(client: Client) -> None:
    """Modify what is going to be written as a whole, and was locked without its data."""
    top = client.top()
    if client.lock(top, Resolve.NEVER):
        if client.modify(top, Modify.OPTDATA):
            client.look(top)
            if deref(top.focus).data is not None:
                client.edit(top, 0x40, 0x99)
        client.unlock(top)
    if client.lock(top):
        client.look(top)
        client.unlock(top)
    client.drop(top)


def edit_while_another_locks(client: Client) -> None:
    """A member that could not be read when the editor locked it can be when another one does."""
    top = client.top()
    if client.lock(top):
        client.look(top)
        other = client.copy(top)
        modified = client.modify(top)
        locked = client.lock(other)
        if modified:
            client.edit(top, 0x40, 0x99)
        if locked:
            client.unlock(other)
        client.drop(other)
        client.unlock(top)
    client.drop(top)


def attach_while_another_looks(client: Client) -> None:
    """A member that could not be read when the writer locked the directory can be when another one does."""
    top = client.top()
    if parent := client.open(top):
        other = client.open(top)
        found, _ = client.lookup(parent, 2, 2)
        if found:
            if client.delete(parent, found):
                client.rename(parent, found, 9)
            client.unlock(found)
        client.lookup(parent, 12, 12)
        made = None if parent.error else client.create(parent, 12, pfs=client.model.pfs)
        if made:
            client.unlock(made)
        if other:
            client.close(other)
        client.close(parent)
    client.drop(top)


def one_chain(client: Client) -> None:
    """A cluster of one chain."""
    cluster = client.from_chain(client.model.nodes[0].super_root)
    client.unlock(cluster)


WRITES_THAT_NEED_A_PARENT = ("create", "move", "rename", "resize", "delete")

PROGRAMS: dict[str, Program] = {
    "lock": lock,
    "copy": copy,
    "load": load,
    "from_chain": one_chain,
    "scan": scan,
    "scan by key": scan_by_key,
    "scan without locks": scan_unlocked,
    "find what some lack": find_what_some_lack,
    "find and lock": find_and_lock,
    "find and load": find_and_load,
    "edit the root": edit_root,
    "edit": writes("edit"),
    "grow": writes("grow"),
    "resize": writes("resize"),
    "delete": writes("delete"),
    "rename": writes("rename"),
    "move": writes("move"),
    "create": create,
    "create during a scan": create_and_go_on,
    "overwrite": overwrite,
    "edit while another locks": edit_while_another_locks,
    "delete without a parent": delete_without_a_parent,
    "climb": climb,
    "use the parent": use_the_parent,
    "climb out of the PFS": climb_out,
    "snapshot": freeze(Resolve.ALWAYS),
    "snapshot of what was not read": freeze(Resolve.NEVER),
    "never written": never_written,
    "look into": look_into,
    "delete under another parent": writes("delete under another parent"),
    "rename to the same key": writes("rename to the same key"),
    "next under an older parent": with_an_older_parent("next"),
    "next under an older parent, without locks": with_an_older_parent("next without locks"),
    "rename under an older parent": with_an_older_parent("rename"),
    **{f"{write} while a node is late": overtaken(write) for write in WRITES_THAT_NEED_A_PARENT},
    "with more references": with_more_references,
    "scan on while a node is late": scan_on_while_a_node_is_late,
    "delete under an older parent": with_an_older_parent("delete"),
    "move under an older parent": with_an_older_parent("move"),
    "resize under an older parent": with_an_older_parent("resize"),
    "resize under another parent": writes("resize under another parent"),
    "attach while another looks": attach_while_another_looks,
    "delete two": delete_two,
}
