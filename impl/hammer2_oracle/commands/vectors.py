"""``hammer2-cluster vectors``: questions and right answers for implementations that cannot be asked."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from hammer2_oracle.options import json_option, semantics_option
from hammer2_oracle.status import Status
from hammer2_spec.semantics import Semantics


@click.command("vectors")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The directory to write.")
@semantics_option("seed")
@click.option(
    "--size",
    type=click.Choice(["quick", "full"]),
    default="quick",
    show_default=True,
    help="Some seconds and 1 MB, or a minute and 3 MB.",
)
@click.option("--seed", type=click.IntRange(min=0), default=20150330, show_default=True, help="Of all random choices.")
@click.option(
    "--strength", "measured", is_flag=True, help="Also say which wrong versions of the specification they tell apart."
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="With --strength: only each N-th of them.",
)
@click.option(
    "--least",
    type=click.IntRange(0, 100),
    metavar="PERCENT",
    default=0,
    help="With --strength: fail if fewer mutants of any kind are killed.",
)
@click.option("--itf", is_flag=True, help="Also write each legal scenario as ITF, for Apalache's and Quint's tools.")
@json_option
def vectors(
    out: Path,
    semantics: Semantics,
    size: Literal["quick", "full"],
    seed: int,
    measured: bool,
    every: int,
    least: int,
    itf: bool,
    as_json: bool,
) -> Status:
    """Write vectors of decisions and traces of operations and of clusters: right ones, and wrong ones to be rejected.

    docs/reference/vectors.md describes the files, the manifest, and the receipt of a run over them.
    """
    from hammer2_oracle.manifest import FILE, manifest, text_of
    from hammer2_oracle.vector_set import parts

    out.mkdir(parents=True, exist_ok=True)
    made = []
    for part in parts(semantics, size, seed):
        (out / part.name).write_bytes(text_of(part))
        made.append(part)
        if not as_json:
            verdict = "accepted" if part.accept else "rejected"
            click.echo(f"{out / part.name}: {len(part.lines):,} records, each to be {verdict}")
    text = manifest(made, semantics, seed, size)
    (out / FILE).write_bytes(text)
    weak = False
    if itf:
        _write_itf(out / "itf", next(part.lines for part in made if part.kind == "protocol trace" and part.accept))
    if measured:
        from hammer2_oracle.strengths import strengths

        found = strengths(made, semantics, every, os.cpu_count() or 1)
        result = {name: it.as_json() for name, it in found.items()}
        (out / "strength.json").write_text(json.dumps(result, indent=1) + "\n")
        for name, it in found.items():
            click.echo(f"{out / 'strength.json'}: {name}: {it.sentence}", err=as_json)
        weak = any(100 * it.killed < least * (it.mutants - len(it.inconclusive)) for it in found.values())
    click.echo(text.decode() if as_json else f"{out / FILE}: what they hold, with their hashes", nl=not as_json)
    return Status.DIFFER if weak else Status.AGREE


def _write_itf(directory: Path, lines: Sequence[bytes]) -> None:
    """A file for each scenario."""
    from hammer2_oracle.protocol.itf import text_of
    from hammer2_oracle.protocol.record import decode

    directory.mkdir(exist_ok=True)
    for number, line in enumerate(lines):
        (directory / f"scenario-{number:03}.itf.json").write_text(text_of(decode(line)))
    click.echo(f"{directory}: {len(lines)} legal scenarios as ITF", err=True)
