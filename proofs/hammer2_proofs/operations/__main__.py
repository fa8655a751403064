"""Runs every program against every answer of the layer below, up to bounds, and says what held."""

import sys
import time

from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
from hammer2_proofs.operations.search import Case, Coverage, cases, late_cases, search
from hammer2_spec.semantics import REPAIRED

MOST_BAD = 2


MANY_QUESTIONS = frozenset({"climb", "create during a scan", "snapshot"})
"""Programs that ask so much that not every run can be made on two nodes."""
PAIRS = frozenset({"two masters", "a master and a slave", "two masters, an indirect block on one"})
"""Worlds of two nodes on which every run of the other programs is made."""


def is_small(case: Case) -> bool:
    """Whether all runs of a case are made: on one node, and on some pairs if the program does not ask much."""
    return len(case.world.specs) == 1 or (case.world_name in PAIRS and case.program_name not in MANY_QUESTIONS)


def main(most_bad: int = MOST_BAD) -> int:
    """The exit status: 0 if all held and every answer was given, else 1."""
    began = time.process_time()
    every = cases(PROGRAMS, WORLDS)
    small, large = [case for case in every if is_small(case)], [case for case in every if not is_small(case)]
    complete, bounded, late = Coverage(), Coverage(), Coverage()
    broken = [*search(small, REPAIRED, None, complete), *search(large, REPAIRED, most_bad, bounded)]
    broken += search(late_cases(PROGRAMS, WORLDS), REPAIRED, 0, late)
    for counterexample in broken[:10]:
        print(counterexample)
    never = set(complete.never_given()) & set(bounded.never_given())
    for question, answer in sorted(never):
        print(f"never answered: {question}: {answer}")
    print(
        f"operations, repaired: {len(PROGRAMS)} programs; all {complete.runs} runs on one node and on some pairs, "
        f"{bounded.runs} with up to {most_bad} bad answers on the others, {late.runs} with a member that is late; "
        f"{len(broken)} broken; "
        f"{time.process_time() - began:.0f} CPU-seconds"
    )
    return 1 if broken or never or not complete.complete else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
