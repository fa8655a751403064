"""The text of a model's kernels: unpack, act, check, normalize, pack, and the table of known states.

Everything that the machine code depends on is in the text, and machine code is kept under a hash of its text, so that
it can never answer for another model. Sizes, bounds and switches are numbers in the text: what they rule out costs
nothing, to compile or to run.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hammer2_proofs.explorer.layout import WORD_BITS, Layout, alike_keys
from hammer2_proofs.explorer.machine import Machine
from hammer2_proofs.explorer.translate import CHOICE, Translator
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

ACT_PARAMETERS = "m: ints, s: values, w: values, rows: words, log: ints, symmetry: int, me: int"


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
    lines = ["def pack(s: values, symmetry: int, out: words, at: int) -> bool:", "    bad = 0"]
    for number, key in enumerate(layout.keys):
        parts = []
        for field in key.fields:
            lines.append(f"    x{field.slot} = s[{field.slot}]")
            lines.append(f"    bad |= x{field.slot} | ({field.high} - x{field.slot})")
            parts.append(f"x{field.slot} << {field.shift}" if field.shift else f"x{field.slot}")
        lines.append(f"    k{number} = {' | '.join(parts)}")
    if any(len(group) > 1 for group in alike):
        lines.append("    if symmetry != 0:")
        for group in alike:
            for end in range(len(group), 1, -1):
                for one, other in pairwise(group[:end]):
                    lines.append(f"        k{one}, k{other} = min(k{one}, k{other}), max(k{one}, k{other})")
    parts_of: list[list[str]] = [[] for _ in range(layout.words)]
    for number, key in enumerate(layout.keys):
        lines.append(f"    u{number} = u64(k{number})")
        word, shift = divmod(key.offset, WORD_BITS)
        parts_of[word].append(f"u{number} << {shift}" if shift else f"u{number}")
        if shift + key.bits > WORD_BITS:
            parts_of[word + 1].append(f"u{number} >> {WORD_BITS - shift}")
    for word, parts in enumerate(parts_of):
        lines.append(f"    out[at + {word}] = {' | '.join(f'({part})' for part in parts)}")
    lines.append("    return bad >= 0")
    return "\n".join(lines)


def unpack_text(layout: Layout) -> str:
    """Unpack words into a flat vector."""
    lines = ["def unpack(store: words, at: int, s: values):"]
    lines.extend(f"    w{word} = store[at + {word}]" for word in range(layout.words))
    for number, key in enumerate(layout.keys):
        word, shift = divmod(key.offset, WORD_BITS)
        text = f"w{word} >> {shift}" if shift else f"w{word}"
        if shift + key.bits > WORD_BITS:
            text = f"({text}) | (w{word + 1} << {WORD_BITS - shift})"
        lines.append(f"    k{number} = int(({text}) & {2**key.bits - 1})")
        for field in key.fields:
            shifted = f"(k{number} >> {field.shift})" if field.shift else f"k{number}"
            lines.append(f"    s[{field.slot}] = {shifted} & {2**field.bits - 1}")
    return "\n".join(lines)


def hash_text(words: int) -> str:
    """The hash of a packed state, as in ``mix``."""
    lines = ["def mix(store: words, at: int) -> u64:", f"    h = u64({SEED})"]
    for word in range(words):
        lines.append(f"    h = (h ^ store[at + {word}]) * {FIRST}")
        lines.append("    h ^= h >> 32")
    lines += [f"    h *= {SECOND}", "    return h ^ (h >> 29)"]
    return "\n".join(lines)


def table_text(words: int) -> str:
    """The table of known states: entry = high half of the hash, index + 1 in the low half."""
    same = " and ".join(f"store[old * {words} + {word}] == out[j * {words} + {word}]" for word in range(words))
    copy = "\n".join(
        f"            store[known * {words} + {word}] = out[j * {words} + {word}]" for word in range(words)
    )
    return f'''@entry
def insert(table: words, size: int, store: words, parents: links, known: int, out: words, hashes: words,
           sources: links, begin: int, many: int, total: words) -> int:
    """Returns how many states are known now; adds to total[0] what the new ones contribute to the hash of the set."""
    mask = u64(size - 1)
    low = u64({2**32 - 1})
    high = ~low
    added = u64(0)
    many += begin
    for j in range(begin, many):
        if j + 12 < many:
            prefetch(table, hashes[j + 12] & mask)
        if j + 5 < many:
            entry = table[hashes[j + 5] & mask]
            if entry != 0:
                prefetch(store, (int(entry & low) - 1) * {words})
        h = hashes[j]
        tag = h & high
        at = h & mask
        fresh = True
        entry = table[at]
        while entry != 0:
            if entry & high == tag:
                old = int(entry & low) - 1
                if {same}:
                    fresh = False
                    break
            at = (at + 1) & mask
            entry = table[at]
        if fresh:
{copy}
            parents[known] = sources[j]
            known += 1
            table[at] = tag | u64(known)
            z = (h ^ {SEED}) * {FIRST}
            added += z ^ (z >> 31)
    total[0] += added
    return known


@entry
def refill(table: words, size: int, store: words, known: int):
    """Fill an empty table with the states that are known."""
    mask = u64(size - 1)
    high = ~u64({2**32 - 1})
    for j in range(known):
        if j + 12 < known:
            prefetch(table, mix(store, (j + 12) * {words}) & mask)
        h = mix(store, j * {words})
        at = h & mask
        while table[at] != 0:
            at = (at + 1) & mask
        table[at] = (h & high) | u64(j + 1)


def find(table: words, size: int, store: words, out: words, j: int, h: u64) -> int:
    """The index of a packed state, or -1."""
    mask = u64(size - 1)
    low = u64({2**32 - 1})
    high = ~low
    at = h & mask
    entry = table[at]
    while entry != 0:
        if entry & high == h & high:
            old = int(entry & low) - 1
            if {same}:
                return old
        at = (at + 1) & mask
        entry = table[at]
    return -1'''


CHOOSE = f'''@entry
def choose(number: int):
    """Let this variant run from now on; 0 is none."""
    global {CHOICE}
    {CHOICE} = number'''


class Kernels:
    """The generated text of one model.

    Args:
        model: the model.
        variants: for functions that actions run, other texts of them by number: mutants. What the machine's
            ``choose`` is told last is the one that runs. The sentences are never touched.
    """

    def __init__(
        self,
        model: Model[Any, Any],
        variants: Mapping[Callable[..., object], Mapping[int, ast.FunctionDef]] | None = None,
    ) -> None:
        self.layout = Layout(model)
        self.alike = alike_keys(model, self.layout)
        self.instances = sum(self._count(model, action.over) for action in model.actions)
        self._model = model
        self._machine: Machine | None = None
        self._steps = Translator(model, self.layout, "f_", variants)
        self._sentences = Translator(model, self.layout, "s_")
        words = self.layout.words
        own = [
            pack_text(self.layout, self.alike),
            unpack_text(self.layout),
            hash_text(words),
            table_text(words),
            self._note(),
            *self._acts(),
            self._judge(),
            self._successors(),
            self._expand(),
            self._edges(),
        ]
        choice = [f"{CHOICE} = 0", CHOOSE] if variants else []
        self.text = "\n\n\n".join([*choice, *self._steps.texts, *self._sentences.texts, *own])

    @property
    def functions(self) -> Sequence[Callable[..., object]]:
        """The functions that the actions run."""
        return self._steps.functions

    def load(self, *, keep: bool = True) -> Machine:
        """The machine code, from the disk if it has been there before; without ``keep`` it is never put there."""
        if self._machine is None:
            self._machine = Machine(self.text, keep=keep)
        return self._machine

    @staticmethod
    def _count(model: Model[Any, Any], over: tuple[str, ...]) -> int:
        product = 1
        for domain in over:
            product *= model.sizes[domain]
        return product

    def _note(self) -> str:
        """One successor becomes a packed row; what led to it is logged."""
        return f'''@apart
def note(w: values, rows: words, n: int, log: ints, symmetry: int, action: int, lane: int, me: int):
    """Pack a successor into row n, and write down what led to it."""
    if not pack(w, symmetry, rows, n * {self.layout.words}) and log[{LOG_OVERFLOW}] < 0:
        log[{LOG_OVERFLOW}] = me
        log[{LOG_CULPRIT}] = action
    log[{LOG_ROWS} + 2 * n] = action
    log[{LOG_ROWS + 1} + 2 * n] = lane'''

    def _acts(self) -> list[str]:
        return [self._act(number, action) for number, action in enumerate(self._model.actions)]

    def _act(self, number: int, action: Action[Any, Any]) -> str:
        """A function that takes an action with every index and makes a row of each successor."""
        step = self._steps.function(action.step).name
        lines = [f"def act{number}({ACT_PARAMETERS}, n: int) -> int:"]
        pad = "    "
        names: list[str] = []
        for domain in action.over:
            names.append(f"i{len(names)}")
            lines.append(f"{pad}for {names[-1]} in range({self._model.sizes[domain]}):")
            pad += "    "
        lines.append(f"{pad}if {step}(m, w{''.join(f', {name}' for name in names)}):")
        inner = pad + "    "
        for index, invariant in enumerate(self._model.step_invariants):
            if invariant.covers(action.name):
                holds = self._sentences.function(invariant.holds).name
                lines.append(f"{inner}if log[{LOG_STEPS + index}] < 0 and not {holds}(m, s, w):")
                lines.append(f"{inner}    log[{LOG_STEPS + index}] = me")
        keep = inner
        if self._model.normalize is not None:
            normalize = self._sentences.function(self._model.normalize).name
            lines += [f"{inner}if not {normalize}(m, w):", f"{inner}    log[{LOG_OUTSIDE}] += 1", f"{inner}else:"]
            keep = inner + "    "
        lane = f"i{action.over.index(action.fair_over)}" if action.fair_over else "0"
        lines += [
            f"{keep}note(w, rows, n, log, symmetry, {number}, {lane}, me)",
            f"{keep}n += 1",
            f"{inner}for x in range({self.layout.slots}):",
            f"{inner}    w[x] = s[x]",
        ]
        return "\n".join([*lines, "    return n"])

    def _judge(self) -> str:
        """The function that looks at one state; it says whether the goal is reached."""
        lines = ["def judge(m: ints, s: values, broken: ints, reached: ints, me: int) -> bool:"]
        for array, sentences, negation in (
            ("broken", self._model.invariants, "not "),
            ("reached", self._model.witnesses, ""),
        ):
            for number, function in enumerate(sentences):
                name = self._sentences.function(function).name
                lines.append(f"    if {array}[{number}] < 0 and {negation}{name}(m, s):")
                lines.append(f"        {array}[{number}] = me")
        goal = "False" if self._model.goal is None else f"{self._sentences.function(self._model.goal).name}(m, s)"
        return "\n".join([*lines, f"    return {goal}"])

    def _successors(self) -> str:
        """The function that makes all successors of a state."""
        lines = [
            f"def successors({ACT_PARAMETERS}) -> int:",
            '    """All successors of a state, as packed rows; returns how many."""',
            f"    for x in range({self.layout.slots}):",
            "        w[x] = s[x]",
            "    n = 0",
        ]
        lines += [
            f"    n = act{number}(m, s, w, rows, log, symmetry, me, n)" for number in range(len(self._model.actions))
        ]
        return "\n".join([*lines, "    return n"])

    def _expand(self) -> str:
        words = self.layout.words
        move = "\n".join(f"            outs[at * {words} + {x}] = rows[j * {words} + {x}]" for x in range(words))
        return f'''@entry
def expand(m: ints, store: words, first: int, last: int, stride: int, worker: int, symmetry: int, limit: int,
           s: values, w: values, rows: words, log: ints, outs: words, hashes: words, sources: links, filled: ints,
           counts: ints, broken: ints, reached: ints) -> int:
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
        n = successors(m, s, w, rows, log, symmetry, me)
        for j in range(n):
            counts[log[{LOG_ROWS} + 2 * j]] += 1
            h = mix(rows, j * {words})
            # To the buffer of the worker that owns it.
            if stride == 2 and h >> 63 != 0:
                at = limit + n1
                n1 += 1
            else:
                at = n0
                n0 += 1
{move}
            hashes[at] = h
            sources[at] = me
    filled[0] = n0
    filled[1] = n1
    return last'''

    def _edges(self) -> str:
        """The graph of the fault-free actions, for progress: for each state its successors and what leads to them."""
        words = self.layout.words
        return f'''@entry
def edges(m: ints, table: words, size: int, store: words, first: int, last: int, symmetry: int, s: values, w: values,
          rows: words, log: ints, starts: ints, targets: links, labels: marks, label_of: ints, goals: marks, room: int,
          broken: ints, reached: ints) -> int:
    """Note the edges of the states first..last; returns where it stopped because the room was used up."""
    at = starts[first]
    for k in range(first, last):
        if at + {self.instances} > room:
            return k
        unpack(store, k * {words}, s)
        goals[k] = judge(m, s, broken, reached, 0)
        n = successors(m, s, w, rows, log, symmetry, 0)
        for j in range(n):
            label = label_of[log[{LOG_ROWS} + 2 * j]]
            if label == -2:
                continue
            target = find(table, size, store, rows, j, mix(rows, j * {words}))
            if target >= 0:
                targets[at] = target
                if label >= 0:
                    labels[at] = label + log[{LOG_ROWS + 1} + 2 * j]
                else:
                    labels[at] = 255
                at += 1
        starts[k + 1] = at
    return last'''
