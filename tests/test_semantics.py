"""Semantics are named by what they add to the seed or take from the repaired."""

import pytest
from hypothesis import given

from hammer2_oracle.testing import semantics
from hammer2_spec.findings import FINDINGS
from hammer2_spec.semantics import REPAIRED, SEED, Semantics, describe, parse


def test_the_bases_have_no_repair_and_every_repair() -> None:
    assert not any(parse("seed"))
    assert all(parse("repaired"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+majority_tid", SEED._replace(majority_tid=True)),
        ("+majority-tid,+sound_votes", SEED._replace(majority_tid=True, sound_votes=True)),
        ("-fresh_focus", REPAIRED._replace(fresh_focus=False)),
        ("repaired,-fresh_focus,-sound_votes,+sound_votes", REPAIRED._replace(fresh_focus=False)),
        ("seed, +honest_access", SEED._replace(honest_access=True)),
    ],
)
def test_switches_change_their_base(text: str, expected: Semantics) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "''"),
        ("mended", "'mended'"),
        ("+nonsense", "'+nonsense'"),
        ("majority_tid", "'majority_tid'"),
        ("+majority_tid,-sound_votes", "begin with seed or repaired"),
        ("seed,repaired", "'repaired'"),
        ("seed,,+majority_tid", "''"),
    ],
)
def test_anything_else_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(ValueError, match="semantics") as refused:
        parse(text)
    assert named in str(refused.value)


@given(semantics())
def test_what_is_described_is_read_back(chosen: Semantics) -> None:
    assert parse(describe(chosen)) == chosen


def test_each_repair_has_exactly_one_finding() -> None:
    assert sorted(finding.repair for finding in FINDINGS.values()) == sorted(Semantics._fields)
