"""The kinds of records, how a line is recognised as one of them, and what is wrong with one that is none.

A kind is one entry of KINDS and a module that defines ``KIND``, imported when the first record of that kind appears.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple

import msgspec

from hammer2_cluster.decisions import Decision
from hammer2_oracle.reading import Lines, Unreadable, key_twice
from hammer2_spec.semantics import Semantics


class Difference(NamedTuple):
    """One field in which a record and the reference differ."""

    field: str
    expected: Any
    """What the reference says; JSON."""
    got: Any
    """What the record says; JSON."""
    step: int | None = None
    """Of a trace, counted from 0."""


class Undecided(NamedTuple):
    """A record of which it could not be found out whether it differs."""

    step: int
    """Of a trace, counted from 0: the steps before it agree."""
    reason: str


def from_the_root(path: str) -> str:
    """A field's path as msgspec gives it, ``$.a.b``, without the sign for the whole record."""
    return path.removeprefix("$").removeprefix(".")


class RecordKind(NamedTuple):
    """How to read and judge one kind of record."""

    name: str
    decode: Callable[[bytes], Any]
    """Raises msgspec.DecodeError, or UnicodeDecodeError."""
    path_name: Callable[[str], str]
    """A field's path as msgspec gives it, as people read it."""
    judge: Callable[[Sequence[Any], Decision, Semantics], Iterator[tuple[int, list[Difference] | Undecided]]]
    """In what records differ from the reference, by index and in order; one that is passed over agrees. Raises
    Contradiction."""
    draw: Callable[[Any, list[Difference]], list[str]]
    """The record and its differences, for people."""
    identify: Callable[[Any], str | None]
    """The record's own id."""


class Contradiction(AssertionError):
    """Two things of this project that must agree do not: a defect here, whatever the record says."""


KINDS: Final = {
    # name: the keys that tell it from other kinds, and its module
    "resolve vector": (frozenset("kmfpsoFeg"), "hammer2_oracle.vectors"),
    "operation trace": (frozenset({"id", "kind", "world", "steps"}), "hammer2_oracle.traces"),
    "protocol trace": (frozenset({"cluster", "events", "start"}), "hammer2_oracle.protocol.kind"),
    "ITF trace": (frozenset({"#meta", "params", "vars", "states"}), "hammer2_oracle.protocol.itf"),
    "receipt": (frozenset({"implementation", "manifest", "sha256", "executed"}), "hammer2_oracle.manifest"),
}


@cache
def kind_named(name: str) -> RecordKind:
    """Load one kind."""
    kind: RecordKind = import_module(KINDS[name][1]).KIND
    return kind


def read_records(lines: Lines) -> Iterator[tuple[int, bytes, RecordKind, Any] | Unreadable]:
    """Read a file's records: each with its line number, its text and its kind, or what is wrong with that line.

    Raises:
        Unreadable: the rest of the file cannot be read.
    """
    kind = None
    for line in lines:
        try:
            if kind is None:
                kind = recognise(line)
            try:
                record = kind.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                kind = None
                kind = recognise(line)
                record = kind.decode(line)
            if (key := key_twice(line, record)) is not None:
                raise msgspec.ValidationError(f"Object contains field `{key}` more than once")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield explain(lines, line, kind, error)
        else:
            yield lines.number, line, kind, record


def recognise(line: bytes) -> RecordKind:
    """Tell from its keys which kind of record a line is: the kind that it shares the most keys with.

    Raises msgspec.DecodeError where it has no key of any.
    """
    keys = set(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
    shared = {name: len(keys & marks) for name, (marks, _) in KINDS.items()}
    best = max(shared, key=shared.__getitem__)
    if not shared[best]:
        raise msgspec.ValidationError(f"Expected the fields of a {' or '.join(KINDS)}")
    return kind_named(best)


OBJECT_FIELD: Final = re.compile(
    r"Object (missing required|contains unknown|contains) field `(.*)`(?: more than once)?", re.DOTALL
)
TYPE_WORDS: Final = {
    "`int`": "an integer", "`int | null`": "an integer or null", "`str`": "a string", "`array`": "an array",
    "`array | null`": "an array or null", "`object`": "an object",
}  # fmt: skip
SHOWN: Final = 40
"""Characters of a value that are shown."""
LOOKED_AT: Final = 2**20
"""Bytes of a line that is read once more to show the value: as Python objects a line takes many times its size."""


def explain(lines: Lines, line: bytes, kind: RecordKind | None, error: Exception) -> Unreadable:
    """Say in one line what is wrong with a line."""
    if not line.strip():
        return lines.unreadable("is empty, expected a JSON object")
    if isinstance(error, RecursionError):
        return lines.unreadable("is nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return lines.unreadable("is not UTF-8 text")
    text, _, path = str(error).partition(" - at `")
    path = path.removesuffix("`")
    if not isinstance(error, msgspec.ValidationError):
        text = text.removeprefix("JSON is malformed: ").replace("Input data was truncated", "it ends too early")
        return lines.unreadable(f"is not JSON: {text}")
    reason = _in_words(text.partition(", got ")[0]) + _got(line, path, text)
    if kind is None:
        return lines.unreadable(reason)
    field = kind.path_name(path)
    if match := OBJECT_FIELD.fullmatch(text):
        reasons = {"missing required": "is missing", "contains": "is there twice"}
        reason = reasons.get(match[1], f"is no field of the {kind.name}")
        field = f"{field}.{match[2]}".removeprefix(".")
    return lines.unreadable(reason, field or None)


def _in_words(text: str) -> str:
    if text.startswith("Invalid enum value"):
        return "expected one of the values that the format lists"
    for word, words in TYPE_WORDS.items():
        text = text.replace(word, words)
    return text[:1].lower() + text[1:]


def _got(line: bytes, path: str, text: str) -> str:
    """What is at a path instead, as far as that can be said in a few words."""
    if len(line) > LOOKED_AT:
        return ""
    try:
        value = msgspec.json.decode(line)
        for key, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
            value = value[key] if key else value[int(index)]
    except (msgspec.DecodeError, LookupError, TypeError, UnicodeDecodeError, RecursionError):
        return ""
    shown = str(len(value)) if " length " in text and isinstance(value, list | str) else json.dumps(value)
    return f", got {shown if len(shown) <= SHOWN else f'{shown[:SHOWN]}...'}"
