"""The decision: exact to the recording, equal to its specification, true to the claims."""

import json
import lzma
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icontract import ViolationError

from hammer2_cluster import checked
from hammer2_cluster import resolve as implementation
from hammer2_cluster.outcomes import KernelAssert
from hammer2_oracle.testing import configurations, semantics
from hammer2_spec import resolve as specification
from hammer2_spec.claims import CLAIMS
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Outcome, Slot, Verdict
from hammer2_spec.findings import FINDINGS
from hammer2_spec.properties import PROPERTIES, PairProperty, Property
from hammer2_spec.semantics import REPAIRED, SEED, Semantics
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, ClusterFlag, PfsType, names_of

RECORDING = Path(__file__).parent.parent / "data" / "golden" / "resolve-public.jsonl.xz"
ZFLAGS = [flag for flag in ClusterFlag if flag & CLUSTER_ZFLAGS]
MASTER = Slot(True, PfsType.MASTER, 5, 0)


def test_the_seed_and_its_specification_agree_with_every_recorded_call() -> None:
    outcomes: Counter[str] = Counter()
    with lzma.open(RECORDING, "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            slots = tuple(ABSENT if slot is None else Slot(True, *slot) for slot in row["s"])
            recorded = (row["o"], row["F"], row["e"], row["g"])
            for reader in (implementation, specification):
                outcome, *rest = reader.resolve(slots, row["m"], row["p"], row["f"], SEED)
                assert (outcome.text, *rest) == recorded, (reader.__name__, row)
            outcomes[row["o"]] += 1
    assert outcomes.total() == 90_992
    assert set(outcomes) == {"ok", "kkassert:L510", "kkassert:L520"}


def test_the_implementation_is_its_specification_whatever_is_repaired() -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=1_500)
    @given(configurations(), semantics())
    def check(configuration: Configuration, chosen: Semantics) -> None:
        verdict = implementation.resolve(*configuration, chosen)
        assert verdict == specification.resolve(*configuration, chosen)
        met.update([verdict.outcome.text, f"{len(configuration.slots)} slots", *names_of(verdict.flags, ClusterFlag)])
        if verdict.focus is not None and verdict.focus >= 0 and configuration.pfs_nmasters is not None:
            met[f"focus {configuration.slots[verdict.focus].type}"] += 1

    check()
    kinds = (PfsType.MASTER, PfsType.SLAVE, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT)
    wanted = [outcome.text for outcome in Outcome] + [f"{count} slots" for count in range(9)]
    wanted += [flag.name for flag in ZFLAGS] + [f"focus {kind}" for kind in kinds]
    assert {name: met[name] for name in wanted if not met[name]} == {}


@pytest.mark.parametrize("prop", PROPERTIES, ids=lambda prop: prop.name)
def test_a_property_holds_when_repaired(prop: Property | PairProperty) -> None:
    met = 0

    @settings(max_examples=200)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        nonlocal met
        first = data.draw(configurations())
        verdict = implementation.resolve(*first, REPAIRED)
        if isinstance(prop, Property):
            if prop.given(first, verdict):
                met += 1
                assert prop.holds(first, verdict)
            return
        other = data.draw(configurations())
        size = min(len(first.slots), len(other.slots))
        first = Configuration(first.slots[:size], first.pfs_nmasters, None, first.flags)
        other = Configuration(other.slots[:size], other.pfs_nmasters, None, other.flags)
        verdict = implementation.resolve(*first, REPAIRED)
        second = prop.second(first, verdict, other, data.draw(st.sampled_from(list(prop.cases))))
        then = implementation.resolve(*second, REPAIRED)
        if prop.given(first, verdict, second, then):
            met += 1
            assert prop.holds(first, verdict, second, then)

    check()
    assert met >= 5


def test_every_property_formalizes_a_claim_in_a_sentence_of_its_own() -> None:
    for prop in PROPERTIES:
        assert prop.claims, prop.name
        assert set(prop.claims) <= set(CLAIMS), prop.name
        assert prop.sentence.endswith("."), prop.name
    assert len({prop.name for prop in PROPERTIES}) == len(PROPERTIES)
    assert len({prop.sentence for prop in PROPERTIES}) == len(PROPERTIES)


def test_every_claim_about_resolve_is_formalized() -> None:
    formalized = {claim for prop in PROPERTIES for claim in prop.claims}
    assert {f"C{number}" for number in (30, *range(33, 44))} <= formalized


def test_every_finding_names_claims_of_the_seed() -> None:
    for finding in FINDINGS.values():
        assert finding.claims
        assert set(finding.claims) <= set(CLAIMS)


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (Configuration((ABSENT,) * 9, 3, None, 0), "the number of slots is 9, expected at most 8"),
        (Configuration((MASTER._replace(type=256),), 3, None, 0), "slots[0].type is 256, expected 0..255"),
        (Configuration((MASTER._replace(tid=2**64),), 3, None, 0), f"slots[0].tid is {2**64}, expected 0..{2**64 - 1}"),
        (Configuration((MASTER._replace(tid=-1),), 3, None, 0), f"slots[0].tid is -1, expected 0..{2**64 - 1}"),
        (
            Configuration((ABSENT, MASTER._replace(error=2**31)), 3, None, 0),
            f"slots[1].error is {2**31}, expected {-(2**31)}..{2**31 - 1}",
        ),
        (Configuration((MASTER,), 256, None, 0), "pfs_nmasters is 256, expected 0..255"),
        (Configuration((MASTER,), True, None, 0), "pfs_nmasters is True, expected an integer"),
        (Configuration((MASTER, ABSENT), 3, 1, 0), "prior is 1, expected a slot that is present"),
        (Configuration((MASTER,), 3, 1, 0), "prior is 1, expected 0..0"),
        (Configuration((), 3, 0, 0), "prior is 0, expected none or foreign, there being no slots"),
        (Configuration((MASTER,), 3, -2, 0), "prior is -2, expected 0..0"),
        (Configuration((MASTER,), 3, None, 2**32), f"flags is {2**32}, expected 0..{2**32 - 1}"),
    ],
)
def test_what_the_original_cannot_hold_is_refused_with_field_value_and_range(
    configuration: Configuration, message: str
) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        checked.resolve(configuration)
    assert message in str(refused.value)


@given(configurations(), semantics())
def test_the_public_entry_returns_the_verdict_or_raises_the_assertion(
    configuration: Configuration, chosen: Semantics
) -> None:
    verdict = implementation.resolve(*configuration, chosen)
    if verdict.outcome == Outcome.OK:
        assert checked.resolve(configuration, chosen) == verdict
    else:
        with pytest.raises(KernelAssert) as raised:
            checked.resolve(configuration, chosen)
        assert str(raised.value) == verdict.outcome.text
        assert checked.decide(configuration, chosen) == verdict


@pytest.mark.parametrize("field", Verdict._fields)
def test_a_wrong_verdict_does_not_leave_by_the_public_entry(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    configuration = Configuration((MASTER,), 1, None, 0)
    right = checked.decide(configuration, SEED)
    wrong: dict[str, Any] = {
        "outcome": Outcome.KKASSERT_L510,
        "focus": None,
        "error": 7,
        "flags": right.flags ^ ClusterFlag.RDHARD,
    }
    monkeypatch.setattr(implementation, "resolve", lambda *_: right._replace(**{field: wrong[field]}))
    with pytest.raises(ViolationError, match="the_verdict_is_the_specified_one"):
        checked.decide(configuration, SEED)


def test_an_assertion_of_the_repaired_decision_does_not_leave_by_the_public_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panics = Verdict(Outcome.KKASSERT_L510, None, 0, 0)
    for module in (implementation, specification):
        monkeypatch.setattr(module, "resolve", lambda *_: panics)
    with pytest.raises(ViolationError, match="resolve_always_ends_when_repaired"):
        checked.decide(Configuration((MASTER,), 1, None, 0), REPAIRED)
    assert checked.decide(Configuration((MASTER,), 1, None, 0), SEED) == panics


def test_a_foreign_focus_is_kept_by_the_seed_and_given_up_when_repaired() -> None:
    configuration = Configuration((MASTER,), 1, FOREIGN, 0)
    assert checked.resolve(configuration, SEED).focus == FOREIGN
    assert checked.resolve(configuration, REPAIRED).focus == 0
