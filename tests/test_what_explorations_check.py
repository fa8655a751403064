"""Each exploration checks the sentences that stand here, by their names: none is deleted, or left out, unnoticed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.verification import DEEP, STANDARD, Run
from hammer2_spec.protocol.inductive import INDUCTIVE
from hammer2_spec.protocol.model import STEPS_IN_PARTS, STEPS_OF_SOFT_MASTERS, STRENGTHENING_STEPS
from hammer2_spec.transition_system import Model, StepInvariant, sentence


class Sentences(NamedTuple):
    """What an exploration checks: in every state, in every step, that it reaches, and at last."""

    states: set[str]
    steps: set[str]
    witnesses: set[str]
    goal: str | None = None

    def told(self) -> set[str]:
        """All of them, so that a difference is named."""
        return {
            *(f"in every state: {name}" for name in self.states),
            *(f"in every step: {name}" for name in self.steps),
            *(f"reached: {name}" for name in self.witnesses),
            f"at last: {self.goal}",
        }


STATES = {
    "every majority of intact media yields what was acknowledged",
    "a hard read returns everything acknowledged",
    "a tid has one content",
    "a node declared synchronized is",
    "a mixture of versions never looks synchronized",
    "the focus is valid",
    "msynced and ssynced mean what they say",
}
STEPS = {
    "the media of a write disabled node stays",
    "acknowledged versions are nested",
    "what is known is never forgotten",
    "what is acknowledged is known",
    "what a read returned is known",
}
WITNESSES = {
    "a quorum is regained by a session after a failure",
    "a returned node has a tid that nobody else has",
    "two resynchronizations at once",
    "everything was written and acknowledged",
    "an unacknowledged write survives a recovery",
}
SHARED = "two views that may both write share a master"
IN_PARTS = "a read in parts returns what was acknowledged before it began"
RETURNED = "what a read in parts returned is known"
LOST = "only what a pass copies is lost with its source"
SOFT = "what a soft master wrote is changed by nobody else"
STRENGTHENED = {
    "memory is not behind media",
    "a write disabled node has nothing dirty",
    "no number is negative",
    "no version is of a later epoch than was promised",
    "a session counts in its own epoch",
    "a pass copies a version of its session",
    "no replies outlive their use",
    "nothing is ahead of a session in its epoch",
    "no two sessions have one epoch",
    "what was recovered is known exactly",
    "the first version is empty",
    "no version is a mixture",
    "what is over leaves nothing behind",
    "a node that is away takes part in nothing",
    "a pass never goes back",
}
STRENGTHENED_STEPS = {
    "the tid on media never falls",
    "no promise is taken back",
    "a node that is away stays as it is",
}
OVERTAKEN = "a resynchronization was overtaken by a write"
REPLACED = "a replaced master is in step again"
REPLACED_TWICE = "media replaced a second time is in step again"
OUTAGE = "no quorum is connected"
REGAINED = "a quorum was lost and regained"
STALLED = "a write was acknowledged while a node stalled"
TWO_SESSIONS = "two sessions at once"
DIVERGED = "a soft master diverged"
OUTLIVED = "a pass outlived its session"
APART = "two sessions in a partition"
BETWEEN = "a tid between two epochs was chosen"
FULL = "a node is full"
SYNCHRONIZED = "all nodes are synchronized"
COMPLETE = "no write is under way"


def one_client(*witnesses: str, steps: frozenset[str] = frozenset(), goal: str | None = None) -> Sentences:
    """What every exploration of the protocol checks, and what more it has to reach."""
    return Sentences(STATES, STEPS | steps, {*WITNESSES, *witnesses}, goal)


def two_clients(*witnesses: str, states: frozenset[str] = frozenset(), goal: str | None = None) -> Sentences:
    """The same with two clients, which have two sessions at once."""
    checked = one_client(*witnesses, TWO_SESSIONS, goal=goal)
    return checked._replace(states=STATES | {SHARED} | states)


CALIBRATION = Sentences(
    {"a quorum of an unlocked cluster has what is committed"},
    set(),
    {"everything is committed", "two resynchronizations at once", "no master is left"},
)
CHECKED = {
    "every node for itself": CALIBRATION,
    "like nodes alike": CALIBRATION,
    "one client, faults unlimited": one_client(REPLACED, OVERTAKEN, STALLED, OUTAGE),
    "one client, from a cold start": one_client(REPLACED, OVERTAKEN, STALLED, OUTAGE),
    "a slave": one_client(REPLACED, OVERTAKEN, STALLED, OUTAGE),
    "two masters, two slaves": one_client(OVERTAKEN, STALLED, OUTAGE),
    "five masters": one_client(REPLACED, OVERTAKEN, STALLED),
    "two clients": two_clients(REPLACED, OVERTAKEN, STALLED, OUTAGE),
    "two clients, a partition": two_clients(REPLACED, OVERTAKEN, OUTAGE),
    "two clients, a read in parts": two_clients(REPLACED, STALLED, states=frozenset({IN_PARTS}))._replace(
        steps=STEPS | {RETURNED}
    ),
    "a soft master, the quorum lost and regained": one_client(
        REPLACED, STALLED, OUTAGE, REGAINED, DIVERGED, steps=frozenset({SOFT})
    ),
    "below the root": Sentences(
        {
            "an unmarked root shows one whole version",
            "an element that looks certified is",
            "a target declared in step is",
        },
        {"what a pass ends with is on the media", LOST},
        {
            "a mark outlived its pass",
            "a tid above hides an old leaf but for the mark",
            "a pass skips a subtree",
            "a pass was overtaken by a write",
            "a leaf was cut short in the middle",
            "a write that went astray was taken back",
            "half of a copy was left behind with its source",
            "a write of several leaves is half done",
        },
        "the target is in step",
    ),
    "progress, faults unlimited": one_client(REPLACED, STALLED, OUTAGE, goal=SYNCHRONIZED),
    "progress, two clients in a partition": two_clients(goal=SYNCHRONIZED),
    "progress, two clients": two_clients(STALLED, goal=SYNCHRONIZED),
    "progress, endless writes": one_client(REPLACED, OVERTAKEN, STALLED, OUTAGE, goal=SYNCHRONIZED),
    "progress, endless writes and a slave": one_client(REPLACED, OVERTAKEN, STALLED, goal=SYNCHRONIZED),
    "progress, operations complete": one_client(REPLACED, STALLED, OUTAGE, goal=COMPLETE),
    # From here on in `make verify-deep`.
    "links are cut and heal": two_clients(REPLACED, STALLED),
    "links are cut and heal, two faults": two_clients(STALLED, OUTAGE, APART),
    "any higher epoch": two_clients(REPLACED, STALLED, BETWEEN),
    "a pass ends after its session, two clients": two_clients(REPLACED, STALLED, OUTLIVED),
    "a pass ends after its session": one_client(REPLACED, OVERTAKEN, STALLED, OUTAGE, OUTLIVED),
    "nodes run out of space": one_client(REPLACED, OVERTAKEN, STALLED, OUTAGE, FULL),
    "the quorum is lost and regained": one_client(REPLACED, STALLED, OUTAGE, REGAINED),
    "media is lost a second time": one_client(REPLACED, REPLACED_TWICE, STALLED, OUTAGE),
    "a soft master": one_client(REPLACED, STALLED, OUTAGE, DIVERGED, steps=frozenset({SOFT})),
    "the sentences of the induction": two_clients(REPLACED, STALLED, states=frozenset(STRENGTHENED))._replace(
        steps=STEPS | STRENGTHENED_STEPS
    ),
    "progress, two masters and two clients": two_clients(OUTAGE, goal=SYNCHRONIZED),
    "progress, two clients, media is lost": two_clients(REPLACED, STALLED, goal=SYNCHRONIZED),
    "progress, two clients, endless writes": two_clients(OVERTAKEN, STALLED, goal=SYNCHRONIZED),
    "progress, nodes stay away": one_client(REPLACED, STALLED, goal="all that is there is synchronized"),
    "operations complete": one_client(REPLACED, STALLED, goal=COMPLETE),
    "two clients, three elections": two_clients(REPLACED, OVERTAKEN, STALLED, OUTAGE),
    "two clients and a slave": two_clients(REPLACED, OVERTAKEN, STALLED, OUTAGE),
    "five masters, two faults": one_client(REPLACED, OVERTAKEN, STALLED),
    "three writes, three elections": one_client(REPLACED, OVERTAKEN, STALLED, OUTAGE),
}
ONLY_AND_EXEMPT: dict[str, tuple[set[str], set[str]]] = {
    "the media of a write disabled node stays": (set(), {"Restamp", "SyncBegin", "SyncFinish", "LoseMedia"}),
    "acknowledged versions are nested": ({"Acknowledge"}, set()),
    "what is known is never forgotten": (set(), set()),
    "what is acknowledged is known": ({"Acknowledge"}, set()),
    "what a read returned is known": ({"Read"}, set()),
    RETURNED: ({"ReadEnd"}, set()),
    SOFT: (set(), {"SoftWrite"}),
    "what a pass ends with is on the media": ({"EndPass"}, set()),
    LOST: ({"LoseSource"}, set()),
    "the tid on media never falls": (set(), {"LoseMedia"}),
    "no promise is taken back": (set(), {"LoseMedia"}),
    "a node that is away stays as it is": (set(), {"Reconnect", "ComeBack", "LoseMedia", "Crash"}),
}
"""The only actions that a sentence of steps speaks of (all if none are named), and those that it does not speak of."""


FAULTS = {
    "protocol": {
        *("Preempt", "CrashClient", "Disconnect", "ComeBack", "LoseMedia", "WriteFail", "FlushFail"),
        *("SyncInterrupt", "NoSpace", "NoSpaceForCopy", "Cut", "ElectFreely"),
    },
    "tree": {"Crash", "GoAstray", "LoseSource", "Interrupt"},
}
"""The actions that progress must not count on: what it says holds once these stop."""


def model_of(run: Run) -> Model[Any, Any]:
    return build(run.model, run.bounds, run.switches)


def checked_by(run: Run) -> Sentences:
    model = model_of(run)
    return Sentences(
        {sentence(one) for one in model.invariants},
        {sentence(step.holds) for step in model.step_invariants},
        {sentence(one) for one in model.witnesses},
        sentence(model.goal) if run.live and model.goal else None,
    )


@pytest.mark.parametrize("run", [*STANDARD, *DEEP], ids=lambda run: run.name)
def test_an_exploration_checks_what_stands_here(run: Run) -> None:
    assert checked_by(run).told() == CHECKED[run.name].told()


@pytest.mark.parametrize("model", FAULTS)
def test_progress_counts_on_no_fault(model: str) -> None:
    actions = {action for run in (*STANDARD, *DEEP) if run.model == model for action in model_of(run).actions}
    assert {action.name for action in actions if action.fault} == FAULTS[model]


def test_no_exploration_is_missing_and_none_has_the_name_of_another() -> None:
    assert [run.name for run in (*STANDARD, *DEEP)] == [*CHECKED]


def test_a_sentence_of_steps_speaks_of_the_actions_that_stand_here() -> None:
    steps: set[StepInvariant[Any, Any]] = {
        *(step for run in (*STANDARD, *DEEP) for step in model_of(run).step_invariants),
        *(*STEPS_IN_PARTS, *STEPS_OF_SOFT_MASTERS, *STRENGTHENING_STEPS),
    }
    assert {sentence(step.holds): ({*step.only}, {*step.exempt}) for step in steps} == ONLY_AND_EXEMPT
    assert len(steps) == len(ONLY_AND_EXEMPT)


def test_what_strengthens_where_media_is_lost_is_all_but_what_only_speaks_of_kept_promises() -> None:
    """Of the twenty inductive sentences one is checked anyway, and four say nothing where media is lost."""
    left_out = {sentence(one) for one in INDUCTIVE} - STRENGTHENED - STATES
    assert left_out == {
        "no media is blank or torn",
        "every epoch was promised by a majority",
        "a promise in a pocket was given",
        "nobody can win an epoch that was won",
    }


def test_what_each_sentence_says_at_more_length_needs_no_other_sentence() -> None:
    """It is printed below a counterexample, as what was expected."""
    models = [model_of(run) for run in (*STANDARD, *DEEP)]
    judged: set[Callable[..., object]] = {one for model in models for one in model.invariants}
    judged |= {step.holds for model in models for step in model.step_invariants}
    judged |= {model.goal for model in models if model.goal}
    for one in judged:
        first = (one.__doc__ or "").partition("\n")[0]
        assert first.endswith("."), one.__name__
        assert not first.startswith(("The same", "And ", "It ", "They ")), one.__name__
