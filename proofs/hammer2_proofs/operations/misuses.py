"""Calls that break a contract: what the KKASSERTs are for, which stand where the original has them, repaired or not.

Whoever runs the operations with their contracts sees a violated contract instead; these calls are made without.
"""

from collections.abc import Callable, Coroutine
from inspect import unwrap
from typing import Any, NamedTuple

from hammer2_cluster import accessors, data, life_cycle, locking, lookups, modifying, topology
from hammer2_cluster.model import NodeSpec
from hammer2_cluster.objects import Cluster, Pfs
from hammer2_cluster.outcomes import Fatal, deref
from hammer2_cluster.snapshot import snapshot
from hammer2_proofs.operations.client import Client
from hammer2_proofs.operations.search import Script
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import BrefType, ChainFlag, ClusterFlag, Resolve

TOP = object()
"""The locked cluster of two masters."""
Act = Callable[[Client, Cluster], None]


def call(client: Client, operation: Callable[..., Any], *args: object) -> None:
    """Perform an operation without its contracts."""
    result = unwrap(operation)(*args)
    if isinstance(result, Coroutine):
        client.run(result)


class Misused(NamedTuple):
    """A call that breaks a contract, on a locked cluster of two masters."""

    sentence: str
    act: Act
    outcome: str
    """How it ends, or what is printed; empty if nothing comes of it."""

    def is_well(self) -> bool:
        """It ends, or is reported, as the original does."""
        client = Client((NodeSpec(), NodeSpec()), 2, REPAIRED, Script())
        top = client.top()
        client.lock(top)
        client.model.notes.clear()
        try:
            self.act(client, top)
        except Fatal as fatal:
            return str(fatal) == self.outcome
        return not self.outcome or any(note[0] == self.outcome for note in client.model.notes)


def _without_a_reference(operation: Callable[..., Any], refs: int = 0) -> Act:
    def act(client: Client, top: Cluster) -> None:
        top.refs = refs
        call(client, operation, client.on, top)

    return act


def _lock_a_template(client: Client, top: Cluster) -> None:
    client.unlock(top)
    top.flags |= ClusterFlag.INODE
    call(client, locking.lock, client.on, top, Resolve.ALWAYS)


def _lock_twice(client: Client, top: Cluster) -> None:
    call(client, locking.lock, client.on, top, Resolve.ALWAYS)


def _unlock_twice(client: Client, top: Cluster) -> None:
    client.ref(top)
    client.unlock(top)
    for _, chain in top.members():
        chain.locks += 1
    call(client, locking.unlock, client.on, top)


def _of_other_kinds(client: Client, top: Cluster) -> None:
    other = client.copy(top)
    other.pmp = Pfs(9, top.pmp.pfs_types if top.pmp else (), 2)
    call(client, modifying.resize, client.on, None, top, other, 10, 0)


def _unmodified(operation: Callable[..., Any], *args: object) -> Act:
    def act(client: Client, top: Cluster) -> None:
        on = () if operation is data.wdata else (client.on,)
        call(client, operation, *on, top, *args)

    return act


def _copy_a_block_table(block: int) -> Act:
    def act(client: Client, top: Cluster) -> None:
        client.modify(top)
        for _, chain in top.members():
            chain.bref.type, chain.parent = block, None
        call(client, modifying.modsync, client.on, top)

    return act


def _with_null(operation: Callable[..., Any], *rest: object, runner: bool = True) -> Act:
    def act(client: Client, _: Cluster) -> None:
        call(client, operation, *((client.on,) if runner else ()), *rest)

    return act


def _without_a_focus(operation: Callable[..., Any]) -> Act:
    def act(client: Client, top: Cluster) -> None:
        top.focus = None
        call(client, operation, top)

    return act


def _edited_without_data(client: Client, top: Cluster) -> None:
    client.modify(top)
    deref(top.focus).data = None
    call(client, modifying.modsync, client.on, top)


def _of_no_bytes(client: Client, top: Cluster) -> None:
    client.modify(top)
    for _, chain in top.members():
        chain.bref.type, chain.bytes = BrefType.DATA, 0
    deref(top.focus).data = None
    call(client, modifying.modsync, client.on, top)


def _given_no_parent(client: Client, top: Cluster) -> None:
    call(client, topology.rename, client.on, None, top, 0, None)


def _half_modified(client: Client, top: Cluster) -> None:
    top.array[0].chain.flags |= ChainFlag.MODIFIED  # type: ignore[union-attr]  # two masters
    top.array[1].chain.flags |= ChainFlag.UNLINKED  # type: ignore[union-attr]  # the same
    call(client, accessors.setmethod_check, client.on, top, 3)


def _with_a_null(operation: Callable[..., Any], *args: object) -> Act:
    """One of two clusters is missing: the other one takes the place of TOP."""

    def act(client: Client, top: Cluster) -> None:
        call(client, operation, client.on, *(top if arg is TOP else arg for arg in args))

    return act


MISUSES = [
    Misused("a drop of what is not referenced", _without_a_reference(life_cycle.drop), "kkassert:L305"),
    Misused("an unlock of what is not referenced", _without_a_reference(locking.unlock), "kkassert:L601"),
    Misused("a drop of what was dropped too often", _without_a_reference(life_cycle.drop, -1), "kkassert:L305"),
    Misused("an unlock of what was unlocked too often", _without_a_reference(locking.unlock, -1), "kkassert:L601"),
    Misused("a lock of an inode's own cluster", _lock_a_template, "kkassert:L354"),
    Misused("a second lock", _lock_twice, "already locked"),
    Misused("a second unlock", _unlock_twice, "not locked"),
    Misused("a resize under a parent of another PFS", _of_other_kinds, "kkassert:L632"),
    Misused("a check method for what is not modified", _unmodified(accessors.setmethod_check, 3), "kkassert:L233"),
    Misused("a check method for what is half modified", _half_modified, "kkassert:L233"),
    Misused("a modsync of what is not modified", _unmodified(modifying.modsync), "kkassert:L720"),
    Misused("a write to what is not modified", _unmodified(data.wdata), "kkassert:L1274"),
    *(
        Misused(f"a modsync of {block.name}", _copy_a_block_table(block), "panic:illegal_node_type")
        for block in (BrefType.FREEMAP_NODE, BrefType.FREEMAP_LEAF, BrefType.FREEMAP, BrefType.VOLUME)
    ),
    *(
        Misused(f"a modsync of {block.name}", _copy_a_block_table(block), "panic:unknown_node_type")
        for block in (BrefType.EMPTY, BrefType.INDIRECT, BrefType.UNUSED04)
    ),
    Misused("a modsync of what has no data", _edited_without_data, "fault"),
    Misused("a modsync of what has no bytes either", _of_no_bytes, ""),
    Misused("a rename without a parent", _given_no_parent, "fault"),
    *(
        Misused(f"{operation.__name__} of NULL", _with_null(operation, None, runner=False), "fault")
        for operation in (
            accessors.type, accessors.modified, accessors.bref, accessors.isunlinked, data.rdata, data.wdata,
        )
    ),
    *(
        Misused(f"{operation.__name__} of NULL", _with_null(operation, None, 1, runner=False), "fault")
        for operation in (accessors.need_resize, accessors.set_chainflags, accessors.clr_chainflags)
    ),
    *(
        Misused(f"{operation.__name__} of NULL", _with_null(operation, None), "fault")
        for operation in (
            accessors.setflush, life_cycle.from_chain, life_cycle.ref, life_cycle.drop, life_cycle.wait,
            life_cycle.copy, locking.resolve, locking.unlock, lookups.parent, modifying.modsync,
        )
    ),
    *(
        Misused(f"{operation.__name__} where the {what} is NULL", _with_a_null(operation, *args), "fault")
        for what, operation, *args in (
            ("parent", lookups.lookup_init, None, 0),
            ("parent", lookups.lookup, None, 0, 0, 9, 0),
            ("parent", lookups.next, None, TOP, 0, 0, 9, 0),
            ("cluster", lookups.next, TOP, None, 0, 0, 9, 0),
            ("parent", modifying.resize, None, None, TOP, 10, 0),
            ("cluster", modifying.resize, None, TOP, None, 10, 0),
            ("inode", modifying.modify_ip, None, TOP, 0),
            ("parent", topology.create, None, None, None, 9, 0, BrefType.INODE, 1024, 0),
            ("parent of what is supplied", topology.create, None, None, TOP, 9, 0, BrefType.INODE, 1024, 0),
            ("cluster", topology.rename, TOP, None, 0, None),
            ("cluster", topology.delete, TOP, None, 0),
        )
    ),
    Misused("setmethod_check of NULL", _with_null(accessors.setmethod_check, None, 1), "fault"),
    Misused("lock of NULL", _with_null(locking.lock, None, 3), "fault"),
    Misused("resize of NULL", _with_null(modifying.resize, None, None, None, 10, 0), "fault"),
    Misused("modify of NULL", _with_null(modifying.modify, None, 0), "fault"),
    Misused("modify_ip of NULL", _with_null(modifying.modify_ip, None, None, 0), "fault"),
    Misused("load_async of NULL", _with_null(data.load_async, None, print, None), "fault"),
    Misused("snapshot of NULL", _with_null(snapshot, None, "now"), "fault"),
    *(
        Misused(f"{operation.__name__} without a focus", _without_a_focus(operation), "fault")
        for operation in (accessors.type, accessors.modified, accessors.bref, data.rdata, data.wdata)
    ),
]  # fmt: skip
"""One call for each condition that the original asserts, and for each pointer that it follows unseen."""
