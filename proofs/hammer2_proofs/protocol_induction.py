"""The protocol's sentences that need no bounds: every action keeps them, proved of the text that the explorer runs.

Two clients, three masters, a soft master, arbitrary partitions, tids, promises and choices of epochs; no media is lost.
The sentences of ``INDUCTIVE`` hold at the start, each action keeps them together, ``CONSEQUENCES`` follow from them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Final, NamedTuple

import z3

from hammer2_proofs.lift import Lifter
from hammer2_proofs.obligations import NotReproduced, Obligation, Read, Wanted
from hammer2_proofs.values import Bits, Optional, Truth, conjunction, disjunction, negation
from hammer2_spec.protocol import invariants, model
from hammer2_spec.protocol.inductive import CONSEQUENCES, INDUCTIVE
from hammer2_spec.protocol.state import UNLIMITED, Client, Node, Phase, Setup, Soft, State, Sync
from hammer2_spec.transition_system import Action, StepInvariant, sentence

MASTERS: Final = 3
NODES: Final = 3
CLIENTS: Final = 2
WRITES: Final = 2
"""Content is a set of so many writes: enough to tell versions apart, and that one contains the other."""

SETUP: Final = Setup(
    masters=MASTERS,
    views=(2**NODES - 1,) * CLIENTS,
    writes=WRITES,
    elections=UNLIMITED,
    faults=UNLIMITED,
    fault_epochs=UNLIMITED,
    losses=0,
    endless=True,
    reader=False,
    rank_tids=False,
    partitions=True,
    free_epochs=True,
)
ACTIONS: Final = tuple(
    action
    for action in (*model.ACTIONS, *model.PARTITION, model.ELECT_FREELY, model.BEGIN_AGAIN, *model.SOFT_MASTER)
    if action.name != "BeginReplacement"  # nothing is lost, so nothing is replaced
)
STEPS: Final = (
    *model.STRENGTHENING_STEPS,
    *model.STEPS_OF_SOFT_MASTERS,
    StepInvariant(invariants.the_media_of_a_write_disabled_node_stays, exempt=("SyncFinish",)),
    StepInvariant(invariants.what_is_known_is_never_forgotten),
    StepInvariant(invariants.what_is_acknowledged_is_known, only=("Acknowledge",)),
    StepInvariant(invariants.what_a_read_returned_is_known, only=("Read",)),
)
PROVED: Final = {*INDUCTIVE, *CONSEQUENCES, *(step.holds for step in STEPS)}
CHECKED: Final[tuple[Callable[..., bool], ...]] = (
    *model.INVARIANTS,
    *model.TWO_CLIENTS,
    *model.IN_PARTS,
    *(s.holds for s in (*model.STEP_INVARIANTS, *model.STEPS_IN_PARTS, *model.STEPS_OF_SOFT_MASTERS)),
)
ONLY_EXPLORED: Final = (
    *(sentence(judged) for judged in CHECKED if judged not in PROVED),
    "progress",
    "and all of it where media is lost",
)
"""What of the protocol rests on exploration, within bounds, and on no proof."""
CONTENT_BITS: Final = WRITES + 2

# ---------------------------------------------------------------- any state


def _bits(name: str, width: int) -> Bits:
    return Bits({k: z3.Bool(f"{name}.{k}") for k in range(width)})


def _any(owner: str, name: str, kind: object) -> Any:  # noqa: ANN401  # symbolic
    """Any value of a field of a node or a client; what only other bounds use is as they leave it."""
    path = f"{owner}.{name}"
    match name:
        case "media_lost" | "pass_epoch":
            return 0
        case "full":
            return False
        case "replies" | "cut":
            return _bits(path, CLIENTS)
        case "owner":
            return _bits(path, (CLIENTS - 1).bit_length())
    if name.endswith("content"):
        return _bits(path, CONTENT_BITS)
    return z3.Bool(path) if kind is bool else z3.Int(path)


def _node(i: int) -> Node:
    return Node(**{name: _any(f"node{i}", name, kind) for name, kind in Node.__annotations__.items()})


def _client(c: int) -> Client:
    return Client(**{name: _any(f"client{c}", name, kind) for name, kind in Client.__annotations__.items()})


def any_state() -> State:
    """A state about which nothing is known."""
    nodes, clients = tuple(_node(i) for i in range(NODES)), tuple(_client(c) for c in range(CLIENTS))
    known, begun = _bits("known", CONTENT_BITS), _bits("begun", WRITES.bit_length())
    soft = Soft(tid=_any("soft", "tid", int), written=_any("soft", "written", bool))
    return State(nodes, clients, known, begun, soft=(soft,))  # type: ignore[arg-type]  # symbolic


def in_range(state: Any) -> Truth:  # noqa: ANN401  # symbolic
    """That phases and kinds of passes are those that there are."""
    kinds = [(client.phase, max(Phase)) for client in state.clients] + [(node.sync, max(Sync)) for node in state.nodes]
    return conjunction(*(z3.And(number >= 0, number <= highest) for number, highest in kinds))


def indices(action: Action[Setup, State]) -> Iterator[tuple[Any, ...]]:
    """All indices of an action; an epoch is any number."""
    sizes = {model.CLIENTS: range(CLIENTS), model.NODES: range(NODES), model.MASTERS: range(MASTERS)}
    sizes[model.SOFT] = range(1)
    return product(*(sizes.get(domain, [z3.Int("epoch")]) for domain in action.over))


# ---------------------------------------------------------------- obligations


class Step(NamedTuple):
    """An action at some index: when it happens, the state after it, and when CPython would raise instead."""

    happens: Truth
    after: Any
    raises: Truth


def lifted(setup: Setup, action: Action[Setup, State], state: State, index: tuple[Any, ...]) -> Step:
    """An action, lifted."""
    lifter = Lifter()
    result = lifter.lift(action.step, setup, state, *index)
    raises = disjunction(*(demanded.when for demanded in lifter.demanded))
    if isinstance(result, Optional):
        return Step(negation(result.none), result.value, raises)
    return Step(result is not None, state if result is None else result, raises)


def _plain(value: Any) -> State:  # noqa: ANN401  # plain tuples
    """A state of the specification from the plain tuples that a counterexample gives."""
    nodes, clients, *rest, soft = value
    state = State(tuple(Node(*node) for node in nodes), tuple(Client(*client) for client in clients), *rest)
    return state._replace(soft=tuple(Soft(*each) for each in soft))


@dataclass(frozen=True, eq=False)
class Induction:
    """The obligations for one choice of ingredients; SETUP has them all."""

    setup: Setup
    state: State = field(default_factory=any_state)

    def holds(self, judged: Callable[..., bool], *states: Any) -> Truth:  # noqa: ANN401  # symbolic
        """A sentence, lifted."""
        result: Any = Lifter().lift(judged, self.setup, *states)
        return result

    @cached_property
    def before(self) -> tuple[Truth, ...]:
        """That all sentences hold of the state."""
        return in_range(self.state), *(self.holds(kept, self.state) for kept in INDUCTIVE)

    def start(self) -> Iterator[Obligation]:
        """That the sentences hold where an exploration starts, with a session open or without."""
        closed = State(nodes=(Node(),) * NODES, clients=(Client(),) * CLIENTS)
        opened = closed._replace(clients=(Client(phase=Phase.READY), *closed.clients[1:]))
        for name, state in (("at the start", closed), ("with a session open", opened)):
            for kept in INDUCTIVE:
                yield Obligation(f"{name}: {sentence(kept)}", (), kept(self.setup, state))

    def of_action(self, action: Action[Setup, State], wanted: Wanted) -> Iterator[Obligation]:
        """That an action raises nothing, keeps the sentences, and makes no step that it must not."""
        kept_too = [(kept, f"{action.name} keeps: {sentence(kept)}") for kept in INDUCTIVE]
        steps_too = [(s.holds, f"{action.name}: {sentence(s.holds)}") for s in STEPS if s.covers(action.name)]
        safe = f"{action.name} raises nothing"
        if not any(map(wanted, (safe, *(name for _, name in kept_too + steps_too)))):
            return
        steps = [lifted(self.setup, action, self.state, index) for index in indices(action)]
        raises = disjunction(*(step.raises for step in steps))
        yield Obligation(safe, self.before, negation(raises))
        for judged, name in kept_too + steps_too:
            if wanted(name):
                given = () if judged in INDUCTIVE else (self.state,)
                goal = conjunction(
                    *(disjunction(negation(step.happens), self.holds(judged, *given, step.after)) for step in steps)
                )
                yield Obligation(name, (*self.before, negation(raises)), goal, self._reproduce(action, judged))

    def _reproduce(self, action: Action[Setup, State], judged: Callable[..., bool]) -> Callable[[Read], str]:
        def run(read: Read) -> str:
            before = _plain(read(self.state))
            for index in indices(action):
                numbers = tuple(read(x) for x in index)
                after = action.step(self.setup, before, *numbers)
                if after is not None:
                    states = (after,) if judged in INDUCTIVE else (before, after)
                    if not judged(self.setup, *states):
                        return f"{action.name}{numbers} in {before}"
            raise NotReproduced(f"{action.name} in {before}")

        return run

    def consequences(self) -> Iterator[Obligation]:
        """What follows from the sentences."""
        for follows in CONSEQUENCES:
            yield Obligation(f"so that {sentence(follows)}", self.before, self.holds(follows, self.state))


def obligations(wanted: Wanted, setup: Setup = SETUP) -> Iterator[Obligation]:
    """That the sentences hold at the start, that each action keeps them, and what follows from them."""
    induction = Induction(setup)
    yield from induction.start()
    for action in ACTIONS:
        yield from induction.of_action(action, wanted)
    yield from induction.consequences()
