"""What must hold in every reachable state of the protocol, each a sentence."""

from hammer2_spec.protocol.reading import answer_content, quorum_answers, tells_news
from hammer2_spec.protocol.resynchronization import needs_sync
from hammer2_spec.protocol.state import (
    Node,
    Phase,
    Setup,
    State,
    majority,
    mixture,
    needed,
    reached,
    syncing,
    usable,
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
        if quorum_answers(m, s, i) and not contains(m, answer_content(m, s.nodes[i]), s.known):
            return False
    return True


def a_session_that_answers_alone_returns_everything_acknowledged(m: Setup, s: State) -> bool:
    """The version from which a session that serves answers, where it asks no node, has everything known."""
    return all(client.phase != Phase.READY or contains(m, client.content, s.known) for client in s.clients)


def a_read_in_parts_returns_what_was_acknowledged_before_it_began(m: Setup, s: State) -> bool:
    """What a read that collects its answers one by one would return has what was known when it began."""
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


def in_step(m: Setup, s: State, c: int, i: int) -> bool:
    """Whether a node looks synchronized to a session: in reach, eligible, at its version or the one before."""
    client, node = s.clients[c], s.nodes[i]
    return reached(m, s, c, i) and node.eligible and node.volatile_tid in (client.tid, client.prior_tid)


def is_synchronized(m: Setup, s: State, c: int, i: int) -> bool:
    """Whether a node really has, whole, the version that its tid says."""
    client, node = s.clients[c], s.nodes[i]
    if not usable(node) or node.volatile_content & mixture(m) != 0:
        return False
    if node.volatile_tid == client.tid:
        return node.volatile_content == client.content
    return node.volatile_content == client.prior_content


def serves(s: State, c: int) -> bool:
    """Whether a client has a session that is past its recovery."""
    return s.clients[c].phase in (Phase.READY, Phase.WRITE)


def a_node_declared_synchronized_is(m: Setup, s: State) -> bool:
    """What looks synchronized to a session has exactly the session's version, or the one before (C97)."""
    for c, _client in enumerate(s.clients):
        if serves(s, c):
            for i, _node in enumerate(s.nodes):
                if in_step(m, s, c, i) and not is_synchronized(m, s, c, i):
                    return False
    return True


def a_mixture_of_versions_never_looks_synchronized(m: Setup, s: State) -> bool:
    """A target of a resynchronization shows its old version or the new one, or says that it is incomplete (C95)."""
    for node in s.nodes:
        if (node.durable_content | node.volatile_content) & mixture(m) != 0 and (node.eligible or not node.incomplete):
            return False
    return True


def focus(m: Setup, s: State, c: int) -> int:
    """The node through which a session reads: the first master that is in step at its version; -1 if there is none."""
    for i in range(m.masters):
        if in_step(m, s, c, i) and s.nodes[i].volatile_tid == s.clients[c].tid:
            return i
    return -1


def the_focus_is_valid(m: Setup, s: State) -> bool:
    """The focus of a serving session is sound media in its reach with exactly its version (C35)."""
    for c, _client in enumerate(s.clients):
        if serves(s, c):
            i = focus(m, s, c)
            if i >= 0 and not is_synchronized(m, s, c, i):
                return False
    return True


def available(m: Setup, s: State, c: int, i: int, masters: bool) -> bool:
    """Whether a node is in a session's reach, and a master, or else a slave."""
    return reached(m, s, c, i) and (i < m.masters) == masters


def declared(m: Setup, s: State, c: int, masters: bool) -> bool:
    """MSYNCED, or SSYNCED: whether all masters, or slaves, in a session's reach are at its version."""
    tid = s.clients[c].tid
    return not any(
        available(m, s, c, i, masters) and not (node.eligible and node.volatile_tid == tid)
        for i, node in enumerate(s.nodes)
    )


def means_what_it_says(m: Setup, s: State, c: int, masters: bool) -> bool:
    """If declared: all in reach have the session's version, whole. If not: one of them needs work."""
    client = s.clients[c]
    if declared(m, s, c, masters):
        return not any(
            available(m, s, c, i, masters) and not is_synchronized(m, s, c, i) for i, _node in enumerate(s.nodes)
        )
    return any(
        available(m, s, c, i, masters) and (needs_sync(client, node) or node.volatile_tid == client.prior_tid)
        for i, node in enumerate(s.nodes)
    )


def msynced_and_ssynced_mean_what_they_say(m: Setup, s: State) -> bool:
    """Each is set iff all masters, or slaves, that are there are fully synchronized; else there is work (C40)."""
    for c, _client in enumerate(s.clients):
        if serves(s, c):
            if not means_what_it_says(m, s, c, True) or not means_what_it_says(m, s, c, False):
                return False
    return True


def takes_its_writes(m: Setup, s: State, c: int, i: int) -> bool:
    """Whether a master counts for a session that may write."""
    return i < m.masters and in_step(m, s, c, i)


def may_write(m: Setup, s: State, c: int) -> bool:
    """Whether a session may write hard: enough masters in reach take its writes."""
    return serves(s, c) and sum(1 for i, _ in enumerate(s.nodes) if takes_its_writes(m, s, c, i)) >= needed(m, s, c)


def two_views_that_may_both_write_share_a_master(m: Setup, s: State) -> bool:
    """Whoever may write reaches a master that another who may write reaches too (C34)."""
    for c, _client in enumerate(s.clients):
        for d in range(c):
            if may_write(m, s, c) and may_write(m, s, d):
                if not any(reached(m, s, c, i) and reached(m, s, d, i) for i in range(m.masters)):
                    return False
    return True


def the_media_of_a_write_disabled_node_stays(_m: Setup, before: State, after: State) -> bool:
    """What is on a write-disabled node's media changes only by resynchronization (C86)."""
    for i, was in enumerate(before.nodes):
        now = after.nodes[i]
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


def what_is_known_is_never_forgotten(_m: Setup, before: State, after: State) -> bool:
    """What all sentences are judged by only grows: if it did not, they would hold of anything."""
    return before.known & ~after.known == 0


def what_is_acknowledged_is_known(_m: Setup, before: State, after: State) -> bool:
    """An acknowledgement counts from then on."""
    for c, client in enumerate(before.clients):
        if client.phase == Phase.WRITE and after.clients[c].phase == Phase.READY and client.content & ~after.known != 0:
            return False
    return True


def what_a_read_returned_is_known(m: Setup, before: State, after: State) -> bool:
    """A read returns news that a quorum answers with, and all of it counts from then on."""
    return any(
        tells_news(m, before, i) and answer_content(m, before.nodes[i]) & ~mixture(m) & ~after.known == 0
        for i in range(m.masters)
    )


def what_a_read_in_parts_returned_is_known(m: Setup, before: State, after: State) -> bool:
    """What a read returned counts from then on."""
    return before.read_content & ~mixture(m) & ~after.known == 0


def what_a_soft_master_wrote_is_changed_by_nobody_else(_m: Setup, before: State, after: State) -> bool:
    """A soft master with writes of its own stays as it is, whatever the quorum does (L433-436)."""
    for k, was in enumerate(before.soft):
        now = after.soft[k]
        if was.written and (now.tid != was.tid or not now.written):
            return False
    return True
