"""Mistakes to find: each is the real code with a few words changed, and a scenario in which that must show."""

import ast
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Final

from hammer2_cluster.control import Control
from hammer2_cluster.failures import Failures
from hammer2_cluster.resync import Resync
from hammer2_cluster.sessions import Session
from hammer2_proofs.schedules.world import Scenario

ONE_WRITE: Final = Scenario("one-write", (("write",),))
TWO_WRITES: Final = Scenario("two-writes", (("write", "write"),))


@dataclass(frozen=True)
class Plant:
    """A method, and the words in it that become others."""

    why: str
    owner: type
    method: str
    changes: tuple[tuple[str, str], ...]
    scenario: Scenario

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The mistake is made as long as this lasts."""
        before = inspect.getattr_static(self.owner, self.method)
        setattr(self.owner, self.method, self._changed(before))
        try:
            yield
        finally:
            setattr(self.owner, self.method, before)

    def _changed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Raises ValueError if the words do not stand there exactly once."""
        text = dedent(inspect.getsource(method))
        for old, new in self.changes:
            if text.count(old) != 1:
                raise ValueError(f"{self.owner.__name__}.{self.method} has {text.count(old)} times: {old}")
            text = text.replace(old, new)
        tree = ast.parse(text)
        ast.increment_lineno(tree, method.__code__.co_firstlineno - 1)
        namespace = dict(method.__globals__)
        exec(compile(tree, inspect.getfile(method), "exec"), namespace)  # noqa: S102 - our own text, a few words changed
        changed: Callable[..., Any] = namespace[self.method]
        return changed


PLANTS: Final[dict[str, Plant]] = {
    "early-acknowledgement": Plant(
        "a write is acknowledged when one node has flushed it",
        Session,
        "_commit",
        (
            ('until=self._may("Acknowledge")', "until=len"),
            ('if not self._control.attempt("Acknowledge", self._c):', "if False:"),
        ),
        ONE_WRITE,
    ),
    "reused-tid": Plant(
        "a write gets the tid of the version before it",
        Control,
        "_name_what_is_new",
        (("self._media[client.prior_tid] + 1", "self._media[client.prior_tid]"),),
        ONE_WRITE,
    ),
    "vote-before-resynchronization": Plant(
        "a node that came back is declared to be in step, and nothing is copied",
        Resync,
        "_copy_below",
        (("for one in theirs:", "for one in []:"),),
        Scenario("back", (("write",),), faults=1, kinds=("gone",), watched=True, delays=0),
    ),
    "flush-on-a-write-disabled-node": Plant(
        "a node that failed goes on, and what it flushes counts",
        Failures,
        "flush_failed",
        (('if self._control.attempt("FlushFail", n):', 'if self._control.attempt("Flush", n):'),),
        Scenario("flush-fails", (("write",),), faults=1, kinds=("sync-error",)),
    ),
    "another-writer": Plant(
        "a session helps itself to a state of its own making",
        Session,
        "_begin",
        (("prior, epoch =", "self._control._state = self._control.state._replace(begun=1); prior, epoch ="),),
        TWO_WRITES,
    ),
}
