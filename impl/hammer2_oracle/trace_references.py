"""That a trace is whole: every number in it refers to an object that is there by then, and all data has its size."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn

from msgspec import UNSET, ValidationError

from hammer2_oracle import trace_record as records
from hammer2_spec.vocabulary import INODE_BYTES

MOST_DATA: Final = 2**20
"""Bytes of one chain; HAMMER2's largest block has 2^16."""


def _refuse(path: str, found: object, expected: str) -> NoReturn:
    raise ValidationError(f"{found} is not there, expected {expected} - at `$.{path}`")


class Objects:
    """How many objects there are, so far in the trace."""

    def __init__(self, world: records.World) -> None:
        self._pmps = len(world.pmps)
        self._inodes = len(world.inodes)
        self._clusters = 0
        self._bytes: list[int] = []
        self.add_chains(world.chains, "world.chains")
        for i, cluster in enumerate(world.clusters):
            self.add_cluster(cluster, f"world.clusters[{i}]")

    def _expect(self, number: int | None, count: int, path: str) -> None:
        if number is not None and number >= count:
            _refuse(path, number, f"0..{count - 1}" if count else "null")

    def chain(self, number: int | None, path: str) -> None:
        """Refuse a chain that is not there."""
        self._expect(number, len(self._bytes), path)

    def _data(self, runs: records.Runs | None, size: int, path: str) -> None:
        if runs is not None:
            total = sum(count for count, _ in runs)
            least = max(INODE_BYTES, size)
            if not least <= total <= MOST_DATA:
                raise ValidationError(f"Expected counts that sum to {least}..{MOST_DATA}, got {total} - at `$.{path}`")

    def add_chains(self, chains: Sequence[records.ChainRecord], path: str) -> None:
        """New chains; their parents may be among them."""
        self._bytes.extend(chain.bytes for chain in chains)
        for i, chain in enumerate(chains):
            self.chain(chain.parent, f"{path}[{i}].parent")
            self._expect(chain.pmp, self._pmps, f"{path}[{i}].pmp")
            self._data(chain.data, chain.bytes, f"{path}[{i}].data")

    def add_cluster(self, cluster: records.ClusterRecord, path: str) -> None:
        """A new cluster."""
        self._clusters += 1
        self._expect(cluster.pmp, self._pmps, f"{path}.pmp")
        self.chain(cluster.focus, f"{path}.focus")
        for i, chain in enumerate(cluster.slots):
            self.chain(chain, f"{path}.slots[{i}]")

    def assign(self, assignments: Iterable[tuple[int, str, int | None]], path: str) -> None:
        """Fields of chains are assigned."""
        for i, (number, name, value) in enumerate(assignments):
            self.chain(number, f"{path}[{i}][0]")
            if name == "parent":
                self.chain(value, f"{path}[{i}][2]")
            elif name == "pmp":
                self._expect(value, self._pmps, f"{path}[{i}][2]")
            elif value is None and name != "hmp":
                raise ValidationError(f"Expected `int`, got `null` - at `$.{path}[{i}][2]`")
            elif name == "bytes" and value is not None:
                self._bytes[number] = value

    def arguments(self, args: Any, path: str) -> None:  # noqa: ANN401 - a record whose class depends on the operation
        """The objects that an operation is about."""
        for name in ("cluster", "cparent"):
            self._expect(getattr(args, name, None), self._clusters, f"{path}.{name}")
        self.chain(getattr(args, "chain", None), f"{path}.chain")
        self._expect(getattr(args, "ip", None), self._inodes, f"{path}.ip")
        pmp = getattr(args, "pmp", UNSET)
        if isinstance(pmp, list):
            for i, change in enumerate(pmp):
                self._expect(change.pmp, self._pmps, f"{path}.pmp[{i}][0]")
        elif isinstance(pmp, int):
            self._expect(pmp, self._pmps, f"{path}.pmp")
        self.assign(getattr(args, "set", None) or (), f"{path}.set")
        for i, (number, *_) in enumerate(getattr(args, "poke", None) or ()):
            self.chain(number, f"{path}.poke[{i}][0]")

    def effects(self, fx: Any, path: str) -> None:  # noqa: ANN401 - a record whose class depends on the call
        """What a call changes, in the order in which it does."""
        self.add_chains(fx.new or (), f"{path}.new")
        self.assign(fx.set or (), f"{path}.set")
        for i, (number, runs) in enumerate(fx.data or ()):
            self.chain(number, f"{path}.data[{i}][0]")
            self._data(runs, self._bytes[number], f"{path}.data[{i}][1]")
        for name in ("parent", "chain"):
            self.chain(getattr(fx, name, None) or None, f"{path}.{name}")
        if isinstance(fx, records.Found):
            self.chain(fx.ret, f"{path}.ret")
        if isinstance(fx, records.InodeCreated):
            self._expect(fx.ip, self._inodes, f"{path}.ip")
            if fx.cluster is not None:
                self.add_cluster(fx.cluster, f"{path}.cluster")

    def call(self, call: records.AnyCall, path: str) -> None:
        """A call, and what it makes or changes."""
        if isinstance(call, records.Kmalloc):
            self._clusters += 1
        fx = getattr(call, "fx", UNSET)
        if fx is not UNSET:
            self.effects(fx, f"{path}.fx")


def require_whole(trace: records.Trace) -> None:
    """Raises msgspec.ValidationError, with the path of the field, if the trace refers to what is not there."""
    objects = Objects(trace.world)
    for n, step in enumerate(trace.steps):
        if n and trace.steps[n - 1].outcome != "ok":
            path = f"steps[{n - 1}].outcome"
            raise ValidationError(
                f"Expected `ok`, because steps follow, got `{trace.steps[n - 1].outcome}` - at `$.{path}`"
            )
        objects.arguments(step.args, f"steps[{n}].args")
        for i, call in enumerate(step.calls):
            objects.call(call, f"steps[{n}].calls[{i}]")
