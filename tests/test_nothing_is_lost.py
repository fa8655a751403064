"""Lists that decide what is checked do not get shorter unnoticed: what must be on them stands here once more."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from hammer2_proofs import (
    completeness,
    counting,
    equivalence,
    induction,
    inputs,
    property_proofs,
    protocol_induction,
    sizes,
    twin,
)
from hammer2_proofs.explorer import verification
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.teeth import EXPLORATIONS, TREES
from hammer2_proofs.induction import specification as induction_specification
from hammer2_proofs.obligations import SOLVERS, Obligation, Wanted
from hammer2_proofs.proving import FAMILIES
from hammer2_proofs.teeth import LEAST_ASKED, LEAST_MUTANTS, SAMPLE
from hammer2_spec.properties import PROPERTIES
from hammer2_spec.protocol.inductive import CONSEQUENCES, INDUCTIVE
from hammer2_spec.protocol.model import (
    ACTIONS,
    BEGIN_AGAIN,
    ELECT_FREELY,
    IN_PARTS,
    INVARIANTS,
    PARTITION,
    SOFT_MASTER,
    STEP_INVARIANTS,
    STEPS_IN_PARTS,
    STEPS_OF_SOFT_MASTERS,
    TWO_CLIENTS,
)
from hammer2_spec.semantics import REPAIRED
from verify import DEEP_STEPS, NIGHTLY_STEPS, STEPS

ROOT = Path(__file__).resolve().parent.parent

COMMANDS = {
    "recorded-calls": "hammer2-cluster check --records 90992 data/golden/resolve-public.jsonl.xz",
    "recorded-traces": "hammer2-cluster check --records 3120 data/golden/traces-public.jsonl.xz",
    "every-small-configuration": "python -m hammer2_proofs.bulk",
    "proofs": "hammer2-cluster prove equivalence induction counting sizes completeness",
    "properties": "python -m hammer2_proofs.matrix",
    "teeth": "hammer2-cluster prove --teeth",
    "operations": "python -m hammer2_proofs.operations",
    "contracts": "python tools/contracts.py",
    "calibration": "python -m hammer2_proofs.explorer.verification calibration",
    "protocol": "python -m hammer2_proofs.explorer.verification protocol tree",
    "schedules": "python -m hammer2_proofs.schedules",
}
PROPERTY_NAMES = [
    "no_configuration_ends_in_an_assertion",
    "a_cluster_without_a_pfs_is_readable_and_writable",
    "hard_access_needs_a_majority_of_sound_masters_at_one_tid",
    "a_majority_of_sound_masters_at_one_tid_is_enough",
    "an_errored_master_is_never_the_focus",
    "an_errored_slave_is_never_the_focus",
    "a_focused_master_or_slave_is_at_the_tid_of_the_quorum",
    "a_slave_is_the_focus_only_where_no_master_will_do",
    "a_soft_master_always_wins",
    "a_soft_slave_wins_over_all_but_a_soft_master",
    "no_like_member_outranks_the_focus",
    "the_super_root_is_readable_and_writable",
    "msynced_means_that_all_masters_are_at_the_quorum",
    "ssynced_means_that_all_slaves_are_at_the_quorum",
    "reading_goes_through_a_sound_focus",
    "writing_goes_through_a_focus_that_may_be_written",
    "what_cannot_be_read_is_an_error",
    "an_error_grants_no_access",
    "the_error_is_that_of_the_focus",
    "the_focus_is_none_or_a_member",
    "no_other_flag_changes",
    "the_focus_has_a_part_in_the_cluster",
    "the_super_root_wins_over_all_that_is_not_soft",
    "writing_softly_is_for_a_sound_soft_master",
    "reading_softly_is_for_a_sound_soft_focus",
    "reading_hard_is_for_a_sound_master_slave_or_super_root",
    "writing_hard_is_for_a_sound_master_or_super_root",
    "where_there_is_no_focus_the_error_says_so",
    "two_views_that_may_both_write_share_a_sound_master",
    "two_views_of_one_moment_focus_one_tid",
    "an_added_master_takes_nothing_away",
    "an_added_slave_takes_nothing_away",
    "the_order_of_slots_decides_only_between_equals",
    "the_past_plays_no_part",
    "resolving_twice_gives_the_same",
]
EXPLORED = [
    "every node for itself",
    "like nodes alike",
    "one client, faults unlimited",
    "one client, from a cold start",
    "a slave",
    "two masters, two slaves",
    "five masters",
    "two clients",
    "two clients, a partition",
    "two clients, a read in parts",
    "a soft master, the quorum lost and regained",
    "below the root",
    "progress, faults unlimited",
    "progress, two clients in a partition",
    "progress, two clients",
    "progress, endless writes",
    "progress, endless writes and a slave",
    "progress, operations complete",
]
FAMILY_NAMES = {"equivalence", "induction", "counting", "sizes", "completeness", "properties"}


def test_every_step_of_verify_is_there_and_the_readme_tells_of_it() -> None:
    assert {step.name: " ".join(step.command) for step in STEPS} == COMMANDS
    assert {step.name for step in DEEP_STEPS} >= {
        "every-configuration-deep",
        "protocol-decisions",
        "protocol-deep",
        "protocol-findings",
        "protocol-proofs",
        "protocol-teeth",
        "tree-teeth",
        "store",
        "failures-teeth",
    }
    assert {step.name for step in NIGHTLY_STEPS} >= {
        "days",
        "failures-all-mutants",
        "hostile-day",
        "operations-teeth",
        "schedules-deep",
        "schedules-teeth",
    }
    rows = re.findall(r"(?m)^\| ([a-z-]+(?:, [a-z-]+)*) \|", (ROOT / "README.md").read_text())
    assert {name for row in rows for name in row.split(", ")} >= {step.name for step in STEPS}


def test_every_sentence_of_the_protocol_is_there_and_every_exploration_that_judges_its_mutants() -> None:
    assert (len(INVARIANTS), len(INDUCTIVE), len(CONSEQUENCES)) == (7, 20, 5)
    assert len(EXPLORATIONS) - len(TREES) >= 20
    [step] = [step for step in DEEP_STEPS if step.name == "protocol-teeth"]
    assert int(step.command[step.command.index("--sample") + 1]) >= 100


def test_every_action_of_the_protocol_is_judged_by_its_proofs() -> None:
    every = {action.name for action in protocol_induction.ACTIONS}
    judged = (*ACTIONS, *PARTITION, ELECT_FREELY, BEGIN_AGAIN, *SOFT_MASTER)
    assert {action.name for action in judged} - every == {"BeginReplacement"}
    assert len(every) == 28
    assert [step.holds.__name__ for step in protocol_induction.STEPS] == [
        "the_tid_on_media_never_falls",
        "no_promise_is_taken_back",
        "a_node_that_is_away_stays_as_it_is",
        "what_a_soft_master_wrote_is_changed_by_nobody_else",
        "the_media_of_a_write_disabled_node_stays",
        "what_is_known_is_never_forgotten",
        "what_is_acknowledged_is_known",
        "what_a_read_returned_is_known",
    ]


def test_every_exploration_is_there_and_verify_checks_every_sentence() -> None:
    assert [run.name for run in verification.STANDARD] == EXPLORED
    assert len(verification.DEEP) == 19
    assert [run.name for run in verification.STANDARD if run.live] == [
        name for name in EXPLORED if name.startswith("progress") or name == "below the root"
    ]
    models = [build(run.model, run.bounds, run.switches) for run in verification.STANDARD]
    checked = {judged for model in models for judged in (*model.invariants, *(s.holds for s in model.step_invariants))}
    assert checked >= {
        *INVARIANTS,
        *TWO_CLIENTS,
        *IN_PARTS,
        *(step.holds for step in (*STEP_INVARIANTS, *STEPS_IN_PARTS, *STEPS_OF_SOFT_MASTERS)),
    }


def test_every_property_is_there() -> None:
    assert [prop.name for prop in PROPERTIES] == PROPERTY_NAMES


def test_every_family_of_obligations_is_there_and_verify_asks_for_all() -> None:
    assert set(FAMILIES) >= FAMILY_NAMES
    [proofs] = [step for step in STEPS if step.name == "proofs"]
    assert {*proofs.command[2:], "properties"} >= FAMILY_NAMES  # those are the step of that name


def test_every_law_of_counting_is_proved() -> None:
    assert {law.name for law in counting.laws()} == {
        "a set is empty or has an element",
        "a part is no larger than the whole",
        "parts that are large together overlap",
    }


def test_both_solvers_prove_what_is_promised_of_both() -> None:
    assert SOLVERS == ("z3", "cvc5")
    assert {obligation.solvers for obligation in induction.obligations()} == {SOLVERS}
    assert equivalence.CVC5 >= 2
    assert equivalence.UNCUT >= 3


def test_flags_have_32_bits_wherever_they_are_lifted() -> None:
    assert inputs.FLAG_BITS == induction_specification.FLAG_BITS == 32


def offered(family: Callable[[Wanted], Iterator[Obligation]]) -> list[str]:
    """The names of its obligations, without lifting them."""
    names: list[str] = []

    def note(name: str) -> bool:
        names.append(name)
        return False

    assert not list(family(note))
    return names


def test_every_property_is_carried_from_each_size_to_the_next() -> None:
    by_exchange = "the_order_of_slots_decides_only_between_equals"
    assert set(offered(sizes.obligations)) == {
        f"{name}: {count} slots and an absent one"
        for name in PROPERTY_NAMES
        for count in range(1, 8)
        if name != by_exchange
    }


def test_every_property_is_proved_for_eight_slots() -> None:
    for prop in PROPERTIES:
        names: set[str] = set()

        def note(name: str, names: set[str] = names) -> bool:
            names.add(name.rpartition(": ")[2].partition(",")[0])
            return False

        by_exchange = list(property_proofs.obligations(prop, REPAIRED, note))
        assert names == {"0 slots", "8 slots"} or len(by_exchange) > 10, prop.name


def test_the_second_decision_shares_nothing_with_the_first_but_words() -> None:
    tree = ast.parse(Path(str(twin.__file__)).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {it for it in modules if it and it.startswith("hammer2")} == {
        "hammer2_spec.configuration", "hammer2_spec.semantics", "hammer2_spec.vocabulary",
    }  # fmt: skip
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))


def test_no_choice_is_left_for_any_size() -> None:
    assert offered(completeness.obligations) == [f"{count} slots" for count in range(9)]


def test_the_mutator_makes_as_many_mutants_as_ever() -> None:
    assert LEAST_MUTANTS >= 900
    assert 0 < SAMPLE <= 45
    assert LEAST_ASKED >= 10
