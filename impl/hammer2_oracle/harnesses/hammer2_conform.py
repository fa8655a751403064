"""Lets ``hammer2-cluster conform`` examine a port of hammer2_cluster_resolve() that can be called from Python.

    import hammer2_conform

    def decide(question):
        ...  # call your resolve: through ctypes, cffi, a subprocess
        return hammer2_conform.Answer(focus=0, error=0, flags=0x3304)

    hammer2_conform.serve("my port", "0.1", "seed", decide)

    $ hammer2-cluster conform -- python port.py

Needs nothing but the standard library.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

PROTOCOL = 1
FOREIGN = "foreign"
"""Instead of a slot: the focus is a chain, but no member of the cluster."""


class Slot(NamedTuple):
    """One member of a cluster."""

    pfs_type: int
    mirror_tid: int
    """0..2^64-1"""
    error: int
    """Signed, 32 bits."""


class Question(NamedTuple):
    """A cluster, on which resolve is to be called."""

    slots: list[Slot | None]
    """None: there is no chain."""
    pfs_nmasters: int | None
    """None: the cluster has no PFS, its pmp is NULL."""
    focus: int | str | None
    """The focus before: a slot, FOREIGN, or None."""
    flags: int
    """The cluster's flags before."""


class Answer(NamedTuple):
    """What resolve left behind."""

    focus: int | str | None
    error: int
    flags: int
    outcome: str = "ok"
    """Or the name of an assertion, like ``kkassert:L510``."""


def serve(name: str, version: str, semantics: str, resolve: Callable[[Question], Answer]) -> None:
    """Answer the oracle until it says stop.

    Args:
        name: of the port, for people.
        version: the same.
        semantics: what of the original is mended: seed, repaired, ``+name,..`` or ``-name,..``.
        resolve: answers one question.

    Raises EOFError where the oracle goes without saying stop.
    """
    introduction = {"protocol": PROTOCOL, "name": name, "language": "Python", "version": version}
    introduction |= {"parts": ["resolve"], "semantics": semantics}
    for line in sys.stdin:
        message = json.loads(line)
        if "stop" in message:
            return
        said: dict[str, Any]
        if "start" in message:
            said = {"started": introduction}
        elif "resolve" in message:
            said = {"run": message["run"], "result": [_answered(it, resolve) for it in message["resolve"]]}
        else:
            said = {"run": message["run"], "skipped": "this harness knows resolve alone"}
        print(json.dumps(said, separators=(",", ":")), flush=True)
    raise EOFError("the oracle has gone without saying stop")


def _answered(asked: dict[str, Any], resolve: Callable[[Question], Answer]) -> dict[str, Any]:
    slots = [None if member is None else Slot(*member) for member in asked["s"]]
    answer = resolve(Question(slots, asked["m"], asked["p"], asked["f"]))
    return {"o": answer.outcome, "F": answer.focus, "e": answer.error, "g": answer.flags}
