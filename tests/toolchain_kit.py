"""What is not Python's: a test that needs it is skipped where it is missing, or fails where it must be there."""

import os
import shutil
import subprocess
from typing import Final

import pytest

PACKAGES: Final = {
    "a C compiler with json-c": "gcc libc6-dev pkg-config libjson-c-dev",
    "perl with JSON::PP": "perl",
    "chromium": "chromium",
}
"""What is needed, and the packages of Debian that bring it; .ci/run installs them."""


def _works(*command: str) -> bool:
    return (
        shutil.which(command[0]) is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def here(what: str) -> bool:
    """Whether it is on this machine."""
    match what:
        case "a C compiler with json-c":
            return _works("cc", "--version") and _works("pkg-config", "--exists", "json-c >= 0.14")
        case "perl with JSON::PP":
            return _works("perl", "-MJSON::PP", "-e", "1")
        case "chromium":
            return shutil.which("chromium") is not None
    raise ValueError(f"nobody knows how to look for {what}")


def needs(what: str) -> None:
    """Skip the test where something is missing, and say what brings it; in CI fail instead."""
    if here(what):
        return
    message = f"{what} is missing: apt-get install {PACKAGES[what]}"
    if os.environ.get("REQUIRE_TOOLS"):
        pytest.fail(f"{message} (REQUIRE_TOOLS is set: nothing is skipped)")
    pytest.skip(message)
