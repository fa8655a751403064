"""Breadth-first search: level by level, in rounds of expand and insert, on one core or two.

Each worker owns the states whose hash begins with its bit: it alone expands and inserts them. In a round all workers
expand, then all insert what was sent to them, so that counts and hash do not depend on how many they are.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hammer2_proofs.explorer.dialect.signatures import setup_vector
from hammer2_proofs.explorer.generate import (
    LOG_CULPRIT,
    LOG_OUTSIDE,
    LOG_OVERFLOW,
    LOG_ROWS,
    LOG_STEPS,
    MOST_STEP_INVARIANTS,
    Kernels,
    contribution,
    mix,
)
from hammer2_proofs.explorer.layout import FieldOverflow, Layout
from hammer2_proofs.explorer.machine import Machine
from hammer2_spec.transition_system import Action, Model, sentence

MEBIBYTE = 2**20
BUFFER = 2**14
FIRST_TABLE = 2**16
FULLEST = 0.8
WORD = 2**64
INDEX_LIMIT = 2**31

Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Values = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Progress:
    """How far the search is."""

    states: int
    transitions: int
    depth: int
    frontier: int
    seconds: float
    bytes: int

    @property
    def rate(self) -> float:
        """States per second so far."""
        return self.states / self.seconds if self.seconds > 0 else 0.0


@dataclass
class Found:
    """What a search found: counts, and the first state at which each sentence shows.

    ``states`` are numbered: index * workers + worker. ``stopped`` says why the search is not complete, "" if it is.
    """

    model: Model[Any, Any]
    layout: Layout
    kernels: Kernels
    machine: Machine
    workers: int
    symmetry: bool
    setup: Numbers
    pools: list["Pool"] = field(default_factory=list)
    states: int = 0
    transitions: int = 0
    depth: int = 0
    frontier: int = 0
    """States that were found and not expanded: 0 in a complete search."""
    outside: int = 0
    hash: int = 0
    seconds: float = 0.0
    stopped: str = ""
    actions: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    stepped: dict[str, int] = field(default_factory=dict)
    reached: dict[str, int | None] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every reachable state was visited."""
        return not self.stopped

    @property
    def never(self) -> list[str]:
        """Actions that were never enabled, witnesses that were never reached; only a complete search can say so."""
        if not self.complete:
            return []
        return [name for name, count in self.actions.items() if count == 0] + [
            name for name, state in self.reached.items() if state is None
        ]

    def words(self, state: int) -> tuple[int, ...]:
        """The packed form of a numbered state."""
        index, worker = divmod(state, self.workers)
        at = index * self.layout.words
        return tuple(int(word) for word in self.pools[worker].store[at : at + self.layout.words])

    def parent(self, state: int) -> int:
        """The state from which a numbered state was first reached, -1 for an initial one."""
        index, worker = divmod(state, self.workers)
        number = int(self.pools[worker].parents[index])
        return -1 if number == INDEX_LIMIT * 2 - 1 else number


class Pool:
    """The states that one worker owns, its table, and the buffers it fills while expanding."""

    def __init__(self, layout: Layout, most: int, instances: int) -> None:
        words = layout.words
        self.words = words
        self.most = most
        # Memory is only taken as it is written to.
        self.store: Words = np.empty(most * words, dtype=np.uint64)
        self.parents: npt.NDArray[np.uint32] = np.empty(most, dtype=np.uint32)
        self.table: Words = np.zeros(FIRST_TABLE, dtype=np.uint64)
        self.known = 0
        self.total: Words = np.zeros(1, dtype=np.uint64)
        self.done = 0
        self.level = 0
        self.outs: Words = np.empty(2 * BUFFER * words, dtype=np.uint64)
        self.hashes: Words = np.empty(2 * BUFFER, dtype=np.uint64)
        self.sources: npt.NDArray[np.uint32] = np.empty(2 * BUFFER, dtype=np.uint32)
        self.filled: Numbers = np.zeros(2, dtype=np.int64)
        self.vector: Values = np.zeros(layout.slots, dtype=np.int32)
        self.next: Values = np.zeros(layout.slots, dtype=np.int32)
        self.rows: Words = np.zeros(instances * words, dtype=np.uint64)

    def bytes(self) -> int:
        """Memory in use."""
        return self.known * (8 * self.words + 4) + 8 * len(self.table)

    def make_room(self, machine: Machine, coming: int) -> None:
        """Double the table until that many more states fit in."""
        size = len(self.table)
        while self.known + coming > FULLEST * size:
            size *= 2
        if size > len(self.table):
            self.table = np.zeros(1, dtype=np.uint64)
            self.table = np.zeros(size, dtype=np.uint64)
            machine.refill(self.table, size, self.store, self.known)


class Notes:
    """What a worker notes while it expands."""

    def __init__(self, model: Model[Any, Any], instances: int) -> None:
        self.counts: Numbers = np.zeros(len(model.actions), dtype=np.int64)
        self.broken: Numbers = np.full(len(model.invariants) + 1, -1, dtype=np.int64)
        self.reached: Numbers = np.full(len(model.witnesses) + 1, -1, dtype=np.int64)
        self.log: Numbers = np.full(LOG_ROWS + 2 * (instances + 1), -1, dtype=np.int64)
        self.log[LOG_OUTSIDE] = 0
        if len(model.step_invariants) > MOST_STEP_INVARIANTS:
            raise ValueError(f"{len(model.step_invariants)} step invariants: expected at most {MOST_STEP_INVARIANTS}")

    @property
    def stepped(self) -> Numbers:
        """For each step invariant the first state from which a step breaks it, or -1."""
        return self.log[LOG_STEPS:LOG_ROWS]


def most_states(layout: Layout, workers: int, memory: int) -> int:
    """How many states each worker may own within so many bytes."""
    # Worst case of the table: just doubled (8 bytes at 40% full).
    each = 8 * layout.words + 4 + 8 / (FULLEST / 2)
    return min(int(memory / each / workers), INDEX_LIMIT // workers - 1)


def search(
    model: Model[Any, Any],
    *,
    symmetry: bool = False,
    workers: int = 1,
    memory: int = 8 * 1024 * MEBIBYTE,
    depth: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    kernels: Kernels | None = None,
    keep_going: bool = False,
) -> Found:
    """Visit every reachable state, breadth first.

    Args:
        model: the model, with its bounds.
        symmetry: whether states that differ by a permutation of like nodes count as one.
        workers: 1 or 2 cores.
        memory: bytes for states, links and table; when they are used up the search ends undecided.
        depth: the deepest level to expand, None for all.
        progress: called about ten times a second.
        kernels: kernels made before, for a mutant.
        keep_going: whether to go on beyond the depth at which an invariant is first broken.

    Raises:
        ValueError: so much memory cannot be had, or workers is neither 1 nor 2.
        FieldOverflow: a field left its declared range.
        NotInDialect: the model cannot be compiled.
    """
    if workers not in (1, 2):
        raise ValueError(f"workers is 1 or 2, not {workers}")
    kernels = kernels or Kernels(model)
    layout = kernels.layout
    machine = kernels.load()
    setup = np.array([*setup_vector(model.setup)[1], 0], dtype=np.int64)
    found = Found(model, layout, kernels, machine, workers, symmetry, setup)
    most = most_states(layout, workers, memory)
    try:
        found.pools = [Pool(layout, most, kernels.instances) for _ in range(workers)]
    except MemoryError:
        raise ValueError(f"{memory // MEBIBYTE} MiB cannot be had here: give a smaller limit of memory") from None
    notes = [Notes(model, kernels.instances) for _ in range(workers)]
    _insert_initial(found)
    began = time.perf_counter()
    run = _Run(found, notes, began, progress)
    try:
        while run.frontier() and not found.stopped:
            if depth is not None and found.depth >= depth:
                found.stopped = f"depth {depth} reached"
                break
            run.level()
            if run.broken() and not keep_going and not found.stopped:
                found.stopped = "an invariant is broken"
    except KeyboardInterrupt:
        found.stopped = "interrupted"
    finally:
        run.close()
    _conclude(found, notes, began)
    return found


def _insert_initial(found: Found) -> None:
    layout, model = found.layout, found.model
    alike = found.kernels.alike if found.symmetry else ()
    seen = set()
    for state in model.initial:
        normal = state if model.normalize is None else model.normalize(model.setup, state)
        words = layout.pack(normal, alike)
        if words in seen:
            continue
        seen.add(words)
        h = mix(words)
        pool = found.pools[h >> 63 if found.workers == 2 else 0]
        pool.store[pool.known * layout.words : (pool.known + 1) * layout.words] = words
        pool.parents[pool.known] = INDEX_LIMIT * 2 - 1
        pool.known += 1
        pool.total[0] = (int(pool.total[0]) + contribution(h)) % WORD
        pool.table[:] = 0
        found.machine.refill(pool.table, len(pool.table), pool.store, pool.known)
    for pool in found.pools:
        pool.level = pool.known


class _Run:
    """The rounds of one search."""

    def __init__(
        self, found: Found, notes: list[Notes], began: float, progress: Callable[[Progress], None] | None
    ) -> None:
        self.found = found
        self.notes = notes
        self.began = began
        self.progress = progress
        self.shown = began
        self.threads = ThreadPoolExecutor(found.workers) if found.workers > 1 else None

    def close(self) -> None:
        """Wait for the threads."""
        if self.threads:
            self.threads.shutdown(wait=True)

    def frontier(self) -> int:
        """How many states wait to be expanded."""
        return sum(pool.known - pool.done for pool in self.found.pools)

    def broken(self) -> bool:
        """Whether any invariant is broken so far."""
        return any((n.broken >= 0).any() or (n.stepped >= 0).any() for n in self.notes)

    def level(self) -> None:
        """Expand one level."""
        found = self.found
        while any(pool.done < pool.level for pool in found.pools):
            self._all(self._expand)
            for worker, note in enumerate(self.notes):
                if note.log[LOG_OVERFLOW] >= 0:
                    raise FieldOverflow(_overflow(found, worker, note))
            if any(
                pool.known + sum(int(other.filled[w]) for other in found.pools) > pool.most
                for w, pool in enumerate(found.pools)
            ):
                found.stopped = "out of memory"
                return
            self._all(self._insert)
            for pool in found.pools:
                pool.filled[:] = 0
            self._show()
        if self.frontier():
            found.depth += 1
        for pool in found.pools:
            pool.level = pool.known

    def _all(self, work: Callable[[int], None]) -> None:
        if self.threads is None:
            work(0)
        else:
            for future in [self.threads.submit(work, worker) for worker in range(self.found.workers)]:
                future.result()

    def _expand(self, worker: int) -> None:
        found, note = self.found, self.notes[worker]
        pool = found.pools[worker]
        pool.done = found.machine.expand(
            found.setup, pool.store, pool.done, pool.level, found.workers, worker, found.symmetry, BUFFER,
            pool.vector, pool.next, pool.rows, note.log, pool.outs, pool.hashes, pool.sources, pool.filled,
            note.counts, note.broken, note.reached,
        )  # fmt: skip

    def _insert(self, worker: int) -> None:
        found = self.found
        pool = found.pools[worker]
        for other in found.pools:
            many = int(other.filled[worker])
            pool.make_room(found.machine, many)
            pool.known = found.machine.insert(
                pool.table, len(pool.table), pool.store, pool.parents, pool.known,
                other.outs, other.hashes, other.sources, worker * BUFFER, many, pool.total,
            )  # fmt: skip

    def _show(self) -> None:
        now = time.perf_counter()
        if self.progress is None or now - self.shown < 0.1:
            return
        self.shown = now
        pools = self.found.pools
        self.progress(
            Progress(
                sum(pool.known for pool in pools),
                sum(int(note.counts.sum()) for note in self.notes),
                self.found.depth,
                self.frontier(),
                now - self.began,
                sum(pool.bytes() for pool in pools),
            )
        )


def _overflow(found: Found, worker: int, note: Notes) -> str:
    """Find again, in plain Python, which field left its range."""
    state = found.layout.unpack(found.words(int(note.log[LOG_OVERFLOW])))
    action: Action[Any, Any] = found.model.actions[int(note.log[LOG_CULPRIT])]
    for after in successors(found.model, action, state):
        try:
            found.layout.pack(after)
        except FieldOverflow as error:
            return f"{action.name}: {error}"
    return f"{action.name}: a field left its range (worker {worker})"


def indices(model: Model[Any, Any], over: Sequence[str]) -> list[tuple[int, ...]]:
    """All index tuples of an action, the last one running fastest."""
    result: list[tuple[int, ...]] = [()]
    for domain in over:
        result = [(*index, i) for index in result for i in range(model.sizes[domain])]
    return result


def successors(model: Model[Any, Any], action: Action[Any, Any], state: Any) -> list[Any]:  # noqa: ANN401  # a state of any model
    """The states after one action, normalized; those outside the bounds left out."""
    result = []
    for index in indices(model, action.over):
        after = action.step(model.setup, state, *index)
        if after is not None and model.normalize is not None:
            after = model.normalize(model.setup, after)
        if after is not None:
            result.append(after)
    return result


def _conclude(found: Found, notes: list[Notes], began: float) -> None:
    model = found.model
    found.seconds = time.perf_counter() - began
    found.states = sum(pool.known for pool in found.pools)
    found.frontier = sum(pool.known - pool.done for pool in found.pools)
    found.transitions = sum(int(note.counts.sum()) for note in notes)
    found.hash = sum(int(pool.total[0]) for pool in found.pools) % WORD
    found.outside = sum(int(note.log[LOG_OUTSIDE]) for note in notes)
    for number, action in enumerate(model.actions):
        found.actions[action.name] = sum(int(note.counts[number]) for note in notes)

    def first(arrays: list[Numbers], number: int) -> int | None:
        """The nearest of the states that the workers noted."""
        states = [int(array[number]) for array in arrays if array[number] >= 0]
        return min(states, key=lambda state: (_distance(found, state), state), default=None)

    for number, invariant in enumerate(model.invariants):
        state = first([note.broken for note in notes], number)
        if state is not None:
            found.broken[sentence(invariant)] = state
    for number, step in enumerate(model.step_invariants):
        state = first([note.stepped for note in notes], number)
        if state is not None:
            found.stepped[sentence(step.holds)] = state
    for number, witness in enumerate(model.witnesses):
        found.reached[sentence(witness)] = first([note.reached for note in notes], number)


def _distance(found: Found, state: int) -> int:
    steps = 0
    while (state := found.parent(state)) >= 0:
        steps += 1
    return steps
