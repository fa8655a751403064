"""What the tests of hammer2-cluster store share."""

import os
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from hammer2_oracle.cli import main

COMMAND = Path(sys.executable).with_name("hammer2-cluster")


def run(*arguments: str | Path | bytes, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["store", *(os.fsdecode(argument) for argument in arguments)], input=stdin)


def good(*arguments: str | Path | bytes, stdin: bytes = b"") -> bytes:
    """Standard output of a command that must work, and say nothing else."""
    result = run(*arguments, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout_bytes


def refused(*arguments: str | Path | bytes) -> str:
    """The one line of a command that must not work."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout_bytes) == (2, b""), result.stderr
    (line,) = result.stderr.splitlines()
    return line.removeprefix("hammer2-cluster: ")
