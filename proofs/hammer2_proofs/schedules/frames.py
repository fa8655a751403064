"""What a suspended coroutine may still look at: the locals that are alive where it stands, and its value stack."""

import dis
import gc
import types
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple


class Held(NamedTuple):
    """What a frame holds."""

    locals: list[tuple[str, Any]]
    """Those that may be read before they are written again, by name."""
    rest: list[Any]
    """Cells and the value stack: the iterator of a ``for``, calls that are half made, what is awaited."""


_OF_THE_FRAME = (types.FrameType, types.CodeType)


def held_by(coroutine: Any, code: types.CodeType, frame: types.FrameType) -> Held:  # noqa: ANN401 - or a generator
    """All that a coroutine or generator holds, but the locals that it will not look at any more."""
    bound = frame.f_locals
    names = [name for name in code.co_varnames if name in bound and name not in code.co_cellvars]
    alive = live_after(code, frame.f_lasti)
    found = Held([(name, bound[name]) for name in names if name in alive], [])
    left = [bound[name] for name in names]  # they come first, in this order
    for value in gc.get_referents(coroutine):
        if left and value is left[0]:
            left.pop(0)
        elif value is not bound and not isinstance(value, _OF_THE_FRAME):
            found.rest.append(value)
    if left:
        raise TypeError(f"{code.co_qualname}: its locals are not where they are looked for in this Python")
    return found


@cache
def live_after(code: types.CodeType, offset: int) -> frozenset[str]:
    """The local variables that may be read after the instruction at an offset, before they are written."""
    return frozenset().union(*(_live(code)[after] for after in _successors(code).get(offset, ())))


class _Instruction(NamedTuple):
    reads: frozenset[str]
    writes: frozenset[str]


def _names(instruction: dis.Instruction) -> frozenset[str]:
    value = instruction.argval
    return frozenset(value if isinstance(value, tuple) else (value,))


@cache
def _instructions(code: types.CodeType) -> dict[int, _Instruction]:
    """Which locals each one reads, and which it writes and does not read; what is not known to write reads."""
    found = {}
    for one in dis.get_instructions(code):
        names = _names(one) if "_FAST" in one.opname else frozenset[str]()
        writes = names if one.opname in ("STORE_FAST", "DELETE_FAST") else frozenset[str]()
        found[one.offset] = _Instruction(names - writes, writes)
    return found


_ENDS = ("RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS")
_ALWAYS = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")


@cache
def _successors(code: types.CodeType) -> dict[int, frozenset[int]]:
    """Where each instruction may lead, by an exception too."""
    every = list(dis.get_instructions(code))
    offsets = [one.offset for one in every]
    found = {}
    for one, following in zip(every, [*offsets[1:], None], strict=True):
        leads = set()
        if one.opname not in (*_ENDS, *_ALWAYS) and following is not None:
            leads.add(following)
        if one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
            leads.add(one.argval)
        leads.update(_handlers(code, one.offset))
        found[one.offset] = frozenset(leads)
    return found


def _handlers(code: types.CodeType, offset: int) -> Iterator[int]:
    for entry in dis.Bytecode(code).exception_entries:  # type: ignore[attr-defined]  # it has them from 3.11 on
        if entry.start <= offset < entry.end:
            yield entry.target


@cache
def _live(code: types.CodeType) -> dict[int, frozenset[str]]:
    """For each instruction the locals that are alive before it: the smallest solution, found backwards."""
    instructions, successors = _instructions(code), _successors(code)
    live = {offset: one.reads for offset, one in instructions.items()}
    changed = True
    while changed:
        changed = False
        for offset in reversed(live):
            one = instructions[offset]
            after = frozenset().union(*(live[to] for to in successors[offset]))
            before = one.reads | (after - one.writes)
            if before != live[offset]:
                live[offset], changed = before, True
    return live
