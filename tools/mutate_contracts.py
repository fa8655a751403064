"""Do the contracts that CrossHair confirms say anything? Small changes of each confirmed function, and what it says.

A mutant is refuted, or left undecided (which fails `make verify` too, but proves nothing), or still confirmed: then the
contracts do not notice the change, or there is nothing to notice. Each is judged in a process of its own that has so
much CPU time and no more: one that loops where CrossHair does not look ends there, undecided.
"""

import ast
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from multiprocessing import get_context

import click

from contracts import CONFIRM_SECONDS, LIST, PACKAGE, UNDECIDED, Finding, Target, Verdict, examine, read_list, target
from contracts import targets_in as targets_of
from hammer2_proofs.apart import Died, apart
from hammer2_proofs.mutants import Mutant, load, mutate

SECONDS = CONFIRM_SECONDS / 3
LIMIT_SECONDS = 60
"""CPU time of one mutant, all its contracts together. CrossHair keeps to its own limits unless the mutant loops."""


def first_line_of_body(mutant: Mutant) -> int:
    """Where the decorators and the signature of the function end."""
    for node in ast.walk(ast.parse(mutant.text)):
        if isinstance(node, ast.FunctionDef) and node.name == mutant.function.rpartition(".")[2]:
            return node.body[0].lineno
    return 0


mutation_of = cache(mutate)


def mutants_of(name: str, found: Target) -> list[Mutant]:
    """Those of the body of a confirmed function."""
    module = import_module(found.function.__module__)
    inside = name.removeprefix(module.__name__.removeprefix(f"{PACKAGE}.")).removeprefix(".")
    return [x for x in mutation_of(module).mutants if x.function == inside and x.line >= first_line_of_body(x)]


def judged(mutant: Mutant) -> Finding:
    """What CrossHair says of a mutant."""
    owner, _, method = mutant.function.rpartition(".")
    module = load(mutant)
    found = vars(module)[owner] if owner else None
    function = vars(found)[method] if found else vars(module)[method]
    one = target(mutant.function, found, function)
    assert one is not None, mutant.function
    return examine(one, SECONDS)


def within(seconds: int, work: Callable[[], Finding]) -> Finding:
    """What the work finds in a process that may take so many CPU seconds; out of time if it is stopped before that."""
    try:
        return apart(work, seconds)
    except Died as died:
        return Finding(Verdict.OUT_OF_TIME, died.how, died.cpu_seconds)


def _judge(mutant: Mutant) -> tuple[str, Finding]:
    return f"{mutant.name}: {mutant.description}", within(LIMIT_SECONDS, lambda: judged(mutant))


@click.command()
@click.argument("functions", metavar="[FUNCTION]...", nargs=-1)
def main(functions: Sequence[str]) -> None:
    """Mutate what is on the list as confirmed, or only some of it, and list what CrossHair does not refute."""
    found = targets_of(PACKAGE)
    confirmed = [name for name, entry in read_list(LIST).items() if not entry.checked_by]
    mutants = [x for name in functions or confirmed for x in mutants_of(name, found[name])]
    counts: Counter[Verdict] = Counter()
    with get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        for name, finding in pool.imap(_judge, mutants, chunksize=1):
            counts[finding.verdict] += 1
            print(f"{finding.seconds:6.1f} s  {finding.verdict.value:14} {name}", file=sys.stderr, flush=True)
            if finding.verdict is not Verdict.REFUTED:
                print(f"{finding.verdict.value}: {name}")
    undecided = counts[Verdict.OUT_OF_TIME] + counts[Verdict.NOT_CONFIRMED]
    print(
        f"{counts[Verdict.REFUTED]} of {len(mutants)} mutants refuted, {undecided} undecided, "
        f"{counts[Verdict.CONFIRMED]} still confirmed"
    )
    sys.exit(UNDECIDED if len(mutants) > counts[Verdict.REFUTED] else 0)


if __name__ == "__main__":
    main()
