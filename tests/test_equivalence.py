"""resolve is proved to be its specification, and every bug that is planted in it is refuted by what it breaks."""

import random
import types
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
import z3

import hammer2_cluster.resolve
from hammer2_proofs import equivalence
from hammer2_proofs.inputs import any_configuration
from hammer2_proofs.obligations import Status, discharge
from hammer2_proofs.source import load
from hammer2_proofs.values import conjunction
from hammer2_spec.configuration import FOREIGN, Configuration, Slot, validate
from hammer2_spec.vocabulary import MAXCLUSTER

TEXT = Path(hammer2_cluster.resolve.__file__).read_text()


def planted(old: str, new: str) -> types.ModuleType:
    """resolve with one change to its text."""
    assert TEXT.count(old) == 1, old
    module = types.ModuleType("planted")
    vars(module).update(load(TEXT.replace(old, new), f"<planted: {new}>"))
    return module


def refuted(program: types.ModuleType, count: int, about: str = "") -> dict[str, str]:
    """The obligations that are refuted, of those about a function, and their counterexamples.

    Where a field always differs, "the fields before it agree" is what no configuration does for the ones after it.
    """
    asked = [it for it in equivalence.obligations(program, [count]) if it.name.startswith(about)]
    results = [discharge(obligation) for obligation in asked]
    assert {result.status for result in results} <= {Status.PROVED, Status.REFUTED, Status.VACUOUS}
    return {result.name: result.detail for result in results if result.status is Status.REFUTED}


@pytest.mark.parametrize("count", range(5))
def test_resolve_is_its_specification(count: int) -> None:
    for obligation in equivalence.obligations(counts=[count]):
        for solver in obligation.solvers:
            assert discharge(obligation, solver).status is Status.PROVED, (obligation.name, solver)


def test_the_obligations_are_about_every_size_every_function_and_every_field() -> None:
    names = [obligation.name for obligation in equivalence.obligations()]
    assert len(set(names)) == len(names)
    for count in range(MAXCLUSTER + 1):
        asked = {name.partition(": ")[2] for name in names if name.startswith(f"resolve, {count} slots: ")}
        assert asked >= {
            "outcome", "focus", "error", "WRHARD", "RDHARD", "WRSOFT", "RDSOFT", "MSYNCED", "SSYNCED", "the other flags"
        }  # fmt: skip
        assert {f"quorum, {count} slots: {field}" for field in ("tid", "nmasters", "ttlmasters", "reached")} <= {*names}
        assert f"votes_for, {count} slots: result" in names
        assert count == 0 or any(name.startswith(f"choose, {count} slots: never") for name in names)
    assert {f"resolve uncut, {count} slots: focus" for count in range(equivalence.UNCUT + 1)} <= {*names}


BUGS = {
    "one vote too few is enough": (
        "nquorum = pfs_nmasters // 2 + 1", "nquorum = pfs_nmasters // 2",
        1, "quorum, 1 slots: reached",
    ),
    "half the masters are rounded up": (
        "pfs_nmasters // 2", "(pfs_nmasters + 1) // 2",
        1, "quorum, 1 slots: reached",
    ),
    "errored masters vote": (
        "slot.error == 0 or not", "slot.error != 1 or not",
        1, "votes_for, 1 slots: result",
    ),
    "a vote is counted twice": (
        "slot.tid == tid:\n            nmasters += 1", "slot.tid == tid:\n            nmasters += 2",
        1, "votes_for, 1 slots: result",
    ),
    "the lower tid wins": (
        "slot.tid > quorum_tid", "slot.tid < quorum_tid",
        2, "quorum, 2 slots: tid",
    ),
    "tids wrap at 2^63": (
        "quorum_tid < slot.tid or", "quorum_tid < slot.tid - 0x8000000000000000 or",
        2, "quorum, 2 slots: tid",
    ),
    "the first soft master stays": (
        "if focus_type != PfsType.SOFT_MASTER or outranks(slot, focus_tid, error):", "if focus_type == PfsType.NONE:",
        2, "choose, 2 slots: focus",
    ),
    "error numbers are compared the wrong way": (
        "return slot.error < error", "return slot.error > error",
        2, "choose, 2 slots: focus",
    ),
    "a flag too much is cleared": (
        "(flags & ~CLUSTER_ZFLAGS)", "(flags & ~0x7F00)",
        0, "choose, 0 slots: the other flags",
    ),
    "a flag is not cleared": (
        "(flags & ~CLUSTER_ZFLAGS)", "(flags & ~0x1F00)",
        1, "choose, 1 slots: SSYNCED",
    ),
    "slaves are synced without being there": (
        "if nslaves == ttlslaves:", "if nslaves != ttlslaves:",
        0, "choose, 0 slots: SSYNCED",
    ),
    "the assertion comes first": (
        "len(slots) > 0", "len(slots) >= 0",
        0, "resolve, 0 slots: outcome",
    ),
    "the passes are mixed up": (
        "agreed = quorum(slots, pfs_nmasters, semantics)", "agreed = quorum(slots, 3, semantics)",
        2, "resolve, 2 slots: WRHARD",
    ),
    "None is taken for a number": (
        "if pfs_nmasters is not None:", "if len(slots) >= 0:",
        0, "quorum, 0 slots: never None",
    ),
    "an index may be outside": (
        "if focus is None and semantics.no_focus_error:",
        "if slots[0 if focus is None else focus].error > 0 and semantics.no_focus_error:",
        1, "choose, 1 slots: never an index outside 0..0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_refuted_by_an_obligation_that_names_what_is_wrong(bug: str) -> None:
    old, new, count, name = BUGS[bug]
    found = refuted(planted(old, new), count)
    culprits = [detail for obligation, detail in found.items() if obligation.startswith(name)]
    assert culprits, f"{name} should be refuted, but {[*found]} is"
    assert all("\nreturns " in detail for detail in culprits)
    assert all(f"{name.partition(',')[0]}(" in detail for detail in culprits)


def test_a_bug_that_needs_eight_slots_is_found() -> None:
    program = planted(
        "slot.tid == tid:\n            nmasters += 1", "slot.tid == tid:\n            nmasters = min(nmasters + 1, 7)"
    )
    assert not refuted(program, 7, "votes_for")
    [(name, detail)] = refuted(program, 8, "votes_for").items()
    assert name == "votes_for, 8 slots: result"
    assert detail.endswith("returns    7\nspecified  8")


def test_the_domain_of_the_proofs_is_that_of_valid_configurations() -> None:
    draw = random.Random(20150330)
    seen: Counter[bool] = Counter()
    for _ in range(600):
        count = draw.randrange(4)
        edge = [draw.random() < 0.1 for _ in range(4)]
        slots = tuple(
            Slot(
                draw.random() < 0.7,
                draw.choice((0, 255, -1, 256)) if edge[0] else draw.randrange(256),
                draw.choice((0, 2**64 - 1, -1, 2**64)) if edge[1] else draw.randrange(2**64),
                draw.choice((-(2**31), 2**31 - 1, 2**31, -(2**31) - 1)) if edge[2] else draw.randrange(-5, 5),
            )
            for _ in range(count)
        )
        nmasters = draw.choice((0, 255, -1, 256)) if edge[3] else draw.randrange(256)
        prior = draw.choice((None, FOREIGN, 0, 1, 2, 3, -2))
        configuration = Configuration(slots, nmasters, prior, draw.getrandbits(32))
        try:
            validate(configuration)
            valid = True
        except ValueError:
            valid = False
        symbolic, domain = any_configuration(count)
        holds = z3.simplify(z3.substitute(cast(z3.BoolRef, conjunction(*domain)), *pairs(symbolic, configuration)))
        assert z3.is_true(holds) == valid, configuration
        seen[valid] += 1
    assert min(seen.values()) > 100


def pairs(symbolic: Configuration, concrete: Configuration) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
    """The variables of a symbolic configuration, and what they are in a concrete one."""
    found = [
        (z3.Bool("no_prior"), z3.BoolVal(concrete.prior is None)),
        (z3.Int("prior"), z3.IntVal(concrete.prior or 0)),
    ]
    found += [(z3.Int("nmasters"), z3.IntVal(concrete.pfs_nmasters or 0))]
    for variables, slot in zip(symbolic.slots, concrete.slots, strict=True):
        found += [(variables.present, z3.BoolVal(slot.present))]
        found += [(x, z3.IntVal(value)) for x, value in zip(variables[1:], slot[1:], strict=True)]
    return found
