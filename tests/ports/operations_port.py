"""An implementation of the operations to be examined: this project's own, or one that is wrong as it is told.

operations_port.py SEMANTICS [CLAIMED [HOW]]
"""

import os
import signal
import sys
import time
from typing import Any

import msgspec

from hammer2_oracle import trace_record as records
from hammer2_oracle.conform.messages import (
    ASKED,
    PROTOCOL,
    Answered,
    Done,
    Effects,
    Introduction,
    RunOperation,
    Started,
)
from hammer2_oracle.conform.operations import world_of
from hammer2_oracle.recorded import Recorded, RecordedWorld
from hammer2_oracle.replay import Replay
from hammer2_spec.semantics import parse

semantics_text, claimed, how = [*sys.argv[1:], *["seed", "", ""][len(sys.argv) - 1 :]]
SEMANTICS = parse(semantics_text)


def say(message: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


class Wired(Recorded):
    """A chain layer that asks the oracle what each call changes and returns."""

    def __init__(self, world: RecordedWorld, run: int, op: str) -> None:
        super().__init__(world)
        self.run = run
        self.how = how if op == "load_async" or how in ("wrong-argument", "twice") else ""

    def _next(self, call: Any) -> Any:  # noqa: ANN401 - any call, as it is given
        fields = {name: getattr(call, name) for name in call.__struct_fields__ if name != "fx"}
        if self.how == "wrong-argument" and isinstance(call, records.ChainLock):
            fields["how"] ^= 1
        if self.how == "silent":
            time.sleep(60)
        if self.how == "no-call":
            say(Answered(self.run, call=msgspec.Raw(b'{"f":"chain_eat","chain":1}')))  # type: ignore[arg-type]  # is none
        say(Answered(self.run, call=ASKED[type(call)](**fields)))
        while self.how == "forever":
            sys.stdin.buffer.readline()
            say(Answered(self.run, call=ASKED[records.Tsleep](None, 1)))
        if self.how == "twice" and isinstance(call, records.ChainUnlock):
            say(Answered(self.run, call=ASKED[type(call)](**fields)))
            sys.stdin.buffer.readline()
        fx = msgspec.json.decode(sys.stdin.buffer.readline(), type=Effects).fx
        if hasattr(call, "fx"):
            kind = records.Changes if call.fx is msgspec.UNSET else type(call.fx)
            kind = records.Renamed if isinstance(call, records.ChainRename) else kind
            call.fx = msgspec.convert(fx, kind)
        return call


def perform(asked: RunOperation) -> Answered:
    question = asked.operation
    if how == "skip" and question.op == "lookup":
        return Answered(asked.run, skipped="lookups are not ported yet")
    given = world_of(question.world)
    world = Replay(given, SEMANTICS, Wired(given, asked.run, question.op))
    args = msgspec.convert(question.args, records.STEPS[question.op].__annotations__["args"])
    outcome, result = world.perform(question.op, args, [])
    if how == "dies" and outcome != "ok":
        os.kill(os.getpid(), signal.SIGABRT)
    state = world.changes()
    if how == "wrong-outcome" and question.op == "unlock":
        outcome = "fault"
    if how == "wrong-result" and question.op == "lookup_init":
        result = 77
    if how == "wrong-state" and question.op == "ref":
        state = records.State()
    if how == "decisions" and question.op == "load_async":
        return Answered(asked.run, result=[])
    return Answered(asked.run, result=Done(outcome, result, state))


def main() -> None:
    for line in sys.stdin.buffer:
        if line.startswith(b'{"start"'):
            say(Started(Introduction(PROTOCOL, "port", "Python", "1", ["operations"], claimed or semantics_text)))
        elif line.startswith(b'{"stop"'):
            return
        else:
            say(perform(msgspec.json.decode(line, type=RunOperation)))


main()
