"""What this program is called here, for lines that are to be pasted into a shell."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "hammer2-cluster"


def program() -> str:
    """The command line as it was started: its bare name where PATH leads to it, else a path that leads to it from here.

    Where something else was started (``python -m hammer2_proofs.bulk``), the one that is installed beside Python.
    """
    started = sys.argv[0]
    return from_here(started if Path(started).name == NAME else str(Path(sys.executable).with_name(NAME)))


def python() -> str:
    """The Python that is running, as a path that leads to it from here."""
    return from_here(sys.executable)


def pasted(*words: str) -> str:
    """A call of the command line, to be pasted into a shell."""
    return shlex.join([program(), *words])


def from_here(path: str) -> str:
    """A path as it is best typed here; a program that PATH leads to by its name."""
    if not Path(path).is_absolute():
        return path
    if path == shutil.which(Path(path).name):
        return Path(path).name
    try:
        nearer = Path(path).relative_to(Path.cwd())
    except (ValueError, OSError):  # OSError: the directory is gone
        return path
    return str(nearer) if nearer.parent != Path() else f"./{nearer}"
