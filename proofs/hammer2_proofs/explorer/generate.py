"""The source text of a model's kernels: unpack, act, check, normalize, pack, and the table of known states.

Everything that the machine code depends on is in the text, and the file is named after a hash of the text, so that a
kernel on disk can never answer for another model. Bounds and switches (the setup) are arguments, not constants.
"""

import ast
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import ModuleType
from typing import Any

from hammer2_proofs.explorer.compiled import load, module_name
from hammer2_proofs.explorer.layout import WORD_BITS, Layout, alike_keys
from hammer2_proofs.explorer.translate import Translator, Unit
from hammer2_spec.transition_system import Action, Model

SEED = 0x9E3779B97F4A7C15
FIRST = 0xD6E8FEB86659FD93
SECOND = 0xC2B2AE3D27D4EB4F
WORD = 2**64 - 1

# What a worker writes down while it expands: one vector, because each argument of a kernel costs time.
LOG_OVERFLOW, LOG_CULPRIT, LOG_OUTSIDE = 0, 1, 2
"""The state and the action that made a field leave its range; how many successors were beyond the bounds."""
LOG_STEPS = 3
"""For each step invariant the first state from which a step breaks it."""
LOG_ROWS = 35
"""For each successor the action and the index in its fair domain."""
MOST_STEP_INVARIANTS = LOG_ROWS - LOG_STEPS

HEADER = '''"""Generated from a model; see hammer2_proofs.explorer. Do not edit."""
import numpy as np

from hammer2_proofs.explorer.jit import inlined, inner, outer
from hammer2_proofs.explorer.prefetch import prefetch
'''


def mix(words: tuple[int, ...]) -> int:
    """The 64-bit hash of a packed state; the generated kernels compute the same."""
    h = SEED
    for word in words:
        h = (h ^ word) * FIRST & WORD
        h ^= h >> 32
    h = h * SECOND & WORD
    return h ^ h >> 29


def contribution(h: int) -> int:
    """What a state with this hash adds to the hash of a set of states."""
    z = (h ^ SEED) * FIRST & WORD
    return z ^ z >> 31


def pack_text(layout: Layout, alike: tuple[tuple[int, ...], ...]) -> str:
    """Pack a flat vector into words; like keys put in order if asked to. False if a field is out of range."""
    lines = ["@inlined", "def pack(s, base, symmetry, out, at):", "    bad = 0"]
    for key in layout.keys:
        parts = []
        for field in key.fields:
            lines.append(f"    x{field.slot} = s[base + {field.slot}]")
            lines.append(f"    bad |= x{field.slot} | ({field.high} - x{field.slot})")
            parts.append(f"x{field.slot} << {field.shift}" if field.shift else f"x{field.slot}")
        lines.append(f"    k{layout.keys.index(key)} = {' | '.join(parts)}")
    if any(len(group) > 1 for group in alike):
        lines.append("    if symmetry:")
        for group in alike:
            for end in range(len(group), 1, -1):
                for one, other in pairwise(group[:end]):
                    lines.append(f"        if k{one} > k{other}:")
                    lines.append(f"            k{one}, k{other} = k{other}, k{one}")
    parts_of: list[list[str]] = [[] for _ in range(layout.words)]
    for number, key in enumerate(layout.keys):
        lines.append(f"    u{number} = np.uint64(k{number})")
        word, shift = divmod(key.offset, WORD_BITS)
        parts_of[word].append(f"u{number} << np.uint64({shift})" if shift else f"u{number}")
        if shift + key.bits > WORD_BITS:
            parts_of[word + 1].append(f"u{number} >> np.uint64({WORD_BITS - shift})")
    for word, parts in enumerate(parts_of):
        lines.append(f"    out[at + {word}] = {' | '.join(f'({part})' for part in parts)}")
    lines.append("    return bad >= 0")
    return "\n".join(lines)


def unpack_text(layout: Layout) -> str:
    """Unpack words into a flat vector."""
    lines = ["@inlined", "def unpack(words, at, s):"]
    lines.extend(f"    w{word} = words[at + {word}]" for word in range(layout.words))
    for number, key in enumerate(layout.keys):
        word, shift = divmod(key.offset, WORD_BITS)
        text = f"w{word} >> np.uint64({shift})" if shift else f"w{word}"
        if shift + key.bits > WORD_BITS:
            text = f"({text}) | (w{word + 1} << np.uint64({WORD_BITS - shift}))"
        lines.append(f"    k{number} = np.int64(({text}) & np.uint64({2**key.bits - 1}))")
        for field in key.fields:
            shifted = f"(k{number} >> {field.shift})" if field.shift else f"k{number}"
            lines.append(f"    s[{field.slot}] = {shifted} & {2**field.bits - 1}")
    return "\n".join(lines)


def hash_text(words: int) -> str:
    """The hash of a packed state, as in ``mix``."""
    lines = ["@inlined", "def mix(words, at):", f"    h = np.uint64({SEED})"]
    for word in range(words):
        lines.append(f"    h = (h ^ words[at + {word}]) * np.uint64({FIRST})")
        lines.append("    h ^= h >> np.uint64(32)")
    lines += [f"    h *= np.uint64({SECOND})", "    return h ^ (h >> np.uint64(29))"]
    return "\n".join(lines)


def insert_text(words: int) -> str:
    """Insert packed states into the table: entry = high half of the hash, index + 1 in the low half."""
    same = " and ".join(f"store[old * {words} + {word}] == out[j * {words} + {word}]" for word in range(words))
    copy = "\n".join(
        f"            store[known * {words} + {word}] = out[j * {words} + {word}]" for word in range(words)
    )
    return f'''@outer
def insert(table, store, parents, known, out, hashes, sources, begin, many, total):
    """Returns how many states are known now; adds to total[0] what the new ones contribute to the hash of the set."""
    mask = np.uint64(len(table) - 1)
    low = np.uint64(0xFFFFFFFF)
    high = ~low
    one = np.uint64(1)
    added = np.uint64(0)
    many += begin
    for j in range(begin, many):
        if j + 12 < many:
            prefetch(table, np.int64(hashes[j + 12] & mask))
        if j + 5 < many:
            entry = table[np.int64(hashes[j + 5] & mask)]
            if entry:
                prefetch(store, (np.int64(entry & low) - 1) * {words})
        h = hashes[j]
        tag = h & high
        at = h & mask
        fresh = True
        entry = table[np.int64(at)]
        while entry:
            if entry & high == tag:
                old = np.int64(entry & low) - 1
                if {same}:
                    fresh = False
                    break
            at = (at + one) & mask
            entry = table[np.int64(at)]
        if fresh:
{copy}
            parents[known] = sources[j]
            known += 1
            table[np.int64(at)] = tag | np.uint64(known)
            z = (h ^ np.uint64({SEED})) * np.uint64({FIRST})
            added += z ^ (z >> np.uint64(31))
    total[0] += added
    return known


@outer
def refill(table, store, known):
    """Fill an empty table with the states that are known."""
    mask = np.uint64(len(table) - 1)
    high = ~np.uint64(0xFFFFFFFF)
    one = np.uint64(1)
    for j in range(known):
        if j + 12 < known:
            prefetch(table, np.int64(mix(store, (j + 12) * {words}) & mask))
        h = mix(store, j * {words})
        at = h & mask
        while table[np.int64(at)]:
            at = (at + one) & mask
        table[np.int64(at)] = (h & high) | np.uint64(j + 1)


@inner
def find(table, store, out, at, h):
    """The index of a packed state, or -1."""
    mask = np.uint64(len(table) - 1)
    low = np.uint64(0xFFFFFFFF)
    high = ~low
    slot = h & mask
    j = at // {words}
    entry = table[np.int64(slot)]
    while entry:
        if entry & high == h & high:
            old = np.int64(entry & low) - 1
            if {same}:
                return old
        slot = (slot + np.uint64(1)) & mask
        entry = table[np.int64(slot)]
    return -1'''


ACT_HEADER = '''"""Generated: {what}; see hammer2_proofs.explorer. Do not edit."""
from hammer2_proofs.explorer.jit import inner
'''


class Kernels:
    """The generated texts of one model: a unit per function and action, and the kernels that know its layout.

    Args:
        model: the model.
        replacements: the trees of functions that replace the model's own ones: a mutant's.
    """

    def __init__(
        self, model: Model[Any, Any], replacements: Mapping[Callable[..., object], ast.FunctionDef] | None = None
    ) -> None:
        self.layout = Layout(model)
        self.alike = alike_keys(model, self.layout)
        self.instances = sum(self._count(model, action.over) for action in model.actions)
        self._model = model
        self._translator = Translator(model, self.layout)
        for function, tree in (replacements or {}).items():
            self._translator.parsed(function, tree, f"<mutant of {function.__name__}>", 1)
        judge = self._judge()
        imports, successors = self._successors()
        self.units = self._translator.units
        words = self.layout.words
        self.table_text = "\n\n\n".join(
            [
                HEADER.rstrip(),
                pack_text(self.layout, self.alike),
                unpack_text(self.layout),
                hash_text(words),
                insert_text(words),
                "",
            ]
        )
        table = f"from {module_name(self.table_text)} import find, mix, pack, unpack"
        self.text = "\n\n\n".join(
            [
                HEADER + "\n".join([table, f"from {judge} import judge", *imports]),
                successors,
                self._expand(),
                self._edges(),
                "",
            ]
        )

    def load_table(self) -> ModuleType:
        """The compiled table of known states, which depends on the layout only."""
        return load(self.table_text)

    def load(self) -> ModuleType:
        """The compiled module, from the disk if it has been there before."""
        self.load_table()
        for unit in self.units:
            load(unit.text)
        return load(self.text)

    @staticmethod
    def _count(model: Model[Any, Any], over: tuple[str, ...]) -> int:
        product = 1
        for domain in over:
            product *= model.sizes[domain]
        return product

    def _unit(self, what: str, callees: set[str], lines: list[str]) -> str:
        """Add a unit; returns its module."""
        imports = [f"from {self._translator.modules[name]} import {name}" for name in sorted(callees)]
        text = ACT_HEADER.format(what=what) + "\n".join([*imports, "", "", "@inner", *lines, ""])
        unit = Unit(module_name(text), text)
        self._translator.units.append(unit)
        return unit.module

    def _size(self, domain: str) -> str:
        """How many members a domain has: from the state's vector, or compiled in."""
        if domain in self.layout.size_slots:
            return f"s[{self.layout.size_slots[domain]}]"
        return str(self._model.sizes[domain])

    def _act(self, action: Action[Any, Any]) -> tuple[list[str], set[str]]:
        """The text that takes an action with every index: each successor is a row of ``rows``; and what it calls."""
        step = self._translator.function(action.step).name
        callees = {step}
        lines = []
        pad = "    "
        names: list[str] = []
        for domain in action.over:
            names.append(f"i{len(names)}")
            lines.append(f"{pad}for {names[-1]} in range({self._size(domain)}):")
            pad += "    "
        lines.append(f"{pad}if {step}(m, w{''.join(f', {name}' for name in names)}):")
        inner = pad + "    "
        for index, invariant in enumerate(self._model.step_invariants):
            if invariant.covers(action.name):
                holds = self._translator.function(invariant.holds).name
                callees.add(holds)
                lines.append(f"{inner}if log[{LOG_STEPS + index}] < 0 and not {holds}(m, s, w):")
                lines.append(f"{inner}    log[{LOG_STEPS + index}] = me")
        keep = inner
        if self._model.normalize is not None:
            normalize = self._translator.function(self._model.normalize).name
            callees.add(normalize)
            lines += [f"{inner}if not {normalize}(m, w):", f"{inner}    log[{LOG_OUTSIDE}] += 1", f"{inner}else:"]
            keep = inner + "    "
        lane = f"i{action.over.index(action.fair_over)}" if action.fair_over else "0"
        slots = self.layout.slots
        lines += [
            f"{keep}log[{LOG_ROWS} + 2 * n] = number",
            f"{keep}log[{LOG_ROWS + 1} + 2 * n] = {lane}",
            f"{keep}for x in range({slots}):",
            f"{keep}    rows[n * {slots} + x] = w[x]",
            f"{keep}n += 1",
            f"{inner}for x in range({slots}):",
            f"{inner}    w[x] = s[x]",
        ]
        return lines, callees

    def _act_unit(self, action: Action[Any, Any]) -> tuple[str, str]:
        """A unit of its own for an action: its name here, its module."""
        lines, callees = self._act(action)
        lines = ["def act(m, s, w, rows, log, n, number, me):", *lines, "    return n"]
        return f"act_{action.name}", self._unit(f"the action {action.name}", callees, lines)

    def _judge(self) -> str:
        """The unit that looks at one state."""
        callees = set()
        lines = ["def judge(m, s, broken, reached, me):"]
        for array, sentences, negation in (
            ("broken", self._model.invariants, "not "),
            ("reached", self._model.witnesses, ""),
        ):
            for number, function in enumerate(sentences):
                name = self._translator.function(function).name
                callees.add(name)
                lines.append(f"    if {array}[{number}] < 0 and {negation}{name}(m, s):")
                lines.append(f"        {array}[{number}] = me")
        if self._model.goal is not None:
            goal = self._translator.function(self._model.goal).name
            callees.add(goal)
            lines.append(f"    return {goal}(m, s)")
        else:
            lines.append("    return False")
        return self._unit("the sentences", callees, lines)

    def _successors(self) -> tuple[list[str], str]:
        """What to import, and the text that makes all successors of a state.

        With sizes compiled in, the actions are part of the text, which is faster; else each is a unit, which serves
        all sizes and is compiled once.
        """
        lines = [
            "@inner",
            "def successors(m, s, w, rows, log, me):",
            '    """All successors of a state, as rows; returns how many."""',
            f"    for x in range({self.layout.slots}):",
            "        w[x] = s[x]",
            "    n = 0",
        ]
        imports = []
        for number, action in enumerate(self._model.actions):
            if self._model.capacity is None:
                text, callees = self._act(action)
                lines += [f"    number = {number}", *text]
                imports += [f"from {self._translator.modules[name]} import {name}" for name in callees]
            else:
                name, module = self._act_unit(action)
                lines.append(f"    n = {name}(m, s, w, rows, log, n, {number}, me)")
                imports.append(f"from {module} import act as {name}")
        return sorted(set(imports)), "\n".join([*lines, "    return n"])

    def _expand(self) -> str:
        words, slots = self.layout.words, self.layout.slots
        return f'''@outer
def expand(m, store, first, last, stride, worker, symmetry, limit, s, w, rows, log, outs, hashes, sources, filled,
           counts, broken, reached):
    """Expand the states first..last, as far as there is room in the buffers; returns where it stopped."""
    n0 = filled[0]
    n1 = filled[1]
    for k in range(first, last):
        if n0 + {self.instances} > limit or n1 + {self.instances} > limit:
            last = k
            break
        unpack(store, k * {words}, s)
        me = k * stride + worker
        judge(m, s, broken, reached, me)
        n = successors(m, s, w, rows, log, me)
        for j in range(n):
            action = log[{LOG_ROWS} + 2 * j]
            counts[action] += 1
            # Pack into the place of worker 0, move if worker 1 owns it.
            good = pack(rows, j * {slots}, symmetry, outs, n0 * {words})
            if not good and log[{LOG_OVERFLOW}] < 0:
                log[{LOG_OVERFLOW}] = me
                log[{LOG_CULPRIT}] = action
            h = mix(outs, n0 * {words})
            at = n0
            if stride == 2 and h >> np.uint64(63):
                at = limit + n1
                n1 += 1
                for x in range({words}):
                    outs[at * {words} + x] = outs[n0 * {words} + x]
            else:
                n0 += 1
            hashes[at] = h
            sources[at] = me
    filled[0] = n0
    filled[1] = n1
    return last'''

    def _edges(self) -> str:
        """The graph of the fault-free actions, for progress: for each state its successors and what leads to them."""
        return f'''@outer
def edges(m, table, store, first, last, symmetry, s, w, rows, log, out, starts, targets, labels, label_of, goals, room,
          broken, reached):
    """Note the edges of the states first..last; returns where it stopped because the room was used up."""
    at = starts[first]
    for k in range(first, last):
        if at + {self.instances} > room:
            return k
        unpack(store, k * {self.layout.words}, s)
        goals[k] = judge(m, s, broken, reached, 0)
        n = successors(m, s, w, rows, log, 0)
        for j in range(n):
            label = label_of[log[{LOG_ROWS} + 2 * j]]
            if label == -2:
                continue
            pack(rows, j * {self.layout.slots}, symmetry, out, 0)
            target = find(table, store, out, 0, mix(out, 0))
            if target >= 0:
                targets[at] = target
                labels[at] = label + log[{LOG_ROWS} + 2 * j + 1] if label >= 0 else 255
                at += 1
        starts[k + 1] = at
    return last'''
