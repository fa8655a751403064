"""Which states are the same: only the order of epochs, and of tids within their epoch, matters."""

from hammer2_spec.protocol.sessions import EPOCHS
from hammer2_spec.protocol.state import (
    SEQUENCES,
    Client,
    Node,
    Phase,
    Setup,
    State,
    epoch_of,
    sequence_of,
    syncing,
)


def _tids_of_node(node: Node, epoch: int) -> int:
    """The sequence numbers that a node mentions in an epoch, one bit each."""
    mask = 0
    if epoch_of(node.durable_tid) == epoch:
        mask |= 1 << sequence_of(node.durable_tid)
    if epoch_of(node.volatile_tid) == epoch:
        mask |= 1 << sequence_of(node.volatile_tid)
    if syncing(node) and epoch_of(node.snapshot_tid) == epoch:
        mask |= 1 << sequence_of(node.snapshot_tid)
    return mask


def _tids_of_client(client: Client, epoch: int) -> int:
    """The sequence numbers that a client mentions in an epoch, one bit each."""
    mask = 0
    if client.phase == Phase.IDLE:
        return mask
    if epoch_of(client.prior_tid) == epoch:
        mask |= 1 << sequence_of(client.prior_tid)
    if client.phase != Phase.ELECT and epoch_of(client.tid) == epoch:
        mask |= 1 << sequence_of(client.tid)
    return mask


def _epochs(s: State) -> int:
    """The epochs that a state mentions, one bit each; 0 always."""
    mask = 1
    for node in s.nodes:
        mask |= 1 << node.promised | 1 << epoch_of(node.durable_tid) | 1 << epoch_of(node.volatile_tid)
        if syncing(node):
            mask |= 1 << epoch_of(node.snapshot_tid) | 1 << node.pass_epoch
    for copy in s.soft:
        mask |= 1 << epoch_of(copy.tid)
    for client in s.clients:
        if client.phase != Phase.IDLE:
            mask |= 1 << client.epoch | 1 << epoch_of(client.prior_tid)
            if client.phase != Phase.ELECT:
                mask |= 1 << epoch_of(client.tid)
    if s.reading:
        mask |= 1 << epoch_of(s.read_tid)
    return mask


def _rank(mask: int, position: int) -> int:
    """How many bits are set below a position."""
    return (mask & ((1 << position) - 1)).bit_count()


def _sequences(s: State, epoch: int) -> int:
    """The sequence numbers that a state mentions in an epoch; 0 of epoch 0 always."""
    mask = int(epoch == 0)
    for node in s.nodes:
        mask |= _tids_of_node(node, epoch)
    for client in s.clients:
        mask |= _tids_of_client(client, epoch)
    for copy in s.soft:
        if epoch_of(copy.tid) == epoch:
            mask |= 1 << sequence_of(copy.tid)
    if s.reading and epoch_of(s.read_tid) == epoch:
        mask |= 1 << sequence_of(s.read_tid)
    return mask


def _renamed(tid: int, epoch: int, rank: int, sequences: int) -> int:
    """A tid of this epoch with epoch and sequence number replaced by their ranks; any other as it is."""
    if epoch_of(tid) != epoch:
        return tid
    return rank * SEQUENCES + _rank(sequences, sequence_of(tid))


def _renamed_epoch(number: int, epoch: int, rank: int) -> int:
    """The rank of this epoch; any other as it is."""
    if number != epoch:
        return number
    return rank


def _renamed_node(node: Node, epoch: int, rank: int, sequences: int) -> Node:
    node = node._replace(
        promised=_renamed_epoch(node.promised, epoch, rank),
        durable_tid=_renamed(node.durable_tid, epoch, rank, sequences),
        volatile_tid=_renamed(node.volatile_tid, epoch, rank, sequences),
    )
    if syncing(node):
        node = node._replace(
            snapshot_tid=_renamed(node.snapshot_tid, epoch, rank, sequences),
            pass_epoch=_renamed_epoch(node.pass_epoch, epoch, rank),
        )
    return node


def _renamed_client(client: Client, epoch: int, rank: int, sequences: int) -> Client:
    if client.phase == Phase.IDLE:
        return client
    client = client._replace(
        epoch=_renamed_epoch(client.epoch, epoch, rank), prior_tid=_renamed(client.prior_tid, epoch, rank, sequences)
    )
    if client.phase != Phase.ELECT:
        client = client._replace(tid=_renamed(client.tid, epoch, rank, sequences))
    return client


MOST_SPREAD = EPOCHS // 2
"""So many epochs fit if there is to be one between any two, and one above."""


def _spread(tid: int) -> int:
    """A tid, its epoch doubled."""
    return tid + epoch_of(tid) * SEQUENCES


def _spread_node(node: Node) -> Node:
    return node._replace(
        promised=2 * node.promised,
        durable_tid=_spread(node.durable_tid),
        volatile_tid=_spread(node.volatile_tid),
        snapshot_tid=_spread(node.snapshot_tid),
        pass_epoch=2 * node.pass_epoch,
    )


def _spread_client(client: Client) -> Client:
    return client._replace(epoch=2 * client.epoch, tid=_spread(client.tid), prior_tid=_spread(client.prior_tid))


def ranked(m: Setup, s: State) -> State | None:
    """The state with epochs, and sequence numbers within their epoch, replaced by their ranks: only order matters.

    The ranks of lower epochs are below the epochs that are still to be renamed, so one never meets the other.
    Where a client may choose an epoch between two others, ranks are even; None where these become too many.
    """
    if not m.rank_tids:
        return s
    epochs = _epochs(s)
    if m.free_epochs and epochs.bit_count() > MOST_SPREAD:
        return None
    for epoch in range(EPOCHS):
        if (epochs >> epoch) & 1 == 1:
            rank = _rank(epochs, epoch)
            sequences = _sequences(s, epoch)
            s = s._replace(
                nodes=tuple(_renamed_node(node, epoch, rank, sequences) for node in s.nodes),
            )
            s = s._replace(
                clients=tuple(_renamed_client(client, epoch, rank, sequences) for client in s.clients),
            )
            s = s._replace(
                soft=tuple(copy._replace(tid=_renamed(copy.tid, epoch, rank, sequences)) for copy in s.soft),
            )
            s = s._replace(read_tid=_renamed(s.read_tid, epoch, rank, sequences))
    if not m.free_epochs:
        return s
    s = s._replace(nodes=tuple(_spread_node(node) for node in s.nodes))
    s = s._replace(clients=tuple(_spread_client(client) for client in s.clients))
    s = s._replace(soft=tuple(copy._replace(tid=_spread(copy.tid)) for copy in s.soft))
    return s._replace(read_tid=_spread(s.read_tid))
