"""The mutation of confirmed contracts comes to its end, whatever a mutant does."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"
BEGIN = """
import itertools
from contracts import Finding, Verdict
from mutate_contracts import within

CONFIRMED = Finding(Verdict.CONFIRMED, "", 0.1)

def loops():
    return next(CONFIRMED for n in itertools.count() if n < 0)

def dies():
    raise SystemExit

def ends():
    return CONFIRMED

"""


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("within(1, loops).verdict is Verdict.OUT_OF_TIME", "True"),
        ("0.9 < within(1, loops).seconds < 3", "True"),
        ("within(5, dies).message", "'died'"),
        ("within(5, ends) == CONFIRMED", "True"),
    ],
)
def test_a_mutant_that_loops_or_dies_is_undecided_and_one_that_ends_says_what_it_found(what: str, found: str) -> None:
    """In a process of its own: where CrossHair is loaded, icontract checks nothing."""
    program = f"{BEGIN}print(repr({what}))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=TOOLS, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == found
