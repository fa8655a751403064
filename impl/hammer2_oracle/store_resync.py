"""What ``hammer2-cluster store resync`` does."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from hammer2_cluster import replacements
from hammer2_cluster.patience import Patience
from hammer2_cluster.service import Service
from hammer2_cluster.store.directory import FilesystemError, printable
from hammer2_oracle.screen import Screen
from hammer2_oracle.store_directory import StoreError, members_in

SECONDS: Final = 0.5
"""Between two looks whether somebody has given up."""


class Node(NamedTuple):
    """What became of a node."""

    node: int
    in_step: bool
    why: str
    """Why it is not, or nothing."""
    passes: int
    copied: int
    """Blocks."""
    removed: int
    """Elements."""
    skipped: int
    """Elements that were the same, with all that is below them."""
    removed_snapshots: list[str]
    """Those that it has given up to make room."""


def resynchronize(directory: Path) -> list[Node]:
    """Open a session, which starts the synchronization threads of all nodes that need it, and wait for them.

    Raises StoreError without a quorum; KeyboardInterrupt says what has been done.
    """
    with members_in(directory, must_write=True) as members:
        devices = [None if why else device for device, why in zip(members.devices, members.trouble, strict=True)]
        try:
            service = Service(devices)
        except FilesystemError as error:
            raise StoreError(f"{directory}: {error}") from None
        try:
            for node, why in enumerate(members.trouble):
                service.trouble[node] = why or service.trouble[node]
            service.run(0, service.clients[0].session.open, Patience(again=False, ticks=20 * service.grace))
            with progress(service) as tell:
                while any(_is_under_way(service, n) for n in service.wait_for_nodes(SECONDS, tell)):
                    if replacements.is_pending(service.control, 0):
                        service.run(0, service.clients[0].session.record_replacements)
            return nodes_of(service)
        except FilesystemError as error:
            raise StoreError(f"{directory}: {error}") from None
        except KeyboardInterrupt:
            done = "; ".join(_in_words(node) for node in nodes_of(service) if node.passes)
            raise KeyboardInterrupt(f"{done or 'nothing was copied'}; it can be taken up again") from None
        finally:
            service.close()


def _is_under_way(service: Service, n: int) -> bool:
    return n not in service.failures.away and not service.watchers[n].has_given_up


def nodes_of(service: Service) -> list[Node]:
    """Every node, and what was copied to it."""
    nodes = []
    for n, watcher in enumerate(service.watchers):
        done, in_step = watcher.progress, service.in_step(n)
        why = "" if in_step else watcher.trouble or service.why(n)
        given_up = [printable(label) for label in watcher.removed_snapshots]
        nodes.append(Node(n, in_step, why, done.passes, done.copied, done.removed, done.skipped, given_up))
    return nodes


@contextmanager
def progress(service: Service) -> Iterator[Callable[[], None]]:
    """Show what has been copied so far; on a terminal only."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console

    with Console(stderr=True).status("resync") as line:
        yield lambda: line.update("; ".join(_in_words(node) for node in nodes_of(service) if not node.in_step))


def _in_words(node: Node) -> str:
    state = "in step" if node.in_step else f"not in step: {node.why}"
    room = f"; snapshots removed to make room: {', '.join(node.removed_snapshots)}" if node.removed_snapshots else ""
    counts = f"{node.copied} blocks copied, {node.removed} removed, {node.skipped} skipped"
    return f"node {node.node}: {state}, {counts}{room}"


def show(nodes: list[Node]) -> None:
    """A line for each node."""
    screen = Screen()
    for node in nodes:
        screen.line(_in_words(node), "" if node.in_step else "bold")
