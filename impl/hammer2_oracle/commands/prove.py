"""``hammer2-cluster prove``: ask the solvers for the proof obligations."""

from pathlib import Path

import click

from hammer2_cluster.decisions import Decision
from hammer2_oracle.options import SECONDS, decision_option, json_option, semantics_option
from hammer2_oracle.status import Status
from hammer2_spec.semantics import REPAIRED, Semantics


@click.command("prove")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--solver",
    type=click.Choice(["z3", "cvc5", "both"]),
    default=None,
    help="Ask this one. Otherwise each obligation has the solvers that must prove it.",
)
@click.option(
    "--timeout",
    type=SECONDS,
    default=None,
    metavar="SECONDS",
    help="How long a solver may take for one question before it is undecided.",
)
@click.option("--list", "listing", is_flag=True, help="List the obligations and the solvers that must prove each.")
@click.option(
    "--smt2",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each obligation as an SMT-LIB script instead.",
)
@click.option("--teeth", is_flag=True, help="Judge all mutants of the decision instead.")
@semantics_option(default="repaired")
@decision_option
@json_option
def prove(
    names: tuple[str, ...],
    solver: str | None,
    timeout: float | None,
    listing: bool,
    smt2: Path | None,
    teeth: bool,
    semantics: Semantics,
    decision: Decision,
    as_json: bool,
) -> Status:
    """Prove the obligations whose names contain a NAME, or all.

    The properties are proved for the decision with all repairs, unless --semantics says otherwise; the other families
    speak of every semantics, or name those that they speak of. Each answer is proved, refuted (with a counterexample
    that was run), vacuous (what it assumes cannot be), or undecided.
    """
    if teeth:
        from hammer2_oracle.teeth_report import prove_teeth

        if names or solver or timeout or listing or smt2 or semantics != REPAIRED:
            raise click.UsageError(
                "--teeth judges all mutants: it takes no NAME, --solver, --timeout, --list, --smt2 or --semantics"
            )
        return prove_teeth(as_json)
    if (listing or smt2) and (solver or timeout):
        raise click.UsageError("--list and --smt2 ask no solver: they take no --solver or --timeout")
    if listing and smt2:
        raise click.UsageError("expected --list or --smt2, not both")
    from hammer2_oracle import prove_report
    from hammer2_proofs.obligations import SOLVERS, TIMEOUT_SECONDS
    from hammer2_proofs.proving import obligations
    from hammer2_proofs.source import Refused

    try:
        with prove_report.lifting():
            asked = obligations(names, semantics)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except Refused as refused:
        raise click.ClickException(f"outside the dialect: {refused}") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt("while the sources were lifted; nothing was asked yet") from None
    if listing:
        prove_report.list_obligations(asked, as_json)
        return Status.AGREE
    if smt2:
        prove_report.export(asked, smt2, as_json)
        return Status.AGREE
    solvers = SOLVERS if solver == "both" else tuple(name for name in SOLVERS if name == solver)
    return prove_report.prove(asked, names, solvers, timeout or TIMEOUT_SECONDS, semantics, decision, as_json)
