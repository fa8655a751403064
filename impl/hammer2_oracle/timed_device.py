"""A device that hangs fails instead: what it is asked to do is done in a thread of its own, and waited for in time.

For who runs straight, and would wait for ever: a call that hangs in the kernel cannot be interrupted.
"""

import threading
from collections.abc import Callable, Coroutine
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from hammer2_cluster.device.device import Device, DeviceError, ReadError, WriteError
from hammer2_cluster.store.chains import at_once

Result = TypeVar("Result")

ANSWER_SECONDS: Final = 10.0
"""A disk that has to spin up first takes as long."""
SYNC_SECONDS: Final = 300.0
"""A sync may have to write whatever the system has kept in memory until then."""


class TimedDevice:
    """A device whose calls come to an end. One that did not answer in time is never asked again."""

    def __init__(
        self,
        make: Callable[[], Device],
        name: str,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        sync_seconds: float = SYNC_SECONDS,
    ) -> None:
        """Open it.

        Args:
            make: opens the device below, none of whose calls waits for something that the caller would have to do.
            name: what errors call it.
            answer_seconds: how long it may take to be opened, or for a block.
            sync_seconds: how long a sync may take.

        Raises:
            DeviceError: it does not answer in time.
            Exception: what make raises.
        """
        self._name: Final = name
        self._answer_seconds: Final = answer_seconds
        self._sync_seconds: Final = sync_seconds
        self._hangs = ""
        """What is wrong with it if it does."""
        self._calls: Final[SimpleQueue[Callable[[], Any] | None]] = SimpleQueue()
        self._answers: Final[SimpleQueue[tuple[Any, BaseException | None]]] = SimpleQueue()
        self._turn: Final = threading.Lock()
        """Whoever asks waits here for the answer to another thread's call."""
        self._opened: Final[list[Device]] = []
        """The device below, once there is one."""
        threading.Thread(target=self._serve, name=name, daemon=True).start()
        try:
            self._ask(lambda: self._opened.append(make()), DeviceError, answer_seconds)
        except BaseException:
            self._calls.put(None)
            raise

    @property
    def _below(self) -> Device:
        return self._opened[0]

    def _serve(self) -> None:
        """In the thread: one call after the other. What hung is closed here, for that might hang as well."""
        while (call := self._calls.get()) is not None:
            try:
                self._answers.put((call(), None))
            except BaseException as error:  # noqa: BLE001 - the caller's affair
                self._answers.put((None, error))
        if self._hangs:
            for device in self._opened:
                device.close()

    def _ask(self, call: Callable[[], Result], kind: type[DeviceError], seconds: float) -> Result:
        with self._turn:
            return self._asked(call, kind, seconds)

    def _asked(self, call: Callable[[], Result], kind: type[DeviceError], seconds: float) -> Result:
        if self._hangs:
            raise kind(self._hangs)
        self._calls.put(call)
        try:
            result, error = self._answers.get(timeout=seconds)
        except Empty:
            self._hangs = f"{self._name}: did not answer within {seconds:g} s"
            raise kind(self._hangs) from None
        except BaseException:  # Ctrl-C: an answer that comes later is no answer to the next call
            self._hangs = f"{self._name}: was not waited for"
            raise
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]  # what the call gave

    def _run(self, call: Callable[[], Coroutine[Any, Any, Result]], kind: type[DeviceError], seconds: float) -> Result:
        return self._ask(lambda: at_once(call()), kind, seconds)

    @property
    def size(self) -> int:
        """In bytes."""
        return self._below.size

    async def read(self, offset: int, length: int) -> bytes:
        """As Device.read."""
        return self._run(lambda: self._below.read(offset, length), ReadError, self._answer_seconds)

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        """As Device.write."""
        self._run(lambda: self._below.write(offset, data), WriteError, self._answer_seconds)

    async def sync(self) -> None:
        """As Device.sync."""
        self._run(self._below.sync, WriteError, self._sync_seconds)

    def close(self) -> None:
        """As Device.close. A device that hangs is left to its thread."""
        if not self._hangs:
            self._below.close()
        self._calls.put(None)
