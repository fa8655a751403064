"""The command line, ``hammer2-cluster``: its commands, and what every one of them does at its end.

A command returns its exit status. Whatever else happens to it (bad usage, a full disk, a closed pipe, Ctrl-C) ends
here, in one line on standard error.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, Any, Final

import click

from hammer2_cluster.program import pasted
from hammer2_oracle.options import complain
from hammer2_oracle.status import Status

COMMANDS: Final = {
    "resolve": "Decide one configuration, and say why.",
    "check": "Judge recorded calls of another implementation.",
    "prove": "Ask the solvers for the proof obligations.",
    "claims": "Show what the original promises, and what checks it.",
    "findings": "Show what is wrong with the original, and what mends it.",
    "explore": "Visit every reachable state of a model.",
    "conform": "Examine an implementation that answers over a pipe.",
    "harness": "Write what a port in C, Perl or Python needs to be examined.",
    "replay": "Ask an implementation again where it once went wrong.",
    "vectors": "Write vectors and traces for an implementation to consume.",
    "store": "Run a real cluster on file-backed nodes.",
}
"""Each is a function of the same name in a module of the same name under hammer2_oracle.commands."""


class Ending(click.ClickException):
    """A command ends early, with one line that says why."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click has a plain attribute there
        """What click leaves with."""
        return self.status

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        del file
        complain(self.message)


class CommandLine(click.Group):
    """The group of all commands; a command's module is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are shown."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"hammer2_oracle.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        """Read the arguments; ``--help`` prints here."""
        with _endings():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command, see that all it printed has left, and end with the status that it returned."""
        with _endings():
            ctx.exit(super().invoke(ctx) or Status.AGREE)


@contextmanager
def _endings() -> Iterator[None]:
    """Turn every way in which a command may end early into one line and an exit status."""
    try:
        try:
            yield
        finally:
            _flush()
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        command = error.ctx.command_path.split()[1:] if error.ctx else []
        place = f" (see {pasted(*command, '--help')})" if error.ctx else ""
        raise Ending(Status.BAD_INPUT, error.format_message() + place) from None
    except (Ending, click.exceptions.Exit):
        raise
    except click.ClickException as error:
        raise Ending(Status.BAD_INPUT, error.format_message()) from None
    except OSError as error:
        _discard_output()
        if isinstance(error, BrokenPipeError) and error.filename is None:  # who reads has seen enough, as head has
            raise click.exceptions.Exit(Status.BAD_INPUT) from None
        raise Ending(Status.BAD_INPUT, f"{error.filename or 'cannot write the output'}: {error.strerror}") from None
    except (KeyboardInterrupt, click.Abort) as stop:
        raise Ending(Status.UNDECIDED, ": ".join(["stopped", *map(str, stop.args)])) from None
    except MemoryError:
        raise Ending(Status.UNDECIDED, "out of memory") from None
    except Exception as error:  # noqa: BLE001 - a defect must not end with the status that means "differ"
        traceback.print_exc()
        raise Ending(Status.INTERNAL_ERROR, f"internal error, please report it: {error!r}") from None


def _flush() -> None:
    if sys.stdout is None:
        raise Ending(Status.BAD_INPUT, "cannot write the output: standard output is closed")
    sys.stdout.flush()


def _discard_output() -> None:
    """Send what is still buffered nowhere, lest Python tries to write it once more at its end."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="hammer2-cluster", message="%(prog)s %(version)s")
def main() -> None:
    """A reference for the cluster layer of the HAMMER2 filesystem: decides, explains, proves, and judges.

    Exit status: 0 agree, 1 differ or refuted, 2 bad usage or unreadable input, 3 undecided.
    """


if __name__ == "__main__":
    import_module("hammer2_oracle.cli").main()  # the module that commands import, and not a second one
