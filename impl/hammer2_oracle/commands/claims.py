"""``hammer2-cluster claims``: what the original promises, what checks it, and what came of that."""

import click

from hammer2_oracle.options import json_option
from hammer2_oracle.status import Status


@click.command("claims")
@click.argument("number", required=False, metavar="[C36]")
@json_option
def claims(number: str | None, as_json: bool) -> Status:
    """Show each claim of the original with its standing, or one claim with all that checks it.

    The standing is that of the last `make verify` and `make test` in this directory: what has run with other
    sources, or has not run, says so. The exit status is 1 if a check has failed or a claim has none, 3 if some did
    not run with these sources.
    """
    from hammer2_oracle import claims_report

    return claims_report.show(number and number.upper(), as_json)
