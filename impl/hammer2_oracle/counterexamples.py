"""For each repair of the operations: the smallest run in which its absence breaks a claim, written down as a trace."""

from pathlib import Path
from typing import Final, NamedTuple

from hammer2_oracle.run_record import record_case
from hammer2_oracle.trace_record import Trace
from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
from hammer2_proofs.operations.search import Counterexample, Coverage, cases, search
from hammer2_spec.findings import FINDINGS
from hammer2_spec.semantics import REPAIRED

STORED: Final = Path(__file__).parents[2] / "data" / "findings" / "operations.jsonl"
"""One trace for each repair, recorded with all other repairs in force."""
MOST_BAD: Final = 2
"""Answers that are not the good day's, at the most; every repair is needed with fewer."""


class Evidence(NamedTuple):
    """That a repair is needed."""

    repair: str
    counterexample: Counterexample
    trace: Trace


def evidence(repair: str) -> Evidence | None:
    """The smallest counterexample with all repairs but one; None if there is none within bounds."""
    without = REPAIRED._replace(**{repair: False})
    every = cases(PROGRAMS, WORLDS)
    found = next(search(every, without, MOST_BAD, Coverage()), None)
    if found is None:
        return None
    case = next(c for c in every if (c.program_name, c.world_name) == (found.program, found.world))
    number = next(number for number, finding in FINDINGS.items() if finding.repair == repair)
    trace, _ = record_case(case, found.picks, without, f"{number} {repair}: {found.program} on {found.world}")
    return Evidence(repair, found, trace)
