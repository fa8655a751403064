"""What an operation changes, as whoever looks at the world before it and after it sees it."""

import operator
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from msgspec import UNSET

from hammer2_cluster.objects import Chain, Cluster, Inode
from hammer2_oracle.recorded import number, pack
from hammer2_oracle.trace_record import CHAIN_FIELDS, ChainChange, ChainRecord, ClusterRecord, Runs, State
from hammer2_spec.vocabulary import INODE_BYTES

Fields: TypeAlias = tuple[Any, ...]
"""The fields of a chain or a cluster in the order in which records have them, with objects for numbers."""

_POINTERS: Final = frozenset({"parent", "pmp"})
_BYTES: Final = CHAIN_FIELDS.index("bytes")

_chain_fields = attrgetter(
    "bref.type", "bref.methods", "bref.copyid", "bref.keybits", "bref.vradix", "bref.flags",
    "bref.key", "bref.mirror_tid", "bref.modify_tid", "bref.data_off",
    "bytes", "flags", "error", "parent", "hmp", "pmp", "refs", "locks",
)  # fmt: skip
_cluster_fields = attrgetter("pmp", "refs", "flags", "nchains", "focus", "error", "ddflag")


class Seen(Protocol):
    """A world that can be looked at."""

    @property
    def chains(self) -> Sequence[Chain]:
        """By number."""

    @property
    def clusters(self) -> Mapping[int, Cluster]:
        """Those that live."""

    @property
    def inodes(self) -> Sequence[Inode]:
        """By number."""

    @property
    def freed(self) -> Sequence[int]:
        """The clusters that have been freed since it was looked at, or longer ago."""


class Chains(NamedTuple):
    """Chains as they stand."""

    fields: list[Fields]
    """Of each; all but the data."""
    data: list[bytes | None]

    def differing(self, was: "Chains") -> list[int]:
        """Those that are new, or not as they were."""
        if self == was:
            return []
        same = map(operator.eq, self.fields, was.fields), map(operator.is_, self.data, was.data)
        old = [n for n, (fields, data) in enumerate(zip(*same, strict=True)) if not (fields and data)]
        return [*old, *range(len(was.fields), len(self.fields))]

    def record(self, n: int) -> ChainRecord:
        """A chain as a record."""
        return ChainRecord(*self._whole(n))

    def records(self) -> list[ChainRecord]:
        """All chains as records."""
        return [*map(self.record, range(len(self.fields)))]

    def _whole(self, n: int) -> list[Any]:
        return [*map(written, CHAIN_FIELDS, self.fields[n]), self.data_record(n)]

    def data_record(self, n: int) -> Runs | None:
        """A chain's data as records have it."""
        data = self.data[n]
        return None if data is None else _packed(data[: max(INODE_BYTES, self.fields[n][_BYTES])])

    def change(self, n: int, was: "Chains") -> ChainChange:
        """What has changed of a chain; all of a new one."""
        if n >= len(was.fields):
            return ChainChange(*self._whole(n))
        pairs = zip(CHAIN_FIELDS, self.fields[n], was.fields[n], strict=False)
        change = ChainChange(**{name: written(name, new) for name, new, old in pairs if new != old})
        if self.data[n] is not was.data[n]:
            change.data = self.data_record(n)
        return change


def look(chains: Sequence[Chain], was: Chains | None = None) -> Chains:
    """Chains as they stand. Data that is as it was when they were looked at before is the same object."""
    kept = zip_longest((chain.data for chain in chains), was.data if was else ())
    data = [None if now is None else before if now == before else bytes(now) for now, before in kept]
    return Chains([*map(_chain_fields, chains)], data)


class Watch:
    """Looks at a world again and again, and says what has changed."""

    def __init__(self, world: Seen) -> None:
        self.world: Final = world
        self.chains = look(world.chains)
        """As they were seen last."""
        self._clusters = self._see_clusters()
        self._inodes = self._see_inodes()

    def _see_clusters(self) -> dict[int, Fields]:
        return {number: _see_cluster(cluster) for number, cluster in self.world.clusters.items()}

    def _see_inodes(self) -> list[int]:
        return [inode.flags for inode in self.world.inodes]

    def changes(self) -> State:
        """What has changed since this was asked before."""
        was = self.chains
        clusters, chains, inodes = self._see_clusters(), look(self.world.chains, was), self._see_inodes()
        state = State(
            {n: _record_of_cluster(seen) for n, seen in clusters.items() if seen != self._clusters.get(n)} or UNSET,
            sorted(n for n in self.world.freed if n in self._clusters) or UNSET,
            {n: chains.change(n, was) for n in chains.differing(was)} or UNSET,
            {n: new for n, (new, old) in enumerate(zip(inodes, self._inodes, strict=True)) if new != old} or UNSET,
        )
        self._clusters, self.chains, self._inodes = clusters, chains, inodes
        return state


def written(name: str, value: Any) -> Any:  # noqa: ANN401 - any field
    """A field as records have it."""
    return number(value) if name in _POINTERS else value


@lru_cache(256)
def _packed(data: bytes) -> Runs:
    return pack(data)


def cluster_record(cluster: Cluster) -> ClusterRecord:
    """A cluster as it stands, as a record."""
    return _record_of_cluster(_see_cluster(cluster))


def _see_cluster(k: Cluster) -> Fields:
    return (*_cluster_fields(k), [item.chain for item in k.array], [item.cache_index for item in k.array])


def _record_of_cluster(seen: Fields) -> ClusterRecord:
    pmp, refs, flags, nchains, focus, error, ddflag, slots, cache = seen
    return ClusterRecord(
        number(pmp), refs, flags, nchains, number(focus), error, ddflag, [number(chain) for chain in slots], cache
    )
