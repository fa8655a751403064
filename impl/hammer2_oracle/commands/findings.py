"""``hammer2-cluster findings``: what is wrong with the original, and what mends it."""

import re

import click

from hammer2_cluster.decisions import Decision
from hammer2_oracle.options import decision_option, json_option
from hammer2_oracle.status import Status


@click.command("findings")
@click.argument("number", required=False, metavar="[F01]")
@decision_option
@json_option
def findings(number: str | None, decision: Decision, as_json: bool) -> Status:
    """Show what is wrong with the original and what mends it, or one finding in full.

    F... are those of the decision and the operations, P... those of the protocol of failures and
    resynchronization, V... the invariants of that protocol that the original breaks.

    The overview has the matrix of properties: what holds in the original, what with all repairs, and the smallest
    sets of repairs that are enough; and that of the protocol: what breaks without each ingredient. All of it was
    found by machines; what is shown here is stored with the sources that it speaks of, and refused for others.
    """
    from hammer2_oracle import findings_report, protocol_report
    from hammer2_spec.findings import FINDINGS

    if number is not None and (match := re.fullmatch(r"([a-z])0*([0-9]+)", number, re.ASCII | re.IGNORECASE)):
        number = f"{match[1].upper()}{int(match[2]):02}"
    if number is None:
        return findings_report.overview(decision, as_json)
    if number not in FINDINGS:
        of_the_protocol = protocol_report.numbers()
        if number in of_the_protocol:
            return protocol_report.one(number, decision, as_json)
        raise click.UsageError(
            f"no finding is called {number!r}, expected {min(FINDINGS)} to {max(FINDINGS)}, "
            f"or {of_the_protocol[0]} to {of_the_protocol[-1]}"
        )
    return findings_report.one(number, decision, as_json)
