"""`hammer2-cluster resolve` decides one configuration and says why, truthfully."""

import json
import shlex
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result
from hypothesis import assume, given
from hypothesis import strategies as st

from hammer2_cluster.resolve import resolve
from hammer2_oracle.cli import main
from hammer2_oracle.explanation import KKASSERTS, explain
from hammer2_oracle.status import Status
from hammer2_oracle.testing import configurations
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Outcome, Slot
from hammer2_spec.notation import arguments
from hammer2_spec.semantics import REPAIRED, SEED, Semantics, describe
from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK, PfsType

SEED_TEXT = Path(__file__).parents[1] / "data" / "seed" / "hammer2_cluster.c.txt"

Json: TypeAlias = Any
ANY_SEMANTICS = st.lists(st.booleans(), min_size=len(Semantics._fields), max_size=len(Semantics._fields)).map(
    lambda switches: Semantics(*switches)
)


def run(command: str) -> Result:
    return CliRunner().invoke(main, ["resolve", *shlex.split(command)])


def decided(command: str) -> dict[str, Json]:
    result = run(f"--json {command}")
    assert result.exit_code == Status.AGREE
    answer: dict[str, Json] = json.loads(result.stdout)
    return answer


def test_the_example_of_the_manual() -> None:
    result = run("--nmasters 3 master:6 master:5 slave:5/1")
    assert result.exit_code == Status.AGREE
    assert result.stdout.splitlines() == [
        "slot          0         1         2",
        "member        master:6  master:5  slave:5/1",
        "focus before  none",
        "focus after   none",
        "",
        "decision  resolve (hammer2_cluster_resolve, L379-554), semantics seed",
        "quorum    not reached: 1 for tid 6, 2 needed (3 / 2 + 1), 2 masters present",
        "slot 0    counted   votes for tid 6, which is too few for a quorum (L472)",
        "slot 1    left out  votes for tid 5, behind tid 6 (L422-429)",
        "slot 2    left out  no quorum of masters says which tid is right (L493)",
        "outcome   ok",
        "focus     none: no member may be believed",
        "error     0",
        "flags     0x4 LOCKED",
        "access    none",
    ]


LEFT_FROM_BEFORE = "left from before: only a missing focus is looked for (L477, L498)"
FIRST_MASTER = "the first master without error at the quorum's tid (L477-482)"
FIRST_SLAVE = "the first slave without error at the quorum's tid (L498-502)"
TWO_OF_THREE = "2 needed (3 / 2 + 1), 3 masters present"
WRITABLE = "access    readable and writable"


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (
            "--nmasters 2 soft_slave:1 soft_slave:2",
            [
                "outcome   kkassert:L520",
                "          KKASSERT(focus_pfs_type != HAMMER2_PFSTYPE_SOFT_SLAVE);",
                "focus     slot 0: at that moment",
            ],
        ),
        ("--no-pfs master:6", ["slot 0    left out  not looked at: the assertion comes first (L408)"]),
        ("--no-pfs --semantics repaired 0:6", [
            "focus     slot 0: the super-root (L447)",
            "slot 0    counted   without a PFS a chain is a super-root (repair no_pfs_root)",
            WRITABLE,
        ]),
        (
            "--nmasters 1 --prior foreign master:1",
            [f"focus     a chain that is no member: {LEFT_FROM_BEFORE}; without it, slot 0"],
        ),
        ("--nmasters 1 --prior foreign --semantics +fresh_focus master:1", [f"focus     slot 0: {FIRST_MASTER}"]),
        ("--nmasters 1 master:1 slave:1/7", ["slot 1    left out  has error 7 (L491)"]),
        ("--nmasters 1 master:1 slave:2", ["slot 1    left out  at tid 2, ahead of the quorum's tid 1 (L495)"]),
        ("--nmasters 1 master:1/2 slave:1", [
            "slot 0    counted   votes for tid 1, but has error 2 and cannot be the focus (L470-474)",
            f"focus     slot 1: no master may be believed; {FIRST_SLAVE}",
        ]),
        ("--nmasters 1 --semantics +sound_votes master:1/2", [
            "slot 0    left out  has error 2, so its vote for tid 1 does not count (repair sound_votes)"
        ]),
        ("--nmasters 3 --semantics repaired master:1 master:1 master:2", [
            "quorum    reached: 2 for tid 1, 2 needed (3 / 2 + 1), 3 masters present",
            "slot 2    left out  votes for tid 2, ahead of tid 1 (what a majority holds decides: repair majority_tid)",
        ]),
        ("--nmasters 0 suproot:1 suproot:2/1 cache:9", [
            "focus     slot 1: the last of the super-roots (L447)",
            "slot 2    left out  a node of this type plays no part (L450)",
        ]),
        ("--nmasters 0 --semantics repaired suproot:1 suproot:2/1", [
            "focus     slot 0: the best of the super-roots (repair ranked_roots)",
        ]),
        ("--nmasters 3 --semantics repaired master:1 master:1 soft_master:1/3", [
            "quorum    reached: 2 for tid 1, 2 needed (3 / 2 + 1), 2 masters present",
            "error     3 INCOMPLETE: that of slot 2, the focus",
            "access    none: the focus has error 3 (repair honest_access)",
        ]),
        ("--nmasters 1 --semantics repaired master:1 soft_slave:1", [
            "quorum    reached: 1 for tid 1, 1 needed (1 / 2 + 1), 1 master present",
            "access    readable: softly, for the focus is no part of a quorum (repair honest_access)",
        ]),
        ("--nmasters 2 --semantics repaired master:1 master:2", [
            "quorum    not reached: no tid has enough votes, 2 needed (2 / 2 + 1), 2 masters present",
            "slot 1    left out  votes for tid 2, which has 1 of the 2 votes needed (repair majority_tid)",
            "error     3 INCOMPLETE: there is no focus (repair no_focus_error)",
            "access    none",
        ]),
        ("--nmasters 3 --semantics +sound_votes master:6/1 master:5 master:5", [
            f"quorum    not reached: no vote for tid 6, the highest, as slot 0 has an error, {TWO_OF_THREE}",
            "slot 1    left out  votes for tid 5, behind tid 6 (L422-429)",
        ]),
        ("--nmasters 1 slave:3", ["quorum    not reached: nobody votes, 1 needed (1 / 2 + 1), 0 masters present"]),
        ("--nmasters 3 --semantics repaired soft_slave:1 soft_slave:2/1", [
            "focus     slot 0: the best of the soft slaves (repair ranked_soft)",
        ]),
        ("--nmasters 3 soft_master:1/2", ["error     2 CHECK: that of slot 0, the focus", WRITABLE]),
    ],
)  # fmt: skip
def test_it_says_why(command: str, lines: list[str]) -> None:
    result = run(command)
    assert result.exit_code == Status.AGREE
    assert [line for line in lines if line not in result.stdout.splitlines()] == []


BAD_ARGUMENTS = {
    "master:6": "expected either --nmasters N or --no-pfs",
    "--no-pfs --nmasters 1": "expected either --nmasters N or --no-pfs",
    "--nmasters 256": "pfs_nmasters is 256, expected 0..255",
    "--nmasters -1": "pfs_nmasters is -1, expected 0..255",
    "--nmasters three": "'three' is no integer, decimal or 0x..., of at most 64 bits",
    "--nmasters 1 master:18446744073709551616": f"slots[0].tid is {2**64}, expected 0..{2**64 - 1}",
    "--nmasters 1 - 256:1": "slots[1].type is 256, expected 0..255",
    "--nmasters 1 6:1/2147483648": "slots[0].error is 2147483648, expected -2147483648..2147483647",
    "--nmasters 1 - - - - - - - - -": "the number of slots is 9, expected at most 8",
    "--nmasters 1 '*-'": "prior is 0, expected a slot that is present",
    "--nmasters 1 --prior 1 6:1": "prior is 1, expected 0..0",
    "--nmasters 1 --prior foe 6:1": "prior is 'foe', expected none, foreign or a slot's number",
    "--nmasters 1 '*6:1' '*6:1'": "prior is given 2 times",
    "--nmasters 1 --prior foreign '*6:1'": "prior is given 2 times",
    "--nmasters 1 --flags 0x100000000": "flags is 4294967296, expected 0..4294967295",
    "--nmasters 1_0": "'1_0' is no integer",
    "--nmasters 1 --prior 0x0 6:1": "prior is '0x0', expected none, foreign or a slot's number",
    "--nmasters 1 --prior \u0660 6:1": "expected none, foreign or a slot's number",
    "--nmasters 1 --prior=-1 6:1": "prior is '-1', expected none, foreign or a slot's number",
    "--nmasters 1 6:1_000": "tid is '1_000' in '6:1_000', expected an integer",
    "--nmasters 1 6:+1": "tid is '+1' in '6:+1', expected an integer",
    "--nmasters 1 6:\uff11": "expected an integer",
    "--nmasters 1 6:1/0b1": "error is '0b1' in '6:1/0b1', expected an integer",
    "--nmasters 1 master": "slot is 'master', expected TYPE:TID",
}


@pytest.mark.parametrize("command", BAD_ARGUMENTS)
def test_a_bad_argument_is_refused_with_field_value_and_range(command: str) -> None:
    result = run(command)
    assert result.exit_code == Status.BAD_INPUT
    (line,) = result.stderr.splitlines()
    assert BAD_ARGUMENTS[command] in line
    assert result.stdout == ""


@given(configurations(), ANY_SEMANTICS)
def test_the_command_answers_what_the_decision_answers(configuration: Configuration, semantics: Semantics) -> None:
    answer = decided(f"--semantics={describe(semantics)} {shlex.join(arguments(configuration))}")
    verdict = resolve(*configuration, semantics)
    names = {"foreign": FOREIGN}
    assert answer["outcome"] == verdict.outcome.text
    assert names.get(answer["focus"], answer["focus"]) == verdict.focus
    assert (answer["error"], answer["flags"]) == (verdict.error, verdict.flags)
    assert answer["readable"] == bool(verdict.flags & CLUSTER_RDOK)
    assert answer["writable"] == bool(verdict.flags & CLUSTER_WROK)
    shown = [ABSENT if not one["present"] else Slot(*(one[name] for name in Slot._fields)) for one in answer["slots"]]
    assert tuple(shown) == configuration.slots


def test_there_is_no_quorum_without_a_pfs_and_no_tid_without_votes() -> None:
    for semantics in ("seed", "repaired"):
        assert decided(f"--no-pfs --semantics {semantics} master:6")["quorum"] is None
    assert decided("--nmasters 1 slave:6")["quorum"]["tid"] is None
    assert decided("--nmasters 2 --semantics repaired master:6")["quorum"]["tid"] is None
    assert decided("--nmasters 2 master:0")["quorum"]["tid"] == 0


@given(configurations(), ANY_SEMANTICS)
def test_whatever_is_withheld_or_wrong_has_a_reason(configuration: Configuration, semantics: Semantics) -> None:
    explanation = explain(configuration, semantics)
    verdict = explanation.verdict
    assert bool(explanation.error_why) == (verdict.error != 0)
    if verdict.outcome == Outcome.OK:
        generous = resolve(*configuration, semantics._replace(honest_access=False))
        less = (generous.flags & ~verdict.flags) & (CLUSTER_RDOK | CLUSTER_WROK)
        assert bool(explanation.access_why) == bool(less)
        if verdict.error and verdict.focus not in (None, FOREIGN):
            assert configuration.slots[verdict.focus].error == verdict.error


@given(configurations())
def test_a_repair_that_is_not_in_force_is_not_named(configuration: Configuration) -> None:
    whole = explain(configuration, SEED)
    assert "repair" not in repr(whole)


@given(configurations(), ANY_SEMANTICS)
def test_the_focus_is_never_left_out_unless_it_is_from_before(
    configuration: Configuration, semantics: Semantics
) -> None:
    explanation = explain(configuration, semantics)
    focus = explanation.verdict.focus
    if explanation.verdict.outcome == Outcome.OK and focus not in (None, FOREIGN):
        assert explanation.parts[focus].counted or explanation.focus_why.startswith("left from before")


@given(configurations(), ANY_SEMANTICS)
def test_the_masters_that_are_counted_are_the_votes(configuration: Configuration, semantics: Semantics) -> None:
    explanation = explain(configuration, semantics)
    assume(configuration.pfs_nmasters is not None)
    counted = [
        part.counted and slot.type == PfsType.MASTER
        for slot, part in zip(configuration.slots, explanation.parts, strict=True)
    ]
    assert sum(counted) == explanation.agreed.nmasters


@given(configurations(), st.sampled_from([SEED, REPAIRED]), st.data())
def test_who_is_left_out_makes_no_difference_to_focus_and_access(
    configuration: Configuration, semantics: Semantics, data: st.DataObject
) -> None:
    """Take away a member that was left out, other than a master: nothing changes."""
    parts = explain(configuration, semantics).parts
    idle = [
        i
        for i, (slot, part) in enumerate(zip(configuration.slots, parts, strict=True))
        if slot.present and not part.counted and slot.type != PfsType.MASTER and i != configuration.prior
    ]
    assume(idle and configuration.pfs_nmasters is not None)
    gone = data.draw(st.sampled_from(idle))
    slots = tuple(ABSENT if i == gone else slot for i, slot in enumerate(configuration.slots))
    before = resolve(*configuration, semantics)
    after = resolve(*configuration._replace(slots=slots), semantics)
    assert (before.outcome, before.focus, before.error) == (after.outcome, after.focus, after.error)
    assert before.flags & (CLUSTER_RDOK | CLUSTER_WROK) == after.flags & (CLUSTER_RDOK | CLUSTER_WROK)


def test_the_assertions_that_are_quoted_stand_in_the_seed_at_their_lines() -> None:
    numbered = dict(
        line.split(" ", 1) for line in SEED_TEXT.read_text().replace("\xa0", " ").splitlines() if " " in line
    )
    assert set(KKASSERTS) == set(Outcome) - {Outcome.OK}
    for outcome, (text, _) in KKASSERTS.items():
        assert numbered[str(outcome.value)].strip() == text
