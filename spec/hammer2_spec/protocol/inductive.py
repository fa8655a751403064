"""Sentences that every action keeps: if all of them hold before it, all hold after it, however large the tids are.

They strengthen ``a tid has one content`` so far that it is inductive, where no media is lost: the explorer finds that a
sentence holds in every state up to some bounds, these need no bounds (``hammer2-cluster prove protocol``).
"""

from collections.abc import Callable

from hammer2_spec.protocol.invariants import (
    a_mixture_of_versions_never_looks_synchronized,
    a_node_declared_synchronized_is,
    a_tid_has_one_content,
    msynced_and_ssynced_mean_what_they_say,
    nobody_else_has,
    the_focus_is_valid,
    two_views_that_may_both_write_share_a_master,
)
from hammer2_spec.protocol.state import (
    Client,
    Node,
    Phase,
    Setup,
    State,
    Sync,
    epoch_of,
    holds_reply,
    majority,
    mixture,
    syncing,
)


def no_number_is_negative(_m: Setup, s: State) -> bool:
    """Tids and epochs count from 0."""
    for node in s.nodes:
        if node.promised < 0 or node.durable_tid < 0 or node.volatile_tid < 0 or node.snapshot_tid < 0:
            return False
    return not any(client.epoch < 0 or client.tid < 0 or client.prior_tid < 0 for client in s.clients)


def no_media_is_blank_or_torn(_m: Setup, s: State) -> bool:
    """Every node has a whole version, if media is not lost and copies are not made in place."""
    return not any(node.blank or node.incomplete or node.media_lost != 0 for node in s.nodes) and not any(
        client.torn_evidence for client in s.clients
    )


def memory_is_not_behind_media(_m: Setup, s: State) -> bool:
    """A node's version in memory is the one on its media, or a later one."""
    return not any(node.volatile_tid < node.durable_tid for node in s.nodes)


def a_write_disabled_node_has_nothing_dirty(_m: Setup, s: State) -> bool:
    """What was dirty was thrown away when the node was write-disabled (C86)."""
    return not any(
        not node.eligible and (node.volatile_tid != node.durable_tid or node.volatile_content != node.durable_content)
        for node in s.nodes
    )


def no_version_is_of_a_later_epoch_than_was_promised(_m: Setup, s: State) -> bool:
    """A node that has a version of an epoch has promised that epoch, or a later one."""
    return not any(epoch_of(node.volatile_tid) > node.promised for node in s.nodes)


def in_session(client: Client) -> bool:
    """Whether a client has won its election."""
    return client.phase in (Phase.RECOVER, Phase.READY, Phase.WRITE)


def _counts_in_its_epoch(client: Client) -> bool:
    if client.phase == Phase.ELECT:
        return client.epoch > 0 and epoch_of(client.prior_tid) < client.epoch
    if not in_session(client):
        return True
    if epoch_of(client.tid) != client.epoch or client.prior_tid > client.tid:
        return False
    if client.phase == Phase.RECOVER:
        return epoch_of(client.prior_tid) < client.epoch and client.content == client.prior_content
    if client.phase == Phase.WRITE and client.prior_tid == client.tid:
        return False
    return client.prior_content & ~client.content == 0


def a_session_counts_in_its_own_epoch(_m: Setup, s: State) -> bool:
    """A session's version has its epoch, and contains the version before it; evidence is of earlier epochs."""
    return all(_counts_in_its_epoch(client) for client in s.clients)


def a_pass_copies_a_version_of_its_session(_m: Setup, s: State) -> bool:
    """A pass belongs to a session that goes on, and copies a version not ahead of it, nor the one under way."""
    for node in s.nodes:
        if syncing(node):
            owner = s.clients[node.owner]
            if not in_session(owner) or node.snapshot_tid > owner.tid:
                return False
            if owner.phase == Phase.WRITE and node.snapshot_tid == owner.tid:
                return False
    return True


def no_replies_outlive_their_use(_m: Setup, s: State) -> bool:
    """A client that is idle or ready waits for nobody."""
    for c, client in enumerate(s.clients):
        if client.phase in (Phase.IDLE, Phase.READY) and any(holds_reply(node, c) for node in s.nodes):
            return False
    return True


def _ahead(tid: int, client: Client) -> bool:
    """Whether a version is of a session's epoch and later than the session's own."""
    return epoch_of(tid) == client.epoch and tid > client.tid


def _node_ahead(node: Node, client: Client) -> bool:
    if _ahead(node.durable_tid, client) or _ahead(node.volatile_tid, client):
        return True
    return syncing(node) and _ahead(node.snapshot_tid, client)


def _client_ahead(other: Client, client: Client) -> bool:
    if other.phase == Phase.IDLE:
        return False
    return _ahead(other.prior_tid, client) or (other.phase != Phase.ELECT and _ahead(other.tid, client))


def nothing_is_ahead_of_a_session_in_its_epoch(_m: Setup, s: State) -> bool:
    """No copy anywhere has a tid of a session's epoch that the session has not yet given."""
    for client in s.clients:
        if in_session(client):
            if any(_node_ahead(node, client) for node in s.nodes):
                return False
            if any(_client_ahead(other, client) for other in s.clients):
                return False
    return True


def _node_mentions(node: Node, epoch: int) -> bool:
    if epoch_of(node.durable_tid) == epoch or epoch_of(node.volatile_tid) == epoch:
        return True
    return syncing(node) and epoch_of(node.snapshot_tid) == epoch


def _client_mentions(client: Client, epoch: int) -> bool:
    if client.phase == Phase.IDLE:
        return False
    if epoch_of(client.prior_tid) == epoch:
        return True
    return in_session(client) and (client.epoch == epoch or epoch_of(client.tid) == epoch)


def won(s: State, epoch: int) -> bool:
    """Whether somebody has, or had, a session of this epoch: a copy or a session shows it."""
    return any(_node_mentions(node, epoch) for node in s.nodes) or any(
        _client_mentions(client, epoch) for client in s.clients
    )


def promised_at_least(m: Setup, s: State, epoch: int) -> int:
    """How many masters have promised an epoch, or a later one."""
    return sum(1 for i, node in enumerate(s.nodes) if i < m.masters and node.promised >= epoch)


def _backed(m: Setup, s: State, epoch: int) -> bool:
    return promised_at_least(m, s, epoch) >= majority(m)


def every_epoch_was_promised_by_a_majority(m: Setup, s: State) -> bool:
    """Where a version or a session of an epoch is, a majority of masters has promised it, or a later one."""
    for node in s.nodes:
        if not _backed(m, s, epoch_of(node.durable_tid)) or not _backed(m, s, epoch_of(node.volatile_tid)):
            return False
        if syncing(node) and not _backed(m, s, epoch_of(node.snapshot_tid)):
            return False
    for client in s.clients:
        if client.phase != Phase.IDLE and not _backed(m, s, epoch_of(client.prior_tid)):
            return False
        if in_session(client) and not _backed(m, s, client.epoch):
            return False
    return True


def a_promise_in_a_pocket_was_given(m: Setup, s: State) -> bool:
    """A master whose promise a client holds has promised its epoch, or a later one; to one client only."""
    for c, client in enumerate(s.clients):
        if client.phase == Phase.ELECT:
            for i, node in enumerate(s.nodes):
                if holds_reply(node, c) and (i >= m.masters or node.promised < client.epoch):
                    return False
                for d in range(c):
                    other = s.clients[d]
                    if other.phase == Phase.ELECT and other.epoch == client.epoch:
                        if holds_reply(node, c) and holds_reply(node, d):
                            return False
    return True


def nobody_can_win_an_epoch_that_was_won(m: Setup, s: State) -> bool:
    """If an epoch was won before, a majority has promised it, or a later one, without telling who asks for it now."""
    for c, client in enumerate(s.clients):
        if client.phase == Phase.ELECT and won(s, client.epoch):
            others = sum(
                1
                for i, node in enumerate(s.nodes)
                if i < m.masters and node.promised >= client.epoch and not holds_reply(node, c)
            )
            if others < majority(m):
                return False
    return True


def no_two_sessions_have_one_epoch(_m: Setup, s: State) -> bool:
    """Two clients that have both won have different epochs: the tids that they give are different."""
    for c, client in enumerate(s.clients):
        for d in range(c):
            if in_session(client) and in_session(s.clients[d]) and client.epoch == s.clients[d].epoch:
                return False
    return True


def what_was_recovered_is_known_exactly(_m: Setup, s: State) -> bool:
    """Every copy of the version that a session recovers from has the content that it found."""
    for c, client in enumerate(s.clients):
        if client.phase == Phase.RECOVER:
            if not nobody_else_has(s, client.prior_tid, client.prior_content):
                return False
            for d in range(c):
                other = s.clients[d]
                if other.phase == Phase.RECOVER and other.prior_tid == client.prior_tid:
                    if other.prior_content != client.prior_content:
                        return False
    return True


def _empty(tid: int, content: int) -> bool:
    return tid != 0 or content == 0


def the_first_version_is_empty(_m: Setup, s: State) -> bool:
    """Tid 0 is that of the version without any write."""
    for node in s.nodes:
        if not _empty(node.durable_tid, node.durable_content) or not _empty(node.volatile_tid, node.volatile_content):
            return False
        if syncing(node) and not _empty(node.snapshot_tid, node.snapshot_content):
            return False
    for client in s.clients:
        if client.phase == Phase.ELECT and not _empty(client.prior_tid, client.content):
            return False
        if in_session(client):
            if not _empty(client.tid, client.content) or not _empty(client.prior_tid, client.prior_content):
                return False
    return True


def no_version_is_a_mixture(m: Setup, s: State) -> bool:
    """Where copies are not made in place every version, wherever it is, is that of one tid."""
    mask = mixture(m)
    for node in s.nodes:
        if (node.durable_content | node.volatile_content | node.snapshot_content) & mask != 0:
            return False
    return not any((client.content | client.prior_content) & mask != 0 for client in s.clients)


def what_is_over_leaves_nothing_behind(_m: Setup, s: State) -> bool:
    """A node without a pass, and a client without a session, remember nothing of one; evidence is for an election."""
    for node in s.nodes:
        if not syncing(node):
            if node.snapshot_tid != 0 or node.snapshot_content != 0 or node.pass_epoch != 0:
                return False
            if node.sync == Sync.NONE and node.owner != 0:
                return False
    for client in s.clients:
        if client.phase == Phase.IDLE and (client.epoch != 0 or client.tid != 0 or client.content != 0):
            return False
        if client.phase != Phase.ELECT and (client.stale_promise or client.torn_evidence):
            return False
    return True


def a_node_that_is_away_takes_part_in_nothing(_m: Setup, s: State) -> bool:
    """A node that is not connected is write-disabled, and no pass copies to it."""
    return not any(not node.connected and (node.eligible or syncing(node)) for node in s.nodes)


def a_pass_never_goes_back(_m: Setup, s: State) -> bool:
    """The target of a pass is write-disabled, and what is copied is not behind what is on its media."""
    return not any(syncing(node) and (node.eligible or node.durable_tid > node.snapshot_tid) for node in s.nodes)


INDUCTIVE = (
    no_number_is_negative,
    no_media_is_blank_or_torn,
    memory_is_not_behind_media,
    a_write_disabled_node_has_nothing_dirty,
    no_version_is_of_a_later_epoch_than_was_promised,
    a_session_counts_in_its_own_epoch,
    a_pass_copies_a_version_of_its_session,
    no_replies_outlive_their_use,
    nothing_is_ahead_of_a_session_in_its_epoch,
    every_epoch_was_promised_by_a_majority,
    a_promise_in_a_pocket_was_given,
    nobody_can_win_an_epoch_that_was_won,
    no_two_sessions_have_one_epoch,
    what_was_recovered_is_known_exactly,
    the_first_version_is_empty,
    no_version_is_a_mixture,
    what_is_over_leaves_nothing_behind,
    a_node_that_is_away_takes_part_in_nothing,
    a_pass_never_goes_back,
    a_tid_has_one_content,
)
"""Together they are inductive, where no media is lost."""

CONSEQUENCES = (
    a_node_declared_synchronized_is,
    a_mixture_of_versions_never_looks_synchronized,
    the_focus_is_valid,
    msynced_and_ssynced_mean_what_they_say,
    two_views_that_may_both_write_share_a_master,
)
"""Invariants that follow from these in each state."""

WHERE_NO_MEDIA_IS_LOST = frozenset(
    {
        no_media_is_blank_or_torn,
        every_epoch_was_promised_by_a_majority,
        a_promise_in_a_pocket_was_given,
        nobody_can_win_an_epoch_that_was_won,
    }
)
"""A promise goes with the media that it was on: these say nothing where media is lost."""
WHERE_A_PASS_ENDS_WITH_ITS_SESSION = frozenset({a_pass_copies_a_version_of_its_session})


def strengthening(setup: Setup) -> tuple[Callable[[Setup, State], bool], ...]:
    """The inductive sentences that hold within these bounds, besides those that are checked anyway."""
    absent: set[Callable[[Setup, State], bool]] = {a_tid_has_one_content}
    if setup.losses:
        absent |= WHERE_NO_MEDIA_IS_LOST
    if setup.late_finish:
        absent |= WHERE_A_PASS_ENDS_WITH_ITS_SESSION
    return tuple(kept for kept in INDUCTIVE if kept not in absent)


def the_tid_on_media_never_falls(_m: Setup, before: State, after: State) -> bool:
    """No action sets media back to an earlier version."""
    return not any(after.nodes[i].durable_tid < node.durable_tid for i, node in enumerate(before.nodes))


def no_promise_is_taken_back(_m: Setup, before: State, after: State) -> bool:
    """What a node has promised it keeps."""
    return not any(after.nodes[i].promised < node.promised for i, node in enumerate(before.nodes))


def a_node_that_is_away_stays_as_it_is(_m: Setup, before: State, after: State) -> bool:
    """Nothing reaches a node that is not connected, and it does nothing."""
    for i, was in enumerate(before.nodes):
        now = after.nodes[i]
        if was.connected:
            continue
        if now.promised != was.promised or now.durable_tid != was.durable_tid or now.volatile_tid != was.volatile_tid:
            return False
        if now.eligible != was.eligible or now.blank != was.blank:
            return False
    return True
