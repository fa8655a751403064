"""Options that commands share, and the line that reproduces a run."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import click

from hammer2_cluster.decisions import DECISIONS, SEED_DECISION, Decision
from hammer2_cluster.program import NAME, pasted
from hammer2_oracle.words import shortened
from hammer2_spec.semantics import Semantics, describe, parse

F = TypeVar("F", bound=Callable[..., Any])


class SemanticsType(click.ParamType[Semantics]):
    """``seed``, ``repaired``, or switches: see ``hammer2_spec.semantics.parse``."""

    name = "semantics"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Semantics:
        """Read the text."""
        try:
            return value if isinstance(value, Semantics) else parse(str(value))
        except ValueError as error:
            self.fail(f"{error}; {pasted('findings')} names them all", param, ctx)


class FiniteRange(click.FloatRange):
    """A number within bounds, and a number: ``nan`` is in every range of click's."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the text."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return number


SECONDS: Final = FiniteRange(min=0, max=1_000_000, min_open=True)
"""How long something may take; the solvers count milliseconds in 32 bits."""


class DecisionType(click.ParamType[Decision]):
    """The name of a decision."""

    name = "decision"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decision:
        """Look the decision up."""
        if isinstance(value, Decision):
            return value
        if value not in DECISIONS:
            self.fail(f"no decision is called {value!r}, expected {' or '.join(DECISIONS)}", param, ctx)
        return DECISIONS[str(value)]


def semantics_option(default: str) -> Callable[[F], F]:
    """``--semantics``: which mistakes of the seed are mended."""
    return click.option(
        "--semantics",
        type=SemanticsType(),
        metavar="seed|repaired|+NAME,..|-NAME,..",
        default=default,
        show_default=True,
        help="Which mistakes of the original are mended: none, all, those named, or all but those named.",
    )


def decision_option(function: F) -> F:
    """``--decision``: which function of the original is meant."""
    return click.option(
        "--decision",
        type=DecisionType(),
        metavar="|".join(DECISIONS),
        default=SEED_DECISION,
        show_default=True,
        help="Which decision of the original is meant.",
    )(function)


def silence_option(function: F) -> F:
    """``--timeout``: how long an implementation may say nothing."""
    return click.option(
        "--timeout",
        type=SECONDS,
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="How long the implementation may be silent.",
    )(function)


def json_option(function: F) -> F:
    """``--json``: one object for machines instead of text for people."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(function)


def reproduce(command: str, decision: Decision, semantics: Semantics, arguments: Sequence[str]) -> str:
    """The command line that does the same again, to be pasted into a shell."""
    words = [command, "--semantics", describe(semantics)]
    if decision.name != SEED_DECISION:
        words += ["--decision", decision.name]
    return pasted(*words, *arguments)


def complain(message: str) -> None:
    """Print one line on standard error. Where that cannot be written, the exit status still says it."""
    with suppress(OSError):
        click.echo(f"{NAME}: {shortened(' '.join(message.split()))}", err=True)
