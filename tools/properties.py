"""Writes the list of properties into README.md, from what the machines have stored: ``python tools/properties.py``."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hammer2_proofs import matrix
from hammer2_spec.properties import PROPERTIES, hypothesis_of

README: Final = Path(__file__).parent.parent / "README.md"
BEGIN: Final = "<!-- properties: written by tools/properties.py -->"
END: Final = "<!-- end of properties -->"
WORDS: Final = {"holds": "holds", "refuted": "**refuted**", "undecided": "undecided"}


def table(stored: Mapping[str, Any]) -> str:
    """The properties as a table."""
    sentences = {prop.name: prop for prop in PROPERTIES}
    lines = ["| claims | property | original | repaired | enough to mend it |", "|---|---|---|---|---|"]
    for row in stored["rows"]:
        prop = sentences[row["property"]]
        enough = " or ".join(" + ".join(f"`{name}`" for name in names) for names in row["enough"] if names)
        hypothesis = hypothesis_of(prop)
        sentence = f"{prop.sentence} *Given:* {hypothesis}" if hypothesis else prop.sentence
        lines.append(
            f"| {', '.join(prop.claims)} | {sentence} | {WORDS[row['seed']['standing']]} "
            f"| {WORDS[row['repaired']['standing']]} | {enough} |"
        )
    return "\n".join(lines)


def current(text: str) -> str:
    """The README with the list as it must be. Raises ValueError where it has no place for it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no lines {BEGIN} and {END}")
    return f"{before}{begin}\n{table(matrix.load())}\n{end}{after}"


def main() -> int:
    """Write the list."""
    README.write_text(current(README.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
