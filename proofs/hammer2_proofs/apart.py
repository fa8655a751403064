"""Work in a process of its own: what it breaks, loads or allocates is gone with it."""

import contextlib
import os
import pickle
import resource
import signal
from collections.abc import Callable
from typing import Final, TypeVar

Result = TypeVar("Result")

GRACE_SECONDS: Final = 5
"""CPU time after which a process that does not heed its limit is killed."""


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
