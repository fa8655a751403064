"""Small worlds, and short programs that use every operation as its callers do."""

from hammer2_cluster.model import NodeSpec
from hammer2_cluster.objects import Cluster
from hammer2_proofs.operations.client import Client
from hammer2_proofs.operations.search import Program, World
from hammer2_spec.vocabulary import KEY_MAX, Lookup, PfsType, Resolve

M = NodeSpec()
SLAVE = NodeSpec(type=PfsType.SLAVE)
SOFT_MASTER = NodeSpec(type=PfsType.SOFT_MASTER, tid=7)
SOFT_SLAVE = NodeSpec(type=PfsType.SOFT_SLAVE)
SMALL, WIDE = NodeSpec(keys=(2,)), NodeSpec(keys=(0, 1, 2))

WORLDS: dict[str, World] = {
    "a master": World((M,), 1),
    "two masters": World((M, M), 2),
    "a master and a slave": World((M, SLAVE), 1),
    "a slave and a master": World((SLAVE, M), 1),
    "a master and a slave that is behind": World((M, NodeSpec(type=PfsType.SLAVE, tid=4, keys=(1,))), 1),
    "a soft master and a master": World((SOFT_MASTER, M), 1),
    "a soft slave and a master": World((SOFT_SLAVE, M), 1),
    "two soft masters": World((SOFT_MASTER, SOFT_MASTER), 1),
    "two super-roots": World((NodeSpec(type=PfsType.SUPROOT), NodeSpec(type=PfsType.SUPROOT)), 0),
    "no PFS": World((M,), None),
    "a master of two": World((M,), 2),
    "two masters at the end of the key space": World((NodeSpec(keys=(1, KEY_MAX)),) * 2, 2),
    "two masters with embedded data": World((NodeSpec(embedded=True),) * 2, 2),
    "two masters, an indirect block on one": World((M, NodeSpec(indirect=True)), 2),
    "three masters": World((M, M, M), 3),
    "three masters, the first lacks a key": World((SMALL, M, M), 3),
    "three masters, the last lacks a key": World((M, M, SMALL), 3),
    "three masters, the first has a key too many": World((WIDE, M, M), 3),
    "three masters, the last has a key too many": World((M, M, WIDE), 3),
    "three masters, the last with other sizes": World((M, M, NodeSpec(bytes=2048)), 3),
    "three masters, the last is behind": World((M, M, NodeSpec(tid=4, keys=(1,))), 3),
    "three masters, the first is behind": World((NodeSpec(tid=4, keys=(1,)), M, M), 3),
    "three masters, the last is ahead": World((M, M, NodeSpec(tid=6, keys=(1, 2, 3))), 3),
    "three masters, the first is broken": World((NodeSpec(root_error=1), M, M), 3),
    "three masters, indirect blocks on two": World((NodeSpec(indirect=True), M, NodeSpec(indirect=True)), 3),
    "three masters of which none agree": World((NodeSpec(keys=(1,)), NodeSpec(keys=(2,)), NodeSpec(keys=(3,))), 3),
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
    if client.lock(top, Resolve.NEVER):
        client.load(top)
        client.unlock(top)
    client.drop(top)


def scan(client: Client) -> None:
    """Scan a directory by next."""
    top = client.top()
    if parent := client.open(top, Lookup.SHARED):
        client.scan(parent)
        client.close(parent)
    client.drop(top)


def scan_by_key(client: Client) -> None:
    """Scan by lookups that go on at the next key, without locks."""
    top = client.top()
    if parent := client.open(top):
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


def find_and_lock(client: Client) -> None:
    """Look up without locks, then lock what was found."""
    top = client.top()
    if parent := client.open(top):
        found, _ = client.lookup(parent, 2, 2, Lookup.NOLOCK, key_next=0)
        client.close(parent)
        if found:
            if client.lock(found):
                client.unlock(found)
            client.drop(found)
    client.drop(top)


def edit_root(client: Client) -> None:
    """Change the root inode."""
    top = client.top()
    if client.lock(top):
        if client.modify_ip(top):
            client.edit(top, 0x40, 0x99)
        client.unlock(top)
    client.drop(top)


def _write(client: Client, parent: Cluster, key: int, write: str) -> None:
    found, _ = client.lookup(parent, key, key)
    if not found:
        return
    if found.error:
        pass
    elif write == "edit":
        if client.modify(found):
            client.edit(found, 0x40, 0x99)
            client.load(found)
    elif write == "grow":
        if client.modify(found):
            client.edit(found, 0x40, 0x99, clear_embedded=True)
    elif write == "resize":
        if client.resize(parent, found, 11) and client.modify(found):
            client.edit(found, 0x40, 0x99)
    elif write == "delete":
        client.delete(parent, found)
    elif client.delete(parent, found):
        if write == "rename":
            client.rename(parent, found, 9)
        else:
            client.create(parent, 9, found)
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
        made = client.create(parent, 9) if not parent.error else None
        if made:
            if not made.error and client.modify(made):
                client.edit(made, 0x40, 0x99)
            client.unlock(made)
        client.close(parent)
    client.drop(top)


def delete_without_a_parent(client: Client) -> None:
    """Delete under NULL."""
    top = client.top()
    if parent := client.open(top):
        found, _ = client.lookup(parent, 2, 2)
        if found:
            client.delete(None, found)
            client.unlock(found)
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


def freeze(client: Client) -> None:
    """Make a snapshot of the root."""
    top = client.top()
    if client.lock(top):
        client.snapshot(top)
        client.unlock(top)
    client.drop(top)


def create_and_go_on(client: Client) -> None:
    """A scan during which an element is created."""
    top = client.top()
    if parent := client.open(top):
        found, after = client.lookup(parent, 0, KEY_MAX)
        if found:
            made = client.create(parent, 9) if not parent.error else None
            if made:
                client.unlock(made)
            found, after = client.next(parent, found, KEY_MAX, after)
            if found:
                client.unlock(found)
        client.close(parent)
    client.drop(top)


def edit_while_another_locks(client: Client) -> None:
    """A member that could not be read when the editor locked it can be when another one does."""
    top = client.top()
    if client.lock(top):
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


def one_chain(client: Client) -> None:
    """A cluster of one chain."""
    cluster = client.from_chain(client.model.nodes[0].root)
    client.unlock(cluster)


PROGRAMS: dict[str, Program] = {
    "lock": lock,
    "copy": copy,
    "load": load,
    "from_chain": one_chain,
    "scan": scan,
    "scan by key": scan_by_key,
    "scan without locks": scan_unlocked,
    "find and lock": find_and_lock,
    "edit the root": edit_root,
    "edit": writes("edit"),
    "grow": writes("grow"),
    "resize": writes("resize"),
    "delete": writes("delete"),
    "rename": writes("rename"),
    "move": writes("move"),
    "create": create,
    "create during a scan": create_and_go_on,
    "edit while another locks": edit_while_another_locks,
    "delete without a parent": delete_without_a_parent,
    "climb": climb,
    "snapshot": freeze,
}
