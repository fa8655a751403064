"""The commands of the how-to for CI, run as they stand there (the night is a short one)."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from hammer2_oracle.manifest import manifest, text_of
from hammer2_oracle.protocol.record import Cluster, Event, ProtocolTrace
from hammer2_oracle.status import Status
from hammer2_oracle.vector_set import Part
from hammer2_spec.semantics import SEED

ROOT = Path(__file__).resolve().parent.parent
HOW_TO = ROOT / "docs" / "how-to" / "examine-in-ci.md"
PORT = ROOT / "tests" / "ports" / "port.py"
RIGHT = (ROOT / "impl" / "hammer2_cluster" / "resolve.py").read_text()
SHORT = {"--slots 3": "--slots 1", "--lives 20000": "--lives 20"}


def commands() -> list[str]:
    shown = re.findall(r"(?m)^    ((?:\[|hammer2-cluster ).*)$", HOW_TO.read_text())
    assert len(shown) == 5
    return shown


def ran(command: str, where: Path) -> subprocess.CompletedProcess[str]:
    for long, short in SHORT.items():
        command = command.replace(long, short)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KEPT": str(where / "kept")}
    return subprocess.run(
        ["/bin/bash", "-c", command], cwd=where, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a port that takes members with an error for sound, and one for what is kept."""
    assert "slot.error == 0" in RIGHT
    (tmp_path / "decision.py").write_text(RIGHT.replace("slot.error == 0", "slot.error >= 0"))
    (tmp_path / "port").write_text(f"#!/bin/bash\nexec {sys.executable} {PORT} seed decision.py\n")
    (tmp_path / "port").chmod(0o755)
    (tmp_path / "kept").mkdir()
    return tmp_path


def test_the_commands_for_every_change_find_a_mistake_and_say_when_it_is_fixed(place: Path) -> None:
    examine, again, *_ = commands()
    assert ran(examine, place).returncode == Status.DIFFER
    assert (place / "conform.xml").read_text().count("<failure") > 1
    assert "<svg" in (place / "conform.html").read_text() or "<table" in (place / "conform.html").read_text()
    assert ran(again, place).returncode == Status.DIFFER
    (place / "decision.py").write_text(RIGHT)
    fixed = ran(again, place)
    assert fixed.returncode == Status.AGREE
    assert " FIXED" in fixed.stdout


def test_the_commands_for_every_night_keep_a_record_and_what_was_found(place: Path) -> None:
    _, _, night, begin, _ = commands()
    assert ran(begin, place).returncode == Status.AGREE  # the first night
    assert ran(night, place).returncode == Status.DIFFER
    [line] = (place / "kept" / "campaigns.jsonl").read_text().splitlines()
    assert json.loads(line)["status"] == Status.DIFFER
    assert "--seed" in json.loads(line)["reproduce"]
    assert ran(begin, place).returncode == Status.DIFFER
    (place / "decision.py").write_text(RIGHT)
    assert ran(begin, place).returncode == Status.AGREE
    assert ran(night, place).returncode == Status.AGREE
    assert len((place / "kept" / "campaigns.jsonl").read_text().splitlines()) == 2


def test_the_adapter_keeps_what_it_has_found(tmp_path: Path) -> None:
    [block] = re.findall(r"(?ms)^    # test_my_port\.py\n(.*?)^(?=\S)", HOW_TO.read_text())
    decision, quickly = "Verdict(*Verdict(Outcome.OK, None, 77, 0))", "phases=[Phase.reuse, Phase.generate], database="
    text = textwrap.dedent(block).replace("...  # call your port", decision).replace("database=", quickly)
    assert decision in text
    assert quickly in text
    beginning = "from hypothesis import Phase\nfrom hammer2_spec.configuration import Outcome\n"
    (tmp_path / "test_my_port.py").write_text(beginning + text)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_port.py"]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed" in found.stdout, found.stdout
    assert any(it.is_file() for it in (tmp_path / "kept" / "examples").rglob("*"))
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed" in again.stdout, again.stdout


def test_the_command_for_logs_fails_if_one_of_them_is_illegal(place: Path) -> None:
    *_, judge = commands()
    (place / "logs").mkdir()
    for name, actions in (("monday", ["Begin"]), ("tuesday", ["Begin", "Acknowledge"])):
        trace = ProtocolTrace(name, Cluster(masters=3, writes=8), [Event(it, [0]) for it in actions])
        (place / "logs" / f"{name}.jsonl").write_bytes(msgspec.json.encode(trace) + b"\n")
    lines = [(place / "logs" / "monday.jsonl").read_bytes().strip()]
    part = Part("protocol-accept.jsonl", "protocol trace", accept=True, lines=lines, coverage={})
    (place / "manifest.json").write_bytes(manifest([part], SEED, 0, "quick"))
    (place / part.name).write_bytes(text_of(part))
    assert ran("hammer2-cluster check --vectors .", place).returncode == Status.AGREE
    judged = ran(judge, place)
    assert judged.returncode == Status.DIFFER
    assert "3 records: 2 agreed, 1 diverged" in judged.stdout
    shutil.rmtree(place / "logs")
    assert ran(judge, place).returncode == Status.BAD_INPUT  # there must be logs
