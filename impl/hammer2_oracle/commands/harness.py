"""``hammer2-cluster harness``: the file that lets conform examine a port in some language."""

from pathlib import Path
from typing import Final

import click

from hammer2_oracle.status import Status

FILES: Final = {
    "c": "hammer2_conform.h",
    "c-cluster": "hammer2_conform_cluster.h",
    "perl": "Hammer2Conform.pm",
    "python": "hammer2_conform.py",
}
DIRECTORY: Final = Path(__file__).parents[1] / "harnesses"


@click.command("harness")
@click.argument("language", type=click.Choice(list(FILES)))
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True), default=".")
def harness(language: str, directory: Path) -> Status:
    """Write the file that lets conform examine a port in LANGUAGE to DIRECTORY (here, unless you name one)."""
    file = directory / FILES[language]
    text = (DIRECTORY / file.name).read_text()
    if file.exists() and file.read_text() != text:
        raise click.ClickException(f"{file} is there already, and is another one")
    file.write_text(text)
    click.echo(f"{file}: its first lines tell how to use it")
    return Status.AGREE
