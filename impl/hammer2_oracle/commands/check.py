"""``hammer2-cluster check``: judge recorded calls of another implementation."""

from pathlib import Path

import click

from hammer2_cluster.decisions import Decision
from hammer2_oracle.options import decision_option, json_option, semantics_option
from hammer2_oracle.status import Status
from hammer2_spec.semantics import Semantics


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1)
@semantics_option("seed")
@decision_option
@click.option(
    "--max-divergences",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="List so many differing fields, 0 for all. All are counted.",
)
@click.option("--records", type=click.IntRange(min=1), help="There must be just so many: no file has been cut short.")
@click.option(
    "--vectors",
    type=click.Path(path_type=Path, file_okay=False),
    help="Instead of files: all that a directory's manifest names, each to be accepted or rejected as it says.",
)
@click.option(
    "--receipt",
    type=click.Path(path_type=Path, dir_okay=False),
    default="receipt.jsonl",
    show_default=True,
    help="With --vectors: where the receipt is written.",
)
@json_option
def check(
    files: tuple[str, ...],
    semantics: Semantics,
    decision: Decision,
    max_divergences: int,
    records: int | None,
    vectors: Path | None,
    receipt: Path,
    as_json: bool,
) -> Status:
    """Judge the records in FILE... (.jsonl or .jsonl.xz, .itf.json, - for standard input).

    A record says what an implementation was asked and what it answered, or what happened to a cluster; it agrees when
    the reference answers the same, or allows it.
    """
    if bool(files) == (vectors is not None):
        raise click.UsageError("expected FILE... or --vectors DIR")
    if vectors is not None:
        if as_json:
            raise click.UsageError("with --vectors the receipt is the JSON: expected no --json")
        from hammer2_oracle.check_vectors import run

        return run(vectors, receipt, decision)
    from hammer2_oracle import check as judge
    from hammer2_oracle.check_report import report
    from hammer2_oracle.progress import reading_progress
    from hammer2_oracle.reading import Unreadable

    with reading_progress(files) as watcher:
        tally = judge.check(files, decision, semantics, max_divergences, watcher)
    if records is not None and tally.records != records:
        tally.note(Unreadable(" ".join(files), None, None, f"{tally.records:,} records, expected {records:,}"))
    report(tally, files, decision, semantics, max_divergences, records, as_json)
    return tally.status
