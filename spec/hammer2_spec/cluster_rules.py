"""What the claims C10-C71 demand of the operations, as sentences about clusters.

The operations' contracts and the judge of the model runs call these by name. A cluster is anything with the fields of
hammer2_cluster.
"""
# ruff: noqa: D102 - the fields mean what they mean in hammer2_cluster.objects

from collections.abc import Sequence
from typing import Protocol

from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK, ChainFlag, ClusterFlag


class BlockrefView(Protocol):
    """The fields of a blockref that the sentences speak of."""

    @property
    def type(self) -> int: ...
    @property
    def key(self) -> int: ...
    @property
    def keybits(self) -> int: ...


class ChainView(Protocol):
    """The fields of a chain that the sentences speak of."""

    @property
    def bref(self) -> BlockrefView: ...
    @property
    def bytes(self) -> int: ...
    @property
    def flags(self) -> int: ...
    @property
    def error(self) -> int: ...
    @property
    def refs(self) -> int: ...
    @property
    def locks(self) -> int: ...
    @property
    def data(self) -> bytearray | None: ...


class ItemView(Protocol):
    """A member slot."""

    @property
    def chain(self) -> ChainView | None: ...
    @property
    def owes(self) -> int: ...


class ClusterView(Protocol):
    """The fields of a cluster that the sentences speak of."""

    @property
    def refs(self) -> int: ...
    @property
    def flags(self) -> int: ...
    @property
    def nchains(self) -> int: ...
    @property
    def error(self) -> int: ...
    @property
    def focus(self) -> ChainView | None: ...
    @property
    def array(self) -> Sequence[ItemView]: ...


def chains_of(cluster: ClusterView) -> list[ChainView]:
    """The chains that its member slots hold. One that owes an answer counts as absent."""
    return [item.chain for item in cluster.array[: cluster.nchains] if item.chain is not None and not item.owes]


def is_locked(cluster: ClusterView) -> bool:
    """The cluster is flagged LOCKED."""
    return cluster.flags & ClusterFlag.LOCKED != 0


def is_not_locked(cluster: ClusterView) -> bool:
    """The cluster is not flagged LOCKED."""
    return not is_locked(cluster)


def is_referenced(cluster: ClusterView) -> bool:
    """The cluster has a reference (C22)."""
    return cluster.refs > 0


def is_unlocked_before_its_last_reference_is_dropped(cluster: ClusterView) -> bool:
    """A lock is not left behind by dropping the last reference of a locked cluster that has members (C22)."""
    return cluster.refs > 1 or is_not_locked(cluster) or not has_members(cluster)


def is_a_copy(cluster: ClusterView) -> bool:
    """The cluster is no inode's own template: that one is never locked (L353)."""
    return cluster.flags & ClusterFlag.INODE == 0


def the_focus_is_none_or_a_member(cluster: ClusterView) -> bool:
    """The focus is none, or one of the cluster's own chains (C30)."""
    return cluster.focus is None or any(chain is cluster.focus for chain in chains_of(cluster))


def an_unlocked_cluster_has_no_focus(cluster: ClusterView) -> bool:
    """Locking sets the focus and unlocking clears it (C25, C30)."""
    return is_locked(cluster) or cluster.focus is None


def no_slot_holds_a_released_chain(cluster: ClusterView) -> bool:
    """Every chain in a slot is referenced at least as often as the cluster (C21, C22), slots beyond nchains too."""
    return all(item.chain is None or item.chain.refs >= cluster.refs for item in cluster.array)


def slots_beyond_nchains_are_empty(cluster: ClusterView) -> bool:
    """There are no members beyond nchains."""
    return all(item.chain is None for item in cluster.array[cluster.nchains :])


def what_is_locked_holds_its_chains_locked(cluster: ClusterView) -> bool:
    """All chains of a locked cluster are locked (C30)."""
    return not is_locked(cluster) or all(chain.locks > 0 for chain in chains_of(cluster))


def without_an_error_there_is_a_focus_without_error(cluster: ClusterView) -> bool:
    """Whoever sees no error may read through the focus (C33, C35)."""
    return cluster.error != 0 or (cluster.focus is not None and cluster.focus.error == 0)


def can_be_read(cluster: ClusterView) -> bool:
    """hammer2_cluster_rdok() (C41)."""
    return cluster.flags & CLUSTER_RDOK != 0


def can_be_written(cluster: ClusterView) -> bool:
    """hammer2_cluster_wrok() (C41)."""
    return cluster.flags & CLUSTER_WROK != 0


def an_error_grants_no_access(cluster: ClusterView) -> bool:
    """A cluster that is locked and has an error can be neither read nor written (C33, C41)."""
    return cluster.error == 0 or is_not_locked(cluster) or not (can_be_read(cluster) or can_be_written(cluster))


def the_focus_is_modified(cluster: ClusterView) -> bool:
    """The focus is MODIFIED, without error; its data may have gone with its old size (C50)."""
    focus = cluster.focus
    return focus is not None and focus.error == 0 and focus.flags & ChainFlag.MODIFIED != 0


def the_focus_can_be_written(cluster: ClusterView) -> bool:
    """The focus is MODIFIED, without error, and its data is there (C52)."""
    focus = cluster.focus
    return the_focus_is_modified(cluster) and focus is not None and focus.data is not None


def members_agree_on_what_they_found(cluster: ClusterView) -> bool:
    """All members have the same type, key, keybits and size (C63)."""
    return len({(c.bref.type, c.bref.key, c.bref.keybits, c.bytes) for c in chains_of(cluster)}) <= 1


def has_members(cluster: ClusterView) -> bool:
    """At least one slot holds a chain."""
    return bool(chains_of(cluster))
