"""Hard reads: a majority of masters answers with one durable version (L69-77, L404-430)."""

from hammer2_spec.protocol.state import Node, Setup, State, majority, mixture, usable
from hammer2_spec.transition_system import replaced


def answers(m: Setup, node: Node, i: int) -> bool:
    """Whether a node answers a hard read: a connected master with a whole version, write-disabled or not."""
    if m.eligible_votes and not node.eligible:
        return False
    return i < m.masters and node.connected and (usable(node) or not m.sound_votes)


def answer_tid(m: Setup, node: Node) -> int:
    """The version that it answers with."""
    if m.read_flushed:
        return node.durable_tid
    return node.volatile_tid


def answer_content(m: Setup, node: Node) -> int:
    """The writes in it."""
    if m.read_flushed:
        return node.durable_content
    return node.volatile_content


def quorum_needed(m: Setup, s: State) -> int:
    """How many equal answers a read needs."""
    if m.fixed_majority:
        return majority(m)
    return sum(1 for i, node in enumerate(s.nodes) if i < m.masters and node.connected) // 2 + 1


def agreeing(m: Setup, s: State, i: int) -> int:
    """How many nodes answer as this one does."""
    tid = answer_tid(m, s.nodes[i])
    return sum(1 for j, node in enumerate(s.nodes) if answers(m, node, j) and answer_tid(m, node) == tid)


def outdone(m: Setup, s: State, i: int) -> bool:
    """Whether another master shows a higher tid: where the highest tid seen decides, that ends the quorum (L422)."""
    tid = answer_tid(m, s.nodes[i])
    return not m.majority_tid and any(
        answers(m, node, j) and answer_tid(m, node) > tid for j, node in enumerate(s.nodes)
    )


def quorum_answers(m: Setup, s: State, i: int) -> bool:
    """Whether a quorum answers as this node does."""
    return answers(m, s.nodes[i], i) and agreeing(m, s, i) >= quorum_needed(m, s) and not outdone(m, s, i)


def tells_news(m: Setup, s: State, i: int) -> bool:
    """Whether a quorum answers as this node does, with something that nobody has been told before."""
    return quorum_answers(m, s, i) and answer_content(m, s.nodes[i]) & ~s.known != 0


def read(m: Setup, s: State) -> State | None:
    """A hard read, at once. What it returns is known from then on, as if it had been acknowledged."""
    for i in range(m.masters):
        if tells_news(m, s, i):
            return s._replace(known=s.known | answer_content(m, s.nodes[i]) & ~mixture(m))
    return None


def read_start(m: Setup, s: State) -> State | None:
    """A reader begins to collect answers one by one."""
    if not m.reader or s.reading:
        return None
    return s._replace(reading=True, read_since=s.known, nodes=tuple(n._replace(read=False) for n in s.nodes))


def read_answer(m: Setup, s: State, i: int) -> State | None:
    """One answer comes in; if it differs from those before, they are forgotten."""
    node = s.nodes[i]
    if not s.reading or node.read or not answers(m, node, i):
        return None
    tid = answer_tid(m, node)
    content = answer_content(m, node)
    if tid != s.read_tid:
        s = s._replace(nodes=tuple(other._replace(read=False) for other in s.nodes))
    s = s._replace(read_tid=tid, read_content=content)
    return s._replace(nodes=replaced(s.nodes, i, node._replace(read=True)))


def read_end(m: Setup, s: State) -> State | None:
    """A majority has answered alike: the read is done."""
    if not s.reading or sum(1 for node in s.nodes if node.read) < majority(m):
        return None
    s = s._replace(nodes=tuple(node._replace(read=False) for node in s.nodes))
    known = s.known | s.read_content & ~mixture(m)
    return s._replace(known=known, reading=False, read_tid=0, read_content=0, read_since=0)
