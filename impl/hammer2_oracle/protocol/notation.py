"""The values of a state as records have them: tids as "epoch.sequence", sets as lists, states by their names."""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from functools import partial
from typing import Any, Final, NamedTuple

from hammer2_spec.protocol.state import SEQUENCES, Phase, Setup, State, Sync, mixture, replacement

WIDE: Final = 2**32
"""Epochs, and the sequence numbers of one, in traces without ranks."""
TID: Final = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")
REPLACED: Final = "replacement "
MIXTURE: Final = "mixture"


def sequences(m: Setup) -> int:
    """How many sequence numbers an epoch has."""
    return SEQUENCES if m.rank_tids else WIDE


def _tid(m: Setup, value: Any) -> int:  # noqa: ANN401 - any JSON
    match = TID.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) >= sequences(m):
        raise ValueError('a tid, "epoch.sequence"')
    return int(match[1]) * sequences(m) + int(match[2])


def _tid_written(m: Setup, number: int) -> str:
    return "{}.{}".format(*divmod(number, sequences(m)))


def _content(m: Setup, value: Any) -> int:  # noqa: ANN401 - any JSON
    if not isinstance(value, list):
        raise ValueError(f'a list of writes, "{REPLACED}N" and "{MIXTURE}"')  # noqa: TRY004 - one kind of error
    return sum(_member(m, item) for item in {*value})


def _member(m: Setup, item: int | str) -> int:
    if isinstance(item, int) and item < m.writes:
        return 1 << item
    if item == MIXTURE:
        return mixture(m)
    number = item.removeprefix(REPLACED) if isinstance(item, str) else ""
    if number.isdigit() and 1 <= int(number) <= m.losses:
        return replacement(m, int(number))
    raise ValueError(f'a write below {m.writes}, "{REPLACED}N" with N up to {m.losses}, or "{MIXTURE}"')


def _content_written(m: Setup, content: int) -> list[int | str]:
    writes: list[int | str] = [write for write in range(m.writes) if content >> write & 1]
    replaced = [f"{REPLACED}{loss}" for loss in range(1, m.losses + 1) if content & replacement(m, loss)]
    return [*writes, *replaced, *([MIXTURE] if content & mixture(m) else [])]


def _clients(m: Setup, value: Any) -> int:  # noqa: ANN401 - any JSON
    if not isinstance(value, list) or not all(isinstance(c, int) and c < len(m.views) for c in value):
        raise ValueError(f"a list of clients below {len(m.views)}")
    return sum(1 << c for c in {*value})


def _clients_written(m: Setup, mask: int) -> list[int]:
    return [c for c in range(len(m.views)) if mask >> c & 1]


def _enumerated(kind: type[IntEnum], _: Setup, value: Any) -> int:  # noqa: ANN401 - any JSON
    if not isinstance(value, str) or value not in kind.__members__:
        raise ValueError(f"one of {', '.join(kind.__members__)}")
    return kind[value]


def _name(kind: type[IntEnum], _: Setup, value: int) -> str:
    return kind(value).name


def _truth(_: Setup, value: Any) -> bool:  # noqa: ANN401 - any JSON
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - one kind of error
    return value


def _number(_: Setup, value: Any) -> int:  # noqa: ANN401 - any JSON
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("an integer")  # noqa: TRY004 - one kind of error
    return value


class Form(NamedTuple):
    """How one kind of value is read and written. Reading raises ValueError, which says what was expected."""

    read: Callable[[Setup, Any], int]
    write: Callable[[Setup, Any], Any]


TIDS: Final = Form(_tid, _tid_written)
CONTENTS: Final = Form(_content, _content_written)
CLIENTS: Final = Form(_clients, _clients_written)
TRUTH: Final = Form(_truth, lambda _, value: bool(value))
NUMBER: Final = Form(_number, lambda _, value: int(value))
FORMS: Final[Mapping[str, Form]] = {
    **dict.fromkeys(("durable_tid", "volatile_tid", "snapshot_tid", "tid", "prior_tid", "read_tid"), TIDS),
    **dict.fromkeys(("durable_content", "volatile_content", "snapshot_content", "content", "prior_content"), CONTENTS),
    **dict.fromkeys(("known", "read_content", "read_since"), CONTENTS),
    **dict.fromkeys(("replies", "cut"), CLIENTS),
    "phase": Form(partial(_enumerated, Phase), partial(_name, Phase)),
    "sync": Form(partial(_enumerated, Sync), partial(_name, Sync)),
}
"""By the last name of the path; the others are truth values and numbers."""


class Field(NamedTuple):
    """One field of a state."""

    path: str
    keys: tuple[int, ...]
    """Where it is: the indices that lead to it."""
    form: Form

    def read(self, m: Setup, value: Any) -> int:  # noqa: ANN401 - any JSON
        """A value as the protocol has it. Raises ValueError, which says what was expected."""
        return self.form.read(m, value)

    def write(self, m: Setup, state: State) -> Any:  # noqa: ANN401 - any JSON
        """Its value in a state as a record has it."""
        return self.form.write(m, self.of(state))

    def of(self, state: State) -> int:
        """Its value in a state."""
        value: Any = state
        for key in self.keys:
            value = value[key]
        return int(value)


PATH: Final = re.compile(r"([a-z_]+)(?:\[([0-9]{1,2})\]\.([a-z_]+))?")


def field_of(state: State, path: str) -> Field:
    """The field of a state with this path. Raises ValueError if it has none."""
    match = PATH.fullmatch(path)
    name, index, inner = match.groups() if match else ("", None, None)
    if name not in State._fields:
        raise ValueError("the path of a field of the state")
    position = State._fields.index(name)
    value: Any = state[position]
    records: Sequence[Any] = value if isinstance(value, tuple) else ()
    if (index is None) != (not isinstance(value, tuple)):
        raise ValueError("the path of a field of the state")
    if index is None or inner is None:
        return Field(path, (position,), _form(name, value))
    if int(index) >= len(records):
        raise ValueError(f"one of {len(records)} {name}")
    record = records[int(index)]
    if inner not in record._fields:
        raise ValueError(f"a field of {name}: {', '.join(record._fields)}")
    key = record._fields.index(inner)
    return Field(path, (position, int(index), key), _form(inner, record[key]))


def _form(name: str, value: object) -> Form:
    return FORMS.get(name, TRUTH if isinstance(value, bool) else NUMBER)


def all_fields(state: State) -> list[Field]:
    """Every field of a state."""
    paths = []
    for name, value in zip(State._fields, state, strict=True):
        if isinstance(value, tuple):
            paths += [f"{name}[{i}].{inner}" for i, record in enumerate(value) for inner in record._fields]
        else:
            paths.append(name)
    return [field_of(state, path) for path in paths]


def plain(value: Any) -> str:  # noqa: ANN401 - any JSON
    """A value of a record in few characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "{" + ", ".join(map(str, value)) + "}" if isinstance(value, list) else str(value)
