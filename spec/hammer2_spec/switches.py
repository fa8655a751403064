"""Choices between the seed and the repaired, typed as text: a base, and what is added to it or taken from it."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches


def chosen(text: str, names: Collection[str], bases: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Read ``seed``, ``repaired``, or switches: ``+name`` adds to the seed, ``-name`` takes from the repaired.

    Switches are separated by commas and may follow the base that they change: ``seed,+majority_tid``. Without a
    base they must all have the same sign.

    Args:
        text: what was typed.
        names: the switches that there are.
        bases: the switches that are on in ``seed`` and in ``repaired``.

    Raises ValueError, naming the word and what was expected, for anything else.
    """
    words = [word.strip() for word in text.split(",")]
    base = bases.get(words[0])
    changes: list[tuple[str, bool]] = []
    for word in words[base is not None :]:
        sign, name = word[:1], word[1:].replace("-", "_")
        if sign not in ("+", "-") or name not in names:
            like = [f"{sign if sign in ('+', '-') else '+'}{near}" for near in get_close_matches(word[-50:], names)]
            perhaps = f" ({' or '.join(like)}?)" if like else ""
            raise ValueError(
                f"semantics {word!r}: expected {', '.join(bases)}, or + or - and the name of a repair{perhaps}"
            )
        changes.append((name, sign == "+"))
    if base is None:
        if len({on for _, on in changes}) > 1:
            raise ValueError(f"semantics {text!r}: begin with seed or repaired to mix + and -")
        base = bases["seed" if changes[0][1] else "repaired"]
    last = dict(changes)
    return frozenset(name for name in names if last.get(name, name in base))
