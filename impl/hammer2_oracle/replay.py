"""Replay of a recorded trace: the same calls below, outcome, result and state after every step."""

from collections.abc import Callable, Coroutine, Sequence
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
from hammer2_cluster.objects import Cluster, Inode, Iocb
from hammer2_cluster.outcomes import Fatal
from hammer2_cluster.snapshot import snapshot
from hammer2_cluster.straight import Straight
from hammer2_oracle.changes import Watch
from hammer2_oracle.recorded import Diverged, Recorded, RecordedWorld
from hammer2_oracle.results import loaded, outcome_of, result_record
from hammer2_oracle.trace_record import (
    STEPS,
    AnyCall,
    LoadResult,
    State,
    Step,
    Trace,
)
from hammer2_spec.semantics import SEED, Semantics

Args: TypeAlias = Any
"""A strict record whose class depends on the operation."""


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
        self._watch = Watch(world)

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
        except (Fatal, ViolationError) as end:
            return outcome_of(end), UNSET
        return "ok", result_record(op, result)

    def changes(self) -> State:
        """What has changed since this was asked before."""
        return self._watch.changes()

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

    def scan(self, operation: Callable[..., Any], args: Args, *clusters: Cluster | None) -> Args:
        """The result of lookup and next."""
        return self.run(operation(self.on, *clusters, args.key_next, args.key_beg, args.key_end, args.flags))

    def create(self, args: Args) -> Args:
        """The result of create."""
        return self.run(
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

    def load_async(self, args: Args) -> LoadResult:
        """The control block after load_async as a record."""
        cluster = self.cluster(args.cluster)
        token = object()

        def callback(_: Iocb) -> None:
            pass

        data.load_async(self.on, cluster, callback, token)
        return loaded(cluster, callback, token)

    def inode(self, number: int | None) -> Inode | None:
        """The inode of that number."""
        return self.world.inode(number)


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
    "bref": lambda r, a: accessors.bref(r.cluster(a.cluster)),
    "isunlinked": lambda r, a: accessors.isunlinked(r.cluster(a.cluster)),
    "set_chainflags": lambda r, a: accessors.set_chainflags(r.cluster(a.cluster), a.flags),
    "clr_chainflags": lambda r, a: accessors.clr_chainflags(r.cluster(a.cluster), a.flags),
    "setflush": lambda r, a: r.run(accessors.setflush(r.on, r.cluster(a.cluster))),
    "setmethod_check": lambda r, a: accessors.setmethod_check(r.on, r.cluster(a.cluster), a.check_algo),
    "from_chain": lambda r, a: life_cycle.from_chain(r.on, r.world.chain(a.chain)),
    "ref": lambda r, a: r.run(life_cycle.ref(r.on, r.cluster(a.cluster))),
    "drop": lambda r, a: r.run(life_cycle.drop(r.on, r.cluster(a.cluster))),
    "wait": lambda r, a: life_cycle.wait(r.on, r.cluster(a.cluster)),
    "copy": lambda r, a: r.run(life_cycle.copy(r.on, r.cluster(a.cluster))),
    "resolve": lambda r, a: locking.resolve(r.on, r.cluster(a.cluster)),
    "lock": lambda r, a: r.run(locking.lock(r.on, r.cluster(a.cluster), a.how)),
    "unlock": lambda r, a: r.run(locking.unlock(r.on, r.cluster(a.cluster))),
    "resize": lambda r, a: r.run(_resize(r, a)),
    "modify": lambda r, a: r.run(modifying.modify(r.on, r.cluster(a.cluster), a.flags)),
    "modify_ip": lambda r, a: r.run(modifying.modify_ip(r.on, r.inode(a.ip), r.cluster(a.cluster), a.flags)),
    "modsync": lambda r, a: r.run(modifying.modsync(r.on, r.cluster(a.cluster))),
    "lookup_init": lambda r, a: r.run(lookups.lookup_init(r.on, r.cluster(a.cparent), a.flags)),
    "lookup_done": lambda r, a: r.run(lookups.lookup_done(r.on, r.cluster(a.cparent))),
    "lookup": lambda r, a: r.scan(lookups.lookup, a, r.cluster(a.cparent)),
    "next": lambda r, a: r.scan(lookups.next, a, r.cluster(a.cparent), r.cluster(a.cluster)),
    "parent": lambda r, a: r.run(lookups.parent(r.on, r.cluster(a.cluster))),
    "create": Replay.create,
    "rename": lambda r, a: r.run(_rename(r, a)),
    "delete": lambda r, a: r.run(topology.delete(r.on, r.cluster(a.cparent), r.cluster(a.cluster), a.flags)),
    "snapshot": lambda r, a: r.run(snapshot(r.on, r.cluster(a.cluster), a.name)),
    "rdata": lambda r, a: data.rdata(r.cluster(a.cluster)),
    "wdata": lambda r, a: data.wdata(r.cluster(a.cluster)),
    "load_async": Replay.load_async,
}
"""How each operation of a trace is called."""

_OP: Final = {cls: op for op, cls in STEPS.items()}


def check_trace(trace: Trace, semantics: Semantics = SEED) -> Divergence | None:
    """The first divergence of a trace, as hammer2_oracle.traces.decode reads it, or None if everything agrees."""
    replay = Replay(RecordedWorld(trace.world), semantics)
    for n, step in enumerate(trace.steps):
        try:
            replay.step(step)
        except Diverged as at:
            return Divergence(trace.id, n, _OP[type(step)], at.field, at.expected, at.got)
    return None
