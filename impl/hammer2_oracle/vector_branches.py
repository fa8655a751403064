"""Which branches of the decision and of the operations vectors take."""

import importlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from inspect import isfunction
from typing import Any, Final

import hammer2_spec.resolve
from hammer2_oracle.conditions import HOOK, Conditions
from hammer2_oracle.replay import check_trace
from hammer2_oracle.trace_record import OPERATIONS, Trace
from hammer2_oracle.vector_record import Vector
from hammer2_proofs.explorer.folding import called, folded
from hammer2_proofs.operations.probes import Place, Way
from hammer2_proofs.operations.teeth import code_of, coverage_of, ways_through
from hammer2_proofs.rebinding import rebound
from hammer2_spec.semantics import REPAIRED, Semantics

NO_GOOD_SLAVE: Final = "sound_votes: where there is a quorum there is a master without error at its tid"
UNREACHABLE: Final[Mapping[tuple[str, bool], Mapping[str, str]]] = {
    ("no_pfs_root", False): {
        "member_type: pfs_nmasters is None: true": "without no_pfs_root: assertion L408 comes first"
    },
    ("fresh_focus", True): {"choose: held is not None: true": "fresh_focus: nothing is held from before"},
    ("sound_votes", True): {
        "choose: good_slaves: true": NO_GOOD_SLAVE,
        "choose: good_slaves (2): true": NO_GOOD_SLAVE,
    },
}
"""Branches of the decision that nothing comes to with a repair, or without it."""

NOBODY_IS_LATE: Final = "nobody is late where nobody waits"
UNTOLD: Final = "a trace cannot tell that io_getblk failed"
UNREACHABLE_IN_OPERATIONS: Final[Mapping[tuple[tuple[str, bool], ...], Mapping[tuple[str, str, bool], str]]] = {
    (): {
        ("data", "if iocb.error:", True): UNTOLD,
        ("data", "if another is not None:", True): UNTOLD,
        ("data", "if another is not None:", False): UNTOLD,
        ("lookups", "if is_focus_late:", True): NOBODY_IS_LATE,
    },
    (("no_pfs_root", True), ("ranked_soft", True)): {
        ("locking", "if verdict.outcome is not Outcome.OK:", True): "the decision asserts nothing with these repairs",
    },
    tuple(REPAIRED._asdict().items()): {
        ("locking", "if cluster.flags & ClusterFlag.LOCKED:", True): "by its contract nobody locks what is locked",
        ("locking", "if not cluster.flags & ClusterFlag.LOCKED:", True): "by its contract nobody unlocks what is not",
    },
    (("believed_writes", True),): {
        ("modifying", "if not takes_writes(above) or deref(items[i].chain).parent is not above:", True): NOBODY_IS_LATE,
        ("standing", "return above is not None and above.error == 0", False): NOBODY_IS_LATE,
        ("topology", "if repaired and not takes_writes(above):", True): NOBODY_IS_LATE,
        ("topology", "if on.semantics.believed_writes and not takes_writes(above):", True): NOBODY_IS_LATE,
    },
    (("believed_writes", False),): {
        ("accessors", "return [chain for i, chain in cluster.members() if i in slots]", False): "without "
        "believed_writes every member is written (standing.writable)"
    },
}
"""The same of the operations, with some repairs and without others: by module, line and which way."""


def decision_branches(vectors: Sequence[Vector], semantics: Semantics) -> dict[str, Any]:
    """Which branches of the specification of the decision, as it is under one semantics, vectors take."""
    conditions, module, switches = Conditions(), hammer2_spec.resolve, semantics._asdict()
    functions = {name: it for name, it in vars(module).items() if isfunction(it) and it.__module__ == module.__name__}
    trees = {name: folded(inspect.getsource(it), "semantics", switches) for name, it in functions.items()}
    waiting, used = ["resolve"], set[str]()
    while waiting:
        name = waiting.pop()
        if name in trees and name not in used:
            used.add(name)
            waiting += called(trees[name])
    watched = {
        (module.__name__, name): conditions.watched(it, trees[name]) for name, it in functions.items() if name in used
    }
    decide = rebound([module], watched, {HOOK: conditions.note})[module.__name__, "resolve"]
    for vector in vectors:
        decide(*vector.configuration, semantics)
    unreachable = (its for (repair, value), its in UNREACHABLE.items() if switches[repair] == value)
    return conditions.coverage(conditions.taken, {text: why for its in unreachable for text, why in its.items()})


class Replayed:
    """Traces as a judge of the operations."""

    name = "vectors"
    straight = True

    def __init__(self, traces: Sequence[Trace], semantics: Semantics) -> None:
        self.traces, self.semantics = traces, semantics

    def parts(self) -> Mapping[str, int]:
        """All of one kind."""
        return {"traces": len(self.traces)}

    def count(self) -> int:
        """Traces."""
        return len(self.traces)

    def is_well(self, case: int) -> bool:
        """The trace agrees."""
        return check_trace(self.traces[case], self.semantics) is None


@cache
def every_way(semantics: Semantics) -> frozenset[Way]:
    """All branches of the operations, as they are under one semantics where nobody waits."""
    return frozenset(ways_through(code_of(semantics, list(OPERATIONS))))


def reasons(ways: Iterable[Way], semantics: Semantics) -> dict[Way, str]:
    """Why nothing goes some of these ways under one semantics."""
    switches = semantics._asdict()
    known = {
        key: why
        for given, its in UNREACHABLE_IN_OPERATIONS.items()
        if all(switches[repair] == value for repair, value in given)
        for key, why in its.items()
    }
    keyed = {way: (way[0].module, _line(way[0]), way[1]) for way in ways}
    return {way: known[key] for way, key in keyed.items() if key in known}


def operation_branches(traces: Sequence[Trace], semantics: Semantics) -> dict[str, Any]:
    """Which branches of the operations traces take, which cannot be taken and why, and which are not taken."""
    every = every_way(semantics)
    missed = sorted(every - coverage_of(Replayed(traces, semantics)).ways)
    why = reasons(missed, semantics)
    return {
        "branches": len(every),
        "branches taken": len(every) - len(missed),
        "branches that cannot be taken": {described(*it): why[it] for it in missed if it in why},
        "branches not taken": [described(*it) for it in missed if it not in why],
    }


@cache
def _lines(module: str) -> list[str]:
    return inspect.getsource(importlib.import_module(f"hammer2_cluster.{module}")).splitlines()


def _line(where: Place) -> str:
    return _lines(where.module)[where.line - 1].strip()


def described(where: Place, way: bool) -> str:
    """A branch for people."""
    outcome = "" if where.kind == "case" else f": {'true' if way else 'false'}"
    return f"{where.module}.py:{where.line}:{where.column + 1} {where.kind}{outcome}"
