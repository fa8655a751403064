"""Make `.venv` from the lock file, or bring it up to date; nothing happens when it is current.

The Makefile calls this before every target. `.venv` is current while its stamp names this Python, this
directory, and the content of the lock file and of `pyproject.toml`. Another Python or directory means a new
`.venv`; other contents mean an installation into the one that is there.
"""

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMP = ENVIRONMENT / "hammer2-cluster.stamp"
LOCK_FILE = ROOT / "requirements-dev.lock"


def interpreter() -> str:
    """Return the first line of the stamp: what `.venv` cannot change without being made anew."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return f"Python {version} for {ROOT}"


def contents() -> str:
    """Return the second line of the stamp: a digest of what is installed."""
    digest = hashlib.sha256(LOCK_FILE.read_bytes() + (ROOT / "pyproject.toml").read_bytes())
    return f"sha256 {digest.hexdigest()}"


def stamped() -> list[str]:
    """Return the lines of the stamp, none when there is no finished `.venv`."""
    return STAMP.read_text().splitlines() if STAMP.exists() else []


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let a second make that starts meanwhile wait for the first."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pip_install(*arguments: str) -> None:
    """Run pip in `.venv`; it stays silent unless something goes wrong."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "-qq", "install", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


def refresh() -> None:
    """Make or update `.venv`, and stamp it once everything is in place."""
    started_with = stamped()
    STAMP.unlink(missing_ok=True)
    if started_with[:1] != [interpreter()]:
        print(f"Making .venv with {interpreter()} (a minute or two) ...", file=sys.stderr)
        base = os.path.realpath(sys.executable)  # .venv must not be made by the Python inside it
        subprocess.run([base, "-m", "venv", "--clear", ENVIRONMENT], check=True)
    else:
        print("Updating .venv from requirements-dev.lock ...", file=sys.stderr)
    pip_install("--require-hashes", "--only-binary=:all:", "--requirement", str(LOCK_FILE))
    pip_install("--no-build-isolation", "--no-deps", "--editable", ".")
    STAMP.write_text(f"{interpreter()}\n{contents()}\n")


def main() -> int:
    """Refresh `.venv` if it is not current; return the exit status."""
    current = [interpreter(), contents()]
    try:
        with alone():
            if stamped() != current:
                refresh()
    except subprocess.CalledProcessError as error:
        print(f"Could not make .venv: this command failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped: .venv is unfinished, the next make goes on.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
