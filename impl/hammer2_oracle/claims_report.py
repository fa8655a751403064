"""What ``hammer2-cluster claims`` prints."""

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import click

from hammer2_oracle.ledger import Check, Evidence, Outcome, checks, findings_of
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status
from hammer2_spec.claims import CLAIMS, Claim

WIDTH: Final = 110
STYLES: Final = {Outcome.FAILED: "bold red", Outcome.STALE: "yellow", Outcome.NOT_RUN: "yellow", Outcome.PASSED: ""}


class Standing(NamedTuple):
    """What is known of a claim."""

    claim: str
    findings: Sequence[str]
    """The original does not keep it."""
    checks: Sequence[tuple[Check, Outcome]]

    @property
    def outcome(self) -> Outcome:
        """The worst of its checks; a claim without any has failed."""
        found = {outcome for _, outcome in self.checks}
        return next((it for it in (Outcome.FAILED, Outcome.NOT_RUN, Outcome.STALE) if it in found), Outcome.PASSED)

    @property
    def is_checked(self) -> bool:
        """Whether something would fail where the claim is not kept."""
        return bool(self.checks)

    @property
    def sentence(self) -> str:
        """The standing in a line."""
        if not self.checks:
            return "nothing checks it"
        means = " and ".join(dict.fromkeys(check.means.value for check, _ in self.checks))
        broken = f"broken by the original ({', '.join(self.findings)}); repaired " if self.findings else ""
        said = "" if self.outcome is Outcome.PASSED else f" - {self.outcome.value}"
        return f"{broken}{means}{said}"


def standings() -> list[Standing]:
    """What is known of all claims. Raises click.ClickException outside of this project's own directory."""
    try:
        found, evidence = checks(), Evidence()
    except FileNotFoundError as error:
        raise click.ClickException(f"the ledger speaks of the project's sources: no {error.filename}") from None
    return [Standing(it, findings_of(it), [(check, evidence.of(check)) for check in found[it]]) for it in CLAIMS]


def show(number: str | None, as_json: bool) -> Status:
    """Print all claims in a line each, or one in full."""
    known = standings()
    if number is not None:
        if number not in CLAIMS:
            raise click.UsageError(f"no claim is called {number!r}, expected {min(CLAIMS)} to {max(CLAIMS)}")
        known = [it for it in known if it.claim == number]
    status = status_of(known)
    if as_json:
        click.echo(json.dumps({"command": "claims", "status": status, "claims": [_as_json(it) for it in known]}))
    elif number is not None:
        _one(known[0], CLAIMS[number])
    else:
        _all(known)
    return status


def status_of(known: Sequence[Standing]) -> Status:
    """DIFFER if a check has failed or a claim has none, UNDECIDED if some did not run, else AGREE."""
    if any(it.outcome is Outcome.FAILED or not it.is_checked for it in known):
        return Status.DIFFER
    return Status.UNDECIDED if any(it.outcome is not Outcome.PASSED for it in known) else Status.AGREE


def _all(known: Sequence[Standing]) -> None:
    screen, section = Screen(), ""
    for it in known:
        claim = CLAIMS[it.claim]
        if claim.section != section:
            section = claim.section
            screen.line(section, "bold")
        screen.line(f"  {it.claim}  {textwrap.shorten(claim.promise, WIDTH - 7)}")
        screen.line(f"       {it.sentence}", STYLES[it.outcome] if it.is_checked else "bold yellow")
    counts = Counter(it.outcome.value if it.is_checked else "not checked" for it in known)
    screen.line()
    screen.line(f"{len(known)} claims: {', '.join(f'{count} {what}' for what, count in counts.most_common())}", "bold")


def _one(it: Standing, claim: Claim) -> None:
    screen = Screen()
    where = f"lines {claim.lines}" if claim.lines else "derived"
    for line in textwrap.wrap(f"{it.claim} ({where}): {claim.promise}", WIDTH, subsequent_indent="  "):
        screen.line(line, "bold")
    screen.line(it.sentence, STYLES[it.outcome])
    for finding in it.findings:
        screen.line(f"  hammer2-cluster findings {finding}")
    for check, outcome in it.checks:
        screen.line()
        screen.line(f"{check.means.value}: {check.name}", STYLES[outcome])
        for line in textwrap.wrap(check.says, WIDTH, initial_indent="  ", subsequent_indent="  "):
            screen.line(line)
        screen.line(f"  {check.by}: {outcome.value}")


def _as_json(it: Standing) -> dict[str, Any]:
    claim = CLAIMS[it.claim]
    return {
        "claim": it.claim,
        "lines": claim.lines or None,
        "promise": claim.promise,
        "findings": list(it.findings),
        "outcome": it.outcome.value if it.is_checked else "not checked",
        "checks": [
            {
                "means": check.means.value,
                "name": check.name,
                "says": check.says or None,
                "by": check.by,
                "outcome": outcome.value,
            }
            for check, outcome in it.checks
        ],
    }
