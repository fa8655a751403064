"""`hammer2_oracle.testing.DecisionMachine`: a right adapter passes, a wrong one fails with the rule that it breaks."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from hammer2_cluster.resolve import resolve
from hammer2_oracle.testing import DecisionMachine
from hammer2_spec.configuration import Configuration, Outcome, Verdict
from hammer2_spec.semantics import REPAIRED, SEED
from hammer2_spec.vocabulary import PfsType

FEW = settings(max_examples=60, stateful_step_count=30, deadline=None, database=None)
QUICKLY = settings(FEW, stateful_step_count=12, phases=[Phase.generate, Phase.shrink])
ASKED: list[Configuration] = []


class Right(DecisionMachine):
    semantics = REPAIRED

    def decide(self, configuration: Configuration) -> Verdict:
        ASKED.append(configuration)
        return resolve(*configuration, REPAIRED)


class Original(DecisionMachine):
    where_it_asserts = False

    def decide(self, configuration: Configuration) -> Verdict:
        verdict = resolve(*configuration, SEED)
        assert verdict.outcome == Outcome.OK
        return verdict


class ErrorsForgotten(Right):
    """No member's error is looked at."""

    def decide(self, configuration: Configuration) -> Verdict:
        slots = tuple(slot._replace(error=0) for slot in configuration.slots)
        return resolve(*configuration._replace(slots=slots), REPAIRED)


TestRight = Right.TestCase
TestRight.settings = FEW
TestOriginal = Original.TestCase
TestOriginal.settings = FEW


def test_a_wrong_adapter_fails_with_the_smallest_cluster_and_the_rule() -> None:
    with pytest.raises(AssertionError) as failed:
        run_state_machine_as_test(ErrorsForgotten, settings=QUICKLY)
    text = str(failed.value)
    assert "broken: " in text
    assert "why " in text
    [members] = [line for line in text.splitlines() if line.startswith("member")]
    assert len(members.replace(" -", "").split()) <= 3


def test_clusters_live_on_with_what_was_decided() -> None:
    ASKED.clear()
    run_state_machine_as_test(Right, settings=FEW)
    assert {-1, None} < {it.prior for it in ASKED}
    assert any(it.pfs_nmasters is None for it in ASKED)
    assert {PfsType.MASTER, PfsType.SLAVE} <= {slot.type for it in ASKED for slot in it.slots if slot.present}
    assert any(sum(slot.present for slot in it.slots) > 3 for it in ASKED)
    assert any(resolve(*it, REPAIRED).focus is not None for it in ASKED)


def test_a_machine_without_an_adapter_says_so() -> None:
    with pytest.raises(NotImplementedError, match="a subclass answers here"):
        DecisionMachine().decide(Configuration((), None, None, 0))
