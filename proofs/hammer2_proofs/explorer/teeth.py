"""The protocol's guards and updates, changed mechanically: does an invariant, a progress property or a witness notice?

    python -m hammer2_proofs.explorer.teeth [--sample N] [--seed S]

A mutant that only changes the counts is reported apart: pinned counts would notice it, but they do not say what is
wrong. A mutant that leaves all counts and the hash as they are has survived.
"""

import ast
import random
import sys
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

import click

from hammer2_proofs.explorer.generate import Kernels
from hammer2_proofs.explorer.layout import FieldOverflow
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.search import MEBIBYTE, Found, search
from hammer2_proofs.explorer.translate import NotInDialect
from hammer2_proofs.mutants import Mutant, mutate
from hammer2_spec.protocol import failures, reading, resynchronization, sessions, state, writing
from hammer2_spec.protocol.state import UNLIMITED
from hammer2_spec.transition_system import Model

MODULES = (sessions, writing, failures, resynchronization, reading, state)
MEMORY = 1024 * MEBIBYTE
ABLATIONS_ONLY = ("abort", "_taken_back", "crash", "highest_epoch_anywhere", "_counted_if_flushed", "quorum_needed")
"""Functions that only a protocol without some ingredient runs."""

SAFETY = build("protocol", {"clients": 2, "writes": 1, "elections": 2, "faults": 1}, frozenset())
PROGRESS = build("protocol", {"writes": 1, "elections": UNLIMITED, "faults": 1}, frozenset({"endless"}))


def original(module: ModuleType, mutant: Mutant) -> Callable[..., object]:
    """The function that was changed."""
    function: Callable[..., object] = getattr(module, mutant.function)
    return function


def changed(mutant: Mutant) -> ast.FunctionDef:
    """Its changed text, as a tree."""
    tree = ast.parse(mutant.text)
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == mutant.function)


def notices(model: Model[Any, Any], base: Found, replaced: dict[Callable[..., object], ast.FunctionDef]) -> str:
    """Who notices the mutant in this model: "" if nobody does, "counts" if only they differ."""
    live = model is PROGRESS
    try:
        kernels = Kernels(model, replaced)
        if kernels.text == base.kernels.text:
            return ""
        found = search(model, symmetry=not live, kernels=kernels, memory=MEMORY)
    except NotInDialect:
        return "dialect"
    except FieldOverflow:
        return "overflow"
    for name in (*found.broken, *found.stepped):
        return f"invariant: {name}"
    if not found.complete:
        return f"counts: {found.stopped}"
    missing = set(found.never) - set(base.never)
    if missing:
        return f"never: {min(missing)}"
    if live:
        for failure in check(found):
            return f"progress: {failure.what}"
    return (
        "" if (found.states, found.transitions, found.hash) == (base.states, base.transitions, base.hash) else "counts"
    )


def mutants() -> list[tuple[ModuleType, Mutant]]:
    """Every mutant of what the repaired protocol runs."""
    return [
        (module, mutant)
        for module in MODULES
        for mutant in mutate(module).mutants
        if mutant.function not in ABLATIONS_ONLY
    ]


@click.command()
@click.option("--sample", type=click.IntRange(1), default=None, help="So many, drawn at random.")
@click.option("--seed", type=int, default=None, help="Where the draw begins.")
def main(sample: int | None, seed: int | None) -> None:
    """Run the mutants; exit status 1 if one survives that is not named as equivalent."""
    everything = mutants()
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    chosen = everything if sample is None else random.Random(seed).sample(everything, sample)  # noqa: S311  # no secret
    print(f"{len(everything)} mutants, {len(chosen)} run, seed {seed}", flush=True)
    bases = {id(model): search(model, symmetry=model is not PROGRESS, memory=MEMORY) for model in (SAFETY, PROGRESS)}
    tally: Counter[str] = Counter()
    for module, mutant in chosen:
        replaced = {original(module, mutant): changed(mutant)}
        verdict = notices(PROGRESS, bases[id(PROGRESS)], replaced)
        if not verdict or verdict.startswith("counts"):
            other = notices(SAFETY, bases[id(SAFETY)], replaced)
            verdict = other if other and (not verdict or not other.startswith("counts")) else verdict
        tally[verdict.partition(":")[0] or "survived"] += 1
        print(f"{verdict or 'SURVIVED'} <- {mutant.function}: {mutant.description}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in tally.most_common()))
    sys.exit(1 if tally["survived"] else 0)


if __name__ == "__main__":
    main()
