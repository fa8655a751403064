"""Why it is enough to prove a property of the decision for 8 slots, and for none: those between are 8 with absent ones.

An absent slot at the end changes nothing of what a property says, whatever the verdicts are. That it changes nothing of
the decision itself is proved by ``equivalence`` for every size and by ``exchange`` for the loops.
"""

from collections.abc import Iterator
from typing import cast

from hammer2_proofs.inputs import any_configuration, any_verdict
from hammer2_proofs.lift import Lifter
from hammer2_proofs.obligations import Obligation, Wanted, anything
from hammer2_proofs.values import Optional, Truth, Value, conjunction, disjunction, equal
from hammer2_spec.configuration import ABSENT, Configuration, Verdict
from hammer2_spec.properties import (
    PROPERTIES,
    AnyProperty,
    PairProperty,
    Property,
    the_order_of_slots_decides_only_between_equals,
)
from hammer2_spec.vocabulary import MAXCLUSTER


def obligations(wanted: Wanted = anything) -> Iterator[Obligation]:
    """For every property and every size below 8, where it is wanted by its name."""
    for prop in PROPERTIES:
        if prop.holds is the_order_of_slots_decides_only_between_equals:
            continue  # proved for any number of slots at once (exchange)
        for count in range(1, MAXCLUSTER):
            name = f"{prop.name}: {count} slots and an absent one"
            if wanted(name):
                yield Obligation(name, *_question(prop, count))


def _question(prop: AnyProperty, count: int) -> tuple[tuple[Truth, ...], Truth]:
    lifter = Lifter()
    inputs = any_configuration(count)
    verdicts = any_verdict("one_"), any_verdict("other_")
    known = (*inputs.domain, *(_within(verdict, count) for verdict in verdicts))
    if isinstance(prop, Property):
        return known, _said_alike(lifter, prop, [inputs.configuration], verdicts[:1])
    other = any_configuration(count, "other_").configuration
    goals: list[Truth] = []
    for case in prop.cases:
        if case < count:
            second = Configuration(
                *cast("Configuration", lifter.lift(prop.second, inputs.configuration, verdicts[0], other, case))
            )
            wider = lifter.lift(prop.second, wide(inputs.configuration), verdicts[0], wide(other), case)
            goals += [
                equal(cast("Value", wide(second)), wider),
                _said_alike(lifter, prop, [inputs.configuration, second], verdicts),
            ]
    return known, conjunction(*goals)


def wide(configuration: Configuration) -> Configuration:
    """A configuration with one more, absent, slot."""
    return configuration._replace(slots=(*configuration.slots, ABSENT))


def _within(verdict: Verdict, count: int) -> Truth:
    """The focus is none, a chain that is no member, or one of so many slots."""
    focus = cast("Optional", verdict.focus)
    return disjunction(focus.none, focus.value < count)  # type: ignore[operator]  # a number


def _said_alike(
    lifter: Lifter,
    prop: Property | PairProperty,
    configurations: list[Configuration],
    verdicts: tuple[Verdict, ...],
) -> Truth:
    pairs = list(zip(configurations, verdicts, strict=True))
    narrow = [part for pair in pairs for part in pair]
    wider = [part for configuration, verdict in pairs for part in (wide(configuration), verdict)]
    return conjunction(
        *(equal(lifter.lift(said, *narrow), lifter.lift(said, *wider)) for said in (prop.given, prop.holds))
    )
