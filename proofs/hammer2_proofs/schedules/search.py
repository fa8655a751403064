"""Every schedule, by re-execution: a run is its list of moves, and a state seen before is not entered again."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Final, NamedTuple

from hammer2_cluster.device.faults import Count
from hammer2_proofs.schedules.fingerprint import fingerprint
from hammer2_proofs.schedules.judge import Violation
from hammer2_proofs.schedules.world import FAULTS, Move, Scenario, Void, World
from hammer2_spec.protocol.state import State

Fingerprint = Callable[[World], bytes]
OUT_OF_TIME = "out of time"
INTERRUPTED = "interrupted"
NO_END = 2_000
"""Moves of one run; more are a run without an end."""


@dataclass(frozen=True)
class Counterexample:
    """A run that breaks something."""

    moves: tuple[Move, ...]
    what: str


@dataclass(slots=True)
class Found:
    """What a search found."""

    scenario: Scenario
    schedules: int = 0
    """Runs, each to its end or to a state that was seen before."""
    states: int = 0
    moves: int = 0
    replayed: int = 0
    """Moves that were made once more, to come back to where something else could happen."""
    deepest: int = 0
    ends: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """What the clients heard, in each run that came to its end."""
    taken: Counter[str] = field(default_factory=Counter)
    """How often the code took each action of the protocol."""
    faults: Counter[str] = field(default_factory=Counter)
    abstract: set[State] = field(default_factory=set)
    """The control states, as the specification counts."""
    counterexample: Counterexample | None = None
    stopped: str = ""
    """Why it is not complete, or nothing."""
    seconds: float = 0.0
    """Of CPU time."""

    @property
    def complete(self) -> bool:
        """Whether every schedule within the bounds was covered."""
        return not self.stopped


class _Choice(NamedTuple):
    move: Move
    delays: int | None
    """That are left then."""


@contextmanager
def _little_garbage() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def search(
    scenario: Scenario,
    *,
    seconds: float = float("inf"),
    prune: Fingerprint | None = fingerprint,
    note: Callable[[World], None] = lambda _: None,
    progress: Callable[[Found], None] = lambda _: None,
) -> Found:
    """All schedules of a scenario, up to the first that breaks something.

    Args:
        scenario: what, and its bounds.
        seconds: of CPU time, after which it stops.
        prune: tells states apart; None lets every schedule run to its end.
        note: called in every state that is entered.
        progress: called now and then.
    """
    run = _Search(scenario, seconds, prune, note, progress)
    began = time.process_time()
    with _little_garbage():
        try:
            run.all()
        except KeyboardInterrupt:
            run.found.stopped = INTERRUPTED
    run.found.seconds = time.process_time() - began
    return run.found


def search_all(
    scenarios: Sequence[Scenario], *, seconds: float, jobs: int = 1, progress: Callable[[Found], None] = lambda _: None
) -> Iterator[Found]:
    """Search one scenario after the other, in their order; so many at once. Ctrl-C ends with those that had begun."""
    if jobs == 1:
        for scenario in scenarios:
            found = search(scenario, seconds=seconds, progress=progress)
            yield found
            if found.stopped == INTERRUPTED:
                return
        return
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:
        futures = [pool.submit(_one_of_several, scenario, seconds) for scenario in scenarios]
        for future in futures:
            try:
                wait([future])
            except KeyboardInterrupt:  # the others have heard it too, and say how far they were
                for other in futures:
                    other.cancel()
            if not future.cancelled():
                yield future.result()


_interrupted: Final[list[Scenario]] = []
"""In a process of its own: what was interrupted there."""


def _one_of_several(scenario: Scenario, seconds: float) -> Found:
    """A search, unless Ctrl-C has ended the one before: the pool hands out one too many."""
    if _interrupted:
        return Found(scenario, stopped=INTERRUPTED)
    found = search(scenario, seconds=seconds)
    _interrupted.extend([scenario] * (found.stopped == INTERRUPTED))
    return found


def must_end(world: World) -> None:
    """Raises Violation if a run has become so long that it has no end."""
    if len(world.moves_made) > NO_END:
        raise Violation("a run without an end")


def what_breaks(world: World, go_on: Callable[[World], None]) -> Counterexample | None:
    """What a world breaks while it goes on; it is closed then. Nothing, if that comes to an end or is void."""
    try:
        go_on(world)
    except Void:
        pass
    except Violation as violation:
        return Counterexample(tuple(world.moves_made), str(violation))
    finally:
        world.close()
    return None


def vacuous(node: int, use: Count, before: Count) -> set[Move]:
    """The faults that find nothing to strike in a step of a node. use: of its device, when all goes well."""
    reads, writes, syncs = use.reads - before.reads, use.writes - before.writes, use.syncs - before.syncs
    struck = {"read-error": reads, "write-error": writes + syncs, "sync-error": syncs, "full": writes}
    return {Move(kind, node) for kind, count in struck.items() if not count}


class _Search:
    """Depth first."""

    def __init__(
        self,
        scenario: Scenario,
        seconds: float,
        prune: Fingerprint | None,
        note: Callable[[World], None],
        progress: Callable[[Found], None],
    ) -> None:
        self.found: Final = Found(scenario)
        self._prune: Final = prune
        self._note: Final = note
        self._progress: Final = progress
        self._end: Final = time.process_time() + seconds
        self._path: Final[list[_Choice]] = []
        self._open: Final[list[list[_Choice]]] = []
        """What is still to be tried instead of each choice of the path."""
        self._seen: Final[dict[bytes, int]] = {}
        """States, and with how many delays they were entered at most."""

    def all(self) -> None:
        """Run after run."""
        found = self.found
        while True:
            self._one()
            if found.counterexample is not None:
                return
            while self._open and not self._open[-1]:
                self._open.pop()
                self._path.pop()
            if not self._open:
                return
            if time.process_time() > self._end:
                found.stopped = OUT_OF_TIME
                return
            self._path[-1] = self._open[-1].pop(0)
            if found.schedules % 256 == 0:
                self._progress(found)

    def _one(self) -> None:
        """Back to where the path ends, and on from there with the first choice each time."""
        found, path = self.found, self._path
        world = World(found.scenario)
        for choice in path[:-1]:
            world.make(choice.move, judged=False)
        found.schedules += 1
        found.replayed += max(0, len(path) - 1)

        def go_on(world: World) -> None:
            if path:
                self._make(world, path[-1].move)
            while choices := self._enter(world):
                path.append(choices[0])
                self._open.append(choices[1:])
                self._make(world, choices[0].move)

        found.counterexample = what_breaks(world, go_on) or found.counterexample
        found.deepest = max(found.deepest, len(path))

    def _make(self, world: World, move: Move) -> None:
        before = len(world.control.actions)
        use = world.devices[move.node].count
        at_first = replace(use)
        world.make(move)
        if move.what == "step":
            void = vacuous(move.node, use, at_first)
            self._open[-1][:] = [choice for choice in self._open[-1] if choice.move not in void]
        self.found.moves += 1
        self.found.taken.update(action for action, _ in world.control.actions[before:])
        if move.what in FAULTS:
            self.found.faults[move.what] += 1

    def _enter(self, world: World) -> list[_Choice]:
        """What to do in a state: nothing, if it was seen before or is an end. Raises Violation."""
        found = self.found
        left = self._path[-1].delays if self._path else found.scenario.delays
        moves = world.moves()
        if self._prune is not None and len(moves) != 1:  # where there is one way on, the state that it leads to counts
            mark = self._prune(world)
            if self._seen.get(mark, -1) >= (left or 0):
                return []
            found.states += mark not in self._seen
            self._seen[mark] = left or 0
        found.abstract.add(world.judge.state)
        self._note(world)
        if not moves:
            world.end()
            found.ends[tuple(world.judge.outcomes)] += 1
        must_end(world)
        if left is None:
            return [_Choice(move, None) for move in moves]
        costs = [0 if move.what in FAULTS else n for n, move in enumerate(moves)]
        return [_Choice(move, left - cost) for move, cost in zip(moves, costs, strict=True) if cost <= left]
