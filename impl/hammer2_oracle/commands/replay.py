"""``hammer2-cluster replay``: ask again what once went wrong."""

from pathlib import Path

import click

from hammer2_oracle.options import json_option, silence_option
from hammer2_oracle.status import Status


@click.command("replay", context_settings={"ignore_unknown_options": True})
@click.argument("place", metavar="FILE|DIR", type=click.Path(path_type=Path, exists=True))
@click.argument("command", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@silence_option
@json_option
def replay(place: Path, command: tuple[str, ...], timeout: float, as_json: bool) -> Status:
    """Ask again for the divergences that conform has kept in FILE or DIR.

    COMMAND is asked, or the implementation in which each was found.
    """
    from hammer2_oracle.conform.replay_command import run

    return run(place, command, timeout, as_json)
