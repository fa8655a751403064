"""resolve is right for any number of slots, by induction over the lifted loop bodies, for SEED and for REPAIRED.

``any_number_of_slots``: votes_for, quorum, choose and resolve are right, each by the proof of those that it calls
(``rule``), by invariants that are checked (``invariants``), in the sense of a specification with quantifiers
(``specification``).

``same_specification``: that is hammer2_spec.resolve. What its functions return, lifted for 0 to MAXCLUSTER slots, is
right in the sense of the one with quantifiers, and for any number of slots no two different results are.
"""

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any, Final

import z3

import hammer2_cluster.resolve
import hammer2_spec.resolve
from hammer2_proofs.induction.instance import few_slots
from hammer2_proofs.induction.invariants import in_choose, in_quorum, in_votes_for
from hammer2_proofs.induction.rule import Claim, Contract, by_induction, lemma, written_out
from hammer2_proofs.induction.slots import BOOL, INT, Kind, Slots, implies, slot, some
from hammer2_proofs.induction.specification import FLAG_BITS, Situation, agreed, chosen, decided, first_best
from hammer2_proofs.obligations import SOLVERS, Obligation
from hammer2_proofs.values import Bits, Members, Number, Optional, Truth, disjunction, equal, optional
from hammer2_spec.configuration import Quorum, Verdict
from hammer2_spec.semantics import REPAIRED, SEED, Semantics, describe
from hammer2_spec.vocabulary import MAXCLUSTER, PfsType

TID: Final = z3.Int("tid_voted_for")
RANKED: Final = (PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT)
"""The types of which the best member is preferred."""


def obligations(program: ModuleType = hammer2_cluster.resolve) -> Iterator[Obligation]:
    """All of them. ``program`` is a module like hammer2_cluster.resolve. Raises Refused."""
    for semantics in (SEED, REPAIRED):
        yield from any_number_of_slots(semantics, program)
        yield from same_specification(semantics)


# The program.


def any_number_of_slots(semantics: Semantics, program: ModuleType = hammer2_cluster.resolve) -> Iterator[Obligation]:
    """That the four functions of the decision are right, for any number of slots."""
    for claim in claims(semantics, program):
        yield from _named(f"{claim.function.__name__}, any slots, {describe(semantics)}", by_induction(claim))


def claims(semantics: Semantics, program: ModuleType = hammer2_cluster.resolve) -> list[Claim]:
    """What the four functions of the decision are to return."""
    given = any_situation(semantics, z3.Int("n"))
    view = {"slots": Slots(given.length), "pfs_nmasters": given.pfs_nmasters, "semantics": semantics}
    every = {**view, "prior": given.prior, "flags": given.flags}
    found = any_quorum("agreed")
    return [
        Claim(
            program.votes_for,
            given,
            {**view, "tid": TID},
            lambda nmasters: {"nmasters": equal(nmasters, given.votes.before(given.length, TID))},
            possible(given),
            [in_votes_for(given, TID)],
        ),
        Claim(
            program.quorum,
            given,
            view,
            lambda quorum: agreed(given, quorum),
            possible(given),
            [in_quorum(given)],
            {program.votes_for: Contract(view, lambda call: given.votes.before(given.length, call["tid"]))},
        ),
        Claim(
            program.choose,
            given,
            {**every, "agreed": found},
            lambda verdict: chosen(given, found, verdict),
            possible(given),
            in_choose(given, found),
        ),
        whole_decision(semantics, program),
    ]


def whole_decision(semantics: Semantics, program: ModuleType) -> Claim:
    """That a program's resolve is right, its quorum and choose being right."""
    given = any_situation(semantics, z3.Int("n"))
    view = {"slots": Slots(given.length), "pfs_nmasters": given.pfs_nmasters, "semantics": semantics}
    every = {**view, "prior": given.prior, "flags": given.flags}
    quorum, verdict = any_quorum("agreed"), any_verdict("chosen")
    return Claim(
        program.resolve,
        given,
        every,
        lambda result: decided(given, quorum, result),
        [*possible(given), *agreed(given, quorum).values(), *chosen(given, quorum, verdict).values()],
        contracts={
            program.quorum: Contract(view, lambda _: quorum),
            program.choose: Contract({**every, "agreed": quorum}, lambda _: verdict),
        },
    )


# The specification.


def same_specification(semantics: Semantics) -> Iterator[Obligation]:
    """That the specification with quantifiers is hammer2_spec.resolve."""
    specification, told = hammer2_spec.resolve, describe(semantics)
    for length in range(MAXCLUSTER + 1):
        for claim in declared(semantics, length):
            yield from _named(f"specified {claim.function.__name__}, {length} slots, {told}", written_out(claim))
    yield from _named(f"specified resolve, any slots, {told}", by_induction(whole_decision(semantics, specification)))
    yield from _named(f"specification, any slots, {told}", no_choice_is_left(semantics))
    if semantics.ranked_roots or semantics.ranked_soft:
        yield from _named(f"specification, any slots, {told}", a_best_one_exists())


def declared(semantics: Semantics, length: int) -> list[Claim]:
    """What the functions of hammer2_spec.resolve are to return for so many slots."""
    specification = hammer2_spec.resolve
    given = any_situation(semantics, length)
    counted = replace(given, opaque_votes=True)
    slots = tuple(slot(i) for i in range(length))
    voters = Members({i: given.voter(i) for i in range(length)})
    view = {"slots": slots, "pfs_nmasters": given.pfs_nmasters, "semantics": semantics}
    found = any_quorum("agreed")
    best = [_first_best_exists(length, given.a(t), z3.Int(f"best.{t.name}")) for t in RANKED]
    return [
        Claim(
            specification.votes_at,
            given,
            {"slots": slots, "voters": voters, "tid": TID},
            lambda nmasters: {"nmasters": equal(nmasters, given.votes.before(length, TID))},
            possible(given),
        ),
        Claim(
            specification.quorum,
            given,
            view,
            lambda quorum: agreed(counted, quorum),
            possible(given),
            contracts={
                specification.votes_at: Contract(
                    {"slots": slots, "voters": voters}, lambda call: counted.votes.before(length, call["tid"])
                )
            },
        ),
        Claim(
            specification.choose,
            given,
            {**view, "prior": given.prior, "flags": given.flags, "agreed": found},
            lambda verdict: chosen(given, found, verdict),
            [*possible(given), *(best if semantics.ranked_roots or semantics.ranked_soft else [])],
        ),
    ]


def no_choice_is_left(semantics: Semantics) -> Iterator[Obligation]:
    """That for any number of slots no two different results are right."""
    given = any_situation(semantics, z3.Int("n"))
    instance = few_slots(given.length, [given.votes, given.masters])
    quorum, other = any_quorum("agreed"), any_quorum("other")
    known = (*possible(given), *agreed(given, quorum).values(), *agreed(given, other).values())
    for name in Quorum._fields:
        same = equal(getattr(quorum, name), getattr(other, name))
        yield Obligation(f"one {name} of the quorum", known, same, None, SOLVERS, instance)
    verdict, another = any_verdict("chosen"), any_verdict("another")
    known = (
        *possible(given),
        *agreed(given, quorum).values(),
        *decided(given, quorum, verdict).values(),
        *decided(given, quorum, another).values(),
    )
    for name in Verdict._fields:
        same = equal(getattr(verdict, name), getattr(another, name))
        yield Obligation(f"one {name} of the verdict", known, same, None, SOLVERS, instance)


def a_best_one_exists() -> Iterator[Obligation]:
    """That of any slots of any kind one is the first that no other one outranks."""
    kind = z3.Function("kind", INT, BOOL)

    def holds(seen: Number) -> Truth:
        return implies(some(seen, kind), some(seen, lambda i: first_best(seen, kind, i)))

    return lemma("a best one exists", holds, few_slots(z3.Int("n"), kinds=[kind]))


def _first_best_exists(length: Number, kind: Kind, i: z3.ArithRef) -> Truth:
    """The same for one kind, where i is the one."""
    return implies(some(length, kind), first_best(length, kind, i))


def _named(prefix: str, found: Iterator[Obligation]) -> Iterator[Obligation]:
    return (replace(obligation, name=f"{prefix}: {obligation.name}") for obligation in found)


# Any arguments.


def any_situation(semantics: Semantics, length: Number) -> Situation:
    """Any arguments of resolve, with so many slots."""
    return Situation(
        semantics,
        length,
        Optional(z3.Bool("no_pfs"), z3.Int("nmasters")),
        Optional(z3.Bool("no_prior"), z3.Int("prior")),
        Bits({k: z3.Bool(f"flag{k}") for k in range(FLAG_BITS)}),
    )


def possible(given: Situation) -> list[Truth]:
    """What is taken for granted: neither the slots nor the masters of the PFS are fewer than none."""
    nmasters = optional(given.pfs_nmasters)
    at_least: Any = nmasters.value
    return [given.length >= 0, disjunction(nmasters.none, at_least >= 0)]


def any_quorum(name: str) -> Quorum:
    """Any result of pass 1."""
    return Quorum._make([*z3.Ints(f"{name}.tid {name}.nmasters {name}.ttlmasters"), z3.Bool(f"{name}.reached")])


def any_verdict(name: str) -> Verdict:
    """Any result."""
    focus = Optional(z3.Bool(f"{name}.no_focus"), z3.Int(f"{name}.focus"))
    flags = Bits({k: z3.Bool(f"{name}.flag{k}") for k in range(FLAG_BITS)})
    return Verdict._make([z3.Int(f"{name}.outcome"), focus, z3.Int(f"{name}.error"), flags])
