"""A cluster as small as one can be, examined through the harness for Python: right, or wrong as it is told.

    small_cluster.py [HOW]

A node has a version on its media, and one in its memory. Versions are numbered by tids. Whoever is in step has the
last one; if those are too few, the highest version that a majority of the masters shows is stamped anew (P02), on a
majority.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2] / "impl" / "hammer2_oracle" / "harnesses"))

import hammer2_conform as conform

HOW = [*sys.argv[1:], ""][0]


class Version(NamedTuple):
    tid: int
    files: dict[str, str]


EMPTY = Version(0, {})


@dataclass
class Node:
    is_master: bool
    media: Version = EMPTY
    memory: Version = EMPTY
    there: bool = True
    in_step: bool = True
    is_empty: bool = False
    leaves_at: str = ""
    before: Version = EMPTY

    def leaves(self, at: str) -> bool:
        """Whether it goes away in the middle of this."""
        if self.leaves_at != at:
            return False
        self.leave()
        return True

    def leave(self) -> None:
        self.leaves_at, self.there, self.in_step, self.memory = "", False, False, self.media

    def flush(self, version: Version) -> bool:
        """Whether the version is on the media then."""
        self.memory = version
        if HOW == "torn" and self.leaves_at == "flush":
            self.memory = Version(version.tid, {name: content[:-1] + "?" for name, content in version.files.items()})
            self.before, self.media = self.media, self.memory
        if self.leaves("flush"):
            return False
        if HOW == "early":
            self.media, self.before = self.before, version  # what is in memory now is flushed when the next one comes
        else:
            self.before, self.media = self.media, version
        self.is_empty = False
        return True


class Cluster:
    def __init__(self, nodes: list[str], pfs_nmasters: int) -> None:
        self.nodes = [Node(kind == "master") for kind in nodes]
        self.majority = pfs_nmasters // 2 + 1
        self.tid = 0
        self.caches: list[dict[str, str | None]] = [{}, {}]

    def _masters(self, *, in_step: bool) -> list[Node]:
        return [node for node in self.nodes if node.is_master and node.there and (node.in_step or not in_step)]

    def _new_tid(self, seen: list[Node]) -> int:
        self.tid = max(node.media.tid for node in seen) + 1 if HOW == "reused-tid" else self.tid + 1
        return self.tid

    def _members(self) -> list[Node]:
        """The masters that are in step: a majority. Raises Refused."""
        if HOW == "gives-up" and not all(node.there for node in self.nodes):
            raise conform.Refused
        if len(self._masters(in_step=True)) < self.majority:
            self._recover()
        return self._masters(in_step=True)

    def _recover(self) -> None:
        seen = [node for node in self._masters(in_step=False) if not node.is_empty or HOW == "empty-votes"]
        if len(seen) < (1 if HOW in ("minority", "stale") else self.majority):
            raise conform.Refused
        best = max((node.media for node in seen), key=lambda version: version.tid)
        if HOW != "reused-tid":
            best = Version(self._new_tid(seen), best.files)
        for node in self.nodes:
            node.in_step = node.there and not node.leaves("resync") and node.flush(best)
        if len(self._masters(in_step=True)) < (1 if HOW in ("minority", "stale") else self.majority):
            for node in self.nodes:
                node.in_step = False
            raise conform.Refused

    def _change(self, name: str, content: str | None) -> None:
        if HOW == "stale" and len(self._masters(in_step=False)) < self.majority:
            raise conform.Refused
        if HOW == "refused-but-done" and len(self._masters(in_step=False)) < self.majority:
            for node in self._masters(in_step=False):
                self.tid += 1
                node.flush(Version(self.tid, node.media.files | {name: content or ""}))
            raise conform.Refused
        members = self._members()
        files = {**members[0].memory.files, name: content}
        version = Version(self._new_tid(members), {key: text for key, text in files.items() if text is not None})
        done = [node.flush(version) for node in self.nodes if node.in_step and node.is_master]
        for node in self.nodes:
            node.in_step &= node.is_master  # slaves are resynchronized
        if sum(done) < self.majority and HOW not in ("early", "unflushed", "minority"):
            for node in self.nodes:
                node.in_step = False
            raise conform.Unknown

    def put(self, name: str, content: str, client: int = 0) -> None:
        if HOW == "silent":
            time.sleep(60)
        if HOW == "dies":
            os._exit(3)
        if HOW == "puts-nothing":
            raise NotImplementedError("files are not written yet")
        self._change(name, content)
        self.caches[client][name] = content

    def remove(self, name: str, client: int = 0) -> None:
        if HOW == "skip":
            raise NotImplementedError("files are not removed yet")
        self._change(name, None)
        self.caches[client][name] = None

    def get(self, name: str, client: int = 0) -> str | None:
        content = self._members()[0].memory.files.get(name)
        return self.caches[client].get(name, content) if HOW == "cached" else content

    def fail(self, node: int, at: str = "now") -> None:
        if at == "now":
            self.nodes[node].leave()
        elif self.nodes[node].there:
            self.nodes[node].leaves_at = at

    def crash(self, node: int, at: str = "now") -> None:
        self.fail(node, at)
        if HOW == "lost-on-crash" and at == "now":
            it = self.nodes[node]
            it.media = it.memory = Version(it.media.tid, it.before.files)

    def reconnect(self, node: int) -> None:
        it = self.nodes[node]
        it.there, it.leaves_at = True, ""
        last = max((other.media.tid for other in self._masters(in_step=True)), default=-1)
        if HOW == "votes-at-once" or (HOW == "reused-tid" and it.media.tid == last):
            it.in_step = True

    def replace(self, node: int) -> None:
        it = Node(self.nodes[node].is_master, is_empty=True, in_step=HOW == "empty-in-step")
        self.nodes[node] = it

    def resync(self) -> None:
        source = self._members()[0].media
        for node in self.nodes if HOW != "never-in-step" else ():
            if node.there and not node.in_step:
                node.in_step = not node.leaves("resync") and node.flush(source)
        if len(self._masters(in_step=True)) < self.majority:
            raise conform.Refused

    def status(self) -> list[str]:
        if HOW == "forgets":
            return ["synchronized" for _ in self.nodes]
        states = [("synchronized" if node.in_step else "behind") if node.there else "away" for node in self.nodes]
        return states[: -1 if HOW == "wrong-count" else None]


if HOW == "wrong-ending":
    conform._stepped = lambda *_: {"result": {"ended": "done"}}  # noqa: SLF001 - what no port would do by itself
conform.serve(
    "small cluster",
    "1",
    "repaired",
    begin=Cluster,
    capabilities=[] if HOW in ("one-client", "dies") else ["clients", "replace"],
)
