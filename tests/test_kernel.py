"""Machine code decides what CPython decides, and ranks stand for tids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hammer2_cluster.decisions import DECISIONS, Decision
from hammer2_oracle.testing import configurations
from hammer2_proofs.kernel import decide_all, rank_tids, verdict_of
from hammer2_proofs.twin import decide as twin
from hammer2_spec.configuration import Configuration
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import TID_MAX

EVERY_DECISION = pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS)
ANY_SEMANTICS = st.lists(st.booleans(), min_size=len(Semantics._fields), max_size=len(Semantics._fields)).map(
    lambda switches: Semantics(*switches)
)


@EVERY_DECISION
@given(st.lists(configurations(), max_size=60), ANY_SEMANTICS)
def test_machine_code_and_cpython_decide_the_same(
    decision: Decision, many: list[Configuration], semantics: Semantics
) -> None:
    answers = decide_all(many, semantics, decision.implementation)
    assert [verdict_of(answer) for answer in answers] == [decision.implementation(*one, semantics) for one in many]


@settings(max_examples=1000)
@given(configurations(), ANY_SEMANTICS)
def test_the_dumb_twin_decides_the_same(configuration: Configuration, semantics: Semantics) -> None:
    assert twin(*configuration, semantics) == DECISIONS["resolve"].implementation(*configuration, semantics)


TIDS = st.one_of(st.integers(0, 3), st.sampled_from([2**63 - 1, 2**63, 2**63 + 1, TID_MAX]), st.integers(0, TID_MAX))


@given(st.lists(TIDS, max_size=8))
def test_ranks_compare_as_the_tids_do_also_with_0(tids: list[int]) -> None:
    ranks = np.zeros(len(tids), np.int64)
    rank_tids(np.array(tids, np.uint64), ranks)
    for tid, rank in zip([*tids, 0], [*ranks, 0], strict=True):
        for other, its_rank in zip([*tids, 0], [*ranks, 0], strict=True):
            assert (tid < other, tid == other) == (rank < its_rank, rank == its_rank)
