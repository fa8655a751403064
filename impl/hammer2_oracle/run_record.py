"""Writes down a client's run on the model as an operation trace, which can be replayed and judged as any other."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final, TypeAlias, cast

from msgspec import UNSET, structs

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.model import Misuse
from hammer2_cluster.objects import Chain, Cluster, ClusterItem, Inode, Iocb, Pfs
from hammer2_oracle import trace_record as records
from hammer2_oracle.changes import Watch, cluster_record, look, written
from hammer2_oracle.recorded import VDIR, blockref_record, number
from hammer2_oracle.results import loaded, outcome_of, result_record
from hammer2_proofs.operations.client import Client, Violation
from hammer2_proofs.operations.judge import Heard
from hammer2_proofs.operations.search import Case, Script
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import Lookup, Resolve

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
    """The layer between a client and its model that writes down what passes; ``trace`` tells it all.

    A trace ends before an operation that none can tell: one whose read fails at once (io_getblk has no effects), and
    one on a cluster that is gone.
    """

    def __init__(self, client: Client) -> None:
        self._model: Final[Any] = client.model
        client.observer = self
        client.on = Heard(cast(ChainLayer, self), client.on.semantics, client.model.notes)
        for n, pfs in enumerate(self._pfss()):
            pfs.id = n
        self._world: records.World | None = None
        self._steps: list[Any] = []
        self._doing: tuple[str, dict[str, Any]] = "", {}
        self._calls: list[Any] = []
        self.whole = True
        """The trace tells all operations."""
        self.inodes = [Inode(inode.id, inode.vp, inode.flags) for inode in self._model.inodes]
        """As the trace has them: what a caller does to their flags no step tells."""
        self._flags: list[int] = []
        self._watch = Watch(self)
        self._seen = self._watch.chains

    def _pfss(self) -> list[Pfs]:
        return [pfs for pfs in (self._model.pfs, self._model.spmp) if pfs is not None]

    # ---- the world, to be looked at

    @property
    def chains(self) -> Sequence[Chain]:
        """By number."""
        chains: Sequence[Chain] = self._model.chains
        return chains

    @property
    def clusters(self) -> Mapping[int, Cluster]:
        """Those that live."""
        clusters: Mapping[int, Cluster] = self._model.clusters
        return clusters

    @property
    def freed(self) -> Sequence[int]:
        """All clusters that are gone."""
        freed: Sequence[int] = self._model.freed
        return freed

    # ---- the layer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A call, as the model has it, that is written down."""
        if name not in CALLS:
            raise AttributeError(name)
        inner = getattr(self._model, name)

        async def waiting(*args: Any) -> Any_:  # noqa: ANN401 - passes them on
            at, slots = self._begin(name, args)
            try:
                result = await inner(*args)
            except Misuse as misuse:  # nothing happens, and the operation goes on
                self._model.misuses.append(str(misuse))
                result = 0 if name == "create" else None
            self._end(name, at, slots, args, result)
            return result

        def plain(*args: Any) -> Any_:  # noqa: ANN401 - passes them on
            at, slots = self._begin(name, args)
            result = inner(*args)
            self.whole &= name != "io_getblk" or not self._has_failed(args[0])
            self._end(name, at, slots, args, result)
            return result

        call = waiting if inspect.iscoroutinefunction(inner) else plain
        self.__dict__[name] = call  # the next time it is found at once
        return call

    def _has_failed(self, iocb: Iocb) -> bool:
        """Whether a read has failed already."""
        return bool(iocb.error) and all(it is not iocb for it in self._model.pending)

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
        was, now = self._seen, look(self.chains, self._seen)
        new, assignments, data = [], [], []
        for n in sorted({*now.differing(was), *counts}):
            refs, locks = counts.get(n, (0, 0))
            if n >= len(was.fields):
                record = now.record(n)
                new.append(structs.replace(record, refs=record.refs - refs, locks=record.locks - locks))
                continue
            *rest, old_refs, old_locks = was.fields[n]
            booked = (*rest, old_refs + refs, old_locks + locks)
            if now.fields[n] != booked:
                later = {} if before else {"refs": refs, "locks": locks}
                for name, value, old in zip(records.CHAIN_FIELDS, now.fields[n], booked, strict=False):
                    if value != old:
                        assignments.append((n, name, value - later[name] if name in later else written(name, value)))
            if now.data[n] is not was.data[n]:
                data.append((n, now.data_record(n)))
        self._seen = now
        changes = {"new": new, "set": assignments, "data": data}
        return {name: value for name, value in changes.items() if value}

    def look(self) -> None:
        """What has happened to chains until now is no call's doing."""
        self._seen = look(self.chains, self._seen)

    # ---- the client

    def begins(self, operation: str, args: dict[str, object]) -> None:
        """Write down what the client did by itself, and keep the operation."""
        if self._world is None:
            self._world = self._as_it_stands()
            self._watch = Watch(self)
            self._seen = self._watch.chains
        else:
            self._note_edits()
        self._calls = []
        self._doing = operation, args
        self._flags = [inode.flags for inode in self._model.inodes]
        gone = [arg for arg in args.values() if isinstance(arg, Cluster) and arg.id not in self.clusters]
        self.whole &= not gone

    def ends(self, result: object) -> None:
        """Write down an operation that has returned."""
        operation, args = self._doing
        written = self._loaded(**args) if operation == "load_async" else result_record(operation, result)
        self._write("ok", written)

    def _loaded(self, cluster: Cluster, callback: Callable[[Iocb], None], ptr: object, **_: object) -> object:
        """The result of load_async; that data was read at once is no doing of its."""
        result = loaded(cluster, callback, ptr)
        reads = any(isinstance(call, records.IoGetblk) for call in self._calls)
        return structs.replace(result, error=0, dio_null=True) if reads else result

    def fails(self, end: Exception) -> None:
        """Write down an operation that has come to no good end."""
        self._write(outcome_of(end), UNSET)

    def _write(self, outcome: str, result: object) -> None:
        for told, inode, flags in zip(self.inodes, self._model.inodes, self._flags, strict=True):
            told.flags = (told.flags | inode.flags & ~flags) & ~(flags & ~inode.flags)
        operation, args = self._doing
        fields = {} if result is UNSET else {"result": result}
        self._step(operation, _arguments(operation, args), outcome, self._calls, **fields)
        self._seen = self._watch.chains
        self._calls = []  # what is called from now on, such as by a read that ends later, is no call of the operation

    def _step(self, op: str, args: dict[str, Any], outcome: str, calls: list[Any], **result: object) -> None:
        cls, state = records.STEPS[op], self._watch.changes()
        if self.whole:
            self._steps.append(
                cls(args=_type_of_args(cls)(**args), outcome=outcome, calls=calls, state=state, **result)
            )

    def _as_it_stands(self) -> records.World:
        pmps = [records.PfsRecord(list(pfs.pfs_types), pfs.pfs_nmasters) for pfs in self._pfss()]
        inodes = [records.InodeRecord(inode.vp, inode.flags) for inode in self._model.inodes]
        chains = look(self.chains).records()
        return records.World(pmps, inodes, chains, [cluster_record(cluster) for cluster in self.clusters.values()])

    def _note_edits(self) -> None:
        """What the caller wrote into data, and the references that it took: an env step."""
        was = self._seen
        changes = self._changes({}, before=True)
        poke = [
            (n, at, 1, byte)
            for n, (new, old) in enumerate(zip(self._seen.data, was.data, strict=False))
            if new is not old and new is not None and old is not None
            for at, byte in enumerate(new)
            if old[at] != byte
        ]
        env = {"set": changes.get("set", UNSET), "poke": _runs(poke) or UNSET}
        if any(value is not UNSET for value in env.values()):
            self._step("env", env, "ok", [])

    def trace(self, name: str) -> records.Trace:
        """What was written down."""
        assert self._world is not None  # noqa: S101 - a program performs something
        return records.Trace(name, "multi", self._world, self._steps)


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


def record_case(case: Case, picks: Sequence[int], semantics: Semantics, name: str) -> tuple[records.Trace, bool]:
    """Run a case by a script, until something is wrong, and write it down; with it, whether all that can be told."""
    client = Client(case.world.specs, case.world.nmasters, semantics, Script(picks))
    client.model.lenient = True
    recording = Recording(client)
    with suppress(Violation):
        case.program(client)
    return recording.trace(name), recording.whole
