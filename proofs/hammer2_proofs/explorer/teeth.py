"""The protocol's guards and updates, changed mechanically: does an invariant, a progress property or a witness notice?

    python -m hammer2_proofs.explorer.teeth [--sample N] [--seed S]

A mutant that is only refused by a field's range, or only changes the counts, is reported apart: pinned counts would
notice it, but they do not say what is wrong. A mutant that leaves all counts and the hash as they are has survived.
A mutant of what only a protocol without some ingredient runs is none: it is the same text once the ingredients are in.

Compiling takes longer than exploring, so many mutants share their kernels; a switch there says which of them runs.
"""

import ast
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import ModuleType
from typing import Any

import click

from hammer2_proofs.explorer.dialect.terms import NotInDialect
from hammer2_proofs.explorer.generate import Kernels
from hammer2_proofs.explorer.layout import FieldOverflow
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.progress import failures
from hammer2_proofs.explorer.search import MEBIBYTE, Found, search
from hammer2_proofs.mutants import Mutant, mutate
from hammer2_spec.protocol import failures as failing
from hammer2_spec.protocol import reading, resynchronization, sessions, state, writing
from hammer2_spec.protocol.state import INGREDIENTS, UNLIMITED
from hammer2_spec.transition_system import Model

MODULES = (sessions, writing, failing, resynchronization, reading, state)
BATCH = 80
"""So many mutants in one kernel."""
MORE = 3
"""A mutant may reach so many times the states of the protocol, then it is enough."""
BOUNDS_ONLY = ("fault_possible", "few_epochs", "epochs_in_use", "after_fault")
"""Functions that only count what the bounds allow; they are no part of the protocol."""
STRONG = ("invariant", "progress", "never")
NOTICED, WEAK, SURVIVED = "noticed", "weak", "survived"

Function = Callable[..., object]


@dataclass(frozen=True)
class Bounds:
    """One exploration that mutants are run through."""

    model: Model[Any, Any]
    live: bool = False


SMALL = {"writes": 1, "elections": 1, "faults": 1}
EXPLORATIONS = (
    Bounds(build("protocol", {**SMALL, "clients": 2}, frozenset())),
    Bounds(build("protocol", {**SMALL, "elections": 2}, frozenset({"reader"}))),
    Bounds(build("protocol", {**SMALL, "slaves": 1}, frozenset())),
    Bounds(build("protocol", {**SMALL, "elections": UNLIMITED}, frozenset({"endless"})), live=True),
    Bounds(build("protocol", {**SMALL, "clients": 2, "elections": 2}, frozenset({"split-views"}))),
    Bounds(build("protocol", {**SMALL, "clients": 2, "elections": 2}, frozenset())),
)
"""From quick to slow; a mutant goes no further than to the first that notices it."""


@dataclass
class Fate:
    """A mutant, what it is a change of, and who has noticed it so far: "" nobody."""

    mutant: Mutant
    function: Function
    tree: ast.FunctionDef
    verdict: str = ""

    @property
    def settled(self) -> bool:
        """Whether something has noticed it that says what is wrong."""
        return self.verdict.startswith(STRONG)

    def learn(self, verdict: str) -> None:
        """Keep the better of two verdicts."""
        if verdict.startswith(STRONG) or not self.verdict:
            self.verdict = verdict


class _Folded(ast.NodeTransformer):
    """The text of a function once all ingredients are in: what only the lack of one needs is left out."""

    def __init__(self) -> None:
        self.known: dict[str, ast.Constant] = {}

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
        """A name for what is known needs no statement."""
        self.generic_visit(node)
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=bool()) as known):
                self.known[name] = known
                return None
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """What a name is known to stand for."""
        return self.known.get(node.id, node) if isinstance(node.ctx, ast.Load) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """A switch is true."""
        if isinstance(node.value, ast.Name) and node.value.id == "m" and node.attr in INGREDIENTS:
            return ast.Constant(True)
        self.generic_visit(node)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Not of a known operand is known."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """What decides, and what makes no difference. Expressions of the dialect have no effects."""
        self.generic_visit(node)
        decides = isinstance(node.op, ast.Or)
        values = [v for v in node.values if not (isinstance(v, ast.Constant) and v.value is not decides)]
        if any(isinstance(value, ast.Constant) for value in values):
            return ast.Constant(decides)
        if not values:
            return ast.Constant(not decides)
        return values[0] if len(values) == 1 else ast.BoolOp(node.op, values)

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        """Only the branch that is taken."""
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Nothing after the first certain return."""
        self.generic_visit(node)
        ends = [number for number, statement in enumerate(node.body) if isinstance(statement, ast.Return)]
        node.body = node.body[: ends[0] + 1] if ends else node.body
        return node


def folded(text: str, name: str) -> ast.FunctionDef:
    """The function of this name in the text of a file, all ingredients in."""
    tree = ast.parse(text)
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return ast.fix_missing_locations(_Folded().visit(found))  # type: ignore[no-any-return]  # a function stays one


def mutants_of(module: ModuleType, seen: set[str]) -> Iterator[Fate]:
    """The mutants of a module that differ from it, and from each other, once all ingredients are in."""
    with open(str(module.__file__), encoding="utf-8") as file:  # noqa: PTH123  # a module's own text
        text = file.read()
    for mutant in mutate(module).mutants:
        tree = folded(mutant.text, mutant.function)
        shape = mutant.function + ast.dump(tree)
        seen.add(mutant.function + ast.dump(folded(text, mutant.function)))
        if shape not in seen:
            seen.add(shape)
            yield Fate(mutant, getattr(module, mutant.function), tree)


def everything() -> list[Fate]:
    """All mutants of functions that some exploration runs."""
    seen: set[str] = set()
    run = {function for bounds in EXPLORATIONS for function in used(bounds) if function.__name__ not in BOUNDS_ONLY}
    return [fate for module in MODULES for fate in mutants_of(module, seen) if fate.function in run]


def kernels_of(model: Model[Any, Any], fates: Sequence[Fate]) -> tuple[Kernels, list[Fate]]:
    """Kernels that hold all these mutants, numbered from 1 in the order that is given back."""
    try:
        variants: dict[Function, dict[int, ast.FunctionDef]] = {}
        for number, fate in enumerate(fates, start=1):
            variants.setdefault(fate.function, {})[number] = fate.tree
        return Kernels(model, variants), list(fates)
    except NotInDialect:
        if len(fates) == 1:
            fates[0].learn("dialect: refused before it runs")
            return Kernels(model), []
    halves = [kernels_of(model, part)[1] for part in (fates[: len(fates) // 2], fates[len(fates) // 2 :])]
    return kernels_of(model, halves[0] + halves[1])


def verdict_on(bounds: Bounds, kernels: Kernels, base: Found) -> str:
    """Who notices the mutant that is chosen now: "" if nobody does, "counts" if only they differ."""
    memory = MORE * base.states * 100
    try:
        found = search(bounds.model, symmetry=not bounds.live, kernels=kernels, memory=memory)
    except FieldOverflow:
        return "overflow: a field left its range"
    for name in (*found.broken, *found.stepped):
        return f"invariant: {name}"
    if not found.complete:
        return f"counts: {found.stopped}"
    for name in found.never:
        if name not in base.never:
            return f"never: {name}"
    if bounds.live:
        for what, _, _ in failures(found):
            return f"progress: {what}"
    same = (found.states, found.transitions, found.hash, found.actions)
    return "" if same == (base.states, base.transitions, base.hash, base.actions) else "counts: they differ"


def judge(fates: Sequence[Fate]) -> Iterator[Fate]:
    """Run mutants through one exploration after the other; each is given back once its fate is known."""
    queue = iter(fates)
    while part := list(islice(queue, BATCH)):
        alive = part
        for bounds in EXPLORATIONS:
            kernels, numbered = kernels_of(bounds.model, [fate for fate in alive if fate.function in used(bounds)])
            if not numbered:
                continue
            machine = kernels.load(keep=False)
            machine.choose(0)
            base = search(bounds.model, symmetry=not bounds.live, kernels=kernels, memory=1024 * MEBIBYTE)
            for number, fate in enumerate(numbered, start=1):
                machine.choose(number)
                fate.learn(verdict_on(bounds, kernels, base))
            alive = [fate for fate in alive if not fate.settled]
        yield from part


def used(bounds: Bounds) -> set[Function]:
    """The functions that an exploration's actions run."""
    return set(Kernels(bounds.model).functions)


@dataclass
class Tally:
    """How many mutants ended how, and which ones nothing noticed that says what is wrong."""

    verdicts: Counter[str] = field(default_factory=Counter)
    unnoticed: list[Fate] = field(default_factory=list)

    def add(self, fate: Fate) -> None:
        """Count one more."""
        self.verdicts[fate.verdict.partition(":")[0] or SURVIVED] += 1
        if not fate.settled:
            self.unnoticed.append(fate)

    @property
    def strong(self) -> int:
        """How many were noticed by a sentence."""
        return sum(self.verdicts[name] for name in STRONG)


@click.command()
@click.option("--sample", type=click.IntRange(1), default=None, help="So many, drawn at random.")
@click.option("--seed", type=int, default=None, help="Where the draw begins.")
def main(sample: int | None, seed: int | None) -> None:
    """Run the mutants; exit status 1 if too few are noticed, 3 if it was interrupted."""
    fates = everything()
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    chosen = fates if sample is None else random.Random(seed).sample(fates, min(sample, len(fates)))  # noqa: S311 - a sample
    print(f"{len(fates)} mutants, {len(chosen)} run, seed {seed}", flush=True)
    tally = Tally()
    try:
        for fate in judge(chosen):
            tally.add(fate)
    except KeyboardInterrupt:
        print("interrupted")
    for fate in sorted(tally.unnoticed, key=lambda fate: fate.verdict):
        print(f"  {fate.verdict or SURVIVED} <- {fate.mutant.function}: {fate.mutant.description}")
    many = tally.verdicts.total()
    print(", ".join(f"{count} {name}" for name, count in tally.verdicts.most_common()))
    weaker = many - tally.strong - tally.verdicts[SURVIVED]
    print(
        f"{tally.strong} of {many} mutants noticed by a sentence, {weaker} more by a count, a range or the dialect, "
        f"{tally.verdicts[SURVIVED]} by nothing"
    )
    sys.exit(3 if many < len(chosen) else 0)


if __name__ == "__main__":
    main()
