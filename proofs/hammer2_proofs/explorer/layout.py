"""Where each field of a state lies: in a flat vector of integers, and in the bits of a few 64-bit words.

A record (a node, a client) is packed into one key of at most 63 bits, so that like records are put in order by
comparing keys. The keys lie one behind the other in the words, across their boundaries where it so happens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, get_args, get_origin, get_type_hints

from hammer2_spec.transition_system import Model

KEY_BITS = 63
MOST = 2**31 - 2
"""What a field may hold at most: kernels keep larger numbers as 2**31 - 1, out of every range."""
WORD_BITS = 64
WORD_MASK = 2**WORD_BITS - 1


class FieldOverflow(Exception):
    """A field took a value outside its declared range; nothing was wrapped or lost, the exploration is void."""


@dataclass(frozen=True)
class Field:
    """One scalar field: its place in the flat vector, its largest value, its first bit in its key."""

    name: str
    slot: int
    high: int
    shift: int

    @property
    def bits(self) -> int:
        """How many bits hold 0 up to the largest value."""
        return self.high.bit_length()


@dataclass(frozen=True)
class Key:
    """One record, or all scalars of the state together: its fields and its first bit in the words."""

    name: str
    fields: tuple[Field, ...]
    offset: int

    @property
    def bits(self) -> int:
        """The width of the key."""
        return sum(field.bits for field in self.fields)


def is_flag(annotation: object) -> bool:
    """Whether a field's annotation says that it is true or false."""
    return annotation is bool


def record_of(annotation: object) -> type | None:
    """The record class of an annotation ``tuple[Record, ...]``, if it is one."""
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        if isinstance(inner, type) and hasattr(inner, "_fields"):
            return inner
    return None


def fields_of(record: type) -> tuple[str, ...]:
    """The fields' names of a record class, which is a NamedTuple."""
    fields: tuple[str, ...] = record._fields  # type: ignore[attr-defined]  # no type says so
    return fields


def largest(name: str, annotation: object, ranges: Mapping[str, int]) -> int:
    """The largest value of a field: as declared; else 1 for a bool, the highest member of an enumeration."""
    if is_flag(annotation):
        return ranges.get(name, 1)
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        return max(annotation)
    if name not in ranges:
        raise TypeError(f"the model declares no range for {name}")
    return ranges[name]


class Layout:
    """The fields of one model, numbered and packed.

    Args:
        model: the model; its first initial state shows the state's class.
    """

    def __init__(self, model: Model[Any, Any]) -> None:
        self.state_class: type = type(model.initial[0])
        self.sizes = dict(model.sizes)
        self.records: dict[str, type] = {}
        self.flags: set[tuple[type, str]] = set()
        self._enumerations: dict[tuple[type, str], type[IntEnum]] = {}
        self.slots = 0
        self._offset = 0
        self.keys: list[Key] = []
        self.tuples: dict[str, list[int]] = {}
        self.first_slots: dict[str, int] = {}
        hints = get_type_hints(self.state_class)
        scalars = []
        for name in self.state_class._fields:
            record = record_of(hints[name])
            if record is None:
                scalars.append((name, hints[name]))
                continue
            self.records[name] = record
            self.tuples[name] = []
            self.first_slots[name] = self.slots
            record_hints = get_type_hints(record)
            fields = [(f, record_hints[f], f"{name}.{f}") for f in fields_of(record)]
            for index in range(self.sizes[name]):
                self.tuples[name].append(len(self.keys))
                self._add_key(f"{name}[{index}]", record, fields, model.ranges)
        self.globals = len(self.keys)
        if scalars:
            self._add_key("", self.state_class, [(f, hint, f) for f, hint in scalars], model.ranges)
        self.words = -(-self._offset // WORD_BITS)
        self.bits = self._offset
        self.scalar_slots = {field.name: field.slot for field in self.keys[self.globals].fields} if scalars else {}

    def _add_key(
        self, name: str, owner: type, fields: Sequence[tuple[str, object, str]], ranges: Mapping[str, int]
    ) -> None:
        packed = []
        shift = 0
        for field, annotation, path in fields:
            if is_flag(annotation):
                self.flags.add((owner, field))
            if isinstance(annotation, type) and issubclass(annotation, IntEnum):
                self._enumerations[owner, field] = annotation
            high = largest(path, annotation, ranges)
            if high > MOST:
                raise TypeError(f"{path} goes up to {high}: a field may hold up to {MOST}")
            packed.append(Field(field, self.slots, high, shift))
            self.slots += 1
            shift += packed[-1].bits
        key = Key(name, tuple(packed), self._offset)
        if key.bits > KEY_BITS:
            raise TypeError(f"{name or 'the scalars of the state'} needs {key.bits} bits; a key has {KEY_BITS}")
        self._offset += key.bits
        self.keys.append(key)

    def path(self, slot: int) -> str:
        """The name of the field in this place of the flat vector."""
        for key in self.keys:
            for field in key.fields:
                if field.slot == slot:
                    return f"{key.name}.{field.name}".lstrip(".")
        raise IndexError(slot)

    def flatten(self, state: Any) -> list[int]:  # noqa: ANN401  # a state of any model
        """The state as a flat vector."""
        flat = [0] * self.slots
        for name, indices in self.tuples.items():
            for index, record in zip(indices, getattr(state, name), strict=True):
                for field in self.keys[index].fields:
                    flat[field.slot] = int(getattr(record, field.name))
        for name, slot in self.scalar_slots.items():
            flat[slot] = int(getattr(state, name))
        return flat

    def build(self, flat: Sequence[int]) -> Any:  # noqa: ANN401  # a state of any model
        """The state from its flat vector."""
        values: dict[str, object] = {}
        for name, indices in self.tuples.items():
            values[name] = tuple(self._record(self.records[name], self.keys[index], flat) for index in indices)
        for name, slot in self.scalar_slots.items():
            values[name] = self._value(self.state_class, name, int(flat[slot]))
        return self.state_class(**values)

    def _record(self, record: type, key: Key, flat: Sequence[int]) -> object:
        return record(**{f.name: self._value(record, f.name, int(flat[f.slot])) for f in key.fields})

    def _value(self, owner: type, name: str, number: int) -> object:
        if (owner, name) in self.flags:
            return bool(number)
        enumeration = self._enumerations.get((owner, name))
        return number if enumeration is None else enumeration(number)

    def pack(self, state: Any, alike: Sequence[Sequence[int]] = ()) -> tuple[int, ...]:  # noqa: ANN401  # a state of any model
        """The state in words; like records (indices of keys) in ascending order if groups of them are given.

        Raises:
            FieldOverflow: a field is outside its range.
        """
        flat = self.flatten(state)
        numbers = []
        for key in self.keys:
            number = 0
            for field in key.fields:
                value = flat[field.slot]
                if not 0 <= value <= field.high:
                    raise FieldOverflow(f"{self.path(field.slot)} = {value} is outside 0..{field.high}")
                number |= value << field.shift
            numbers.append(number)
        for group in alike:
            for index, number in zip(group, sorted(numbers[index] for index in group), strict=True):
                numbers[index] = number
        whole = sum(number << key.offset for key, number in zip(self.keys, numbers, strict=True))
        return tuple(whole >> (WORD_BITS * i) & WORD_MASK for i in range(self.words))

    def unpack(self, words: Sequence[int]) -> Any:  # noqa: ANN401  # a state of any model
        """The state in these words."""
        whole = sum(int(word) << (WORD_BITS * i) for i, word in enumerate(words))
        flat = [0] * self.slots
        for key in self.keys:
            for field in key.fields:
                flat[field.slot] = whole >> (key.offset + field.shift) & (2**field.bits - 1)
        return self.build(flat)


def alike_keys(model: Model[Any, Any], layout: Layout) -> tuple[tuple[int, ...], ...]:
    """The groups of like records, as indices of keys."""
    if not model.symmetric:
        return ()
    keys = layout.tuples[model.symmetric]
    return tuple(tuple(keys[i] for i in group) for group in model.alike if len(group) > 1)
