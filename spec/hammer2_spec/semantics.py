"""Which of the seed's mistakes are mended: one named switch for each repair.

``SEED`` is the C as written, bug for bug; ``REPAIRED`` has every repair. A value between the two describes an
implementation that has some of the fixes: ``parse("seed,+majority_tid")``, ``parse("repaired,-fresh_focus")``.
"""

from typing import NamedTuple


class Semantics(NamedTuple):
    """One switch per repair, off in the seed. What each one mends is told by its finding."""

    fresh_focus: bool = False
    """The focus is chosen afresh; one left from before plays no part (L394 forgets to clear it)."""

    sound_votes: bool = False
    """Only error-free masters count towards a quorum; an errored one's tid stays evidence (L422-428)."""

    majority_tid: bool = False
    """The tid that a majority of masters holds decides, not the highest one seen (L422)."""

    ranked_roots: bool = False
    """Of several super-roots the best one is the focus, not the last (L447)."""

    ranked_soft: bool = False
    """Of several soft masters or soft slaves the best one is the focus; nothing is asserted (L510, L520)."""

    honest_access: bool = False
    """Access is granted only through a focus that has no error and allows it (L434-446, L475, L497)."""

    no_focus_error: bool = False
    """A cluster without a focus has the error INCOMPLETE instead of none (L394, L543)."""

    no_pfs_root: bool = False
    """A cluster without a PFS belongs to the super-root topology and is served as such (L408)."""


SEED = Semantics()
REPAIRED = Semantics(*(True for _ in Semantics._fields))
BASES = {"seed": SEED, "repaired": REPAIRED}


def parse(text: str) -> Semantics:
    """Read ``seed``, ``repaired``, or switches: ``+name`` adds to the seed, ``-name`` takes from the repaired.

    Switches are separated by commas and may follow the base that they change: ``seed,+majority_tid``. Without a
    base they must all have the same sign.

    Raises ValueError, naming the word and what was expected, for anything else.
    """
    first, *rest = [word.strip() for word in text.split(",")]
    if first in BASES:
        semantics = BASES[first]
    else:
        rest = [first, *rest]
        semantics = SEED if first.startswith("+") else REPAIRED
        if len({word[:1] for word in rest}) > 1:
            raise ValueError(f"semantics {text!r}: begin with seed or repaired to mix + and -")
    for word in rest:
        sign, name = word[:1], word[1:].replace("-", "_")
        if sign not in ("+", "-") or name not in Semantics._fields:
            raise ValueError(
                f"semantics {word!r}: expected seed, repaired, or + or - and one of {', '.join(Semantics._fields)}"
            )
        semantics = semantics._replace(**{name: sign == "+"})
    return semantics


def describe(semantics: Semantics) -> str:
    """The shortest text that ``parse`` reads back as this value."""
    for name, base in BASES.items():
        if semantics == base:
            return name
    added = [f"+{name}" for name, on in zip(Semantics._fields, semantics, strict=True) if on]
    taken = [f"-{name}" for name, on in zip(Semantics._fields, semantics, strict=True) if not on]
    return min(",".join(added), ",".join(taken), key=len)
