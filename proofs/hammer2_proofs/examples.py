"""Concrete cases of the decision's properties: run in CPython, and drawn as a row of slots."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hammer2_cluster import resolve
from hammer2_cluster.program import pasted
from hammer2_spec.configuration import Configuration, Outcome, Verdict
from hammer2_spec.notation import arguments, draw, format_flags, format_focus, format_nmasters
from hammer2_spec.properties import AnyProperty, Property
from hammer2_spec.semantics import Semantics, describe


class Example(NamedTuple):
    """A concrete case in which a property is put to the test."""

    first: Configuration
    other: Configuration | None = None
    """For a property of two configurations: what the second one is made of, beside the first."""
    case: int = 0


class Judged(NamedTuple):
    """What a decision makes of an example."""

    verdict: Verdict
    second: Configuration | None
    then: Verdict | None
    given: bool
    holds: bool


def decided(configuration: Configuration, semantics: Semantics) -> Verdict:
    """The decision, run by CPython."""
    return resolve.resolve(*configuration, semantics)


def judge(prop: AnyProperty, example: Example, semantics: Semantics) -> Judged:
    """Run an example in CPython."""
    verdict = decided(example.first, semantics)
    if isinstance(prop, Property):
        given = prop.given(example.first, verdict)
        return Judged(verdict, None, None, given, not given or prop.holds(example.first, verdict))
    if example.other is None:
        raise ValueError(f"{prop.name} speaks of two configurations")
    second = prop.second(example.first, verdict, example.other, example.case)
    then = decided(second, semantics)
    given = prop.given(example.first, verdict, second, then)
    return Judged(verdict, second, then, given, not given or prop.holds(example.first, verdict, second, then))


def known(prop: AnyProperty, semantics: Semantics, examples: Sequence[Example]) -> Example | None:
    """The first of some examples that refutes the property under these semantics too."""
    return next((e for e in examples if not judge(prop, e, semantics).holds), None)


def drawn(prop: AnyProperty, example: Example, semantics: Semantics) -> Iterator[str]:
    """An example in lines of text: slots in a row, what was decided, and the command that decides it again."""
    judged = judge(prop, example, semantics)
    yield from _drawn(example.first, judged.verdict, semantics)
    if judged.second is not None and judged.then is not None:
        yield "and then"
        yield from _drawn(judged.second, judged.then, semantics)


def told(configuration: Configuration, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A configuration in a row, and a line for each verdict on it."""
    foci = {f"focus {n}": verdict.focus for n, verdict in enumerate(verdicts, 1)}
    after = {"focus after": verdicts[0].focus} if len(verdicts) == 1 else foci
    yield from draw(configuration.slots, {"focus before": configuration.prior, **after})
    for verdict in verdicts:
        yield (
            f"{format_nmasters(configuration.pfs_nmasters)}: {Outcome(verdict.outcome).text}, "
            f"focus {format_focus(verdict.focus)}, error {verdict.error}, flags {format_flags(verdict.flags)}"
        )


def _drawn(configuration: Configuration, verdict: Verdict, semantics: Semantics) -> Iterator[str]:
    yield from told(configuration, [verdict])
    yield f"$ {pasted('resolve', '--semantics', describe(semantics), *arguments(configuration))}"
