"""An implementation under test: a process that answers lines with lines, or does whatever else a process may do."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from enum import Enum
from importlib.metadata import version
from types import TracebackType
from typing import IO, Final, Self, cast

import msgspec

from hammer2_oracle.conform.messages import PROTOCOL, Introduction, Opening, Start, Started, Stop
from hammer2_oracle.reading import LINE_LIMIT, key_twice

PIECE: Final = 2**18
"""Bytes that are read or written at a time."""
SHOWN: Final = 60
"""Bytes of a strange line that are shown."""
ENCODE: Final = msgspec.json.Encoder().encode
STOPPING_SECONDS: Final = 0.02
"""How often it is looked whether an implementation that was told to stop has ended."""
LAST_WORDS_SECONDS: Final = 2.0
"""How long an implementation may take to end when it is told to."""


class Misbehaviour(Enum):
    """What an implementation can do instead of answering."""

    NOT_STARTED = "could not be started"
    VERSION = "speaks another version of the protocol"
    SILENT = "does not answer"
    SLOW = "does not come to the end of an answer"
    DIED = "ended"
    GARBLED = "says what is no message"
    WRONG_NUMBER = "answers another question"
    WRONG_ANSWER = "answers with what is no answer"
    KEY_TWICE = "says a key twice"
    TOO_EARLY = "answers before it is asked"


class Misbehaved(Exception):
    """An implementation broke the protocol, and has been ended.

    Args:
        kind: in which way.
        detail: what was seen.
        by_many: it did so when many questions were asked at once, and at none of them when it was asked alone.
    """

    def __init__(self, kind: Misbehaviour, detail: str, *, by_many: bool = False) -> None:
        super().__init__(f"{kind.value}: {detail}")
        self.kind, self.detail, self.by_many = kind, detail, by_many


class Implementation:
    """A running implementation. What it writes on standard error passes through.

    Args:
        command: the program and its arguments.
        timeout: seconds of silence after which it counts as silent.

    Raises:
        Misbehaved: from every method; the process has been ended by then.
    """

    def __init__(self, command: Sequence[str], timeout: float) -> None:
        self.timeout = timeout
        self._out = bytearray()
        self._in = bytearray()
        self._owed = 0
        """Lines that it has been asked for and has not said, as far as is known."""
        self._unasked: bytes | bytearray | None = None
        """The beginning of a line that nobody had asked for when it came."""
        try:
            self.process = subprocess.Popen(  # noqa: S603 - what the user has asked for
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Misbehaved(Misbehaviour.NOT_STARTED, f"{command[0]}: {reason}") from None
        self._pipes = cast("tuple[IO[bytes], IO[bytes]]", (self.process.stdin, self.process.stdout))
        self._stdin, self._stdout = (pipe.fileno() for pipe in self._pipes)
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self._answers, self._both = select.poll(), select.poll()
        self._answers.register(self._stdout, select.POLLIN)
        self._both.register(self._stdout, select.POLLIN)
        self._both.register(self._stdin, select.POLLOUT)
        try:
            self.introduction: Introduction = self._introduce()
        except BaseException:
            self.end()
            raise

    def _introduce(self) -> Introduction:
        self.send(Start(Opening(PROTOCOL, f"hammer2-cluster {version('hammer2-cluster')}")))
        line = self.receive()
        try:
            introduction = msgspec.json.decode(line, type=Started).started
            if (key := key_twice(line)) is not None:
                raise self.misbehaved(Misbehaviour.KEY_TWICE, f"{key!r} in {shown(line)}")
            return self._checked(introduction)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.misbehaved(Misbehaviour.GARBLED, f"{shown(line)} is no introduction: {error}") from None

    def _checked(self, introduction: Introduction) -> Introduction:
        if introduction.protocol != PROTOCOL:
            raise self.misbehaved(Misbehaviour.VERSION, f"{introduction.protocol}, expected {PROTOCOL}")
        return introduction

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    # ---- lines

    def send(self, message: msgspec.Struct) -> None:
        """Send a message; what does not fit into the pipe leaves while answers are waited for."""
        if not isinstance(message, Start):
            self._notice_what_is_unasked()
        self._owed += 1  # whatever is sent is answered by one line
        self._out += ENCODE(message)
        self._out += b"\n"
        self._write()

    def _notice_what_is_unasked(self) -> None:
        """What is there before it is asked for is no answer, whatever number it bears."""
        with contextlib.suppress(BlockingIOError):
            self._in += os.read(self._stdout, PIECE)
        if self._unasked is None and self._in.count(b"\n") > self._owed:
            self._unasked = self._in.split(b"\n")[self._owed]

    def receive(self) -> bytes:
        """The next line that the implementation says, without its end."""
        if self._unasked is not None:
            raise self.misbehaved(Misbehaviour.TOO_EARLY, shown(bytes(self._unasked)))
        searched, heard = 0, bool(self._in)
        deadline = time.monotonic() + self.timeout
        while (end := self._in.find(b"\n", searched)) < 0:
            searched = len(self._in)
            if searched > LINE_LIMIT:
                raise self.misbehaved(Misbehaviour.GARBLED, f"a line of more than {LINE_LIMIT:,} bytes")
            waiting = self._both if self._out else self._answers
            ready = waiting.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                if self.process.poll() is not None:  # and something that it has started holds the pipe
                    raise self._died()
                kind = Misbehaviour.SLOW if heard else Misbehaviour.SILENT
                raise self.misbehaved(kind, f"no line within {self.timeout:g} s")
            for pipe, _ in ready:
                if pipe == self._stdout:
                    heard |= self._read()
                else:
                    self._write()
        line = bytes(self._in[:end])
        del self._in[: end + 1]
        self._owed -= 1
        return line

    def _read(self) -> bool:
        try:
            piece = os.read(self._stdout, PIECE)
        except BlockingIOError:
            return False
        if not piece:
            raise self._died()
        self._in += piece
        return True

    def _write(self) -> None:
        try:
            del self._out[: os.write(self._stdin, self._out[:PIECE])]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._out.clear()  # it reads no more; what it still says, or its end, is waited for

    # ---- the end

    def _died(self) -> Misbehaved:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(LAST_WORDS_SECONDS)
        return self.misbehaved(Misbehaviour.DIED, self._how_it_ended())

    def _how_it_ended(self) -> str:
        status = self.process.poll()
        if status is None:
            return "it closed its standard output"
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}"

    def misbehaved(self, kind: Misbehaviour, detail: str) -> Misbehaved:
        """End the process, and say why."""
        self.end()
        return Misbehaved(kind, detail)

    def stop(self) -> None:
        """Tell it to stop, and see that it ends as it should, and says no more."""
        self.send(Stop(stop=True))
        deadline = time.monotonic() + self.timeout
        while self.process.poll() is None:
            if not self._out:
                self._pipes[0].close()
            left = deadline - time.monotonic()
            if left <= 0:
                detail = f"told to stop, it runs on after {self.timeout:g} s"
                raise self.misbehaved(Misbehaviour.SILENT, detail)
            waiting = self._both if self._out else self._answers
            for pipe, _ in waiting.poll(min(left, STOPPING_SECONDS) * 1000):
                if pipe == self._stdin:
                    self._write()
                elif not self._drain():
                    time.sleep(STOPPING_SECONDS)  # it has closed its output, and ends
        self._drain()
        if self.process.returncode:
            raise self.misbehaved(Misbehaviour.DIED, f"told to stop: {self._how_it_ended()}")
        if self._in:
            raise self.misbehaved(Misbehaviour.GARBLED, f"after its last answer: {shown(bytes(self._in[:PIECE]))}")
        self.end()

    def _drain(self) -> bool:
        """Take what it says now, as far as it is shown. Returns whether it may say more."""
        try:
            while piece := os.read(self._stdout, PIECE):
                self._in += piece[: SHOWN + 1]
                del self._in[SHOWN + 1 :]
        except BlockingIOError:
            return True
        return False

    def end(self) -> None:
        """End the process and whatever it has started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()


def shown(line: bytes) -> str:
    """The beginning of a line that nobody expected."""
    return repr(line[:SHOWN])[1:] + ("..." if len(line) > SHOWN else "")
