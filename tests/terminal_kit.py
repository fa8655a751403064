"""Commands that have a terminal to show something on."""

import os
import pty
import subprocess
from collections.abc import Sequence


def shown_on_a_terminal(command: Sequence[str]) -> tuple[str, str]:
    """Run a command whose standard error is a terminal: what it shows there, and what it prints on standard output.

    The terminal is read all the while: nobody knows how much a slow machine draws.
    """
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as terminal:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, text=True)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # the end, on Linux
        pass
    os.close(ours)
    printed, _ = process.communicate()
    assert process.returncode == 0
    return shown.decode(), printed
