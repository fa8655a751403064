"""Each sentence of the specification about clusters is broken by one change that breaks no other, and is asked."""

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hammer2_cluster.objects import Blockref, Chain, Cluster
from hammer2_spec import cluster_rules
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, BrefType, ChainFlag, ClusterFlag, Error

ROOT = Path(__file__).parents[1]
RULES: dict[str, Callable[[Cluster], bool]] = {
    name: rule
    for name, rule in inspect.getmembers(cluster_rules, inspect.isfunction)
    if inspect.signature(rule).return_annotation is bool
}
LOCKED, INODE, ACCESS = ClusterFlag.LOCKED, ClusterFlag.INODE, ClusterFlag.RDHARD | ClusterFlag.WRHARD
NO_DATA, UNMODIFIED, UNLOCKED, SHARED = {"data": None}, {"flags": 0}, {"locks": 0}, {"refs": 2}

State = Mapping[str, Any]
PLANTS: dict[str, tuple[State, State]] = {
    # What is special of a locked cluster of two chains with one reference, before it is broken and when it is.
    "is_locked": ({"focus": None}, {"focus": None, "flags": ACCESS}),
    "is_not_locked": (
        {"focus": None, "refs": 2, "each": SHARED, "flags": ACCESS},
        {"focus": None, "refs": 2, "each": SHARED},
    ),
    "is_referenced": ({"flags": ACCESS, "focus": None}, {"flags": ACCESS, "focus": None, "refs": 0}),
    "is_unlocked_before_its_last_reference_is_dropped": ({"refs": 2, "each": SHARED}, {"refs": 1, "each": SHARED}),
    "is_a_copy": ({}, {"flags": LOCKED | ACCESS | INODE}),
    "the_focus_is_none_or_a_member": ({}, {"focus": "a stranger"}),
    "an_unlocked_cluster_has_no_focus": ({"flags": ACCESS, "focus": None}, {"flags": ACCESS}),
    "no_slot_holds_a_released_chain": ({}, {"second": {"refs": 0}}),
    "slots_beyond_nchains_are_empty": ({}, {"beyond": True}),
    "what_is_locked_holds_its_chains_locked": ({}, {"second": UNLOCKED}),
    "without_an_error_there_is_a_focus_without_error": (
        {"first": UNMODIFIED},
        {"first": {**UNMODIFIED, "error": Error.IO}},
    ),
    "can_be_read": ({}, {"flags": LOCKED | ClusterFlag.WRHARD}),
    "can_be_written": ({}, {"flags": LOCKED | ClusterFlag.RDHARD}),
    "an_error_grants_no_access": ({}, {"error": Error.IO}),
    "the_focus_is_modified": ({"first": NO_DATA}, {"first": {**NO_DATA, **UNMODIFIED}}),
    "the_focus_can_be_written": ({}, {"first": NO_DATA}),
    "members_agree_on_what_they_found": ({}, {"second": {"bytes": 2048}}),
    "has_members": ({"flags": ACCESS, "focus": None}, {"flags": ACCESS, "focus": None, "empty": True}),
}


def a_chain(n: int, **special: Any) -> Chain:  # noqa: ANN401 - its fields
    plain = {"flags": ChainFlag.MODIFIED, "refs": 1, "locks": 1, "data": bytearray(1024)}
    return Chain(n, Blockref(BrefType.INODE), **{"bytes": 1024, **plain, **special})


def a_cluster(state: State) -> Cluster:
    """A cluster in a state, as the table has it."""
    cluster = Cluster(0, refs=state.get("refs", 1), nchains=2, error=state.get("error", 0))
    cluster.flags = state.get("flags", LOCKED | ACCESS)
    for i, which in enumerate(("first", "second")):
        if "empty" not in state:
            cluster.array[i].chain = a_chain(i, **{**state.get("each", {}), **state.get(which, {})})
    if "beyond" in state:
        cluster.array[2].chain = a_chain(2)
    focus = state.get("focus", "the first")
    cluster.focus = {"the first": cluster.array[0].chain, "a stranger": a_chain(3), None: None}[focus]
    return cluster


def broken(state: State) -> set[str]:
    return {name for name, rule in RULES.items() if not rule(a_cluster(state))}


def test_there_is_something_that_breaks_each_rule() -> None:
    assert PLANTS.keys() == RULES.keys()


@pytest.mark.parametrize("rule", PLANTS)
def test_one_change_breaks_a_rule_and_no_other(rule: str) -> None:
    before, after = PLANTS[rule]
    assert broken(after) - broken(before) == {rule}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_asked_by_a_contract_or_by_the_judge(rule: str) -> None:
    asking = [*(ROOT / "impl/hammer2_cluster").glob("*.py"), *(ROOT / "proofs/hammer2_proofs/operations").glob("*.py")]
    assert any(re.search(rf"\brules\.{rule}\b", path.read_text()) for path in asking)


def test_a_member_that_owes_an_answer_counts_as_absent() -> None:
    cluster = a_cluster({"second": {"bytes": 2048, "locks": 0}})
    cluster.array[1].owes = 1
    assert cluster_rules.members_agree_on_what_they_found(cluster)
    assert cluster_rules.what_is_locked_holds_its_chains_locked(cluster)
    cluster.array[0].owes = 1
    assert not cluster_rules.has_members(cluster)


@pytest.mark.parametrize("access", [flag for flag in ClusterFlag if flag & CLUSTER_ZFLAGS])
def test_hard_and_soft_access_are_access_and_being_synchronized_is_not(access: ClusterFlag) -> None:
    cluster = a_cluster({"flags": access})
    assert cluster_rules.can_be_read(cluster) == (access in (ClusterFlag.RDHARD, ClusterFlag.RDSOFT))
    assert cluster_rules.can_be_written(cluster) == (access in (ClusterFlag.WRHARD, ClusterFlag.WRSOFT))
