"""What the commands of ``hammer2-cluster store`` have in common."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from hammer2_oracle.status import Status

P = ParamSpec("P")


def a_store_command(function: Callable[P, Status]) -> Callable[P, Status]:
    """Whatever is wrong with a store ends as one line and status 2."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Status:
        from hammer2_oracle.cli import Ending
        from hammer2_oracle.store_directory import StoreError

        try:
            return function(*args, **kwargs)
        except StoreError as error:
            raise Ending(Status.BAD_INPUT, str(error)) from None

    return run


directory_argument = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
node_argument = click.argument("node", type=click.IntRange(0, 7))
