"""Numbers and texts as they stand in a sentence."""

from typing import Final

LONGEST: Final = 600
"""Characters of a message; the middle of a longer one is left out."""


def counted(number: int, noun: str) -> str:
    """A number of things: ``1 record``, ``2,000 records``; the noun has a regular plural."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {plural}"


def shortened(text: str) -> str:
    """A text without its middle where it is too long to be read: keys and numbers may be of any length."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} ... {text[-LONGEST // 3 :]}"
