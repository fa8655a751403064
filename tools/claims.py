"""Writes docs/reference/claims.md, what checks each claim of the original: ``python tools/claims.py``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hammer2_oracle.ledger import Check, Means, checks, findings_of
from hammer2_spec.claims import CLAIMS
from hammer2_spec.findings import FINDINGS

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "claims.md"
HEAD: Final = """# The claims of the original, and what checks each

Written by `tools/claims.py` from where the checks stand; `make test` fails when it is out of date. What came of them
when they last ran: `hammer2-cluster claims`. Lines are those of [the original](../../data/seed/hammer2_cluster.c.txt).

- *proved*: for all inputs, by z3, and where two solvers are promised by cvc5 too
- *confirmed*: a contract, by CrossHair, over all paths
- *explored*: every run, or every reachable state, up to the bounds that `make verify` prints
- *tested*: by the tests named
"""
WORDS: Final = {
    Means.PROOF: "proved",
    Means.PATHS: "confirmed",
    Means.EXPLORATION: "explored",
    Means.TEST: "tested",
}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_claims()]) + "\n"


def _claims() -> Iterator[str]:
    section = ""
    every = checks()
    for number, claim in CLAIMS.items():
        if claim.section != section:
            section = claim.section
            yield f"## {section}\n"
        where = f" ({claim.lines})" if claim.lines else ""
        yield f"**{number}**{where} {claim.promise}\n"
        for finding in findings_of(number):
            repair = FINDINGS[finding].repair
            yield f"- broken by the original: {finding}, {FINDINGS[finding].title}; mended by `{repair}`"
        yield from (_line(check) for check in every[number])
        yield ""


def _line(check: Check) -> str:
    by = f"[{check.by}](../../{check.by})" if check.by.startswith("tests/") else f"`{check.by}`"
    says = f": {check.says}" if check.says else ""
    return f"- {WORDS[check.means]} ({by}) `{check.name}`{says}"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
