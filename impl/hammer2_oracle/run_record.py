"""Writes down a client's run on the model as an operation trace, which then is replayed and judged as any other."""

import inspect
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias, cast

from msgspec import UNSET, structs

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.objects import Chain, Cluster, ClusterItem, Inode, Pfs
from hammer2_cluster.straight import Straight
from hammer2_oracle import trace_record as records
from hammer2_oracle.recorded import VDIR, RecordedWorld, blockref_record, fields_of_bref, number, pack, unpack
from hammer2_oracle.replay import Replay
from hammer2_proofs.operations.client import Client, Violation
from hammer2_proofs.operations.search import Case, Script
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import INODE_BYTES, Lookup, Resolve

Any_: TypeAlias = Any
"""Whatever a call is given or returns."""

_NO_FX: Final = records.Changes()
_FOUND: Final = records.Found(ret=None)
_CREATED: Final = records.Created(ret=0)
_MADE: Final = records.InodeCreated(ip=None, error=0, cluster=None)

CALLS: Final[dict[str, Callable[..., records.AnyCall]]] = {
    "kmalloc": records.Kmalloc,
    "kfree": lambda k: records.Kfree(k.id),
    "kprintf_already_locked": lambda k: records.Kprintf("already_locked", cluster=k.id),
    "kprintf_not_locked": lambda k: records.Kprintf("not_locked", cluster=k.id),
    "kprintf_cparent_null": lambda: records.Kprintf("cparent_null"),
    "kprintf_parent_mismatch": lambda chain, against: records.Kprintf(
        "parent_mismatch", chain=chain.id, parent=number(chain.parent), against=number(against)
    ),
    "kprintf_snapshot": lambda _: records.Kprintf("snapshot"),
    "tsleep": lambda ident, ticks: records.Tsleep(number(ident), ticks),
    "ref": lambda chain: records.ChainRef(chain.id, _NO_FX),
    "drop": lambda chain: records.ChainDrop(chain.id, _NO_FX),
    "unlock": lambda chain: records.ChainUnlock(chain.id, _NO_FX),
    "setflush": lambda chain: records.ChainSetflush(chain.id, _NO_FX),
    "flush": lambda chain: records.Flush(chain.id, _NO_FX),
    "lock": lambda chain, how: records.ChainLock(chain.id, how, _NO_FX),
    "lookup": lambda parent, key_next, beg, end, flags: records.ChainLookup(
        parent.chain.id, key_next, beg, end, parent.cache_index, flags, _FOUND
    ),
    "next": lambda parent, chain, key_next, beg, end, flags: records.ChainNext(
        parent.chain.id, chain.id, key_next, beg, end, parent.cache_index, flags, _FOUND
    ),
    "create": lambda parent, item, pmp, key, keybits, type_, size, flags: records.ChainCreate(
        number(parent.chain), number(item.chain), number(pmp), key, keybits, type_, size, flags, _CREATED
    ),
    "rename": lambda parent, chain, bref, flags: records.ChainRename(
        number(parent.chain), chain.id, flags, None if bref is None else blockref_record(bref), records.Renamed()
    ),
    "delete": lambda parent, chain, flags: records.ChainDelete(number(parent), chain.id, flags, _NO_FX),
    "modify": lambda chain, flags: records.ChainModify(chain.id, flags, _NO_FX),
    "resize": lambda ip, parent, chain, nradix, flags: records.ChainResize(
        number(ip), parent.id, chain.id, nradix, flags, _NO_FX
    ),
    "inode_repoint": lambda ip, k: records.InodeRepoint(ip.id, None, k.id),
    "vsetisdirty": lambda ip: records.Vsetisdirty(ip.id),
    "dirhash": lambda name: records.Dirhash(len(name.encode())),
    "inode_create": lambda hmp, name, flags: records.InodeCreate(
        f"iroot:{hmp}",
        VDIR,
        0o755,
        len(name.encode()),
        None,
        flags,
        records.InodeCreated(ip=None, error=0, cluster=None),
    ),
    "inode_unlock_ex": lambda ip, k: records.InodeUnlockEx(ip.id, k.id),
    "uuidgen": lambda chain, offset: records.Uuidgen(chain.id, offset, 1, records.Filled(byte=0)),
    "adjreadcounter": lambda chain: records.Adjreadcounter(chain.id, chain.bytes),
    "io_getblk": lambda iocb: records.IoGetblk(
        iocb.chain.hmp, iocb.chain.bref.data_off, iocb.chain.bytes, iocb.cluster.id
    ),
    "callback": lambda iocb: records.Callback(iocb.cluster.id, number(iocb.chain), iocb.lbase),
}
"""What is written for each call on the model."""


def chain_record(chain: Chain) -> records.ChainRecord:
    """A chain as it stands."""
    fields: list[Any] = [
        *fields_of_bref(chain.bref),
        chain.bytes,
        chain.flags,
        chain.error,
        number(chain.parent),
        chain.hmp,
        number(chain.pmp),
        chain.refs,
        chain.locks,
        None if chain.data is None else _packed(bytes(chain.data[: max(INODE_BYTES, chain.bytes)])),
    ]
    return records.ChainRecord(*fields)


@lru_cache(256)
def _packed(data: bytes) -> records.Runs:
    return pack(data)


def cluster_record(k: Cluster) -> records.ClusterRecord:
    """A cluster as it stands."""
    slots, cache = [number(item.chain) for item in k.array], [item.cache_index for item in k.array]
    return records.ClusterRecord(
        number(k.pmp), k.refs, k.flags, k.nchains, number(k.focus), k.error, 1 if k.ddflag else 0, slots, cache
    )


def bookkeeping(name: str, args: tuple[Any, ...], result: Any_) -> dict[int, tuple[int, int]]:
    """What a replay does by itself to the refs and locks of chains when it makes a call (FORMAT.md 2.4)."""
    counts: dict[int, tuple[int, int]] = {}

    def count(chain: Chain, refs: int, locks: int) -> None:
        was = counts.get(chain.id, (0, 0))
        counts[chain.id] = (was[0] + refs, was[1] + locks)

    if name in ("ref", "drop"):
        count(args[0], 1 if name == "ref" else -1, 0)
    elif name == "lock":
        count(args[0], 0 if args[1] & Resolve.NOREF else 1, 1)
    elif name == "unlock":
        count(args[0], -1, -1)
    elif name in ("lookup", "next"):
        locks = 0 if args[-1] & Lookup.NOLOCK else 1
        if name == "next":
            count(args[1], -1, -locks)
        if result[0] is not None:
            count(result[0], 1, locks)
    return counts


BEFORE_EFFECTS: Final = frozenset({"ref", "drop", "lock", "unlock"})
"""Calls whose bookkeeping a replay does before their effects; with the others, after."""


class Recording:
    """The layer between a client and its model that writes down what passes; ``trace`` tells it all."""

    def __init__(self, client: Client) -> None:
        self._model: Final[Any] = client.model
        client.observer = self
        client.on = Straight(cast(ChainLayer, self), client.on.semantics)
        for n, pfs in enumerate(self._pfss()):
            pfs.id = n
        self._world: records.World | None = None
        self._seen: list[records.ChainRecord] = []
        self._steps: list[tuple[str, dict[str, Any], list[Any]]] = []
        self._calls: list[Any] = []

    def _pfss(self) -> list[Pfs]:
        return [pfs for pfs in (self._model.pfs, self._model.spmp) if pfs is not None]

    # ---- the layer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A call, as the model has it, that is written down."""
        if name not in CALLS:
            raise AttributeError(name)
        inner = getattr(self._model, name)

        async def waiting(*args: Any) -> Any_:  # noqa: ANN401 - passes them on
            at, slots = self._begin(name, args)
            result = await inner(*args)
            self._end(name, at, slots, args, result)
            return result

        def plain(*args: Any) -> Any_:  # noqa: ANN401 - passes them on
            at, slots = self._begin(name, args)
            result = inner(*args)
            self._end(name, at, slots, args, result)
            return result

        return waiting if inspect.iscoroutinefunction(inner) else plain

    def _begin(self, name: str, args: tuple[Any, ...]) -> tuple[int, list[Chain | None]]:
        self._calls.append(CALLS[name](*args) if name != "kmalloc" else records.Kmalloc(self._model.made))
        return len(self._calls) - 1, [arg.chain for arg in args if isinstance(arg, ClusterItem)]

    def _end(self, name: str, at: int, slots: list[Chain | None], args: tuple[Any, ...], result: Any_) -> None:
        call = self._calls[at]
        fx = getattr(call, "fx", UNSET)
        if fx is UNSET:
            return
        created = name == "create" and slots[1] is None and args[1].chain is not None
        counts = {args[1].chain.id: (1, 1)} if created else bookkeeping(name, args, result)
        fields: dict[str, Any] = self._changes(counts, before=name in BEFORE_EFFECTS)
        if slots and args[0].chain is not slots[0]:
            fields["parent"] = number(args[0].chain)
        match name:
            case "lookup" | "next":
                fields |= {"ret": number(result[0]), "key_next": result[1]}
            case "create":
                fields |= {"ret": result} | ({"chain": args[1].chain.id} if created else {})
            case "inode_create":
                ip, cluster, error = result
                made = None if cluster is None else cluster_record(cluster)
                fields |= {"ip": number(ip), "error": error, "cluster": made}
            case "uuidgen":
                fields = {"byte": self._model.uuids}
        fx = type(fx)(**fields)
        self._calls[at] = structs.replace(call, fx=UNSET if fx == records.Changes() else fx)

    def _changes(self, counts: dict[int, tuple[int, int]], *, before: bool) -> dict[str, Any]:
        """What happened to chains since last seen, beyond the bookkeeping that a replay does by itself."""
        now = [chain_record(chain) for chain in self._model.chains]
        new, assignments, data = [], [], []
        for n, record in enumerate(now):
            refs, locks = counts.get(n, (0, 0))
            if n >= len(self._seen):
                new.append(structs.replace(record, refs=record.refs - refs, locks=record.locks - locks))
                continue
            was = self._seen[n]
            if record == was and n not in counts:
                continue
            for name in record.__struct_fields__:
                value, old = getattr(record, name), getattr(was, name)
                by_itself = {"refs": refs, "locks": locks}.get(name, 0)
                if value == (old + by_itself if by_itself else old):
                    continue
                if name == "data":
                    data.append((n, value))
                else:
                    assignments.append((n, name, value if before or not by_itself else value - by_itself))
        self._seen = now
        changes = {"new": new, "set": assignments, "data": data}
        return {name: value for name, value in changes.items() if value}

    # ---- the client

    def begins(self, operation: str, args: dict[str, object]) -> None:
        """Write down what the client did by itself, then the operation."""
        if self._world is None:
            self._seen = [chain_record(chain) for chain in self._model.chains]
            pmps = [records.PfsRecord(list(pfs.pfs_types), pfs.pfs_nmasters) for pfs in self._pfss()]
            inodes = [records.InodeRecord(inode.vp, inode.flags) for inode in self._model.inodes]
            clusters = [cluster_record(cluster) for cluster in self._model.clusters.values()]
            self._world = records.World(pmps, inodes, self._seen, clusters)
        else:
            self._note_edits()
        self._calls = []
        self._steps.append((operation, _arguments(operation, args), self._calls))

    def ends(self) -> None:
        """Chains are as the operation left them."""
        self._seen = [chain_record(chain) for chain in self._model.chains]

    def _note_edits(self) -> None:
        """What the caller wrote into data, and the references that it took: an env step."""
        old = [unpack(record.data) for record in self._seen]
        changes = self._changes({}, before=True)
        poke = [
            (n, at, 1, byte)
            for n, (chain, was) in enumerate(zip(self._model.chains, old, strict=False))
            if was is not None and chain.data is not None and chain.data != was[: len(chain.data)]
            for at, byte in enumerate(chain.data)
            if was[at] != byte
        ]
        env = {"set": changes.get("set", UNSET), "poke": _runs(poke) or UNSET}
        if any(value is not UNSET for value in env.values()):
            self._steps.append(("env", env, []))

    def trace(self, name: str, semantics: Semantics) -> records.Trace:
        """What was written down, with outcomes, results and states as a replay has them."""
        assert self._world is not None  # noqa: S101 - a program performs something
        steps: list[Any] = []
        trace = records.Trace(name, "multi", self._world, steps)
        replay = Replay(RecordedWorld(trace.world), semantics)
        for op, args, calls in self._steps:
            cls = records.STEPS[op]
            passed = _type_of_args(cls)(**args)
            outcome, result = replay.perform(op, passed, calls)
            fields = {} if result is UNSET else {"result": result}
            step = cls(args=passed, outcome=outcome, calls=calls, state=replay.changes(), **fields)
            steps.append(step)
            if outcome != "ok":
                break
        return trace


@cache
def _type_of_args(step: type[Any]) -> Any_:
    return next(field.type for field in structs.fields(step) if field.name == "args")


def _runs(poke: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Neighbouring bytes that are alike, together."""
    runs: list[tuple[int, int, int, int]] = []
    for chain, at, length, byte in poke:
        if runs and runs[-1][0] == chain and runs[-1][1] + runs[-1][2] == at and runs[-1][3] == byte:
            runs[-1] = (chain, runs[-1][1], runs[-1][2] + length, byte)
        else:
            runs.append((chain, at, length, byte))
    return runs


def _arguments(operation: str, args: dict[str, object]) -> dict[str, Any]:
    """An operation's arguments as a trace has them."""
    names = {"ocluster": "cluster", "supplied": "cluster"}
    left_out = {"on", "callback", "ptr"}
    plain = {
        names.get(name, name): number(value) if isinstance(value, Chain | Cluster | Pfs | Inode) else value
        for name, value in args.items()
        if name not in left_out
    }
    if operation == "rename":
        key = args["key"]
        plain["bref"] = records.NewKey(*key) if isinstance(key, tuple) else None
        del plain["key"]
    return plain


def record_case(
    case: Case, picks: Sequence[int], semantics: Semantics, name: str
) -> tuple[records.Trace, Violation | None]:
    """Run a case by a script and write it down; with it, what was wrong."""
    client = Client(case.world.specs, case.world.nmasters, semantics, Script(picks))
    client.model.lenient = True
    recording = Recording(client)
    violation = None
    try:
        case.program(client)
    except Violation as found:
        violation = found
    return recording.trace(name, semantics), violation
