"""What the explorer's compiled code computes is what plain Python computes, sentence by sentence."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm
import pytest
from tests.test_tree_resync import end_pass_without_a_flush, lose_what_was_written_since

from hammer2_proofs.explorer import compiler, machine, progress, reference
from hammer2_proofs.explorer import search as searching
from hammer2_proofs.explorer.generate import FIRST, SECOND, SEED, Kernels, mix
from hammer2_proofs.explorer.layout import FieldOverflow, Layout
from hammer2_proofs.explorer.machine_code import emitting, expressions, language, statements
from hammer2_proofs.explorer.models import MODELS, build
from hammer2_proofs.explorer.reference import Reference
from hammer2_proofs.explorer.report import traces
from hammer2_proofs.explorer.search import search
from hammer2_proofs.explorer.trace import trace_to
from hammer2_spec.protocol.inductive import no_number_is_negative
from hammer2_spec.protocol.reading import tells_news
from hammer2_spec.protocol.state import (
    SEQUENCES,
    Phase,
    Setup,
    State,
    after_fault,
    fault_possible,
    majority,
    mixture,
    replies,
    without_replies,
)
from hammer2_spec.transition_system import Action, Model, StepInvariant, replaced, sentence

MEMORY = 2**28
WALKS, WALK = 20, 30
SEEDS = {"tree": 3}
"""Of the walks, where not 1: so that they come by every witness."""


def agreed(
    model: Model[Any, Any],
    *,
    depth: int | None = None,
    symmetry: bool = False,
    workers: int = 1,
    kernels: Kernels | None = None,
) -> Reference:
    """What both twins say of a model, to the last count."""
    found = search(
        model, symmetry=symmetry, workers=workers, depth=depth, kernels=kernels, keep_going=True, memory=MEMORY
    )
    twin = reference.explore(model, symmetry=symmetry, depth=depth)
    assert (found.states, found.transitions, found.depth) == (twin.states, twin.transitions, twin.depth)
    assert (found.hash, found.outside, found.actions) == (twin.hash, twin.outside, twin.actions)
    assert {name: len(trace.steps) for name, trace in traces(found).items()} == twin.broken
    assert {
        name: None if state is None else len(trace_to(found, state).steps) for name, state in found.reached.items()
    } == twin.reached
    return twin


# ---------------------------------------------------------------- the sentences of the protocol


def tamper_with_a_node(m: Setup, s: State, i: int, k: int) -> State | None:
    """Something happens to a node that no action of the protocol does."""
    if not fault_possible(m, s):
        return None
    node = s.nodes[i]
    if k == 0:
        node = node._replace(promised=0)
    if k == 1:
        node = node._replace(volatile_tid=0)
    if k == 2:
        node = node._replace(snapshot_tid=0)
    if k == 3:
        node = node._replace(snapshot_tid=SEQUENCES)
    if k == 4:
        node = node._replace(replies=1)
    if k == 5:
        node = node._replace(durable_content=mixture(m))
    s = after_fault(m, s)
    return s._replace(nodes=replaced(s.nodes, i, node))


def tamper_with_a_client(m: Setup, s: State, c: int) -> State | None:
    """A client takes its first session for its second one, and for another version what it recovers."""
    if not fault_possible(m, s):
        return None
    s = after_fault(m, s)
    return s._replace(clients=replaced(s.clients, c, s.clients[c]._replace(epoch=1, prior_content=1)))


def forget(m: Setup, s: State) -> State | None:
    """What was known is known no more, and what soft masters wrote is lost."""
    if not fault_possible(m, s) or s.known == 0:
        return None
    s = after_fault(m, s)
    return s._replace(known=0, soft=tuple(soft._replace(written=False) for soft in s.soft))


def acknowledge_forgetfully(m: Setup, s: State, c: int) -> State | None:
    """A write is acknowledged, and, after one failure, nobody knows of it."""
    client = s.clients[c]
    if client.phase != Phase.WRITE or replies(m, s, c) < majority(m):
        return None
    s = without_replies(s, c)
    if s.faults != 1:
        s = s._replace(known=s.known | client.content)
    return s._replace(clients=replaced(s.clients, c, client._replace(phase=Phase.READY)))


def read_uncounted(m: Setup, s: State) -> State | None:
    """A read tells news, and nobody knows of it."""
    if not any(tells_news(m, s, i) for i in range(m.masters)):
        return None
    return s


def read_end_uncounted(m: Setup, s: State) -> State | None:
    """A read is done, and nobody knows of it."""
    if not s.reading or sum(1 for node in s.nodes if node.read) < majority(m):
        return None
    s = s._replace(nodes=tuple(node._replace(read=False) for node in s.nodes))
    return s._replace(reading=False, read_tid=0, read_content=0, read_since=0)


def planted(model: Model[Any, Any], name: str, step: Callable[..., Any]) -> Model[Any, Any]:
    """The model, another function in an action's place."""
    actions = tuple(replace(action, step=step) if action.name == name else action for action in model.actions)
    assert actions != model.actions
    return replace(model, actions=actions)


TAMPERING: tuple[Action[Setup, State], ...] = (
    Action("TamperWithANode", tamper_with_a_node, ("nodes", "places"), fault=True),
    Action("TamperWithAClient", tamper_with_a_client, ("clients",), fault=True),
    Action("Forget", forget, (), fault=True),
)


def without(*names: str) -> frozenset[str]:
    return frozenset(f"without-{name}" for name in names)


def two_front_ends() -> Model[Any, Any]:
    """Much is taken away, and the front ends see different nodes."""
    missing = without(
        "fixed_majority", "read_flushed", "flush_before_ack", "unique_tids", "stamp_last", "never_lower",
        "check_predecessor", "disable_on_disconnect", "resync_before_eligible",
    )  # fmt: skip
    switches = {"split-views", "reader", "strengthened"}
    bounds = {"masters": 2, "clients": 2, "losses": 0, "faults": 2}
    model = planted(build("protocol", bounds, missing | switches), "ReadEnd", read_end_uncounted)
    return planted(model, "Read", read_uncounted)


def tampered() -> Model[Any, Any]:
    """Nothing is taken away, and what no ablation breaks is tampered with."""
    switches = frozenset({"strengthened", "space", "late-finish", "partitions", "history", "rank"})
    model = build("protocol", {"faults": 5, "soft_masters": 1}, switches)
    model = planted(model, "Acknowledge", acknowledge_forgetfully)
    return replace(model, sizes={**model.sizes, "places": 6}, actions=(*model.actions, *TAMPERING))


def tree() -> Model[Any, Any]:
    """And a pass may end without a flush, and lose what it does not copy."""
    model = build("tree", {}, without("stamp_last", "flush_between_writes"))
    model = planted(model, "LoseSource", lose_what_was_written_since)
    return planted(model, "EndPass", end_pass_without_a_flush)


def calibration() -> Model[Any, Any]:
    return build("calibration", {"tids": 3}, frozenset({"bug"}))


EXPLORED = {function.__name__: function for function in (two_front_ends, tampered, tree, calibration)}


@cache
def prepared(name: str) -> tuple[Model[Any, Any], Kernels]:
    model = EXPLORED[name]()
    return model, Kernels(model)


def walked(model: Model[Any, Any], rng: random.Random) -> list[Any]:
    """The states along random walks."""
    states = []
    for _ in range(WALKS):
        state = model.initial[0]
        for _ in range(WALK):
            after = [searching.successors(model, action, state) for action in model.actions]
            state = rng.choice(rng.choice([choice for choice in after if choice]))
            states.append(state)
    return states


def disturbed(layout: Layout, state: Any, rng: random.Random) -> Any:  # noqa: ANN401  # a state of any model
    """The state, a few of its fields changed to anything within their range."""
    flat = layout.flatten(state)
    # Which leaf is being copied is left alone: plain Python takes offence at a directory there.
    fields = [field for key in layout.keys for field in key.fields if field.name != "copying"]
    for field in rng.sample(fields, rng.randint(0, 3)):
        flat[field.slot] = rng.randint(0, field.high)
    return layout.build(flat)


@cache
def judged(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """The sentences broken, and the witnesses reached, in random states and their steps: of each both twins agree."""
    model, kernels = prepared(name)
    rng = random.Random(SEEDS.get(name, 1))
    broken: set[str] = set()
    reached: set[str] = set()
    for walk in walked(model, rng):
        state = disturbed(kernels.layout, walk, rng)
        one = replace(model, initial=(state,))
        try:
            twin = agreed(one, depth=1, kernels=kernels)
        except FieldOverflow:
            with pytest.raises(FieldOverflow):
                search(one, depth=1, kernels=kernels, memory=MEMORY)
            with pytest.raises(FieldOverflow):
                reference.explore(one, depth=1)
            continue
        broken.update(twin.broken)
        reached.update(witness for witness, depth in twin.reached.items() if depth is not None)
    return frozenset(broken), frozenset(reached)


@pytest.mark.parametrize(
    ("name", "depth", "workers", "symmetry"),
    [
        ("two_front_ends", 7, 2, True),
        ("two_front_ends", 5, 1, False),
        ("tampered", 3, 2, True),
        ("tampered", 2, 1, False),
        ("tree", 4, 1, False),
        ("calibration", 7, 1, True),
    ],
)
def test_sentences_break_and_witnesses_show_as_early_as_in_plain_python(
    name: str, depth: int, workers: int, symmetry: bool
) -> None:
    model, kernels = prepared(name)
    twin = agreed(model, depth=depth, workers=workers, symmetry=symmetry, kernels=kernels)
    assert twin.broken


@pytest.mark.parametrize("name", EXPLORED)
def test_every_state_is_judged_as_in_plain_python(name: str) -> None:
    broken, reached = judged(name)
    assert broken
    assert reached


def sentences(models: Sequence[Model[Any, Any]]) -> set[str]:
    return {sentence(one) for model in models for one in model.invariants} | {
        sentence(step.holds) for model in models for step in model.step_invariants
    }


def test_each_sentence_that_the_models_check_is_broken_somewhere() -> None:
    checked = sentences([prepared(name)[0] for name in EXPLORED])
    switches = {name: frozenset[str]() for name in MODELS} | {"protocol": frozenset({"reader", "strengthened"})}
    bounds = {name: dict[str, int]() for name in MODELS} | {"protocol": {"clients": 2, "losses": 0, "soft_masters": 1}}
    assert sentences([build(name, bounds[name], switches[name]) for name in MODELS]) <= checked
    # No state with a negative number is ever packed: the step to it is refused, see below.
    never = {sentence(no_number_is_negative)}
    assert checked - never == set().union(*(judged(name)[0] for name in EXPLORED))


def test_each_witness_of_the_models_is_reached_somewhere() -> None:
    witnesses = {sentence(witness) for name in EXPLORED for witness in prepared(name)[0].witnesses}
    assert witnesses == frozenset().union(*(judged(name)[1] for name in EXPLORED))


# ---------------------------------------------------------------- a line to walk along


class Bounds(NamedTuple):
    last: int


class Place(NamedTuple):
    at: int = 0


def go_on(_m: Bounds, s: Place, i: int) -> Place | None:
    return s._replace(at=s.at + i + 1)


def go_back_too_far(_m: Bounds, s: Place) -> Place | None:
    return s._replace(at=s.at - 2)


def within_the_bounds(m: Bounds, s: Place) -> Place | None:
    if s.at > m.last:
        return None
    return s


def it_is_not_at_the_end(m: Bounds, s: Place) -> bool:
    return s.at < m.last


def it_is_nearer_than_nine(_m: Bounds, s: Place) -> bool:
    return s.at < 9


def it_has_gone_seven(_m: Bounds, s: Place) -> bool:
    return s.at >= 7


def it_has_gone_sixteen(_m: Bounds, s: Place) -> bool:
    return s.at >= 16


def it_has_gone_thirty(_m: Bounds, s: Place) -> bool:
    return s.at >= 30


def it_is_at_the_end(m: Bounds, s: Place) -> bool:
    return s.at == m.last


def no_step_leads_out(m: Bounds, _before: Place, after: Place) -> bool:
    return after.at <= m.last


def line(last: int, **changes: object) -> Model[Bounds, Place]:
    """Steps of one to three along a line; what is beyond its end is outside the bounds."""
    forward: Action[Bounds, Place] = Action("GoOn", go_on, ("strides",), fair_over="strides")
    arguments: dict[str, object] = {
        "name": "line",
        "setup": Bounds(last),
        "initial": (Place(),),
        "sizes": {"strides": 3},
        "ranges": {"at": last},
        "actions": (forward,),
        "invariants": (it_is_nearer_than_nine, it_is_not_at_the_end),
        "witnesses": (it_has_gone_seven, it_has_gone_sixteen, it_has_gone_thirty, it_is_at_the_end),
        "normalize": within_the_bounds,
        "goal": it_is_at_the_end,
        **changes,
    }
    return Model(**arguments)  # type: ignore[arg-type]  # the arguments of a test


@pytest.mark.parametrize("start", range(6))
def test_of_two_workers_the_one_that_was_nearer_tells_the_way(start: int) -> None:
    # The states are dealt out by their hash: from another start the other worker is nearer.
    ways = {"seven": 7, "sixteen": 16, "thirty": 30}
    found = agreed(line(40, initial=(Place(start),)), workers=2)
    assert {
        f"it has gone {name}": -(-(place - start) // 3) for name, place in ways.items()
    }.items() <= found.reached.items()


@pytest.mark.parametrize("workers", [1, 2])
def test_successors_beyond_the_bounds_are_counted_and_a_step_to_one_can_break_a_sentence(workers: int) -> None:
    # From the last three places lead one, two and three steps beyond the end.
    model = line(20, step_invariants=(StepInvariant(no_step_leads_out),))
    twin = agreed(model, workers=workers)
    assert (twin.states, twin.outside, twin.transitions) == (21, 6, 3 * 21 - 6)
    assert twin.broken["no step leads out"] == 7


def test_a_number_below_zero_is_refused_and_so_no_state_has_one() -> None:
    back: Action[Bounds, Place] = Action("GoBack", go_back_too_far)
    with pytest.raises(FieldOverflow, match=r"GoBack: at = -2 is outside 0\.\.5"):
        search(line(5, actions=(back,), normalize=None), memory=MEMORY)
    model, _ = prepared("tampered")
    state = model.initial[0]
    negative = state._replace(nodes=replaced(state.nodes, 0, state.nodes[0]._replace(promised=-1)))
    assert no_number_is_negative(model.setup, state)
    assert not no_number_is_negative(model.setup, negative)


# ---------------------------------------------------------------- full buffers, equal tags, kept code


@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_goes_on_where_a_full_buffer_stopped_it(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, kernels = prepared("two_front_ends")
    monkeypatch.setattr(searching, "BUFFER", kernels.instances)
    agreed(model, depth=4, workers=workers, kernels=kernels)


@pytest.mark.parametrize("edges_per_state", [0, progress.EDGES_PER_STATE])
def test_no_edge_is_lost_when_there_is_no_room_for_more(edges_per_state: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EDGES_PER_STATE", edges_per_state)
    last = 60
    found = search(line(last), keep_going=True, memory=MEMORY)
    starts, targets, labels, goals = progress.edges(found)
    at = [found.layout.unpack(found.words(state)).at for state in range(found.states)]
    edges = {
        (at[state], at[targets[edge]], int(labels[edge]))
        for state in range(found.states)
        for edge in range(starts[state], starts[state + 1])
    }
    assert edges == {(here, here + i + 1, i) for here in range(last) for i in range(3) if here + i + 1 <= last}
    assert starts[found.states] == len(edges)
    assert [place for place, goal in zip(at, goals, strict=True) if goal] == [last]


class Half(NamedTuple):
    low: int = 0
    high: int = 0


class Word(NamedTuple):
    """Exactly one word: every word is a state."""

    halves: tuple[Half, ...]


class Target(NamedTuple):
    lows: tuple[int, ...]
    highs: tuple[int, ...]


def it_is_there(m: Target, s: Word) -> bool:
    return all(half.low == m.lows[i] and half.high == m.highs[i] for i, half in enumerate(s.halves))


def jump(m: Target, s: Word) -> Word | None:
    if it_is_there(m, s):
        return None
    return s._replace(halves=tuple(half._replace(low=m.lows[i], high=m.highs[i]) for i, half in enumerate(s.halves)))


def word_of(h: int) -> int:
    """The word with this hash: what ``mix`` does, undone."""
    h ^= (h >> 29) ^ (h >> 58)
    h = h * pow(SECOND, -1, 2**64) % 2**64
    h ^= h >> 32
    return h * pow(FIRST, -1, 2**64) % 2**64 ^ SEED


def state_of(word: int) -> Word:
    parts = [word >> shift & 0xFFFF for shift in (0, 16, 32, 48)]
    return Word((Half(parts[0], parts[1]), Half(parts[2], parts[3])))


@pytest.mark.parametrize("h", [0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210])
def test_two_states_with_one_tag_in_one_place_of_the_table_are_told_apart(h: int) -> None:
    words = [word_of(h), word_of(h ^ searching.FIRST_TABLE)]
    assert [mix((word,)) for word in words] == [h, h ^ searching.FIRST_TABLE]
    first, second = map(state_of, words)
    model: Model[Target, Word] = Model(
        name="word",
        setup=Target(tuple(half.low for half in second.halves), tuple(half.high for half in second.halves)),
        initial=(first,),
        sizes={"halves": 2},
        ranges={"halves.low": 0xFFFF, "halves.high": 0xFFFF},
        actions=(Action("Jump", jump),),
        goal=it_is_there,
    )
    found = search(model, memory=MEMORY)
    assert [found.words(state) for state in range(found.states)] == [(word,) for word in words]
    assert progress.check(found) == []


TEXT = """
@entry
def one() -> int:
    return 1
"""


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts that were compiled, not found on the disk."""
    texts: list[str] = []
    make = machine.made

    def made(text: str) -> bytes:
        texts.append(text)
        return make(text)

    monkeypatch.setenv("HAMMER2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "made", made)
    machine._stamp.cache_clear()  # noqa: SLF001 - what a new start does
    yield texts
    monkeypatch.undo()
    machine._stamp.cache_clear()  # noqa: SLF001 - what a new start does


def compiled_anew(compiled: list[str]) -> bool:
    """Whether a new start compiles what is on the disk."""
    before = len(compiled)
    machine._stamp.cache_clear()  # noqa: SLF001 - what a new start does
    machine.kept(TEXT)
    return len(compiled) > before


@pytest.mark.parametrize("module", [language, emitting, expressions, statements, compiler, machine])
def test_another_compiler_compiles_anew(
    module: ModuleType, compiled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiled_anew(compiled)
    assert not compiled_anew(compiled)
    changed = tmp_path / "changed.py"
    changed.write_text(Path(str(module.__file__)).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    monkeypatch.setattr(module, "__file__", str(changed))
    assert compiled_anew(compiled)
    assert not compiled_anew(compiled)


def test_another_processor_or_another_llvm_compiles_anew(compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_anew(compiled)
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "another")
    assert compiled_anew(compiled)
    monkeypatch.setattr(llvmlite, "__version__", "another")
    assert compiled_anew(compiled)
    assert not compiled_anew(compiled)
