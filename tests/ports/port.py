"""A decision to be examined through the harness for Python: this project's own, or a mutant of it.

    port.py SEMANTICS [MODULE]

MODULE is a file that is run instead of ``hammer2_cluster.resolve``.
"""

import sys
from pathlib import Path
from runpy import run_path

sys.path.insert(0, str(Path(__file__).parents[2] / "impl" / "hammer2_oracle" / "harnesses"))

import hammer2_conform as conform

from hammer2_cluster.resolve import resolve
from hammer2_spec.configuration import ABSENT, FOREIGN, Slot
from hammer2_spec.semantics import parse

SEMANTICS = parse(sys.argv[1])
RESOLVE = run_path(sys.argv[2])["resolve"] if sys.argv[2:] else resolve


def decide(question: conform.Question) -> conform.Answer:
    slots = [ABSENT if slot is None else Slot(True, *slot) for slot in question.slots]
    prior = FOREIGN if isinstance(question.focus, str) else question.focus
    outcome, focus, error, flags = RESOLVE(slots, question.pfs_nmasters, prior, question.flags, SEMANTICS)
    return conform.Answer(conform.FOREIGN if focus == FOREIGN else focus, error, flags, outcome.text)


conform.serve("port", "1", sys.argv[1], decide)
