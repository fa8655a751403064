"""The synchronization thread of one node (L1425-1438): it starts by itself when the node has failed or is behind.

It waits for a disconnected node to come back, mounts the node as of its media, and resynchronizes it. A full one gives
up snapshots; where that does not help, it waits for room. A client of its own does the work, so that several nodes can
be resynchronized at once.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from hammer2_cluster.device.device import DeviceError
from hammer2_cluster.failures import Cause
from hammer2_cluster.node import TooLate, within
from hammer2_cluster.resync import Progress, Resync, is_out_of_step
from hammer2_cluster.store.directory import UnavailableError
from hammer2_cluster.store.volume_header import BadVolumeError
from hammer2_spec.protocol.state import majority

ATTEMPTS: Final = 3
"""So many in a row may fail. Then one more is made whenever something has happened elsewhere."""


class SynchronizationThread:
    """That of one node."""

    def __init__(self, resync: Resync) -> None:
        """resync: what it does, again and again. Begins with ``run``."""
        self.trouble = ""
        """Why the last attempt failed."""
        self.has_given_up = False
        """Whether it does nothing before something happens elsewhere."""
        self._is_over = False
        self._resync: Final = resync
        self._on: Final = resync.on
        self._target: Final = resync.target
        self._control: Final = resync.control
        self._failures: Final = resync.failures

    @property
    def progress(self) -> Progress:
        """Of the resynchronization that runs, or of the last one."""
        return self._resync.progress

    @property
    def removed_snapshots(self) -> Sequence[bytes]:
        """Labels of the snapshots that the node has given up to make room."""
        return self._resync.removed_snapshots

    def end(self) -> None:
        """Do nothing more once what is under way has come to an end."""
        self._is_over = True
        self._control.changed()

    async def run(self) -> None:
        """For ever, or until ``end``."""
        failed = 0
        while True:
            await self._on.wait(self._may_go_on, f"a failure of node {self._target}")
            if self._is_over:
                return
            removed = len(self._resync.removed_snapshots)
            try:
                await self._synchronize()
                self.trouble, failed = "", 0
            except (DeviceError, BadVolumeError, UnavailableError, TooLate) as error:
                has_more_room = len(self._resync.removed_snapshots) > removed
                self.trouble, failed = str(error), 0 if has_more_room else failed + 1
                if failed >= ATTEMPTS:
                    before, self.has_given_up = self._what_happened(), True
                    await self._on.wait(partial(self._is_news, before), f"another chance for node {self._target}")
                    self.has_given_up = False

    def _what_happened(self) -> tuple[object, ...]:
        """What changes when there are new writes or sessions, or a node is there again."""
        control = self._control
        return control.taken["Acknowledge"], control.taken["Ready"], self._failures.returns

    def _is_news(self, before: tuple[object, ...]) -> bool:
        return self._is_over or self._what_happened() != before

    def _may_go_on(self) -> bool:
        return self._is_over or (self._target not in self._failures.away and self._has_work())

    def _has_work(self) -> bool:
        n = self._target
        if not self._failures.is_mounted(n) or is_out_of_step(self._control, n):
            return True
        return n in self._failures.queue and self._enough_without()

    def _enough_without(self) -> bool:
        """Whether the node can be spared: enough others are in step."""
        setup, state = self._control.setup, self._control.state
        others = [n for n in range(setup.masters) if n != self._target]
        return sum(self._failures.is_mounted(n) and state.nodes[n].eligible for n in others) >= majority(setup)

    async def _synchronize(self) -> None:
        """Mount it if need be, and bring it into step. Raises as mount_again; Interrupted, TooLate."""
        n = self._target
        if self._failures.is_mounted(n) and not is_out_of_step(
            self._control, n
        ):  # in step, but for elements that cannot be read (L1388-1393)
            self._failures.disconnected(n, Cause.READ)
        if not self._failures.is_mounted(n):
            await within(self._on.clock, self._resync.patience, self._failures.mount_again(n))
        await self._resync.run()
