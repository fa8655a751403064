"""What must be in a cluster, by what was acknowledged: the ghost content, and who is there.

The judge knows only what was asked and answered. It holds every content that the files can have by that: what was
acknowledged is in all of them; what came to an unknown end may be taken up later, as a whole, but not once a later
change was acknowledged without it, because a version has all that the one before it has. Of media that are
lost it knows how many there are: as long as a majority has kept what it had, nothing is lost.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from hammer2_oracle.conform import scenario_rules as rules
from hammer2_oracle.conform.messages import (
    Came,
    Crash,
    Fail,
    Get,
    Put,
    Reconnect,
    Remove,
    Replace,
    Resync,
    ScenarioQuestion,
    Status,
    Step,
)
from hammer2_oracle.conform.scenario_rules import Rule

Change: TypeAlias = tuple[str, str | None]
"""A file, and what it has then; None: it is removed."""
Files: TypeAlias = frozenset[tuple[str, str]]


class Presence(Enum):
    """Whether a node is there."""

    THERE = "there"
    LEAVING = "leaving"
    """It goes away in the middle of something that is yet to come, or has come."""
    AWAY = "away"


class Breach(NamedTuple):
    """A sentence of the specification that an answer breaks."""

    rules: tuple[Rule, ...]
    """The one that decides, then others that tell more."""
    expected: str
    got: str
    node: int | None = None
    """Of which node something else was shown."""


class Possible(NamedTuple):
    """A content that the files can have."""

    files: Files
    pending: tuple[Change, ...]
    """Changes that came to an unknown end, which may yet be in it: some of them, in this order."""


def _changed(files: Files, change: Change) -> Files:
    name, content = change
    rest = frozenset(file for file in files if file[0] != name)
    return rest if content is None else rest | {(name, content)}


def _outcomes(possible: Possible) -> set[Files]:
    """What the files can be once it is settled which of the pending changes are in them."""
    outcomes = {possible.files}
    for change in possible.pending:
        outcomes |= {_changed(files, change) for files in outcomes}
    return outcomes


def _taken_up(possible: Possible) -> Iterator[Possible]:
    """Itself, and what it is once some pending changes have been seen: those before them are settled too."""
    yield possible
    for n, last in enumerate(possible.pending):
        for files in _outcomes(Possible(possible.files, possible.pending[:n])):
            yield Possible(_changed(files, last), possible.pending[n + 1 :])


class Ghost:
    """Judges the steps of one scenario, one after the other."""

    def __init__(self, scenario: ScenarioQuestion) -> None:
        """Everybody is there and in step, and there is no file."""
        count = len(scenario.nodes)
        self._masters: Final = range(scenario.masters)
        self._majority: Final = scenario.pfs_nmasters // 2 + 1
        self.presence: Final = [Presence.THERE] * count
        self._sound: Final = [True] * count
        """Nodes that nothing has happened to since they were in step."""
        self._missed: Final = [False] * count
        """Nodes that are away, and have been since before something was acknowledged."""
        self._believed: Final = [False] * count
        """Nodes that are sound because a status said so."""
        self._settled = [False] * count
        """Nodes that have just been resynchronized, and nothing has happened since."""
        self._intact: Final = [True] * count
        """Nodes whose media have all that they had when they were last in step."""
        self._empty: Final = [False] * count
        """Nodes whose media are new, since when there was no majority from which to fill them."""
        self._lost = False
        """Too many media are: what the files have is not known any more."""
        self._crashed = False
        self._possible = {Possible(frozenset(), ())}
        self._fates: Final[dict[Change, str]] = {}

    # ---- who is there

    @property
    def may_serve(self) -> bool:
        """Whether a majority of the masters may be there, with what they had, or can have been given since."""
        there = (self.presence[n] is not Presence.AWAY and not self._empty[n] for n in self._masters)
        return sum(there) >= self._majority

    @property
    def must_serve(self) -> bool:
        """Whether a majority of the masters is there and in step."""
        there = (self.presence[n] is Presence.THERE and self._sound[n] for n in self._masters)
        return sum(there) >= self._majority

    @property
    def may_recover(self) -> bool:
        """Whether a majority of the masters is there with what they had, and nobody is leaving."""
        there = sum(self.presence[n] is Presence.THERE and self._intact[n] for n in self._masters)
        return there >= self._majority and Presence.LEAVING not in self.presence

    def can_lose(self, node: int) -> bool:
        """Whether all is still known, and kept by a majority, without the media of a node."""
        return sum(self._intact[n] for n in self._masters if n != node) >= self._majority

    # ---- what is answered

    def judge(self, step: Step, came: Came) -> Breach | None:
        """Take note of a step and what came of it; the sentence that this breaks."""
        breach = self._judge(step, came)
        return None if self._lost and breach is not None and breach.rules[0] is not rules.QUORUM else breach

    def _judge(self, step: Step, came: Came) -> Breach | None:
        match step:
            case Put(name, content):
                return self._change((name, content), came.ended)
            case Remove(name):
                return self._change((name, None), came.ended)
            case Get(name):
                return self._read(name, came)
            case Resync():
                return self._resync(came.ended)
            case Status():
                return self._status([*(came.nodes or ())])
            case _:
                self.prepare(step)
        return None

    def prepare(self, step: Step) -> None:
        """What a step does to the nodes, whatever comes of it."""
        match step:
            case Fail(node, at) | Crash(node, at):
                self._leave(node, now=at == "now", crashes=isinstance(step, Crash))
            case Reconnect(node):
                self.presence[node] = Presence.THERE
                self._missed[node] = False  # from now on it may be brought into step at any time
            case Replace(node):
                self._leave(node, now=True, crashes=True)
                self._lost |= not self.can_lose(node)
                self.presence[node] = Presence.THERE
                self._missed[node] = self._intact[node] = False
                self._empty[node] = True
        there = (self.presence[n] is not Presence.AWAY and self._intact[n] for n in self._masters)
        if sum(there) >= self._majority:
            self._empty[:] = [False] * len(self._empty)

    def _leave(self, node: int, *, now: bool, crashes: bool) -> None:
        self.presence[node] = Presence.AWAY if now or self.presence[node] is Presence.AWAY else Presence.LEAVING
        self._sound[node] = self._believed[node] = False
        self._settled = [False] * len(self.presence)
        self._crashed |= crashes

    def _change(self, change: Change, ended: str) -> Breach | None:
        self._settled = [False] * len(self.presence)
        self._fates[change] = ended
        if ended == "acknowledged":
            if not self.may_serve:
                return Breach((rules.QUORUM,), "not acknowledged: no majority of the masters is there", ended)
            outcomes = {files for possible in self._possible for files in _outcomes(possible)}
            self._possible = {Possible(_changed(files, change), ()) for files in outcomes}
            if all(_changed(files, change) != files for files in outcomes):
                self._missed[:] = [it is Presence.AWAY for it in self.presence]
            return None
        if ended == "unknown":
            self._possible = {Possible(files, (*pending, change)) for files, pending in self._possible}
        if self.must_serve:
            return Breach(
                (rules.CHANGES_GO_ON, *self._belief()), "acknowledged: a majority is there and in step", ended
            )
        return None

    def _belief(self) -> tuple[Rule, ...]:
        """What else is broken where nodes are taken to be in step because the implementation said so."""
        return (rules.DECLARED,) if any(self._believed) else ()

    def _read(self, name: str, came: Came) -> Breach | None:
        if came.ended == "refused":
            if self.must_serve:
                expected = f"{self._expected(name)}: a majority is there and in step"
                return Breach((rules.READS_GO_ON, *self._belief()), expected, came.ended)
            return None
        content = came.content if isinstance(came.content, str) else None
        if not self.may_serve:
            return Breach((rules.QUORUM,), "refused: no majority of the masters is there", _quoted(content))
        seen = {
            later
            for possible in self._possible
            for later in _taken_up(possible)
            if dict(later.files).get(name) == content
        }
        if not seen:
            return Breach((*self._why_not((name, content)), *self._belief()), self._expected(name), _quoted(content))
        self._possible = seen
        return None

    def _expected(self, name: str) -> str:
        outcomes = [files for possible in self._possible for files in _outcomes(possible)]
        contents = {dict(files).get(name) for files in outcomes}
        return " or ".join(map(_quoted, sorted(contents, key=lambda it: (it is not None, it or ""))))

    def _why_not(self, read: Change) -> tuple[Rule, ...]:
        """Which sentence a content breaks that the file cannot have."""
        lost, fate = rules.SURVIVES if self._crashed else rules.CURRENT, self._fates.get(read)
        if read[1] is None:  # no file: that may be an old state, or a change that was not to be
            return (lost, rules.RETRIED) if fate == "refused" else (lost,)
        match fate:
            case None:
                return (rules.NO_MIXTURE,)
            case "refused":
                return (rules.RETRIED,)
            case "unknown":
                return rules.NESTED, rules.ONE_CONTENT
            case _:
                return (lost,)

    def _resync(self, ended: str) -> Breach | None:
        if ended == "done" and self.may_recover:
            for n, presence in enumerate(self.presence):
                self._sound[n] |= presence is Presence.THERE
                self._intact[n] |= presence is Presence.THERE
                self._settled[n] = presence is Presence.THERE
        if ended == "refused" and self.may_recover:
            return Breach((rules.ENDS_WELL,), "done: a majority of the masters is there", ended)
        return None

    def _status(self, shown: list[str]) -> Breach | None:
        for n, (presence, said) in enumerate(zip(self.presence, shown, strict=True)):
            if said == "synchronized" and self._missed[n]:
                return Breach((rules.DECLARED,), f"node {n} not synchronized: it is away, and missed a change", said, n)
            if said == "synchronized" and self._empty[n]:
                return Breach((rules.DECLARED,), f"node {n} not synchronized: its media are new, and empty", said, n)
            if said != "synchronized" and self._settled[n]:
                return Breach((rules.ENDS_WELL,), f"node {n} synchronized: it has just been resynchronized", said, n)
            if said == "synchronized" and presence is Presence.THERE and not self._sound[n]:
                self._sound[n] = self._believed[n] = self._intact[n] = True
        return None


def _quoted(content: str | None) -> str:
    return "no file" if content is None else f"'{content}'"
