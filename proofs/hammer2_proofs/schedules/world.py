"""A small world of the real code: stored nodes, clients with sessions, and every step and fault that can come next."""

from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, cast

from hammer2_cluster import life_cycle, lock_order
from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.device.device import Device
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.failures import Cause, Failures
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.journal import Journal
from hammer2_cluster.lookups import lookup_done
from hammer2_cluster.objects import Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.patience import Cancelled, Patience
from hammer2_cluster.resync import Resync
from hammer2_cluster.sessions import RECOVERIES, Session, Unwritten
from hammer2_cluster.simulated import Event, Simulation
from hammer2_cluster.store.chains import StoredChains, at_once
from hammer2_cluster.store.directory import FilesystemError, UnavailableError, lock_again
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import LABEL
from hammer2_cluster.store.making import open_volume
from hammer2_cluster.store.pfs import assemble, find_root
from hammer2_cluster.straight import Straight
from hammer2_cluster.synchronization import SynchronizationThread
from hammer2_proofs.schedules.judge import Judge, Outcome, Recorded, Violation
from hammer2_proofs.schedules.media import FILE, Medium, content_in, images, new_image
from hammer2_spec.protocol.state import INGREDIENTS
from hammer2_spec.semantics import REPAIRED, Semantics

GRACE: Final = 50
PATIENCE: Final = Patience(again=False, ticks=200)


class Move(NamedTuple):
    """What can be done next: one of Simulation's events, or a fault.

    step: node. answer: node, client. client: client. tick. Then the faults: late: time passes although the node has
    something to do. gone: the node goes away. back: it is there again. new-medium: it is given up, for an empty medium
    is in the place of its own. read-error, write-error, sync-error, full: a step of the node, whose first read, write
    or sync fails, or finds the device full. no-room: a step that finds the volume full.
    cancel: the client's operation is cancelled.
    """

    what: str
    node: int = 0
    client: Hashable = None

    def __str__(self) -> str:
        match self.what:
            case "step":
                return str(self.node)
            case "answer":
                return f"answer:{self.node}/{self.client}"
            case "client" | "cancel":
                return f"{self.what}:{self.client}"
            case "tick":
                return "tick"
            case _:
                return f"{self.what}:{self.node}"

    @classmethod
    def read(cls, text: str) -> "Move":
        """The move that is written like this. Raises ValueError."""
        if text.isdigit():
            return cls("step", int(text))
        what, _, whom = text.partition(":")
        if what == "tick" and not whom:
            return cls("tick")
        if what in ("client", "cancel"):
            return cls(what, client=_client(whom))
        node, _, client = whom.partition("/")
        if what not in ("answer", *FAULTS, "back") or not node.isdigit():
            raise ValueError(f"{text!r} is no step")
        return cls(what, int(node), _client(client) if what == "answer" else None)


def _client(text: str) -> Hashable:
    return int(text) if text.isdigit() else text


FAULTS: Final = ("late", "gone", "new-medium", "read-error", "write-error", "sync-error", "full", "no-room", "cancel")
ANY: Final = ("late", "gone", "write-error", "sync-error", "cancel")
"""A node that is full fails as one that cannot write; that, and media that are replaced, are explored apart."""
_DEVICE_FAULTS: Final = {
    "read-error": partial(Fault, Kind.READ_ERROR, times=1),
    "write-error": partial(Fault, Kind.WRITE_ERROR, times=1),
    "sync-error": partial(Fault, Kind.WRITE_ERROR, where=range(0), times=1),
    "full": partial(Fault, Kind.FULL, times=1),
}
STRIKES: Final = (*_DEVICE_FAULTS, "no-room")
"""Faults that strike in a step of a node."""


@dataclass(frozen=True)
class Scenario:
    """What is explored, and how far."""

    name: str
    programs: tuple[tuple[str, ...], ...]
    """The operations of each client: "write", "read", "lock" or "lock twice" (the root, and nothing else), "record"
    (that media are new)."""
    faults: int = 0
    """How many there may be."""
    kinds: tuple[str, ...] = ANY
    """Which."""
    watched: bool = False
    """Every node has its synchronization thread, and comes back when it was away."""
    in_flight: bool = False
    """Answers are on their way for a while, instead of being there when the step ends."""
    masters: int = 3
    delays: int | None = None
    """How often the plainest choice may be passed over, each time by one; None as often as there are others."""
    without: str = ""
    """A repair that is switched off: of the operations, or of the protocol."""
    reduced: bool = True
    """A step that nobody waits for is taken at once, before all others."""

    @property
    def bounds(self) -> str:
        """In words."""
        clients = "; ".join(f"client {c}: {', '.join(program)}" for c, program in enumerate(self.programs))
        kinds = f" ({', '.join(self.kinds)})" if self.faults else ""
        more = [
            f"{self.masters} nodes",
            clients,
            f"{self.faults} fault{'' if self.faults == 1 else 's'}{kinds}",
            "synchronization threads" if self.watched else "no synchronization threads",
            "answers in flight" if self.in_flight else "answers at once",
        ]
        more += [f"without {self.without}"] if self.without else []
        return ", ".join(more + ([] if self.delays is None else [f"{self.delays} delays"]))


@dataclass(slots=True)
class Void(Exception):
    """A fault had nothing to strike: this is no run of its own."""

    move: Move


@dataclass(slots=True)
class Client:
    """One client: its program, and what came of it."""

    on: FrontEnd
    session: Session
    filesystem: Filesystem
    journal: Journal
    root: Cluster


class World:
    """One run of a scenario, at some moment."""

    def __init__(self, scenario: Scenario) -> None:
        """At its beginning: every client has begun its program, and waits."""
        self.scenario: Final = scenario
        masters = scenario.masters
        self.sim = Simulation(masters, instant_answers=not scenario.in_flight)
        nodes = self.sim.nodes
        self.media = [Medium(image) for image in images(masters)]
        self.devices = [FaultyDevice(cast("Device", it), node) for it, node in zip(self.media, nodes, strict=True)]
        self.chains = StoredChains(
            [at_once(open_volume(device, n, "", nodes[n])) for n, device in enumerate(self.devices)]
        )
        without = scenario.without
        of_operations = without in Semantics._fields and without not in INGREDIENTS
        self.semantics = REPAIRED._replace(**{without: False}) if of_operations else REPAIRED
        straight = Straight(self.chains, REPAIRED)
        self.root, _ = straight.run(assemble(straight, self.chains, LABEL))
        tids = [None if item.chain is None else item.chain.bref.mirror_tid for item in self.root.array[:masters]]
        count = len(scenario.programs)
        losses = scenario.faults if "new-medium" in scenario.kinds else 0
        self.control = Recorded(tids, masters, count, writes=sum(map(len, scenario.programs)), replacements=losses)
        if without in INGREDIENTS:
            self.control.weaken(without)
        elif without and self.semantics is REPAIRED:
            raise ValueError(f"there is no repair {without!r}")
        inode = deref(straight.run(find_root(straight, self.chains, deref(self.chains.volumes[0]), LABEL))).inode
        self.failures = Failures(
            self.control, self.sim.shared, self.chains, self.root, inode, self._spoil, self.devices
        )
        self.sim.shared.promises = lambda: tuple(node.promised for node in self.control.state.nodes)
        self.clients = [self._client(c, straight) for c in range(count)]
        self.left_faults = scenario.faults
        self.slow: set[int] = set()
        self.moves_made: list[Move] = []
        self.judge = Judge(self.control, self.chains, self.media, [len(program) for program in scenario.programs])
        for volume in self.chains.volumes:
            if volume is not None:
                lock_order.watch(volume)
        self.watchers = [self._watch(n) for n in range(masters if scenario.watched else 0)]
        for c, program in enumerate(scenario.programs):
            self.sim.start(c, self._program(c, program))

    # ---- what it consists of

    def _client(self, c: int, straight: Straight) -> Client:
        journal = Journal(cast("ChainLayer", self.chains))
        numbers = iter(range(1000 * (c + 1), 1000 * (c + 2)))
        # So that they do not depend on what the other clients do.
        journal.kmalloc = lambda: Cluster(next(numbers))  # type: ignore[attr-defined]  # as the layer below
        on = self.sim.client(c, cast("ChainLayer", journal), self.semantics)
        root = straight.run(life_cycle.copy(straight, self.root))
        on.keep(root)
        session = Session(on, c, root, journal, self.control, self.failures, GRACE)
        return Client(on, session, Filesystem(on, self.chains, LABEL, root, []), journal, root)

    def _watch(self, n: int) -> SynchronizationThread:
        me = f"sync{n}"
        on = self.sim.client(me, self.chains)
        pmp = self.clients[0].filesystem.pmp
        resync = Resync(on, n, pmp, self.chains, self.control, self.failures, RECOVERIES * GRACE)
        watcher = SynchronizationThread(resync)
        self.sim.serve(me, watcher.run())
        return watcher

    def _spoil(self, client: Hashable, n: int) -> None:
        if isinstance(client, int):
            self.clients[client].journal.spoil(n)

    # ---- the programs

    async def _program(self, c: int, program: tuple[str, ...]) -> None:
        for j, operation in enumerate(program):
            work: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
                "write": partial(self._write, c, j),
                "read": partial(self._read, c),
                "lock": partial(self._lock, c, 1),
                "lock twice": partial(self._lock, c, 2),
                "record": self.clients[c].session.record_replacements,
            }
            try:
                await self.clients[c].on.perform(work[operation], UnavailableError, PATIENCE)
                outcome = Outcome.DONE
            except (Unwritten, Cancelled):
                outcome = Outcome.UNKNOWN
            except FilesystemError:
                outcome = Outcome.REFUSED
            self.judge.ended(c, j, operation, outcome)

    async def _write(self, c: int, j: int) -> None:
        client = self.clients[c]

        async def change() -> None:
            k = self.judge.begun(c, j)
            try:
                await client.filesystem.write(FILE, k, b"\1")
            except Exception:
                self.judge.came_to_nothing(k)
                raise

        await client.session.write(change)

    async def _read(self, c: int) -> None:
        known = self.judge.acknowledged
        pieces = [piece async for piece in self.clients[c].filesystem.read(FILE)]
        self.judge.read(content_in(b"".join(pieces)), known)

    async def _lock(self, c: int, times: int) -> None:
        client = self.clients[c]
        for _ in range(times):  # how often it was done stands on the value stack alone
            await lookup_done(client.on, await lock_again(client.on, client.root, 0))

    # ---- what can happen

    def moves(self) -> list[Move]:
        """Everything that can come next, the plainest first."""
        events = self.sim.events()
        for event in events:
            if event.what == "answer" and not self.scenario.in_flight:
                return [Move("answer", event.node, event.client)]  # news of a node
            if event.is_silent and self.scenario.reduced:
                return [Move("step", event.node), *self._strikes(("no-room",), [event])]
        moves = [Move(event.what, event.node, event.client) for event in events]
        moves += [Move("back", n) for n in sorted(self.failures.away) if self.watchers]
        if not self._has_ended(moves):
            moves += self._faults(events)
        return moves

    def _has_ended(self, moves: list[Move]) -> bool:
        return not moves and all(self.sim.has_ended(c) for c in range(len(self.clients)))

    def _faults(self, events: list[Event]) -> list[Move]:
        kinds = self.scenario.kinds if self.left_faults else ()
        moves = []
        busy = {event.node for event in events if event.what in ("step", "answer")}
        if len(busy) == 1 and all(event.what in ("step", "answer") for event in events):
            [late] = busy
            if ("late" in kinds or late in self.slow) and self.sim.somebody_sleeps:
                moves.append(Move("late", late))
        if "gone" in kinds:
            moves += [Move("gone", n) for n, node in enumerate(self.sim.nodes) if node.connected]
        if "new-medium" in kinds:
            moves += [Move("new-medium", n) for n, node in enumerate(self.sim.nodes) if node.connected]
        moves += self._strikes(STRIKES, events)
        if "cancel" in kinds:
            moves += [Move("cancel", client=c) for c in range(len(self.clients)) if not self.sim.has_ended(c)]
        return moves

    def _strikes(self, of: Sequence[str], events: Sequence[Event]) -> list[Move]:
        """Faults that could strike in these steps."""
        kinds = [kind for kind in of if self.left_faults and kind in self.scenario.kinds]
        return [Move(kind, event.node) for kind in kinds for event in events if event.what == "step"]

    def make(self, move: Move, *, judged: bool = True) -> None:
        """Let it happen. Raises Violation, or Void.

        judged: False where the same was judged before.
        """
        self.moves_made.append(move)
        self.control.judged = judged
        try:
            self._happen(move)
        except (Violation, Void):
            raise
        except Exception as error:  # raised outside of any client, as where a node goes away
            raise Violation(self.control.broken or f"{type(error).__name__}: {error}") from error
        finally:
            self.control.judged = True
        self._nobody_has_died()
        if judged:
            self.judge.after()

    def _happen(self, move: Move) -> None:
        match move.what:
            case "late":
                self.left_faults -= move.node not in self.slow
                self.slow.add(move.node)
                self.sim.take(Event("tick"))
            case "gone":
                self.left_faults -= 1
                self.failures.disconnected(move.node)
            case "new-medium":
                self.left_faults -= 1
                self.failures.disconnected(move.node, Cause.REPLACED)
                self.media[move.node].replace(new_image(move.node, self.scenario.masters, self.left_faults))
            case "back":
                self.failures.returned(move.node)
            case "cancel":
                self.left_faults -= 1
                self.sim.cancel(move.client)
            case "no-room":
                self.left_faults -= 1
                self._without_room(move)
            case "read-error" | "write-error" | "sync-error" | "full":
                self.left_faults -= 1
                fault = _DEVICE_FAULTS[move.what]()
                self.devices[move.node].faults.append(fault)
                self.sim.take(Event("step", move.node))
                if fault.times:
                    raise Void(move)
                self.devices[move.node].faults.clear()
            case "step" if self.sim.is_next_silent(move.node):
                before = self._seen_beyond_nodes()
                self.sim.take(Event("step", move.node))
                if self._seen_beyond_nodes() != before:
                    raise Violation("a step that may be taken before all others is seen beyond its node")
            case _:
                self.sim.take(Event(move.what, move.node, move.client))

    def _seen_beyond_nodes(self) -> Hashable:
        """What no step may change that is taken at once: the control state, the media, and where the clients are."""
        counts = [(device.count.writes, device.count.syncs) for device in self.devices]
        return len(self.control.actions), tuple(counts), self.sim.waits_of_clients()

    def _without_room(self, move: Move) -> None:
        volume = self.chains.volumes[move.node]
        if volume is None or volume.failed is not None:
            raise Void(move)
        taken = volume.freemap.free_bytes
        volume.promised += taken
        self.sim.take(Event("step", move.node))
        volume.promised -= taken
        if volume.failed is None:
            raise Void(move)

    def close(self) -> None:
        """Let go of all that is under way: where a coroutine is collected instead, it complains."""
        self.control.judged = False  # what ends here has been judged
        for node in self.sim.nodes:
            node.disconnect()
        self.sim.close()

    def _nobody_has_died(self) -> None:
        for me, raised in self.sim.died():
            raise Violation(f"client {me}: {type(raised).__name__}: {raised}") from raised

    def end(self) -> None:
        """Nothing can happen any more: whoever waits is stuck; locks and references balance. Raises Violation."""
        all_ended = all(self.sim.has_ended(c) for c in range(len(self.clients)))
        self.judge.nobody_is_stuck("" if all_ended else self.sim.who_waits())
        roots = [self.failures.root(n) for n in range(self.scenario.masters)]
        self.judge.nothing_is_held(roots, [client.root for client in self.clients])


def replayed(scenario: Scenario, moves: list[Move]) -> World:
    """The world after these moves. Raises Violation, Void."""
    world = World(scenario)
    for move in moves:
        world.make(move)
    return world
