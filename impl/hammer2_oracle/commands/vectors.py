"""``hammer2-cluster vectors``: questions and right answers for implementations that cannot be asked."""

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
    help="Some seconds and 5 MB, or some minutes and 60 MB.",
)
@click.option("--seed", type=click.IntRange(min=0), default=20150330, show_default=True, help="Of all random choices.")
@click.option(
    "--strength", "measured", is_flag=True, help="Also say which mutants of the specification the decisions tell apart."
)
@json_option
def vectors(
    out: Path, semantics: Semantics, size: Literal["quick", "full"], seed: int, measured: bool, as_json: bool
) -> Status:
    """Write vectors of decisions and traces of operations, right ones, and wrong ones that must be rejected.

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
    if measured:
        import json

        import msgspec

        from hammer2_oracle.strength import strength
        from hammer2_oracle.vector_record import Vector

        found = strength([msgspec.json.decode(line, type=Vector) for line in made[0].lines], semantics)
        (out / "strength.json").write_text(json.dumps(found.as_json(), indent=1) + "\n")
        click.echo(f"{out / 'strength.json'}: {found.sentence}", err=as_json)
    click.echo(text.decode() if as_json else f"{out / FILE}: what they hold, with their hashes", nl=not as_json)
    return Status.AGREE
