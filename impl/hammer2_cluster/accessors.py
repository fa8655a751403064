"""Reading a cluster, and flags on all of its chains (L118-238, L1254-1276).

All but setflush look at memory only, so they are plain functions: nothing can wait.
"""

from dataclasses import replace

from hammer2_cluster.contracts import always, before, cluster_must_be
from hammer2_cluster.objects import Blockref, Chain, Cluster
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_cluster.standing import writable
from hammer2_spec import cluster_rules as rules
from hammer2_spec.vocabulary import OFF_MASK_RADIX, ChainFlag, enc_check


def _members(cluster: Cluster) -> list[Chain]:
    return [chain for _, chain in cluster.members()]


def _written(on: Runner, cluster: Cluster) -> list[Chain]:
    slots = writable(on, cluster)
    return [chain for i, chain in cluster.members() if i in slots]


def _flags(cluster: Cluster | None) -> list[int]:
    return [] if cluster is None else [chain.flags for chain in _members(cluster)]


@always(
    lambda cluster, bytes, result: result == (0 if all(chain.bytes == bytes for chain in _members(cluster)) else 1),
    "0 if every chain has the size, else 1",
)
def need_resize(cluster: Cluster | None, bytes: int) -> int:
    """1 if the size of some present chain is not so many bytes, else 0 (L118-133). Raises NullDereference for NULL."""
    return int(any(chain.bytes != bytes for _, chain in deref(cluster).members()))


@always(lambda cluster, result: result == cluster.focus.bref.type, "the focus tells")
def type(cluster: Cluster | None) -> int:
    """The focus's BrefType (L135-139). Raises NullDereference without a focus, or for NULL."""
    return deref(deref(cluster).focus).bref.type


@always(lambda cluster, result: result == cluster.focus.flags & 1, "the lowest of the focus's flags, MODIFIED")
def modified(cluster: Cluster | None) -> int:
    """1 if the focus is MODIFIED, else 0 (L141-145). Raises NullDereference without a focus, or for NULL."""
    return int(bool(deref(deref(cluster).focus).flags & ChainFlag.MODIFIED))


@always(
    lambda cluster, result: result.data_off == cluster.focus.bref.data_off % (OFF_MASK_RADIX + 1),
    "the size radix, but no media offset: that is a node's own",
)
@always(
    lambda cluster, result: replace(result, data_off=0) == replace(cluster.focus.bref, data_off=0),
    "all else is the focus's",
)
@always(lambda cluster, result: result is not cluster.focus.bref, "a copy, which the caller may change")
def bref(cluster: Cluster | None) -> Blockref:
    """The focus's blockref with the size radix, but without the media offset, a node's own (L147-159).

    Raises NullDereference without a focus.
    """
    focus = deref(deref(cluster).focus)
    return replace(focus.bref, data_off=focus.bref.data_off & OFF_MASK_RADIX)


@always(
    lambda cluster, result: (
        result == (ChainFlag.UNLINKED if any(flags & ChainFlag.UNLINKED for flags in _flags(cluster)) else 0)
    ),
    "UNLINKED if one of the chains is, else 0",
)
def isunlinked(cluster: Cluster | None) -> int:
    """The UNLINKED bit (8) if it is set on any present chain, else 0 (L161-181). The cluster need not be locked.

    Raises NullDereference for NULL.
    """
    is_unlinked = any(chain.flags & ChainFlag.UNLINKED for _, chain in deref(cluster).members())
    return ChainFlag.UNLINKED if is_unlinked else 0


@before("flags", _flags)
@always(
    lambda cluster, flags, OLD: _flags(cluster) == [was | flags for was in OLD.flags],
    "every chain has the flags, and those that it had",
)
def set_chainflags(cluster: Cluster | None, flags: int) -> None:
    """Set flags (unsigned 32-bit) on every present chain (L183-194). Raises NullDereference for NULL."""
    for _, chain in deref(cluster).members():
        chain.flags |= flags


@before("flags", _flags)
@always(
    lambda cluster, flags, OLD: _flags(cluster) == [was & ~flags for was in OLD.flags],
    "no chain has the flags, and all keep their others",
)
def clr_chainflags(cluster: Cluster | None, flags: int) -> None:
    """Clear flags (unsigned 32-bit) on every present chain (L196-207). Raises NullDereference for NULL."""
    for _, chain in deref(cluster).members():
        chain.flags &= ~flags


@cluster_must_be(rules.is_referenced)
async def setflush(on: Runner, cluster: Cluster | None) -> None:
    """Schedule every present chain for the next flush (L209-220)."""
    cluster = deref(cluster)
    items = cluster.array

    async def setflush_member(i: int) -> None:
        on.chains.setflush(deref(items[i].chain))

    await on.tell(cluster, setflush_member)


@before("compression", lambda on, cluster: [chain.bref.methods & 0x0F for chain in _written(on, deref(cluster))])
@always(
    lambda on, cluster, check_algo, OLD: (
        [chain.bref.methods for chain in _written(on, cluster)]
        == [enc_check(check_algo) + compression for compression in OLD.compression]
    ),
    "every chain that is written has the check algorithm, and keeps its compression",
)
def setmethod_check(on: Runner, cluster: Cluster | None, check_algo: int) -> None:
    """Set the check algorithm of every present chain (L222-238); only its low four bits count.

    When repaired, of those that may be written: no others are modified. Raises KernelAssert L233 at the first chain
    that is not MODIFIED; those before it are changed by then; NullDereference for NULL.
    """
    for chain in _written(on, deref(cluster)):
        kkassert(chain.flags & ChainFlag.MODIFIED, "L233")
        chain.bref.methods = chain.bref.methods & ~enc_check(-1) | enc_check(check_algo)
