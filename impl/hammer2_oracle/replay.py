"""Replay of a recorded trace: the same calls below, outcome, result and state after every step."""

from collections.abc import Callable, Coroutine, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

from icontract import ViolationError
from msgspec import UNSET, Struct

from hammer2_cluster import (
    accessors,
    data,
    life_cycle,
    locking,
    lookups,
    modifying,
    topology,
)
from hammer2_cluster.objects import Chain, Cluster, Inode, Iocb
from hammer2_cluster.outcomes import Fatal
from hammer2_cluster.snapshot import snapshot
from hammer2_cluster.straight import Straight
from hammer2_oracle.recorded import Diverged, Recorded, RecordedWorld, blockref_record, number, pack
from hammer2_oracle.trace_record import (
    OPERATIONS,
    STEPS,
    AnyCall,
    ChainChange,
    ClusterRecord,
    CreateResult,
    FoundResult,
    LoadResult,
    State,
    Step,
    Trace,
)
from hammer2_spec.semantics import SEED, Semantics
from hammer2_spec.vocabulary import INODE_BYTES

Args: TypeAlias = Any
"""A strict record whose class depends on the operation."""
CONTRACT: Final = "contract: "
"""What the outcome begins with of a call that the repaired operations do not allow."""


class Divergence(Struct):
    """Where a trace and the implementation part."""

    id: str
    step: int
    op: str
    field: str
    expected: object
    """What the reference does."""
    got: object
    """What the record says."""


def compare_result(recorded: object, ours: object) -> None:
    """Compare what an operation returned. Raises Diverged."""
    if isinstance(ours, Struct) and type(ours) is type(recorded):
        for name in ours.__struct_fields__:
            if getattr(ours, name) != getattr(recorded, name):
                raise Diverged(f"result.{name}", getattr(ours, name), getattr(recorded, name))
    elif ours != recorded:
        raise Diverged("result", ours, recorded)


def compare_state(recorded: State, ours: State) -> None:
    """Compare what an operation has changed. Raises Diverged."""
    for kind in ("clusters", "chains", "inodes"):
        _compare(kind, getattr(recorded, kind), getattr(ours, kind))
    freed = sorted(recorded.freed or ()) or UNSET
    if ours.freed != freed:
        raise Diverged("state.freed", ours.freed, recorded.freed)


def _compare(kind: str, recorded: Args, ours: Args) -> None:
    theirs, mine = recorded or {}, ours or {}
    if theirs == mine:
        return
    for n in sorted(theirs.keys() | mine.keys()):
        expected, got = mine.get(n, UNSET), theirs.get(n, UNSET)
        if isinstance(expected, Struct) and isinstance(got, Struct):
            for name in expected.__struct_fields__:
                if getattr(expected, name) != getattr(got, name):
                    raise Diverged(f"state.{kind}[{n}].{name}", getattr(expected, name), getattr(got, name))
        if expected != got:
            raise Diverged(f"state.{kind}[{n}]", expected, got)
    raise Diverged(f"state.{kind}", ours, recorded)


class Replay:
    """Operations on a world, performed one after the other over a layer that knows what each call changes."""

    def __init__(self, world: RecordedWorld, semantics: Semantics = SEED, chains: Recorded | None = None) -> None:
        self.world: Final = world
        self.chains: Final = chains or Recorded(world)
        self.on: Final = Straight(self.chains, semantics)
        self._clusters = self._see_clusters()
        self._chains = self._see_chains()
        self._inodes = self._see_inodes()

    # ---- arguments

    def cluster(self, number: int | None) -> Cluster | None:
        """The live cluster of that number."""
        return None if number is None else self.world.clusters[number]

    def _uses_freed(self, args: Args) -> bool:
        numbers = (getattr(args, "cluster", None), getattr(args, "cparent", None))
        return any(n is not None and n not in self.world.clusters for n in numbers)

    # ---- one step

    def step(self, step: Step) -> None:
        """Perform a step and compare. Raises Diverged at the first difference."""
        outcome, result = self.perform(_OP[type(step)], step.args, step.calls)
        if outcome != step.outcome:
            raise Diverged("outcome", outcome, step.outcome)
        self.chains.finish()
        compare_result(getattr(step, "result", UNSET), result)
        compare_state(step.state, self.changes())

    def perform(self, op: str, args: Args, calls: Sequence[AnyCall]) -> tuple[str, object]:
        """The outcome and the result (UNSET if there is none) of an operation whose calls are answered as recorded."""
        self.chains.expect(calls)
        self.world.freed = []
        if self._uses_freed(args):
            return "uaf", UNSET
        try:
            result = OPERATE[op](self, args)
        except Fatal as fatal:
            return str(fatal), UNSET
        except ViolationError as violation:  # a call that the repaired operations do not allow
            return f"{CONTRACT}{str(violation).splitlines()[0]}", UNSET
        return "ok", result if op in _RETURNING else UNSET

    # ---- the state, and what changed in it

    def _see_clusters(self) -> dict[int, tuple[Any, ...]]:
        return {
            number: (*_cluster_fields(k), [item.chain for item in k.array], [item.cache_index for item in k.array])
            for number, k in self.world.clusters.items()
        }

    def _see_chains(self) -> list[tuple[Any, ...]]:
        return [
            (*_chain_fields(chain), None if chain.data is None else bytes(chain.data)) for chain in self.world.chains
        ]

    def _see_inodes(self) -> list[int]:
        return [inode.flags for inode in self.world.inodes]

    def changes(self) -> State:
        """What has changed since this was asked before."""
        clusters, chains, inodes = self._see_clusters(), self._see_chains(), self._see_inodes()
        old = self._chains
        state = State(
            {n: _cluster_record(seen) for n, seen in clusters.items() if seen != self._clusters.get(n)} or UNSET,
            sorted(n for n in self.world.freed if n in self._clusters) or UNSET,
            {
                n: _chain_change(new, old[n] if n < len(old) else None)
                for n, new in enumerate(chains)
                if n >= len(old) or new != old[n]
            }
            or UNSET,
            {n: new for n, (new, was) in enumerate(zip(inodes, self._inodes, strict=True)) if new != was} or UNSET,
        )
        self._clusters, self._chains, self._inodes = clusters, chains, inodes
        return state

    # ---- the environment

    def environment(self, args: Args) -> None:
        """What changes by itself (FORMAT.md 2.3)."""
        for owner, name, value in args.set or ():
            self.world.set_field(owner, name, value)
        for owner, offset, length, byte in args.poke or ():
            memory = self.world.chains[owner].data
            if memory is not None:
                end = min(offset + length, len(memory))
                memory[offset:end] = bytes((byte,)) * (end - offset)
        self.world.replace_pfss(args)

    # ---- operations that need more than their arguments

    def run(self, operation: Coroutine[Any, Any, Any]) -> Args:
        """The operation's result."""
        return self.on.run(operation)

    def bref(self, args: Args) -> object:
        """The result of bref as a record."""
        return blockref_record(accessors.bref(self.cluster(args.cluster)))

    def scan(self, operation: Callable[..., Any], args: Args, *clusters: Cluster | None) -> FoundResult:
        """The result of lookup and next as a record."""
        found, key_next = self.run(operation(self.on, *clusters, args.key_next, args.key_beg, args.key_end, args.flags))
        return FoundResult(number(found), key_next)

    def create(self, args: Args) -> CreateResult:
        """The result of create as a record."""
        error, cluster = self.run(
            topology.create(
                self.on,
                self.world.pfs(args.pmp),
                self.cluster(args.cparent),
                self.cluster(args.cluster),
                args.key,
                args.keybits,
                args.type,
                args.bytes,
                args.flags,
            )
        )
        return CreateResult("uninit" if error is None else error, number(cluster))

    def load_async(self, args: Args) -> LoadResult:
        """The control block after load_async as a record."""
        cluster = self.cluster(args.cluster)
        token = object()

        def callback(_: Iocb) -> None:
            pass

        data.load_async(self.on, cluster, callback, token)
        iocb = getattr(cluster, "iocb", None)
        assert isinstance(iocb, Iocb)  # noqa: S101 - load_async sets it
        return LoadResult(
            number(iocb.chain),
            iocb.lbase,
            iocb.flags,
            iocb.error,
            iocb.dio is None,
            iocb.cluster.id,
            iocb.ptr is token,
            iocb.callback is callback,
        )

    def inode(self, number: int | None) -> Inode | None:
        """The inode of that number."""
        return self.world.inode(number)


def _pointer_to_data(chain: Chain | None) -> int | None:
    return None if chain is None or chain.data is None else chain.id


def _rename(replay: Replay, args: Args) -> Args:
    key = None if args.bref is None else (args.bref.key, args.bref.keybits)
    return topology.rename(replay.on, replay.cluster(args.cparent), replay.cluster(args.cluster), args.flags, key)


def _resize(r: Replay, a: Args) -> Args:
    parents, cluster = r.cluster(a.cparent), r.cluster(a.cluster)
    return modifying.resize(r.on, r.inode(a.ip), parents, cluster, a.nradix, a.flags)


OPERATE: Final[dict[str, Callable[[Replay, Args], object]]] = {
    "env": Replay.environment,
    "need_resize": lambda r, a: accessors.need_resize(r.cluster(a.cluster), a.bytes),
    "type": lambda r, a: accessors.type(r.cluster(a.cluster)),
    "modified": lambda r, a: accessors.modified(r.cluster(a.cluster)),
    "bref": Replay.bref,
    "isunlinked": lambda r, a: accessors.isunlinked(r.cluster(a.cluster)),
    "set_chainflags": lambda r, a: accessors.set_chainflags(r.cluster(a.cluster), a.flags),
    "clr_chainflags": lambda r, a: accessors.clr_chainflags(r.cluster(a.cluster), a.flags),
    "setflush": lambda r, a: r.run(accessors.setflush(r.on, r.cluster(a.cluster))),
    "setmethod_check": lambda r, a: accessors.setmethod_check(r.on, r.cluster(a.cluster), a.check_algo),
    "from_chain": lambda r, a: life_cycle.from_chain(r.on, r.world.chain(a.chain)).id,
    "ref": lambda r, a: r.run(life_cycle.ref(r.on, r.cluster(a.cluster))),
    "drop": lambda r, a: r.run(life_cycle.drop(r.on, r.cluster(a.cluster))),
    "wait": lambda r, a: life_cycle.wait(r.on, r.cluster(a.cluster)),
    "copy": lambda r, a: r.run(life_cycle.copy(r.on, r.cluster(a.cluster))).id,
    "resolve": lambda r, a: locking.resolve(r.on, r.cluster(a.cluster)),
    "lock": lambda r, a: r.run(locking.lock(r.on, r.cluster(a.cluster), a.how)),
    "unlock": lambda r, a: r.run(locking.unlock(r.on, r.cluster(a.cluster))),
    "resize": lambda r, a: r.run(_resize(r, a)),
    "modify": lambda r, a: r.run(modifying.modify(r.on, r.cluster(a.cluster), a.flags)),
    "modify_ip": lambda r, a: _pointer_to_data(
        r.run(modifying.modify_ip(r.on, r.inode(a.ip), r.cluster(a.cluster), a.flags))
    ),
    "modsync": lambda r, a: r.run(modifying.modsync(r.on, r.cluster(a.cluster))),
    "lookup_init": lambda r, a: number(r.run(lookups.lookup_init(r.on, r.cluster(a.cparent), a.flags))),
    "lookup_done": lambda r, a: r.run(lookups.lookup_done(r.on, r.cluster(a.cparent))),
    "lookup": lambda r, a: r.scan(lookups.lookup, a, r.cluster(a.cparent)),
    "next": lambda r, a: r.scan(lookups.next, a, r.cluster(a.cparent), r.cluster(a.cluster)),
    "parent": lambda r, a: r.run(lookups.parent(r.on, r.cluster(a.cluster))).id,
    "create": Replay.create,
    "rename": lambda r, a: r.run(_rename(r, a)),
    "delete": lambda r, a: r.run(topology.delete(r.on, r.cluster(a.cparent), r.cluster(a.cluster), a.flags)),
    "snapshot": lambda r, a: r.run(snapshot(r.on, r.cluster(a.cluster), a.name)),
    "rdata": lambda r, a: _pointer_to_data(data.rdata(r.cluster(a.cluster))),
    "wdata": lambda r, a: _pointer_to_data(data.wdata(r.cluster(a.cluster))),
    "load_async": Replay.load_async,
}
"""How each operation of a trace is called, and what is recorded of its result."""

_OP: Final = {cls: op for op, cls in STEPS.items()}
_RETURNING: Final = {op for op, (_, result) in OPERATIONS.items() if result is not None}

_cluster_fields = attrgetter("pmp", "refs", "flags", "nchains", "focus", "error", "ddflag")
_BREF = ("type", "methods", "copyid", "keybits", "vradix", "flags", "key", "mirror_tid", "modify_tid", "data_off")
_REST = ("bytes", "flags", "error", "parent", "hmp", "pmp", "refs", "locks")
_chain_fields = attrgetter(*(f"bref.{name}" for name in _BREF), *_REST)
_CHANGES = ("type", "methods", "copyid", "keybits", "vradix", "bflags", *_BREF[6:], *_REST, "data")
_BYTES, _POINTERS, _DATA = _CHANGES.index("bytes"), {_CHANGES.index("parent"), _CHANGES.index("pmp")}, len(_CHANGES) - 1


def _cluster_record(seen: tuple[Any, ...]) -> ClusterRecord:
    pmp, refs, flags, nchains, focus, error, ddflag, slots, cache = seen
    return ClusterRecord(
        number(pmp), refs, flags, nchains, number(focus), error, ddflag, [number(chain) for chain in slots], cache
    )


def _chain_change(new: tuple[Any, ...], old: tuple[Any, ...] | None) -> ChainChange:
    changes: dict[str, Any] = {}
    for i, name in enumerate(_CHANGES):
        value = new[i]
        if old is not None and value == old[i]:
            continue
        if i in _POINTERS:
            value = number(value)
        elif i == _DATA and value is not None:
            value = pack(value[: max(INODE_BYTES, new[_BYTES])])
        changes[name] = value
    return ChainChange(**changes)


def check_trace(trace: Trace, semantics: Semantics = SEED) -> Divergence | None:
    """The first divergence of a trace, as hammer2_oracle.traces.decode reads it, or None if everything agrees."""
    replay = Replay(RecordedWorld(trace.world), semantics)
    for n, step in enumerate(trace.steps):
        try:
            replay.step(step)
        except Diverged as at:
            return Divergence(trace.id, n, _OP[type(step)], at.field, at.expected, at.got)
    return None
