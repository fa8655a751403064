"""The operations to be examined through the harness for Python: this project's own, or wrong ones as it is told.

operations_port.py SEMANTICS [CLAIMED [HOW]]
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "impl" / "hammer2_oracle" / "harnesses"))

import hammer2_conform as conform
import msgspec

from hammer2_oracle import trace_record as records
from hammer2_oracle.conform.messages import GivenWorld
from hammer2_oracle.conform.operations import spoken, world_of
from hammer2_oracle.recorded import Recorded, RecordedWorld
from hammer2_oracle.replay import Replay
from hammer2_spec.semantics import parse

semantics_text, claimed, how = [*sys.argv[1:], *["seed", "", ""][len(sys.argv) - 1 :]]
SEMANTICS = parse(semantics_text)


class Wired(Recorded):
    """A chain layer that asks the oracle what each call changes and returns."""

    def __init__(self, world: RecordedWorld, below: conform.Below, op: str) -> None:
        super().__init__(world)
        self.below = below
        self.how = how if op == "load_async" or how in ("wrong-argument", "twice") else ""

    def _next(self, call: Any) -> Any:  # noqa: ANN401 - any call, as it is given
        said = spoken(call)
        if self.how == "wrong-argument" and isinstance(call, records.ChainLock):
            said["how"] ^= 1
        if self.how == "silent":
            time.sleep(60)
        if self.how == "no-call":
            self.below({"f": "chain_eat", "chain": 1})
        fx = self.below(said)
        while self.how == "forever":
            self.below({"f": "tsleep", "ident": None, "ticks": 1})
        if self.how == "twice" and isinstance(call, records.ChainUnlock):
            self.below(said)
        if hasattr(call, "fx"):
            kind = records.Changes if call.fx is msgspec.UNSET else type(call.fx)
            kind = records.Renamed if isinstance(call, records.ChainRename) else kind
            call.fx = msgspec.convert(fx, kind)
        return call


def perform(asked: conform.Operation, below: conform.Below) -> conform.Performed:
    if how == "skip" and asked.op == "lookup":
        raise NotImplementedError("lookups are not ported yet")
    given = world_of(msgspec.convert(asked.world, GivenWorld, str_keys=True))
    world = Replay(given, SEMANTICS, Wired(given, below, asked.op))
    args = msgspec.convert(asked.args, records.STEPS[asked.op].__annotations__["args"])
    outcome, result = world.perform(asked.op, args, [])
    if how == "dies" and outcome != "ok":
        os.kill(os.getpid(), signal.SIGABRT)
    state = {} if how == "wrong-state" and asked.op == "ref" else msgspec.to_builtins(world.changes(), str_keys=True)
    if how == "wrong-outcome" and asked.op == "unlock":
        outcome = "fault"
    if how == "wrong-result" and asked.op == "lookup_init":
        result = 77
    return conform.Performed(state, outcome, ... if result is msgspec.UNSET else msgspec.to_builtins(result))


def decisions(
    run: int, asked: dict[str, Any], perform: Callable[[conform.Operation, conform.Below], conform.Performed]
) -> dict[str, Any]:
    return {"result": []} if asked["op"] == "load_async" else performed(run, asked, perform)


performed = conform._performed  # noqa: SLF001 - what no port would do by itself
if how == "decisions":
    conform._performed = decisions  # noqa: SLF001 - the same
conform.serve("port", "1", claimed or semantics_text, perform=perform)
