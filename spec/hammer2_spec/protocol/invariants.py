"""What must hold in every reachable state of the protocol, each a sentence."""

from hammer2_spec.protocol.reading import agreeing, answer_content, answers
from hammer2_spec.protocol.state import (
    Node,
    Phase,
    Setup,
    State,
    majority,
    mixture,
    syncing,
)


def contains(m: Setup, content: int, writes: int) -> bool:
    """Whether a version has all of these writes and is no mixture."""
    return writes & ~content == 0 and content & mixture(m) == 0


def in_set(masters: int, i: int) -> bool:
    """Whether a master is one of a set."""
    return (masters >> i) & 1 == 1


def yields_what_is_known(m: Setup, s: State, masters: int) -> bool:
    """Whether the highest version on the media of these masters is whole and has everything known."""
    if any(node.blank and in_set(masters, i) for i, node in enumerate(s.nodes)):
        return True
    highest = max((node.durable_tid for i, node in enumerate(s.nodes) if in_set(masters, i)), default=0)
    return any(
        in_set(masters, i) and not node.incomplete and node.durable_tid == highest for i, node in enumerate(s.nodes)
    ) and all(
        contains(m, node.durable_content, s.known)
        for i, node in enumerate(s.nodes)
        if in_set(masters, i) and not node.incomplete and node.durable_tid == highest
    )


def every_majority_of_intact_media_yields_what_was_acknowledged(m: Setup, s: State) -> bool:
    """An acknowledged write survives as long as a majority of the masters' media does (C97)."""
    for masters in range(1, 1 << m.masters):
        if masters.bit_count() >= majority(m) and not yields_what_is_known(m, s, masters):
            return False
    return True


def a_hard_read_returns_everything_acknowledged(m: Setup, s: State) -> bool:
    """Whatever a quorum would answer now has everything known (C32, C34)."""
    for i in range(m.masters):
        node = s.nodes[i]
        if answers(m, node, i) and agreeing(m, s, i) >= majority(m):
            if not contains(m, answer_content(m, node), s.known):
                return False
    return True


def a_read_in_parts_returns_what_was_acknowledged_before_it_began(m: Setup, s: State) -> bool:
    """The same when the answers are collected one by one."""
    if not s.reading or sum(1 for node in s.nodes if node.read) < majority(m):
        return True
    return contains(m, s.read_content, s.read_since)


def _at(node: Node, tid: int, content: int) -> bool:
    """Whether no copy on a node has this tid with another content."""
    if node.blank:
        return True
    if not node.incomplete:
        if node.durable_tid == tid and node.durable_content != content:
            return False
        if node.volatile_tid == tid and node.volatile_content != content:
            return False
    return not syncing(node) or node.snapshot_tid != tid or node.snapshot_content == content


def nobody_else_has(s: State, tid: int, content: int) -> bool:
    """Whether every copy with this tid, on nodes and in sessions, has this content."""
    for node in s.nodes:
        if not _at(node, tid, content):
            return False
    for client in s.clients:
        if client.phase in (Phase.RECOVER, Phase.READY, Phase.WRITE):
            if client.tid == tid and client.content != content:
                return False
        if client.phase in (Phase.READY, Phase.WRITE):
            if client.prior_tid == tid and client.prior_content != content:
                return False
        if client.phase == Phase.ELECT and not client.torn_evidence:
            if client.prior_tid == tid and client.content != content:
                return False
    return True


def a_tid_has_one_content(_m: Setup, s: State) -> bool:
    """Copies with equal tids are equal, wherever they are: a tid that a quorum agrees on means one thing (C01)."""
    for node in s.nodes:
        if node.blank:
            continue
        if not node.incomplete:
            if not nobody_else_has(s, node.durable_tid, node.durable_content):
                return False
            if not nobody_else_has(s, node.volatile_tid, node.volatile_content):
                return False
        if syncing(node) and not nobody_else_has(s, node.snapshot_tid, node.snapshot_content):
            return False
    for client in s.clients:
        if client.phase in (Phase.RECOVER, Phase.READY, Phase.WRITE):
            if not nobody_else_has(s, client.tid, client.content):
                return False
        if client.phase in (Phase.READY, Phase.WRITE):
            if not nobody_else_has(s, client.prior_tid, client.prior_content):
                return False
        if client.phase == Phase.ELECT and not client.torn_evidence:
            if not nobody_else_has(s, client.prior_tid, client.content):
                return False
    return True


def the_media_of_a_write_disabled_node_stays(m: Setup, before: State, after: State) -> bool:
    """What is on a write-disabled node's media changes only by resynchronization (C86)."""
    for i in range(m.masters):
        was, now = before.nodes[i], after.nodes[i]
        if was.eligible:
            continue
        if now.durable_tid != was.durable_tid or now.durable_content != was.durable_content:
            return False
    return True


def acknowledged_versions_are_nested(_m: Setup, before: State, after: State) -> bool:
    """Of any two acknowledged versions one contains the other."""
    for c, client in enumerate(before.clients):
        if client.phase == Phase.WRITE and after.clients[c].phase == Phase.READY:
            if before.known & ~client.content != 0 and client.content & ~before.known != 0:
                return False
    return True
