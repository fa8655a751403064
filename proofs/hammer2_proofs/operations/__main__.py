"""Runs every program against every answer of the layer below, up to bounds, and says what held."""

import sys
import time

from hammer2_proofs.operations.programs import PROGRAMS, WORLDS, WRITES_THAT_NEED_A_PARENT
from hammer2_proofs.operations.search import Case, Coverage, cases, late_cases, search
from hammer2_spec.semantics import REPAIRED

MOST_BAD = 2


MOST_QUESTIONS = frozenset({"use the parent"})
"""Programs that ask so much that not every run can be made even on one node."""
MANY_QUESTIONS = MOST_QUESTIONS | {
    "climb",
    "create during a scan",
    "snapshot",
    "snapshot of what was not read",
    "resize under an older parent",
    "with more references",
    "attach while another looks",
    "delete two",
}
"""Programs that ask so much that not every run can be made on two nodes."""
VARIANTS = MOST_QUESTIONS | {
    "climb out of the PFS",
    "snapshot of what was not read",
    "find and load",
    "find what some lack",
    "scan without locks",
    "rename to the same key",
    "scan on while a node is late",
    "with more references",
    "move under an older parent",
    "next under an older parent, without locks",
    "rename under an older parent",
    "delete under an older parent",
    "resize under an older parent",
    "resize under another parent",
    "attach while another looks",
    "delete two",
    *(f"{write} while a node is late" for write in WRITES_THAT_NEED_A_PARENT),
}
"""Programs that vary others: where not every run is made, those with one bad answer are."""
AGAIN = "no PFS"
"""One node again, without a PFS: programs that ask much are not run in all ways there, too."""
PAIRS = frozenset({"two masters", "a master and a slave", "two masters, an indirect block on one"})
"""Worlds of two nodes on which every run of the other programs is made."""
LATE_AND_BAD = frozenset({"three masters", "a master and a slave", "two soft masters"})
"""Worlds on which a member may be late and an answer bad in the same run; on more of them by night."""


def is_small(case: Case) -> bool:
    """Whether all runs of a case are made: on one node, once, and on some pairs if the program does not ask much."""
    if len(case.world.specs) == 1:
        return case.program_name not in (MANY_QUESTIONS if case.world_name == AGAIN else MOST_QUESTIONS)
    return case.world_name in PAIRS and case.program_name not in MANY_QUESTIONS


def main(most_bad: int = MOST_BAD) -> int:
    """The exit status: 0 if all held and every answer was given, else 1."""
    began = time.process_time()
    every = cases(PROGRAMS, WORLDS)
    small, large = [case for case in every if is_small(case)], [case for case in every if not is_small(case)]
    plain = [case for case in large if case.program_name not in VARIANTS]
    variants = [case for case in large if case.program_name in VARIANTS]
    complete, bounded, late = Coverage(), Coverage(), Coverage()
    broken = [*search(small, REPAIRED, None, complete), *search(plain, REPAIRED, most_bad, bounded)]
    broken += search(variants, REPAIRED, min(1, most_bad), bounded)
    late_only = {name: world for name, world in WORLDS.items() if name not in LATE_AND_BAD}
    late_and_bad = {name: world for name, world in WORLDS.items() if name in LATE_AND_BAD}
    broken += search(late_cases(PROGRAMS, late_only), REPAIRED, 0, late)
    broken += search(late_cases(PROGRAMS, late_and_bad), REPAIRED, min(1, most_bad), late)
    for counterexample in broken[:10]:
        print(counterexample)
    never = set(complete.never_given()) & set(bounded.never_given())
    for question, answer in sorted(never):
        print(f"never answered: {question}: {answer}")
    print(
        f"operations, repaired: {len(PROGRAMS)} programs; all {complete.runs} runs on one node and on some pairs, "
        f"{bounded.runs} with up to {most_bad} bad answers (variants: 1) on the others, "
        f"{late.runs} with a member that is late (on {len(LATE_AND_BAD)} of the worlds with 1 bad answer, too); "
        f"{len(broken)} broken; "
        f"{time.process_time() - began:.0f} CPU-seconds"
    )
    return 1 if broken or never or not complete.complete else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
