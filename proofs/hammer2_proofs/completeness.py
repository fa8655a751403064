"""The properties leave no choice: whatever decides so that all of them hold decides as the repaired decision does.

Two verdicts on one configuration of which every property of a single configuration is true are the same, but for which
of several equal members is the focus. A property that is missing, or says too little, shows up as two verdicts.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from hammer2_proofs.counting import Counts, implies
from hammer2_proofs.examples import told
from hammer2_proofs.inputs import any_configuration, any_verdict
from hammer2_proofs.lift import Lifter
from hammer2_proofs.obligations import Obligation, Read, Wanted, anything
from hammer2_proofs.values import Optional, Truth, conjunction, disjunction, equal, negation
from hammer2_spec import resolve as specification
from hammer2_spec.configuration import Configuration, Outcome, Verdict
from hammer2_spec.properties import PROPERTIES, AnyProperty, Property
from hammer2_spec.vocabulary import MAXCLUSTER


def obligations(
    wanted: Wanted = anything, properties: Sequence[AnyProperty] = tuple(PROPERTIES)
) -> Iterator[Obligation]:
    """For every size that is wanted by its name: two verdicts that these properties allow are the same."""
    for count in range(MAXCLUSTER + 1):
        name = f"{count} slots"
        if not wanted(name):
            continue
        inputs = any_configuration(count)
        one, other = any_verdict("one_"), any_verdict("other_")
        counts = Counts()
        lifter = Lifter({specification.votes_at: counts.votes_at})
        single = [prop for prop in properties if isinstance(prop, Property)]
        said = [_said(lifter, prop, inputs.configuration, it) for it in (one, other) for prop in single]
        ends = [disjunction(*(equal(it.outcome, outcome) for outcome in Outcome)) for it in (one, other)]
        known = (*inputs.domain, *ends, *said, *counts.facts())

        def reproduce(read: Read, shown: Sequence[Any] = (inputs.configuration, one, other)) -> str:
            configuration, *verdicts = (cast("Any", read(it)) for it in shown)
            return "\n".join(told(Configuration(*configuration), [Verdict(*it) for it in verdicts]))

        yield Obligation(name, known, same(inputs.configuration, one, other), reproduce)


def _said(lifter: Lifter, prop: Property, configuration: Configuration, verdict: Verdict) -> Truth:
    given, holds = (lifter.lift(part, configuration, verdict) for part in (prop.given, prop.holds))
    return implies(cast("Truth", given), cast("Truth", holds))


def same(configuration: Configuration, one: Verdict, other: Verdict) -> Truth:
    """The same outcome, error and flags, and the same focus, or one that is equal in type, tid and error."""
    mine, its = cast("Optional", one.focus), cast("Optional", other.focus)
    no_pfs = cast("Optional", configuration.pfs_nmasters).none
    equals = [
        conjunction(
            equal(mine.value, i),
            equal(its.value, j),
            equal(here.tid, there.tid),
            equal(here.error, there.error),
            disjunction(no_pfs, equal(here.type, there.type)),
        )
        for i, here in enumerate(configuration.slots)
        for j, there in enumerate(configuration.slots)
    ]
    return conjunction(
        equal(one.outcome, other.outcome),
        equal(one.error, other.error),
        equal(one.flags, other.flags),
        disjunction(
            conjunction(mine.none, its.none),
            conjunction(negation(mine.none), negation(its.none), disjunction(*equals)),
        ),
    )
