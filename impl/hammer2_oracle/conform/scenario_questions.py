"""Which scenarios a cluster is asked: a few that tell, then random ones, shrunk over the wire."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from hammer2_oracle.conform.examination import Examination, GivenUp
from hammer2_oracle.conform.ghost import Ghost, Presence
from hammer2_oracle.conform.judging import Standing
from hammer2_oracle.conform.messages import (
    Came,
    Capability,
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
    When,
)
from hammer2_oracle.conform.scenarios import Program, ScenarioJudgement, judge_program, smallest

Nodes: TypeAlias = list[Literal["master", "slave"]]


def put(name: str, number: int, client: int = 0) -> Put:
    """Content that no other change of a program has."""
    return Put(name, f"{name}{number}", client)


def story(text: str, nodes: Nodes | None = None) -> Program:
    """A program as it is told: ``put a 1, crash 2 at flush, get a``. Of three masters unless other nodes are given."""
    nodes = nodes or ["master"] * 3
    steps: list[Step] = []
    for told in text.split(","):
        do, *rest = told.split()
        at = {"at": rest.pop()} if "at" in rest else {}
        client = int(rest.pop()) if "by" in rest else 0
        match do:
            case "put":
                steps.append(put(rest[0], int(rest[1]), client))
            case "get" | "remove":
                steps.append((Get if do == "get" else Remove)(rest[0], client))
            case "fail" | "crash" | "reconnect" | "replace":
                steps.append(msgspec.convert({"do": do, "node": int(rest[0]), **at}, Step))
            case _:
                steps.append(msgspec.convert({"do": do}, Step))
    return Program(ScenarioQuestion(nodes, nodes.count("master")), tuple(steps))


SMOKE: Final[dict[str, Program]] = {
    "what one node alone is told it keeps": story(
        "put a 1, get a, get b, put a 2, get a, remove a, get a, remove b, status", ["master"]
    ),
    "a quorum is lost and regained": story(
        "put a 1, fail 0, fail 1, put a 2, get a, remove a, reconnect 0, resync, get a, put a 3, reconnect 1, resync, "
        "status, get a"
    ),
    "a node that missed a change is behind until it has been resynchronized": story(
        "put a 1, fail 2, put a 2, status, reconnect 2, status, fail 0, get a, reconnect 0, resync, "
        "status, fail 1, get a"
    ),
    "a node that returns does not vote for what it missed": story(
        "put a 1, fail 0, put a 2, fail 2, reconnect 0, get a, put b 3, fail 1, reconnect 2, get a, get b"
    ),
    "nor is it read in place of those that have it": story(
        "put a 1, fail 0, put a 2, reconnect 0, get a, fail 1, get a"
    ),
    "a node returns with a tid that nobody else has": story(
        "put a 1, crash 1 at flush, crash 2 at flush, put a 2, fail 0, reconnect 1, reconnect 2, resync, get a, "
        "put b 3, reconnect 0, get a, status, fail 1, get b, resync, get a, get b"
    ),
    "a tid is not given to a second change": story(
        "put a 1, crash 1 at flush, crash 2 at flush, put a 2, fail 0, reconnect 1, reconnect 2, put a 3, get a, "
        "reconnect 0, status, fail 1, get a, reconnect 1, resync, get a"
    ),
    "nothing is acknowledged before a majority has flushed it": story(
        "put a 1, crash 0 at flush, crash 1 at flush, put a 2, reconnect 0, reconnect 1, fail 2, resync, get a"
    ),
    "a crash of all between two changes loses nothing": story(
        "put a 1, put b 2, crash 0, crash 1, crash 2, get a, reconnect 0, reconnect 2, resync, get a, get b, put a 3, "
        "reconnect 1, resync, status, get a"
    ),
    "a crash between a change and its flush": story(
        "put a 1, crash 1 at flush, put a 2, get a, crash 0, crash 2, reconnect 1, reconnect 0, resync, get a, "
        "reconnect 2, resync, status, get a"
    ),
    "a resynchronization is interrupted, and begun again": story(
        "put a 1, fail 2, put a 2, put b 3, reconnect 2, crash 2 at resync, resync, get a, reconnect 2, fail 0, get a, "
        "get b, reconnect 0, resync, status, fail 1, get a, get b"
    ),
    "a slave does not vote": story(
        "put a 1, resync, status, fail 1, put a 2, get a, reconnect 1, resync, status, get a",
        ["master", "master", "slave"],
    ),
}
"""Short stories, each of what a cluster is known to get wrong."""

TWO_CLIENTS: Final = {
    "what one client was told the other one sees": story(
        "put a 1, get a by 1, put a 2 by 1, get a, remove a, get a by 1, put b 3 by 1, put a 4, get b, get a by 1"
    ),
    "one client goes on where the other one was left in doubt": story(
        "put a 1, get a by 1, crash 1 at flush, crash 2 at flush, put a 2, reconnect 1, reconnect 2, put b 3 by 1, "
        "get a, get b, put a 4, get a by 1, resync, status"
    ),
    "who missed something is known to the other client too": story(
        "put a 1 by 1, fail 0, put a 2, reconnect 0, fail 1, get a by 1, put b 3 by 1, reconnect 1, resync, status, "
        "fail 2, get a, get b by 1"
    ),
}
"""The same of two clients."""
NEW_MEDIA: Final = {
    "media that are lost are filled, and vote then": story(
        "put a 1, replace 0, get a, put b 2, resync, status, fail 1, get a, get b, put a 3, reconnect 1, resync, status"
    ),
    "new media make no majority": story("put a 1, fail 2, put a 2, fail 1, replace 0, put b 3, get a, status"),
    "new media do not outvote old ones": story(
        "put a 1, fail 2, put a 2, replace 0, fail 1, reconnect 2, get a, status, reconnect 1, resync, get a, status"
    ),
    "of five nodes two are replaced": story(
        "put a 1, replace 0, replace 1, put a 2, get a, resync, status, fail 2, fail 3, get a, put b 3, get b",
        ["master"] * 5,
    ),
    "a slave is replaced": story(
        "put a 1, replace 2, put a 2, resync, status, fail 2, get a", ["master", "master", "slave"]
    ),
}
"""The same of media that are replaced."""


def smoke(capabilities: Sequence[Capability]) -> dict[str, Program]:
    """What is asked of one that has these."""
    clients, replace = ("clients" in capabilities), ("replace" in capabilities)
    return SMOKE | (TWO_CLIENTS if clients else {}) | (NEW_MEDIA if replace else {})


LONGEST: Final = 8
NAMES: Final = "ab"
LATER: Final[tuple[When, ...]] = ("now", "flush", "resync")


class Episode(NamedTuple):
    """Some nodes leave, something is changed, some come back, somebody looks: numbers that are fitted to the state."""

    leaving: int
    """Bit i: the ith of those that are there leaves."""
    crashing: bool
    at: int
    change: str
    """put, remove, or nothing."""
    name: int
    returning: int
    """Bit i: the ith of those that are away, or about to leave, comes back."""
    resync: bool
    look: str
    """get, status, or nothing."""
    clients: int
    """Bit 0: the other one changes something; bit 1: the other one looks."""
    replaced: int
    """Of the nodes whose media can be lost the first, the second and so on has new ones; 0: nobody."""


def fitted(nodes: Nodes, episodes: Sequence[Episode]) -> Program:
    """The program of some episodes."""
    scenario = ScenarioQuestion(nodes, nodes.count("master"))
    ghost, steps = Ghost(scenario), list[Step]()

    def take(step: Step) -> None:
        if isinstance(step, Resync):
            ghost.judge(step, Came("done"))
        ghost.prepare(step)
        steps.append(step)

    for it in episodes:
        there = [n for n, presence in enumerate(ghost.presence) if presence is Presence.THERE]
        for n in _chosen(there, it.leaving):
            take((Crash if it.crashing else Fail)(n, LATER[it.at]))
        losable = [n for n in range(len(nodes)) if ghost.can_lose(n)] if it.replaced else []
        if losable:
            take(Replace(losable[(it.replaced - 1) % len(losable)]))
        if it.change:
            other = it.clients & 1
            take(put(NAMES[it.name], len(steps), other) if it.change == "put" else Remove(NAMES[it.name], other))
        gone = [n for n, presence in enumerate(ghost.presence) if presence is not Presence.THERE]
        for n in _chosen(gone, it.returning):
            take(Reconnect(n))
        if it.resync:
            take(Resync())
        if it.look:
            take(Status() if it.look == "status" else Get(NAMES[it.name], it.clients >> 1))
    return Program(scenario, tuple(steps))


def _chosen(nodes: Sequence[int], bits: int) -> list[int]:
    return [n for i, n in enumerate(nodes) if bits >> i & 1]


def search(
    examination: Examination, examples: int, seed_number: int, note: Callable[[ScenarioJudgement], None]
) -> ScenarioJudgement | None:
    """Drive clusters by so many random programs, and shrink what goes wrong.

    Args:
        examination: the implementation.
        examples: how many programs, of up to LONGEST episodes.
        seed_number: decides every random choice.
        note: is told of every good one, until a bad one is found.

    Returns the smallest bad one, None if there is none. Raises GivenUp.
    """
    from hypothesis import strategies as st

    from hammer2_oracle.conform.searching import Notes, smallest_bad

    notes: Notes[ScenarioJudgement] = Notes(note)
    capabilities = examination.introduction.capabilities
    clients = st.integers(0, 3) if "clients" in capabilities else st.just(0)
    replaced = st.sampled_from([0, 0, 0, 1, 2, 3]) if "replace" in capabilities else st.just(0)
    some, all_or_some = st.sampled_from([0, 0, 1, 2, 4, 6, 3, 5, 8, 24]), st.sampled_from([0, 255, 255, 1, 2, 3])
    change, look = st.sampled_from(["", "put", "put", "remove"]), st.sampled_from(["", "get", "get", "status"])
    now_or_later = st.sampled_from([0, 0, 1, 1, 2])
    episode = st.builds(
        Episode,
        some,
        st.booleans(),
        now_or_later,
        change,
        st.integers(0, 1),
        all_or_some,
        st.booleans(),
        look,
        clients,
        replaced,
    )
    nodes = st.sampled_from([["master"] * 3, ["master"], ["master"] * 2, ["master"] * 3 + ["slave"], ["master"] * 5])
    episodes = st.lists(episode, min_size=LONGEST // 2, max_size=LONGEST)
    programs = st.builds(fitted, nodes, episodes).filter(lambda program: program.steps)

    def life(program: Program) -> None:
        notes.take(judge_program(program, examination))

    found: ScenarioJudgement | None = smallest_bad(programs, life, examples, seed_number)
    if found is None or found.standing is not Standing.DIFFERS:
        return found
    with suppress(GivenUp):
        return smallest(found, lambda program: judge_program(program, examination))
    return found
