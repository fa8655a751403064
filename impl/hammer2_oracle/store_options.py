"""What the commands of ``hammer2-cluster store`` have in common."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from hammer2_oracle.status import Status

P = ParamSpec("P")
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


class Size(click.ParamType[int]):
    """A number of bytes, with a unit: 65536, 64K, 64M, 1G."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the text."""
        if isinstance(value, int):
            return value
        text = str(value).upper().removesuffix("IB").removesuffix("B")
        digits = text.rstrip("KMG")
        if not digits.isascii() or not digits.isdigit() or text[len(digits) :] not in UNITS:
            self.fail(f"{value!r} is no size, expected a number and K, M or G", param, ctx)
        return int(digits) * UNITS[text[len(digits) :]]


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
