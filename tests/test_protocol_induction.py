"""The sentences that every action keeps: true in every reachable state, proved, and refuted when they should be."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hammer2_proofs.explorer.search import indices
from hammer2_proofs.obligations import Obligation, Status, discharge
from hammer2_proofs.protocol_induction import ACTIONS, ONLY_EXPLORED, SETUP, STEPS, Induction, obligations
from hammer2_spec.protocol.inductive import CONSEQUENCES, INDUCTIVE
from hammer2_spec.protocol.model import protocol
from hammer2_spec.protocol.soft import soft_follow
from hammer2_spec.protocol.state import Phase, Setup, State
from hammer2_spec.transition_system import replaced

SMALL = SETUP._replace(masters=2, views=(0b11, 0b11), writes=1, elections=2, faults=1, free_epochs=False, endless=False)


def test_the_sentences_hold_in_every_reachable_state_of_a_small_cluster() -> None:
    model = protocol(SMALL)
    seen = {*model.initial}
    fresh = list(seen)
    while fresh:
        state = fresh.pop()
        for sentence in (*INDUCTIVE, *CONSEQUENCES):
            assert sentence(SMALL, state), sentence.__name__
        for action in model.actions:
            for index in indices(model, action.over):
                after = action.step(SMALL, state, *index)
                if after is None:
                    continue
                for step in STEPS:
                    assert not step.covers(action.name) or step.holds(SMALL, state, after), (action.name, step)
                if after not in seen:
                    seen.add(after)
                    fresh.append(after)
    assert len(seen) > 1_000


def test_what_is_not_proved_is_said() -> None:
    assert ONLY_EXPLORED == (
        "every majority of intact media yields what was acknowledged",
        "a hard read returns everything acknowledged",
        "a read in parts returns what was acknowledged before it began",
        "acknowledged versions are nested",
        "what a read in parts returned is known",
        "progress",
        "and all of it where media is lost",
    )


def selected(text: str, **without: bool) -> list[Obligation]:
    def wanted(name: str) -> bool:
        return text in name

    return [it for it in obligations(wanted, SETUP._replace(**without)) if wanted(it.name)]  # type: ignore[arg-type]  # switches


@pytest.mark.parametrize("text", ["Win keeps: ", "SyncFinish: ", "Heal keeps: a tid has one content", "so that "])
def test_what_the_actions_keep_is_proved(text: str) -> None:
    asked = selected(text)
    assert asked
    assert {discharge(it).status for it in asked} == {Status.PROVED}


@pytest.mark.parametrize(
    ("ingredient", "text"),
    [
        ("promise", "Promise keeps: a promise in a pocket was given"),
        ("never_lower", "SyncBegin keeps: a pass never goes back"),
        ("check_predecessor", "Deliver keeps: a tid has one content"),
        ("epoch_in_tid", "Win keeps: a session counts in its own epoch"),
        ("keep_old_version", "SyncBegin keeps: no media is blank or torn"),
    ],
)
def test_without_an_ingredient_a_sentence_is_refuted_by_a_step_that_plain_python_takes(
    ingredient: str, text: str
) -> None:
    (asked,) = selected(text, **{ingredient: False})
    result = discharge(asked)
    assert result.status is Status.REFUTED
    assert result.detail.startswith(text.partition(" ")[0].rstrip(":"))


def follow_over_its_own_writes(_m: Setup, s: State, c: int, k: int) -> State | None:
    client, soft = s.clients[c], s.soft[k]
    if client.phase not in (Phase.READY, Phase.WRITE):
        return None
    return s._replace(soft=replaced(s.soft, k, soft._replace(tid=client.tid)))


@pytest.mark.parametrize(
    ("step", "status"), [(soft_follow, Status.PROVED), (follow_over_its_own_writes, Status.REFUTED)]
)
def test_that_nobody_changes_what_a_soft_master_wrote_rests_on_what_it_asks_before_it_follows(
    step: Callable[..., State | None], status: Status
) -> None:
    [action] = [replace(action, step=step) for action in ACTIONS if action.name == "SoftFollow"]
    name = "SoftFollow: what a soft master wrote is changed by nobody else"
    asked = {it.name: it for it in Induction(SETUP).of_action(action, name.__eq__)}
    result = discharge(asked[name])
    assert result.status is status
    assert ("written=True" in result.detail) == (status is Status.REFUTED)


def test_no_obligation_has_the_name_of_another() -> None:
    def nothing(_: str) -> bool:
        return False

    names = [it.name for it in obligations(nothing)]
    assert len({*names}) == len(names)
