"""What the original promises of each operation: the claims of its lines."""

import re
from typing import Final

from hammer2_spec.claims import CLAIMS

PLACES: Final = {
    "drop": (291, 319),
    "wait": (321, 325),
    "lock": (327, 377),
    "resolve": (380, 554),
    "lookup_done": (786, 792),
    "wdata": (1271, 1276),
    "load_async": (1278, 1372),
}
"""The lines of those operations whose name no claim begins with, or of whose lines several claims speak."""


def _ranges(lines: str) -> list[tuple[int, int]]:
    """Claims say ``543-551, 632``."""
    return [(int(first), int(last or first)) for first, last in re.findall(r"(\d+)(?:-(\d+))?", lines)]


def places(op: str) -> list[tuple[int, int]]:
    """The lines of an operation: those of the claim that begins with its name, as ``type, modified: ..`` does."""
    if op in PLACES:
        return [PLACES[op]]
    own = [claim for claim in CLAIMS.values() if op in claim.promise.partition(":")[0].split(", ")]
    return [place for claim in own for place in _ranges(claim.lines)]


def rules(op: str) -> list[str]:
    """The claims that speak of an operation's lines, each with its number and lines."""
    there = places(op)
    return [
        f"{number}: {claim.promise.rstrip('.')} (L{claim.lines.replace(', ', ', L')})"
        for number, claim in CLAIMS.items()
        if any(a <= last and first <= b for first, last in _ranges(claim.lines) for a, b in there)
    ]
