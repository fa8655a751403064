"""Configurations as people write and draw them: ``*master:6 - slave:5/1`` is a row of three slots.

A slot is ``-`` when it is absent, else the PFS type's name or number, a colon and the mirror_tid, and, when there is
one, a slash and the error. ``*`` before a slot marks the focus that is left from before.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot
from hammer2_spec.vocabulary import ClusterFlag, PfsType, names_of

TYPE_NUMBERS: Final = {pfs_type.name.lower(): int(pfs_type) for pfs_type in PfsType}
TYPE_NAMES: Final = {number: name for name, number in TYPE_NUMBERS.items()}


INTEGER: Final = re.compile("-?(0|[1-9][0-9]{0,30}|0x[0-9a-fA-F]{1,30})")
"""Longer ones are out of every range."""


def type_name(pfs_type: int) -> str:
    """The name of a PFS type, or its number when the original has no name for it."""
    return TYPE_NAMES.get(pfs_type, str(pfs_type))


def read_integer(text: str) -> int:
    """Read an integer as everybody writes it, decimal or 0x...: no other digits, no +, no underscores, no 007.

    Raises ValueError.
    """
    if not INTEGER.fullmatch(text):
        raise ValueError(f"{text!r} is no integer, decimal or 0x..., of at most 64 bits")
    return int(text, 0)


def _number(text: str, field: str, word: str) -> int:
    try:
        return read_integer(text)
    except ValueError:
        expected = "expected an integer, decimal or 0x..., of at most 64 bits"
        raise ValueError(f"{field} is {text!r} in {word!r}, {expected}") from None


def parse_slot(word: str) -> tuple[Slot, bool]:
    """Read one slot; the second result says whether it is marked as the focus from before.

    Numbers may be decimal or hexadecimal (0x...). Their ranges are not checked here: see configuration.validate.
    Raises ValueError, naming the field, the word and what was expected, for what is no slot.
    """
    marked = word.startswith("*")
    text = word.removeprefix("*")
    if text == "-":
        return ABSENT, marked
    name, colon, rest = text.partition(":")
    if not colon:
        raise ValueError(f"slot is {word!r}, expected TYPE:TID or TYPE:TID/ERROR like master:6 or slave:5/1, or -")
    name = name.lower().replace("-", "_")
    if name in TYPE_NUMBERS:
        pfs_type = TYPE_NUMBERS[name]
    elif INTEGER.fullmatch(name):
        pfs_type = read_integer(name)
    else:
        raise ValueError(f"type is {name!r} in {word!r}, expected 0..255 or one of {', '.join(TYPE_NUMBERS)}")
    tid, slash, error = rest.partition("/")
    return Slot(True, pfs_type, _number(tid, "tid", word), _number(error, "error", word) if slash else 0), marked


def format_slot(slot: Slot) -> str:
    """Write one slot as ``parse_slot`` reads it."""
    if not slot.present:
        return "-"
    return f"{type_name(slot.type)}:{slot.tid}" + (f"/{slot.error}" if slot.error else "")


def format_focus(focus: int | None) -> str:
    """Name a focus: none, a slot, or a chain that is no member."""
    if focus is None:
        return "none"
    return "a chain that is no member" if focus == FOREIGN else f"slot {focus}"


def format_nmasters(pfs_nmasters: int | None) -> str:
    """How many masters the PFS should have, or that there is none."""
    return "no PFS" if pfs_nmasters is None else f"pfs_nmasters {pfs_nmasters}"


def format_flags(flags: int) -> str:
    """Write a cluster's flag word as a number and the names of its bits."""
    return " ".join([f"{flags:#x}", *names_of(flags, ClusterFlag)])


def arguments(configuration: Configuration) -> list[str]:
    """The arguments with which ``hammer2-cluster resolve`` decides this configuration."""
    slots, pfs_nmasters, prior, flags = configuration
    options = ["--no-pfs"] if pfs_nmasters is None else ["--nmasters", str(pfs_nmasters)]
    if prior == FOREIGN:
        options += ["--prior", "foreign"]
    words = ["*" * (i == prior) + format_slot(slot) for i, slot in enumerate(slots)]
    return [*options, "--flags", f"{flags:#x}", *words]


def draw(slots: Sequence[Slot], marks: Mapping[str, int | None]) -> list[str]:
    """The slots in a row, and below them one line for each marked focus: its name, and an arrow at its slot.

    A focus that is no slot of the row is said in words.
    """
    members = [format_slot(slot) for slot in slots]
    columns = [max(len(member), 2) for member in members]
    label = max(len(name) for name in ["member", *marks])

    def line(name: str, cells: Sequence[str]) -> str:
        return "  ".join([name.ljust(label), *(cell.ljust(n) for cell, n in zip(cells, columns, strict=True))]).rstrip()

    lines = [line("slot", [str(i) for i in range(len(slots))]), line("member", members)]
    for name, focus in marks.items():
        if focus is not None and 0 <= focus < len(slots):
            lines.append(line(name, ["^" if i == focus else "" for i in range(len(slots))]))
        else:
            lines.append(f"{name.ljust(label)}  {format_focus(focus)}")
    return lines
