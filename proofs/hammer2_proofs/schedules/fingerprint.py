"""What all that comes depends on, as 16 bytes: equal fingerprints have equal futures.

Everything is visited from the clients, the nodes, the volumes and the ghosts on: objects by their fields, functions by
their closures, coroutines by where they stand and by all that they hold there, *the value stack included*: the
iterator of a ``for`` is nowhere else. An object of a kind that is not known here is an error, so that nothing is left
out in silence. Objects are numbered as they are met first: identity counts, addresses do not. What is left out on
purpose has its reason beside it.
"""

# ruff: noqa: SLF001 - whoever takes all there is takes the private too

import gc
import marshal
import types
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager, nullcontext
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from hashlib import blake2b
from threading import local
from typing import Any, Final

from icontract import _checkers

from hammer2_cluster.control import Control
from hammer2_cluster.device.faults import FaultyDevice
from hammer2_cluster.failures import Failures
from hammer2_cluster.front_end import FrontEnd, _Question
from hammer2_cluster.journal import Journal
from hammer2_cluster.node import Node
from hammer2_cluster.nodes import Nodes
from hammer2_cluster.objects import Cluster
from hammer2_cluster.resync import Progress, Resync
from hammer2_cluster.sessions import Session
from hammer2_cluster.simulated import Simulation
from hammer2_cluster.store.chain import Children, StoredChain
from hammer2_cluster.store.chains import StoredChains
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.freemap import Freemap
from hammer2_cluster.store.locks import ChainLock
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.synchronization import SynchronizationThread
from hammer2_proofs.schedules.frames import held_by
from hammer2_proofs.schedules.judge import Judge, Recorded
from hammer2_proofs.schedules.media import Medium
from hammer2_proofs.schedules.world import Client, World

Form = Any
"""Nested tuples of ints, strings and bytes: what marshal knows."""

ATOMS: Final = frozenset({int, str, bytes, bool, float, type(None), type(Ellipsis)})
_EXAMPLES: Final[tuple[object, ...]] = (
    iter(()), iter([]), iter(range(0)), iter({}), iter({}.items()), iter({}.values()), iter(set()), iter(""),
)  # fmt: skip
ITERATORS: Final = frozenset(map(type, _EXAMPLES)) | {enumerate, zip, map, filter, reversed}
FIXED: Final = frozenset(
    {
        World, Simulation, Nodes, StoredChains, Control, Recorded, Failures, Judge, Client, Filesystem, FaultyDevice,
        nullcontext, types.ModuleType,
    }
)  # fmt: skip
"""One each in a world, or one for each node or client: what changes in them is visited from the top."""
LEFT_OUT: Final = {
    StoredChain: {"id"},  # a name for messages
    Cluster: {"id"},  # a name for messages
    Volume: {"_next_id", "waiting", "device", "name", "unreadable"},  # names, messages, and what is fixed
    Resync: {"progress", "on", "_pmp", "_chains", "control", "failures"},  # counted for people; fixed
    SynchronizationThread: {"trouble", "_resync", "_on", "_control", "_failures"},  # a message; fixed
    Session: {"_on", "_journal", "_control", "_failures"},  # fixed
    FrontEnd: {"chains", "_nodes", "_known", "semantics"},  # fixed; what counts of _known is visited from the top
    Journal: {"_below", "may_change", "kmalloc"},  # fixed
}


class Canon:
    """One state, as it is visited."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []

    def __call__(self, it: Any) -> Form:  # noqa: ANN401 - whatever there is
        """The form of an object."""
        kind = type(it)
        if kind in ATOMS:
            return it
        if kind is tuple:
            return ("(", *map(self, it))
        handler = HANDLERS.get(kind)
        if handler is None:
            handler = HANDLERS[kind] = handler_for(kind)
        return handler(self, it)

    def first_visit(self, it: object) -> tuple[bool, int]:
        """Whether an object is met for the first time, and its number."""
        number = self._numbers.get(id(it))
        if number is not None:
            return False, number
        number = self._numbers[id(it)] = len(self._numbers)
        self._kept.append(it)  # so that its address stays its own
        return True, number

    def frame(self, it: Any, code: types.CodeType, frame: types.FrameType | None) -> Form:  # noqa: ANN401 - any coroutine
        """Where a coroutine or generator stands, and all that it holds: locals, cells and the value stack."""
        if frame is None:
            return "ended"
        if code.co_filename == _CONTRACTS:  # a contract is looked at before and after; what is between goes on inside
            return [self(value) for value in gc.get_referents(it) if type(value) is types.CoroutineType]
        own, rest = held_by(it, code, frame)
        names = [(name, self(value)) for name, value in own]
        return (code.co_qualname, code.co_firstlineno, frame.f_lasti, *names, *map(self, rest))


_CONTRACTS: Final = _checkers.__file__

Handler = Callable[[Canon, Any], Form]


def _once(visit: Handler) -> Handler:
    """For what may be met again: then its number is enough."""

    def handler(canon: Canon, it: Any) -> Form:  # noqa: ANN401 - whatever there is
        is_new, number = canon.first_visit(it)
        return (number, visit(canon, it)) if is_new else ("=", number)

    return handler


def _sequence(canon: Canon, it: Iterable[Any]) -> Form:
    return (type(it).__name__, *map(canon, it))


def _mapping(canon: Canon, it: dict[Any, Any]) -> Form:
    """In its own order; by key where the keys are nodes, slots, epochs: nobody looks at the order of these."""
    items = sorted(it.items()) if all(type(key) is int for key in it) else it.items()
    return ("{", *[(canon(key), canon(value)) for key, value in items])


def _set(canon: Canon, it: Iterable[Any]) -> Form:
    """Members in an order that is the same in every run."""
    return ("set", *map(canon, sorted(it, key=_order)))


def _order(member: Any) -> Any:  # noqa: ANN401 - members of sets
    if isinstance(member, StoredChain):
        return member.id
    return member.target if isinstance(member, Resync) else member


def _function(canon: Canon, it: types.FunctionType) -> Form:
    code = it.__code__
    cells = [_cell(canon, cell) for cell in it.__closure__ or ()]
    return ("def", code.co_qualname, code.co_firstlineno, canon(it.__defaults__), *cells)


def _cell(canon: Canon, it: types.CellType) -> Form:
    is_new, number = canon.first_visit(it)
    if not is_new:
        return ("=", number)
    try:
        content = it.cell_contents
    except ValueError:
        return (number,)
    return (number, canon(content))


def _method(canon: Canon, it: types.MethodType) -> Form:
    return ("method", it.__func__.__qualname__, canon(it.__self__))


def _builtin(canon: Canon, it: types.BuiltinMethodType) -> Form:
    owner = it.__self__
    return ("builtin", it.__qualname__, None if isinstance(owner, types.ModuleType) else canon(owner))


def _iterator(canon: Canon, it: Any) -> Form:  # noqa: ANN401 - one of ITERATORS
    rest = it.__reduce__()[1:]
    return ("iterator", type(it).__name__, *[canon(part) for part in rest if part is not None])


def _fields_of(kind: type) -> list[str]:
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return []


def _object(kind: type) -> Handler:
    names = [name for name in _fields_of(kind) if name not in LEFT_OUT.get(kind, ())]

    def visit(canon: Canon, it: Any) -> Form:  # noqa: ANN401 - of this kind
        return (kind.__name__, *[canon(getattr(it, name)) for name in names])

    return _once(visit)


def _attributes(kind: type) -> Handler:
    without = LEFT_OUT.get(kind, set())

    def visit(canon: Canon, it: Any) -> Form:  # noqa: ANN401 - of this kind
        values = [(name, canon(value)) for name, value in vars(it).items() if name not in without]
        return (kind.__name__, *values)

    return _once(visit)


def _slots(kind: type) -> Handler:
    names = [name for name in kind.__slots__ if name not in LEFT_OUT.get(kind, ())]  # type: ignore[attr-defined]  # it has them

    def visit(canon: Canon, it: Any) -> Form:  # noqa: ANN401 - of this kind
        return (kind.__name__, *[canon(getattr(it, name)) for name in names])

    return _once(visit)


def handler_for(kind: type) -> Handler:
    """How objects of a kind are visited. Raises TypeError for a kind that nobody has thought of."""
    if issubclass(kind, tuple):
        return lambda canon, it: (kind.__name__, *map(canon, it))
    if issubclass(kind, Enum):
        return lambda _, it: (kind.__name__, it.name)
    if issubclass(kind, type):
        return lambda _, it: ("class", it.__qualname__)
    if issubclass(kind, BaseException):
        return lambda canon, it: (kind.__name__, canon(it.args))
    if kind in FIXED:
        return lambda _, __: (kind.__name__,)
    if is_dataclass(kind):
        return _object(kind)
    if kind.__module__.startswith("hammer2_"):
        return _slots(kind) if hasattr(kind, "__slots__") else _attributes(kind)
    if kind.__name__ == "coroutine_wrapper" or kind.__name__.startswith("async_generator_"):
        return _once(lambda canon, it: (kind.__name__, *map(canon, gc.get_referents(it))))
    raise TypeError(f"fingerprint: nobody has thought of objects of {kind}")


def _question(canon: Canon, it: _Question[Any]) -> Form:
    """Who asks is known; of those who have answered only who they are counts (``Until``)."""
    return ("question", canon(it.until), canon(it.outstanding), tuple(sorted(it.answered)), canon(it.arrived))


def _node(_: Canon, it: Node) -> Form:
    return ("node", it.number)


HANDLERS: Final[dict[type, Handler]] = {
    list: _once(_sequence),
    deque: _once(_sequence),
    dict: _once(_mapping),
    Counter: _once(_mapping),
    set: _once(_set),
    frozenset: _set,
    range: lambda _, it: ("range", it.start, it.stop, it.step),
    bytearray: _once(lambda _, it: bytes(it)),
    object: _once(lambda _, __: "object"),
    types.FunctionType: _function,
    types.MethodType: _method,
    types.BuiltinMethodType: _builtin,
    types.MethodDescriptorType: lambda _, it: it.__qualname__,
    types.CellType: _cell,
    types.CoroutineType: _once(lambda canon, it: canon.frame(it, it.cr_code, it.cr_frame)),
    types.GeneratorType: _once(lambda canon, it: canon.frame(it, it.gi_code, it.gi_frame)),
    types.AsyncGeneratorType: _once(lambda canon, it: canon.frame(it, it.ag_code, it.ag_frame)),
    partial: _once(lambda canon, it: ("partial", canon(it.func), canon(it.args), canon(it.keywords))),
    _GeneratorContextManager: _once(lambda canon, it: canon(it.gen)),
    _AsyncGeneratorContextManager: _once(lambda canon, it: canon(it.gen)),
    local: lambda _, __: "between two events no step is being ended",
    Progress: lambda _, __: "counted for people",
    _Question: _once(_question),
    Node: _node,
    Medium: lambda _, it: it.digest,
    Children: _once(lambda canon, it: ("children", *map(canon, it.all()))),
    ChainLock: _slots(ChainLock),
    StoredChain: _object(StoredChain),
    Cluster: _object(Cluster),
    **dict.fromkeys(ITERATORS, _once(_iterator)),
    **{
        kind: _attributes(kind) for kind in (Volume, Freemap, Resync, SynchronizationThread, Session, FrontEnd, Journal)
    },
}


def form_of(world: World, canon: Canon | None = None) -> dict[str, Form]:
    """All of a world, by parts."""
    canon = Canon() if canon is None else canon
    sim, failures, control, judge = world.sim, world.failures, world.control, world.judge
    # What a node that is gone had in memory is nobody's any more: when it comes back it is mounted anew.
    there = [node.connected for node in sim.nodes]
    volumes = [canon(volume) for volume, is_there in zip(world.chains.volumes, there, strict=True) if is_there]
    roots = [canon(chain) for n, chain in failures._roots.items() if there[n]]
    nodes = [
        (node.connected, node.times_lost, canon(node._queue), canon(node._waiting), canon(medium))
        for node, medium in zip(sim.nodes, world.media, strict=True)
    ]
    clients = [
        (str(me), client.serves, canon(client.mail), canon(client.operation), canon(client.waits), canon(client.on),
         [canon(known) for known in client.on._known.values() if known.refs or known.late()])
        for me, client in sim._clients.items()
    ]  # fmt: skip
    known = (failures.queue, failures.causes, failures.unreadable, failures.away, failures.successors)
    failed = [roots, *map(canon, known)]
    own = [(canon(client.journal), canon(client.session)) for client in world.clients]
    watchers = [(canon(it), canon(it._resync), failures.returns, *_news(control)) for it in world.watchers]
    said = canon(control.state), canon(control._epochs), canon(control._media)
    ghosts = judge.acknowledged, judge.refused, canon(judge.bits), tuple(judge.outcomes)
    left = sim.now, canon(sim.stalled), canon(world.slow), world.left_faults
    return {
        "memory of the nodes": volumes,
        "queues and media of the nodes": nodes,
        "clients": clients,
        "failures": failed,
        "sessions and journals": own,
        "synchronization threads": watchers,
        "control state": said,
        "ghosts": ghosts,
        "time and what is left": left,
    }


def _news(control: Control) -> tuple[int, int]:
    """Counts that a synchronization thread compares."""
    return control.taken["Acknowledge"], control.taken["Ready"]


def fingerprint(world: World) -> bytes:
    """Of all of a world."""
    return digest(form_of(world))


def digest(form: dict[str, Form]) -> bytes:
    """16 bytes for a form."""
    return blake2b(marshal.dumps(tuple(form.values()), 2), digest_size=16).digest()
