"""``hammer2-cluster findings``: what is wrong with the original, and what mends it."""

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

    The overview ends with the matrix of properties: what holds in the original, what with all repairs, and the smallest
    sets of repairs that are enough. All of it was found by machines; what is shown here is stored with the sources
    that it speaks of, and refused for others.
    """
    from hammer2_oracle import findings_report
    from hammer2_spec.findings import FINDINGS

    if number is None:
        return findings_report.overview(decision, as_json)
    if number.upper() not in FINDINGS:
        raise click.UsageError(f"no finding is called {number!r}, expected {min(FINDINGS)} to {max(FINDINGS)}")
    return findings_report.one(number.upper(), decision, as_json)
