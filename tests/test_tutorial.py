"""The tutorial's commands, run in an empty directory as they are printed, print what is printed there."""

import os
import re
import subprocess
from pathlib import Path

from tests.toolchain_kit import needs

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = ROOT / "docs" / "tutorial" / "test-your-implementation.md"
BLOCK = re.compile(r"(?:`([\w.]+)`:\n)?\n((?: {4}.*\n)(?: {4}.*\n|\n(?= {4}))*)")
COUNT = re.compile(r"\b\d{1,3}(?:,\d{3})*(?= (?:decisions|agreed|differed)\b)")
"""How many questions there are depends on how many mistakes are known."""


def script(text: str) -> tuple[str, str]:
    """The tutorial as a shell script, and what it should print."""
    commands, expected = [], []
    for file, indented in BLOCK.findall(text):
        block = re.sub("^    ", "", indented, flags=re.MULTILINE)
        if not block.startswith("$ "):
            assert file, f"what is that? {block}"
            commands.append(f"cat > {file} <<'END'\n{block}END\n")
            continue
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append(line.removeprefix("$ ") + "\n")
            else:
                expected.append(line + "\n")
    return "set -e\n" + "".join(commands), "".join(expected)


def test_what_the_tutorial_prints_is_what_happens(tmp_path: Path) -> None:
    needs("a C compiler with json-c")
    commands, expected = script(TUTORIAL.read_text())
    environment = {**os.environ, "CLONE": str(ROOT)}
    finished = subprocess.run(
        ["/bin/bash", "-c", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.stderr == ""
    assert finished.returncode == 0
    assert COUNT.sub("N", finished.stdout) == COUNT.sub("N", expected)


def test_the_tutorial_is_read_whole() -> None:
    text = TUTORIAL.read_text()
    commands, expected = script(text)
    assert commands.count("hammer2-cluster ") == text.count("    $ hammer2-cluster ") > 8
    assert commands.count("\ncc ") == 2
    assert expected.count("decisions: ") == 2
