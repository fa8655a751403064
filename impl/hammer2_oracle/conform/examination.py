"""Asking: questions go out in batches, several at a time, and what comes back is a reply to each, whatever happens."""

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET

from hammer2_oracle.conform.implementation import Implementation, Misbehaved, Misbehaviour, shown
from hammer2_oracle.conform.messages import (
    ENDINGS,
    Answer,
    Answered,
    AskedCall,
    Came,
    Done,
    Effects,
    Introduction,
    OperationQuestion,
    RunOperation,
    RunResolve,
    RunScenario,
    RunStep,
    ScenarioQuestion,
    Status,
    Step,
    Stepped,
    question,
)
from hammer2_oracle.reading import key_twice
from hammer2_oracle.recorded import Diverged
from hammer2_spec.configuration import Configuration

BATCH: Final = 256
"""Questions in one run."""
AHEAD: Final = 4
"""Runs that are under way at a time."""
STRIDE: Final = 2**20
"""The number of a run is larger than the one before by at most so much: nobody can foretell it."""
RESTARTS: Final = 20
"""How often an implementation is started anew before it is given up."""

DECODER: Final = msgspec.json.Decoder(Answered)
STEP_DECODER: Final = msgspec.json.Decoder(Stepped)


class Skipped(NamedTuple):
    """The implementation does not do this, and says why."""

    reason: str


class Failed(NamedTuple):
    """The implementation could not do this, and says why."""

    reason: str


Reply: TypeAlias = Answer | Skipped | Failed | Misbehaved
Batch: TypeAlias = Sequence[Configuration]
A = TypeVar("A", Answered, Stepped)
Below: TypeAlias = Callable[[AskedCall], dict[str, Any]]
"""The layer below: what a call changes and returns. Raises Diverged where that call should not be made."""


class GivenUp(Exception):
    """The implementation has been started anew too often."""


class Examination:
    """A conversation with an implementation, which is started anew where it breaks the protocol.

    Args:
        command: the program and its arguments.
        timeout: seconds that it may be silent while it is asked.
        stride: by how much the number of a run is larger than the one before, at most.

    Raises:
        Misbehaved: it cannot even be started, or does not say who it is.
        GivenUp: from whatever asks, once it has been started anew RESTARTS times; every reply has been given by then.
    """

    def __init__(self, command: Sequence[str], timeout: float, stride: int = STRIDE) -> None:
        self.command, self.timeout, self.stride = command, timeout, stride
        self.restarts = 0
        self._number = 0
        self._implementation = Implementation(command, timeout)
        self.introduction: Introduction = self._implementation.introduction

    def ask(self, configurations: Batch) -> list[Reply]:
        """Ask all at once. What breaks the protocol then is found by asking one by one."""
        return [reply for _, reply in self.ask_all(configurations)]

    def ask_all(self, configurations: Iterable[Configuration]) -> Iterator[tuple[Configuration, Reply]]:
        """Ask in batches, and give the replies in order."""
        rest = iter(configurations)
        batches: Iterator[Batch] = iter(lambda: list(islice(rest, BATCH)), [])
        under_way: deque[tuple[int, Batch]] = deque()
        while True:
            for batch in islice(batches, AHEAD - len(under_way)):
                under_way.append((self._send(batch), batch))
            if not under_way:
                return
            number, batch = under_way.popleft()
            try:
                replies = self._receive(number, batch)
            except Misbehaved as misbehaved:
                self._restart()
                yield from self._one_by_one(batch, misbehaved)
                under_way = deque((self._send(later), later) for _, later in under_way)
            else:
                yield from zip(batch, replies, strict=True)

    def _one_by_one(self, batch: Batch, misbehaved: Misbehaved) -> Iterator[tuple[Configuration, Reply]]:
        """Who is to blame for what has happened? If nobody is, asked alone, it has happened all the same."""
        if len(batch) == 1:
            yield batch[0], misbehaved
            return
        innocent = True
        for configuration in batch[:-1]:
            reply = self._ask_one(configuration)
            innocent &= not isinstance(reply, Misbehaved)
            yield configuration, reply
        reply = self._ask_one(batch[-1])
        if innocent and not isinstance(reply, Misbehaved):
            detail = f"{misbehaved.detail}; in a run of {len(batch)} questions, none of which does that alone"
            reply = Misbehaved(misbehaved.kind, detail, by_many=True)
        yield batch[-1], reply

    def _ask_one(self, configuration: Configuration) -> Reply:
        number = self._send([configuration])
        try:
            return self._receive(number, [configuration])[0]
        except Misbehaved as misbehaved:
            self._restart()
            return misbehaved

    def _send(self, batch: Batch) -> int:
        self._count_on()
        self._implementation.send(RunResolve(self._number, [question(it) for it in batch]))
        return self._number

    def _receive(self, number: int, batch: Batch) -> list[Reply]:
        answered = self._answered(number)
        misbehaved = self._implementation.misbehaved
        if isinstance(answered.skipped, str):
            return [Skipped(answered.skipped)] * len(batch)
        if isinstance(answered.error, str):
            return [Failed(answered.error)] * len(batch)
        if not isinstance(answered.result, list) or len(answered.result) != len(batch):
            got = len(answered.result) if isinstance(answered.result, list) else 0
            raise misbehaved(Misbehaviour.WRONG_ANSWER, f"{got} results for {len(batch)} questions")
        return list(answered.result)

    def _answered(self, number: int) -> Answered:
        return self._decoded(DECODER, number)

    def _decoded(self, decoder: msgspec.json.Decoder[A], number: int) -> A:
        line = self._implementation.receive()
        misbehaved = self._implementation.misbehaved
        try:
            answered = decoder.decode(line)
        except msgspec.ValidationError as error:
            raise misbehaved(Misbehaviour.WRONG_ANSWER, f"{error}: {shown(line)}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise misbehaved(Misbehaviour.GARBLED, shown(line)) from None
        if (key := key_twice(line)) is not None:
            raise misbehaved(Misbehaviour.KEY_TWICE, f"{key!r} in {shown(line)}")
        if answered.run != number:
            raise misbehaved(Misbehaviour.WRONG_NUMBER, f"run {answered.run}, expected {number}")
        return answered

    # ---- operations

    def perform(self, asked: OperationQuestion, below: Below) -> Done | Skipped | Failed | Misbehaved | Diverged:
        """Have an operation performed, and let a layer below answer its calls.

        A call that is not answered is a Diverged; the implementation, which still waits for an answer, is started anew.
        Raises GivenUp.
        """
        self._count_on()
        try:
            self._implementation.send(RunOperation(self._number, asked))
            while (answered := self._answered(self._number)).call is not UNSET:
                self._implementation.send(Effects(self._number, below(answered.call)))
        except (Misbehaved, Diverged) as reply:
            self._restart()
            return reply
        if isinstance(answered.skipped, str):
            return Skipped(answered.skipped)
        if isinstance(answered.error, str):
            return Failed(answered.error)
        if not isinstance(answered.result, Done):
            wrong = self._implementation.misbehaved(Misbehaviour.WRONG_ANSWER, "decisions, expected how it ended")
            self._restart()
            return wrong
        return answered.result

    # ---- scenarios

    def take(self, step: ScenarioQuestion | Step, nodes: int) -> Came | Skipped | Failed | Misbehaved:
        """Begin a scenario, or take a step of the one that has begun; of so many nodes. Raises GivenUp."""
        self._count_on()
        number = self._number
        run = RunScenario(number, step) if isinstance(step, ScenarioQuestion) else RunStep(number, step)
        try:
            self._implementation.send(run)
            stepped = self._decoded(STEP_DECODER, number)
            if isinstance(stepped.result, Came):
                self._check(step, stepped.result, nodes)
        except Misbehaved as reply:
            self._restart()
            return reply
        if isinstance(stepped.skipped, str):
            return Skipped(stepped.skipped)
        if isinstance(stepped.error, str):
            return Failed(stepped.error)
        assert isinstance(stepped.result, Came)  # noqa: S101 - exactly one of them is there
        return stepped.result

    def _check(self, step: ScenarioQuestion | Step, came: Came, nodes: int) -> None:
        """Raises Misbehaved where a step cannot end in this way."""
        endings = ENDINGS[type(step)]
        if came.ended not in endings:
            detail = f"{came.ended}, expected {' or '.join(endings)}"
            raise self._implementation.misbehaved(Misbehaviour.WRONG_ANSWER, detail)
        if isinstance(step, Status) and came.nodes is not UNSET and len(came.nodes) != nodes:
            detail = f"the status of {len(came.nodes)} nodes, expected {nodes}"
            raise self._implementation.misbehaved(Misbehaviour.WRONG_ANSWER, detail)

    def _count_on(self) -> None:
        self._must_not_be_given_up()
        self._number += 1 + secrets.randbelow(self.stride)

    def _restart(self) -> None:
        """Start anew; once that was done too often, the next question raises GivenUp."""
        self.restarts += 1
        if self.restarts <= RESTARTS:
            self.renew()

    def _must_not_be_given_up(self) -> None:
        if self.restarts > RESTARTS:
            raise GivenUp(f"it has been started anew {RESTARTS} times")

    def renew(self) -> None:
        """Go on with a process that has not been asked anything yet."""
        self._implementation.end()
        self._implementation = Implementation(self.command, self.timeout)

    def stop(self) -> None:
        """Tell the implementation to stop. Raises Misbehaved where it does not end as it should, GivenUp if it has."""
        self._must_not_be_given_up()
        self._implementation.stop()

    def close(self) -> None:
        """End the implementation at once."""
        self._implementation.end()
