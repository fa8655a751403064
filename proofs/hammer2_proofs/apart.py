"""Work in a process of its own: what it breaks, loads or allocates is gone with it."""

import contextlib
import os
import pickle
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO, Any, Final, TypeVar

Result = TypeVar("Result")

GRACE_SECONDS: Final = 5
"""CPU time after which a process that does not heed its limit is killed."""

AT_A_TIME: Final = 32
"""Things that are handed over together."""


class Died(ChildProcessError):
    """The process ended before its work did."""

    def __init__(self, how: str, cpu_seconds: float) -> None:
        super().__init__(f"the process {how} after {cpu_seconds:.1f} CPU-seconds")
        self.how = how
        """``stopped``, such as when its time was over, or ``died``."""
        self.cpu_seconds = cpu_seconds


def apart(work: Callable[[], Result], cpu_seconds: int | None = None) -> Result:
    """What the work returns, which must be fit for pickle, in a process forked for it.

    cpu_seconds: how much CPU time the process may take; None for any. Raises Died if there is no result.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if cpu_seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + GRACE_SECONDS))
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        with contextlib.suppress(BaseException), os.fdopen(writing, "wb") as pipe:
            pickle.dump(work(), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status, usage = os.wait4(child, 0)
    if not answer:
        raise Died("stopped" if os.WIFSIGNALED(status) else "died", usage.ru_utime + usage.ru_stime)
    result: Result = pickle.loads(answer)  # noqa: S301 - written by ourselves a moment ago
    return result


def ahead(work: Callable[[], Iterable[Result]]) -> Iterator[Result]:
    """What the work yields, which must be fit for pickle, made in a process of its own while it is being used.

    Raises what the work raises, and Died if the process ends before it. Ctrl-C ends both.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(reading)
        with contextlib.suppress(BaseException), os.fdopen(writing, "wb") as pipe:
            _hand_over(work, pipe)
        os._exit(0)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            while some := _taken(pipe):
                yield from some
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _hand_over(work: Callable[[], Iterable[Result]], pipe: IO[bytes]) -> None:
    """Write lists of some, an empty list or what was raised at the end."""
    try:
        rest = iter(work())
        while some := list(islice(rest, AT_A_TIME)):
            pickle.dump(some, pipe)
            pipe.flush()
        pickle.dump([], pipe)
    except Exception as error:  # noqa: BLE001 - whoever waits for the work raises it
        pickle.dump(error, pipe)


def _taken(pipe: IO[bytes]) -> list[Any]:
    try:
        some = pickle.load(pipe)  # noqa: S301 - written by ourselves a moment ago
    except EOFError:
        raise Died("died", 0.0) from None
    if isinstance(some, Exception):
        raise some
    taken: list[Any] = some
    return taken
