"""Lets ``hammer2-cluster conform`` examine a port of hammer2_cluster_resolve() that can be called from Python.

    import hammer2_conform

    def decide(question):
        ...  # call your resolve: through ctypes, cffi, a subprocess
        return hammer2_conform.Answer(focus=0, error=0, flags=0x3304)

    hammer2_conform.serve("my port", "0.1", "seed", decide)

    $ hammer2-cluster conform -- python port.py

A whole cluster is examined too, if there is a class with the methods of ``Cluster``, that is called for each scenario:

    hammer2_conform.serve("my port", "0.1", "seed", decide, MyCluster)

and so are single operations, by a callback that performs one on a given world, and calls what lies below over the wire:

    def perform(operation, below):
        ...  # make your objects of operation.world, and call yours: hammer2_cluster_ref(..)
        effects = below({"f": "chain_ref", "chain": 3})  # whenever it calls another layer
        return hammer2_conform.Performed(state={"clusters": {"0": ...}})

    hammer2_conform.serve("my port", "0.1", "seed", perform=perform)

Needs nothing but the standard library.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

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


class Operation(NamedTuple):
    """An operation that is to be performed, written as in an operation trace."""

    op: str
    args: dict[str, Any]
    world: dict[str, Any]
    """All that there is: pmps, inodes, chains and clusters by number, and next_cluster, the number of the next one."""


class Performed(NamedTuple):
    """How it ended, written as in an operation trace."""

    state: dict[str, Any]
    """What has changed."""
    outcome: str = "ok"
    """Or the name of an assertion, or ``fault``."""
    result: Any = ...
    """Of an operation that returns something."""


Below = Callable[[dict[str, Any]], dict[str, Any]]
"""The layer below: takes a call with its arguments, as in an operation trace, and returns its effects."""


class Refused(Exception):
    """A step was not done, and never will be; a file cannot be read now."""


class Unknown(Exception):
    """A change may be seen later, or not."""


class Cluster(Protocol):
    """What a scenario drives: it begins with all nodes there and in step, and no file.

    A method may raise Refused, or NotImplementedError(why): then the rest of the scenario is skipped. There is a second
    client only where the capability ``clients`` is declared; without it ``client`` is never given.
    """

    def put(self, name: str, content: str, client: int = 0) -> None:
        """Returns when this is what the file has, durably; raises Refused or Unknown if it is not."""

    def remove(self, name: str, client: int = 0) -> None:
        """The same, of there being no such file; if there is none, it is done."""

    def get(self, name: str, client: int = 0) -> str | None:
        """What a file has by a quorum, None if there is none. Raises Refused without a quorum."""

    def fail(self, node: int, at: str = "now") -> None:
        """A node goes away: now, when it next has something to ``flush``, or in the middle of its next ``resync``."""

    def crash(self, node: int, at: str = "now") -> None:
        """The same, and it loses what is in its memory."""

    def reconnect(self, node: int) -> None:
        """It is there again; what was to happen to it does not."""

    def replace(self, node: int) -> None:
        """Its media are lost; it is there, with empty ones. Asked only where the capability ``replace`` is declared."""

    def resync(self) -> None:
        """Returns when all nodes that are there are in step."""

    def status(self) -> list[str]:
        """For each node ``synchronized``, ``behind`` or ``away``."""


def serve(
    name: str,
    version: str,
    semantics: str,
    resolve: Callable[[Question], Answer] | None = None,
    begin: Callable[[list[str], int], Cluster] | None = None,
    capabilities: Sequence[str] = (),
    perform: Callable[[Operation, Below], Performed] | None = None,
) -> None:
    """Answer the oracle until it says stop.

    Args:
        name: of the port, for people.
        version: the same.
        semantics: what of the original is mended: seed, repaired, ``+name,..`` or ``-name,..``.
        resolve: answers one question.
        begin: makes a cluster of nodes, each ``master`` or ``slave``, and pfs_nmasters.
        capabilities: what else that cluster does: ``clients``, ``replace``.
        perform: performs one operation on a world of its own; NotImplementedError(why): it is skipped.

    Raises EOFError where the oracle goes without saying stop.
    """
    callbacks = {"resolve": resolve, "operations": perform, "scenarios": begin}
    parts = [part for part, it in callbacks.items() if it is not None]
    introduction = {"protocol": PROTOCOL, "name": name, "language": "Python", "version": version}
    introduction |= {"parts": parts, "semantics": semantics, "capabilities": list(capabilities)}
    cluster: Cluster | None = None
    for line in sys.stdin:
        message = json.loads(line)
        if "stop" in message:
            return
        said: dict[str, Any]
        if "start" in message:
            said = {"started": introduction}
        elif "resolve" in message and resolve is not None:
            said = {"run": message["run"], "result": [_answered(it, resolve) for it in message["resolve"]]}
        elif "scenario" in message and begin is not None:
            try:
                cluster = begin(message["scenario"]["nodes"], message["scenario"]["pfs_nmasters"])
                said = {"run": message["run"], "result": {"ended": "done"}}
            except NotImplementedError as why:
                said = {"run": message["run"], "skipped": str(why)}
        elif "operation" in message and perform is not None:
            said = {"run": message["run"], **_performed(message["run"], message["operation"], perform)}
        elif "step" in message and cluster is not None:
            said = {"run": message["run"], **_stepped(cluster, message["step"])}
        else:
            said = {"run": message["run"], "skipped": f"this harness knows {' and '.join(parts)} alone"}
        _say(said)
    raise EOFError("the oracle has gone without saying stop")


def _say(said: dict[str, Any]) -> None:
    print(json.dumps(said, separators=(",", ":")), flush=True)


def _performed(run: int, asked: dict[str, Any], perform: Callable[[Operation, Below], Performed]) -> dict[str, Any]:
    def below(call: dict[str, Any]) -> dict[str, Any]:
        _say({"run": run, "call": call})
        fx: dict[str, Any] = json.loads(sys.stdin.readline())["fx"]
        return fx

    try:
        performed = perform(Operation(**asked), below)
    except NotImplementedError as why:
        return {"skipped": str(why)}
    result = {} if performed.result is ... else {"result": performed.result}
    return {"result": {"outcome": performed.outcome, **result, "state": performed.state}}


def _answered(asked: dict[str, Any], resolve: Callable[[Question], Answer]) -> dict[str, Any]:
    slots = [None if member is None else Slot(*member) for member in asked["s"]]
    answer = resolve(Question(slots, asked["m"], asked["p"], asked["f"]))
    return {"o": answer.outcome, "F": answer.focus, "e": answer.error, "g": answer.flags}


def _stepped(cluster: Cluster, step: dict[str, Any]) -> dict[str, Any]:
    do = step.pop("do")
    try:
        came = getattr(cluster, do)(**step)
    except (Refused, Unknown) as ended:
        return {"result": {"ended": "refused" if isinstance(ended, Refused) else "unknown"}}
    except NotImplementedError as why:
        return {"skipped": str(why)}
    if do == "get":
        return {"result": {"ended": "read", "content": came}}
    if do == "status":
        return {"result": {"ended": "shown", "nodes": came}}
    return {"result": {"ended": "acknowledged" if do in ("put", "remove") else "done"}}
