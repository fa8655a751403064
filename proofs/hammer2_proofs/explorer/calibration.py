"""The calibration model: a small quorum cluster whose state counts several other model checkers agree on.

docs/reference/calibration-model.md describes it. It is simpler than the protocol and has one use: to check and to time
the explorer.
"""

from enum import IntEnum
from typing import NamedTuple

from hammer2_spec.transition_system import Action, Model, replaced


class Status(IntEnum):
    """What is to be seen of a node."""

    UP = 0
    ERROR = 1
    GONE = 2


class Setup(NamedTuple):
    """The bounds: so many masters and slaves, the highest tid; and the planted bug, commits without a majority."""

    masters: int
    slaves: int
    tids: int
    bug: bool


class Node(NamedTuple):
    """A node. ``written``: it has the write in flight (masters only)."""

    tid: int = 0
    status: Status = Status.UP
    write_disabled: bool = False
    syncing: bool = False
    target: int = 0
    written: bool = False


class State(NamedTuple):
    """The nodes, masters first; the client's lock and write in flight (0: none); what is committed."""

    nodes: tuple[Node, ...]
    locked: bool = False
    in_flight: int = 0
    committed: int = 0


def majority(m: Setup) -> int:
    """More than half of the masters."""
    return m.masters // 2 + 1


def needed(m: Setup) -> int:
    """How many masters must have a write before it is committed."""
    if m.bug:
        return 1
    return majority(m)


def highest(m: Setup, s: State) -> int:
    """The highest tid of a present master."""
    return max((node.tid for i, node in enumerate(s.nodes) if i < m.masters and node.status != Status.GONE), default=0)


def quorum(m: Setup, s: State) -> bool:
    """Whether a majority of the masters is present at the highest tid."""
    tid = highest(m, s)
    votes = sum(1 for i, n in enumerate(s.nodes) if i < m.masters and n.status != Status.GONE and n.tid == tid)
    return votes >= majority(m)


def focus(m: Setup, s: State) -> bool:
    """Whether a node is there to read from."""
    tid = highest(m, s)
    return any(node.status == Status.UP and node.tid == tid for node in s.nodes)


def can_be_written(s: State, node: Node) -> bool:
    """Whether a master would take the write in flight."""
    return (
        node.status == Status.UP
        and not node.write_disabled
        and not node.syncing
        and not node.written
        and node.tid == s.committed
    )


def written(m: Setup, s: State) -> int:
    """How many masters have the write in flight."""
    return sum(1 for i, node in enumerate(s.nodes) if i < m.masters and node.written)


def lock(m: Setup, s: State) -> State | None:
    """The client locks the cluster."""
    if s.locked or not quorum(m, s):
        return None
    return s._replace(locked=True)


def begin(m: Setup, s: State) -> State | None:
    """The client begins a write."""
    if not s.locked or s.in_flight > 0 or s.committed >= m.tids:
        return None
    return s._replace(in_flight=s.committed + 1)


def modify_node(_m: Setup, s: State, i: int) -> State | None:
    """A master takes the write."""
    node = s.nodes[i]
    if not s.locked or s.in_flight == 0 or not can_be_written(s, node):
        return None
    return s._replace(nodes=replaced(s.nodes, i, node._replace(tid=s.in_flight, written=True)))


def modify_fail(_m: Setup, s: State, i: int) -> State | None:
    """A master fails to take the write."""
    node = s.nodes[i]
    if not s.locked or s.in_flight == 0 or not can_be_written(s, node):
        return None
    return s._replace(nodes=replaced(s.nodes, i, node._replace(write_disabled=True, status=Status.ERROR)))


def commit(m: Setup, s: State) -> State | None:
    """Enough masters have the write."""
    if s.in_flight == 0 or written(m, s) < needed(m):
        return None
    return s._replace(committed=s.in_flight, in_flight=0, nodes=tuple(node._replace(written=False) for node in s.nodes))


def failed(node: Node) -> Node:
    """A written master after an abort: it keeps the tid."""
    if not node.written:
        return node
    if node.status == Status.GONE:
        return node._replace(write_disabled=True, written=False)
    return node._replace(write_disabled=True, written=False, status=Status.ERROR)


def abort(m: Setup, s: State) -> State | None:
    """Too few masters can still take the write."""
    if s.in_flight == 0:
        return None
    can = sum(1 for i, node in enumerate(s.nodes) if i < m.masters and can_be_written(s, node))
    if written(m, s) + can >= needed(m):
        return None
    return s._replace(in_flight=0, nodes=tuple(failed(node) for node in s.nodes))


def unlock(_m: Setup, s: State) -> State | None:
    """The client unlocks the cluster."""
    if not s.locked or s.in_flight > 0:
        return None
    return s._replace(locked=False)


def disconnect(_m: Setup, s: State, i: int) -> State | None:
    """A node goes away."""
    node = s.nodes[i]
    if node.status == Status.GONE:
        return None
    node = node._replace(status=Status.GONE, write_disabled=True, syncing=False, target=0)
    return s._replace(nodes=replaced(s.nodes, i, node))


def reconnect(_m: Setup, s: State, i: int) -> State | None:
    """A node comes back."""
    node = s.nodes[i]
    if node.status != Status.GONE:
        return None
    return s._replace(nodes=replaced(s.nodes, i, node._replace(status=Status.UP)))


def sync_begin(m: Setup, s: State, i: int) -> State | None:
    """A node that is behind starts to be resynchronized to what is committed."""
    node = s.nodes[i]
    if node.status == Status.GONE or node.syncing:
        return None
    behind = node.write_disabled or (i >= m.masters and node.tid < s.committed)
    if not behind or not quorum(m, s) or not focus(m, s):
        return None
    return s._replace(nodes=replaced(s.nodes, i, node._replace(syncing=True, target=s.committed)))


def sync_finish(_m: Setup, s: State, i: int) -> State | None:
    """A resynchronization ends; it counts if nothing was committed or begun meanwhile."""
    node = s.nodes[i]
    if not node.syncing:
        return None
    if node.target == s.committed and s.in_flight == 0:
        node = node._replace(tid=node.target, write_disabled=False, status=Status.UP)
    return s._replace(nodes=replaced(s.nodes, i, node._replace(syncing=False, target=0)))


def a_quorum_of_an_unlocked_cluster_has_what_is_committed(m: Setup, s: State) -> bool:
    """While nobody has locked the cluster or writes, its quorum, if there is one, is at the tid committed, or later."""
    return s.in_flight > 0 or s.locked or highest(m, s) >= s.committed or not quorum(m, s)


def everything_is_committed(m: Setup, s: State) -> bool:
    """The highest tid is reached."""
    return s.committed == m.tids


def no_master_is_left(m: Setup, s: State) -> bool:
    """All masters are gone."""
    return all(node.status == Status.GONE for i, node in enumerate(s.nodes) if i < m.masters)


def two_resynchronizations_at_once(_m: Setup, s: State) -> bool:
    """Two nodes are being resynchronized."""
    return sum(1 for node in s.nodes if node.syncing) >= 2


def model(masters: int = 3, slaves: int = 1, tids: int = 5, *, bug: bool = False) -> Model[Setup, State]:
    """The calibration model.

    Args:
        masters: at least 1.
        slaves: at least 0.
        tids: the highest tid, at least 1.
        bug: commit as soon as one master has the write.
    """
    setup = Setup(masters, slaves, tids, bug)
    nodes = masters + slaves
    on_masters, on_nodes = ("masters",), ("nodes",)
    return Model(
        name="calibration",
        setup=setup,
        initial=(State(nodes=(Node(),) * nodes),),
        sizes={"nodes": nodes, "masters": masters},
        ranges={"nodes.tid": tids, "nodes.target": tids, "in_flight": tids, "committed": tids},
        actions=(
            Action("Lock", lock),
            Action("Begin", begin),
            Action("ModifyNode", modify_node, on_masters),
            Action("ModifyFail", modify_fail, on_masters, fault=True),
            Action("Commit", commit),
            Action("Abort", abort),
            Action("Unlock", unlock),
            Action("Disconnect", disconnect, on_nodes, fault=True),
            Action("Reconnect", reconnect, on_nodes),
            Action("SyncBegin", sync_begin, on_nodes),
            Action("SyncFinish", sync_finish, on_nodes),
        ),
        invariants=(a_quorum_of_an_unlocked_cluster_has_what_is_committed,),
        witnesses=(everything_is_committed, no_master_is_left, two_resynchronizations_at_once),
        alike=(tuple(range(masters)), tuple(range(masters, nodes))),
        symmetric="nodes",
    )
