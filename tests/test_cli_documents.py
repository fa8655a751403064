"""What the documents show is what the commands print."""

import json
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from hammer2_oracle.cli import main

ROOT = Path(__file__).parents[1]
HOW_TO = ROOT / "docs" / "how-to"
BLOCK = re.compile(r"(?m)^    \$ .*\n(?:(?:    .*)?\n)*?(?=^\S|\Z)")


def examples(document: Path) -> list[tuple[str, str]]:
    """Every command that a document shows, with what it says that the command prints."""
    blocks = [textwrap.dedent(block).strip() for block in BLOCK.findall(document.read_text())]
    return [(command.removeprefix("$ "), output) for command, _, output in (block.partition("\n") for block in blocks)]


def without_lines(text: str) -> str:
    """The text without the numbers of lines of the specification, which move."""
    return re.sub(r"\.py:\d+", ".py:N", text)


@pytest.mark.parametrize(("name", "commands"), [("judge-an-implementation.md", 4), ("judge-a-cluster.md", 3)])
def test_the_examples_print_what_they_show(name: str, commands: int, tmp_path: Path) -> None:
    shown = examples(HOW_TO / name)
    assert len(shown) == commands
    (first, rows), *rest = shown
    assert first.startswith("cat ")
    (tmp_path / first.removeprefix("cat ")).write_text(rows + "\n")
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    for command, output in rest:
        finished = subprocess.run(
            ["/bin/bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert without_lines(finished.stdout.rstrip()) == without_lines(output), command
        assert finished.stderr == ""


def test_the_front_page_shows_what_the_commands_print() -> None:
    shown = examples(ROOT / "README.md")
    assert len(shown) == 2
    for command, output in shown:
        program, *arguments = shlex.split(command)
        assert program == ".venv/bin/hammer2-cluster"
        printed = subprocess.run(
            [Path(sys.executable).parent / "hammer2-cluster", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert printed.stdout.rstrip() == output, command


def test_the_reference_describes_every_key_of_the_object() -> None:
    text = (ROOT / "docs" / "reference" / "check.md").read_text()
    printed = json.loads(CliRunner().invoke(main, ["check", "--json", "nothing"]).stdout)
    assert [key for key in printed if f"`{key}`" not in text] == []
    assert [key for key in printed["unreadable"][0] if f"`{key}`" not in text] == []
