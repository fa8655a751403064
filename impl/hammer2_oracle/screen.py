"""Text for people: in colour on a terminal, plain in a pipe."""

import sys

import click


class Screen:
    """Standard output, line by line."""

    def __init__(self) -> None:
        self._console = None
        if sys.stdout.isatty():
            from rich.console import Console

            self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line; the style is one of rich's and shows on a terminal only."""
        if self._console:
            self._console.print(text, style=style)
        else:
            click.echo(text)
