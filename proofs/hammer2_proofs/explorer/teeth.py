"""The protocol's guards and updates, changed mechanically: does an invariant, a progress property or a witness notice?

    python -m hammer2_proofs.explorer.teeth [MODEL]... [--sample N] [--seed S] [--least PERCENT]

A mutant that is only refused by a field's range, or only changes the counts, is reported apart: pinned counts would
notice it, but they do not say what is wrong. A mutant that leaves all counts and the hash as they are has survived,
unless z3 proves it to be no other protocol (three masters, two clients, where no media is lost). What is no mutant of
the protocol is left out before: a change of what only a protocol without some ingredient runs, or of what only keeps
the exploration within its bounds. A text outside the dialect never runs.

Compiling takes longer than exploring, so many mutants share their kernels; a switch there says which of them runs.
"""

import ast
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from inspect import isfunction
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from hammer2_proofs.explorer import equivalents
from hammer2_proofs.explorer.dialect.terms import NotInDialect
from hammer2_proofs.explorer.equivalents import proved_equivalent
from hammer2_proofs.explorer.folding import called, folded, shape
from hammer2_proofs.explorer.generate import Kernels
from hammer2_proofs.explorer.layout import FieldOverflow
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.progress import failures
from hammer2_proofs.explorer.search import MEBIBYTE, Found, search
from hammer2_proofs.mutants import Mutant, mutate
from hammer2_spec.protocol import tree
from hammer2_spec.protocol.state import UNLIMITED
from hammer2_spec.protocol.tree import TreeSetup
from hammer2_spec.protocol.tree_model import tree_model
from hammer2_spec.transition_system import Model

MODULES: Final = {"protocol": equivalents.MODULES, "tree": (tree,)}
"""Where the functions are that the actions of each model run."""
BATCH: Final = 150
"""So many mutants in one kernel."""
MOST_STATES: Final = 3
"""A mutant may reach so many times the states of the protocol, then it is enough."""
NO_PART: Final = (
    *("fault_possible", "few_epochs", "epochs_in_use", "after_fault"),
    *("no_quorum_is_connected", "_remembered"),
)
"""Functions that only count what the bounds allow, or remember something for a witness."""
STRONG: Final = ("invariant", "progress", "never")
EQUIVALENT: Final = "equivalent"
REFUSED: Final = "refused"
SURVIVED: Final = "survived"
SETTLED: Final = (*STRONG, EQUIVALENT, REFUSED)
LEAST_PERCENT: Final = 65
"""Fewer noticed by a sentence, and the sentences have lost their teeth."""

Function = Callable[..., object]


@dataclass(frozen=True)
class Bounds:
    """One exploration that mutants are run through; ``live``: with progress, which needs every node for itself."""

    model: Model[Any, Any]
    live: bool = False

    @cached_property
    def used(self) -> frozenset[Function]:
        """The functions that its actions run."""
        return frozenset(Kernels(self.model).functions)

    def found(self, kernels: Kernels, memory: int) -> Found:
        """Explore what the kernels' machine is set to."""
        return search(self.model, symmetry=not self.live, kernels=kernels, memory=memory)


def _safe(*switches: str, **limits: int) -> Bounds:
    bounds = {"writes": 1, "elections": 1, "faults": 1, **limits}
    return Bounds(build("protocol", bounds, frozenset({"strengthened", *switches})))


def _live(*switches: str, **limits: int) -> Bounds:
    bounds = {"writes": 1, "elections": UNLIMITED, "faults": 1, "losses": 0, **limits}
    return Bounds(build("protocol", bounds, frozenset(switches)), live=True)


def _tree(parents: tuple[int, ...], first_leaf: int, most_tids: int) -> Bounds:
    return Bounds(tree_model(TreeSetup(parents, len(parents), first_leaf, most_tids)), live=True)


TREES: Final = (
    _tree((0, 0, 1, 1), 2, 2),
    _tree((0, 0, 0, 1, 1, 2), 3, 2),
    _tree((0, 0, 1, 1), 2, 3),
    _tree((0, 0, 0, 1, 2), 3, 3),
)
"""Two leaves in a directory, or three in two; with 3 tids a write may follow the snapshot of a pass."""
EXPLORATIONS: Final = (
    _safe(writes=2),
    _safe(faults=UNLIMITED, losses=0),
    _safe(masters=2, slaves=1, faults=2),
    _safe("history", faults=3, losses=0),
    _safe("space"),
    _safe(soft_masters=1, losses=0),
    _safe("late-finish", elections=2),
    _safe("partitions", clients=2, losses=0),
    _live("space", faults=2, fault_epochs=2),
    _live("partitions", faults=2, fault_epochs=2),
    _live("stay-away", losses=1),
    _live("operations", losses=1),
    _live(masters=2, clients=2, fault_epochs=2),
    _safe(slaves=1),
    _safe(clients=2),
    _safe("reader", elections=2),
    _safe(writes=2, elections=2, faults=2),
    _safe("split-views", clients=2, elections=2),
    _live("endless", losses=1),
    _safe(clients=2, elections=2, losses=0),
    *TREES,
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
        """Whether nothing more is to be asked: it was noticed by a sentence, or is no mutant."""
        return self.verdict.startswith(SETTLED)

    def learn(self, verdict: str) -> None:
        """Keep the better of two verdicts."""
        if verdict.startswith(SETTLED) or not self.verdict:
            self.verdict = verdict


@dataclass(frozen=True)
class Text:
    """The text of a module, and where its functions are."""

    module: ModuleType
    lines: list[str]
    places: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, module: ModuleType) -> "Text":
        """Read it."""
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
        places = {node.name: (node.lineno - 1, node.end_lineno or 0) for node in functions}
        return cls(module, text.splitlines(keepends=True), places)

    def function(self, name: str, mutant: Mutant | None = None) -> str:
        """The text of one function, or what a mutant, which differs nowhere else, made of it."""
        lines = mutant.text.splitlines(keepends=True) if mutant else self.lines
        first, last = self.places[name]
        return "".join(lines[first : last + len(lines) - len(self.lines)])


@cache
def run_by_actions() -> frozenset[Function]:
    """The functions that actions run once all ingredients are in, besides those that are no part of the protocol."""
    texts = {module.__name__: Text.of(module) for modules in MODULES.values() for module in modules}
    waiting = [action.step for bounds in EXPLORATIONS for action in bounds.model.actions]
    seen: set[Function] = set()
    while waiting:
        function = waiting.pop()
        if function in seen or function.__module__ not in texts or function.__name__ in NO_PART:
            continue
        seen.add(function)
        body = folded(texts[function.__module__].function(function.__name__))
        known = function.__globals__
        waiting.extend(known[name] for name in called(body) if isfunction(known.get(name)))
    return frozenset(seen)


def mutants_of(module: ModuleType) -> Iterator[Fate]:
    """The mutants of a module that are others than it, and than each other, for the protocol that has everything."""
    text = Text.of(module)
    seen = {name + shape(text.function(name)) for name in text.places}
    for mutant in mutate(module).mutants:
        changed = text.function(mutant.function, mutant)
        same = mutant.function + shape(changed)
        function = getattr(module, mutant.function)
        if same not in seen and function in run_by_actions():
            seen.add(same)
            yield Fate(mutant, function, folded(changed))


def everything(models: Sequence[str] = ()) -> list[Fate]:
    """All mutants of these models; of all if none is named."""
    return [fate for model in models or MODULES for module in MODULES[model] for fate in mutants_of(module)]


def kernels_of(model: Model[Any, Any], fates: Sequence[Fate]) -> tuple[Kernels, list[Fate]]:
    """Kernels that hold all these mutants, numbered from 1 in the order that is given back."""
    try:
        variants: dict[Function, dict[int, ast.FunctionDef]] = {}
        for number, fate in enumerate(fates, start=1):
            variants.setdefault(fate.function, {})[number] = fate.tree
        return Kernels(model, variants), list(fates)
    except NotInDialect as reason:
        if len(fates) == 1:
            fates[0].learn(f"{REFUSED}: {reason}")
            return Kernels(model), []
    halves = [kernels_of(model, part)[1] for part in (fates[: len(fates) // 2], fates[len(fates) // 2 :])]
    return kernels_of(model, halves[0] + halves[1])


def verdict_on(bounds: Bounds, kernels: Kernels, base: Found) -> str:
    """Who notices the mutant that is chosen now: "" if nobody does, "counts" if only they differ."""
    each = 8 * base.layout.words + 4 + 20  # bytes, with the table just doubled
    try:
        found = bounds.found(kernels, MOST_STATES * base.states * each + MEBIBYTE)
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
        for failure in failures(found):
            return f"progress: {failure.what}"
    same = (found.states, found.transitions, found.hash, found.actions)
    return "" if same == (base.states, base.transitions, base.hash, base.actions) else "counts: they differ"


def judge(fates: Sequence[Fate]) -> Iterator[Fate]:
    """Run mutants through one exploration after the other; each is given back once its fate is known."""
    queue = iter(fates)
    while part := list(islice(queue, BATCH)):
        alive = part
        for bounds in EXPLORATIONS:
            kernels, numbered = kernels_of(bounds.model, [fate for fate in alive if fate.function in bounds.used])
            if not numbered:
                continue
            machine = kernels.load(keep=False)
            machine.choose(0)
            base = bounds.found(kernels, 1024 * MEBIBYTE)
            for number, fate in enumerate(numbered, start=1):
                machine.choose(number)
                fate.learn(verdict_on(bounds, kernels, base))
            alive = [fate for fate in alive if not fate.settled]
        for fate in part:
            if not fate.verdict and proved_equivalent(fate.mutant, fate.function):
                fate.learn(f"{EQUIVALENT}: proved where no media is lost")
            yield fate


@dataclass
class Tally:
    """How many mutants ended how, and which ones no sentence noticed."""

    verdicts: Counter[str] = field(default_factory=Counter)
    unnoticed: list[Fate] = field(default_factory=list)

    def add(self, fate: Fate) -> None:
        """Count one more."""
        self.verdicts[fate.verdict.partition(":")[0] or SURVIVED] += 1
        if not fate.verdict.startswith(STRONG):
            self.unnoticed.append(fate)

    @property
    def judged(self) -> int:
        """How many there were, besides those that are outside the dialect."""
        return self.verdicts.total() - self.verdicts[REFUSED]

    @property
    def noticed(self) -> int:
        """How many were noticed by a sentence."""
        return sum(self.verdicts[name] for name in STRONG)

    @property
    def percent(self) -> float:
        """How many of a hundred."""
        return 100 * self.noticed / self.judged if self.judged else 0.0


@click.command()
@click.argument("models", metavar="[MODEL]...", type=click.Choice(sorted(MODULES)), nargs=-1)
@click.option("--sample", type=click.IntRange(1), default=None, help="So many, drawn at random.")
@click.option("--seed", type=int, default=None, help="Where the draw begins.")
@click.option("--least", type=click.FloatRange(0, 100), default=LEAST_PERCENT, show_default=True, help="Percent.")
def main(models: tuple[str, ...], sample: int | None, seed: int | None, least: float) -> None:
    """Run the mutants; exit status 1 if too few are noticed, 3 if it was interrupted."""
    fates = everything(models)
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
    print(", ".join(f"{count} {name}" for name, count in tally.verdicts.most_common()))
    no_other, nothing = tally.verdicts[EQUIVALENT], tally.verdicts[SURVIVED]
    weaker = tally.judged - tally.noticed - no_other - nothing
    print(
        f"{tally.noticed} of {tally.judged} mutants noticed by a sentence ({tally.percent:.0f}%, {least:.0f}% wanted), "
        f"{weaker} more by a count or a range, {no_other} proved to be no other protocol, {nothing} noticed by nothing"
    )
    sys.exit(3 if tally.verdicts.total() < len(chosen) else int(tally.percent < least))


if __name__ == "__main__":
    main()
