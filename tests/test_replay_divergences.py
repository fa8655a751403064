"""`conform` keeps what went wrong, and `replay` asks for it again: it is fixed, or it still fails."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given

from hammer2_cluster.resolve import resolve
from hammer2_oracle.conform.divergence import ENDING, Divergence, file_name
from hammer2_oracle.conform.rules import broken, rules
from hammer2_oracle.status import Status
from hammer2_oracle.testing import configurations
from hammer2_spec.configuration import Configuration, Outcome, Slot, Verdict
from hammer2_spec.semantics import REPAIRED, SEED
from hammer2_spec.vocabulary import PfsType

ROOT = Path(__file__).resolve().parent.parent
FAKE = [sys.executable, str(Path(__file__).with_name("fake_implementation.py"))]
PROGRAM = Path(sys.executable).with_name("hammer2-cluster")
QUICK = ["--slots", "1", "--lives", "0", "--timeout", "30"]


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where divergences are kept."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False, timeout=120)


def examine(*fake: str) -> list[Path]:
    """The files that an examination leaves."""
    assert called("conform", *QUICK, "--", *FAKE, *fake).returncode == Status.DIFFER
    return sorted(Path("divergences").iterdir())


def replayed(place: Path | str, *fake: str) -> dict[str, Any]:
    finished = called("replay", "--timeout", "30", "--json", str(place), *(["--", *FAKE, *fake] if fake else []))
    found: dict[str, Any] = json.loads(finished.stdout)
    assert found["status"] == finished.returncode
    assert len(found["divergences"]) == found["fixed"] + found["fails"] + found["open"]
    return found


def test_every_divergence_is_one_record_of_the_published_form() -> None:
    files = examine("repaired", "seed")
    assert len(files) == 20
    schema = json.loads((ROOT / "docs" / "reference" / "divergence.schema.json").read_text())
    for file in files:
        jsonschema.validate(json.loads(file.read_text()), schema)
        divergence = msgspec.json.decode(file.read_bytes(), type=Divergence)
        assert file_name(divergence) == file.name
        right = resolve(*divergence.question.configuration, SEED)
        assert divergence.expected.verdict == right != (divergence.got and divergence.got.verdict)
        assert divergence.rules
        assert divergence.stable


def test_the_same_divergence_is_kept_once() -> None:
    assert examine("repaired", "seed") == examine("repaired", "seed")


def test_what_still_fails_is_drawn_and_what_is_mended_is_fixed() -> None:
    files = examine("repaired", "seed")
    again = called("replay", "divergences")
    assert again.returncode == Status.DIFFER
    assert again.stdout.count(": still failing: ") == again.stdout.count("expected focus") == len(files)
    mended = called("replay", "divergences", "--", *FAKE, "seed")
    assert mended.returncode == Status.AGREE
    assert mended.stdout.splitlines() == [*(f"{file}: FIXED" for file in files), "20 divergences: 20 FIXED"]


def test_a_single_one_is_replayed_by_the_command_that_conform_prints() -> None:
    text = called("conform", *QUICK, "--", *FAKE, "repaired", "seed").stdout
    line = next(line for line in text.splitlines() if " replay " in line)
    finished = subprocess.run(["bash", "-c", line.strip().removeprefix("$ ")], text=True, capture_output=True)  # noqa: S607, PLW1510 - as pasted
    assert finished.returncode == Status.DIFFER
    *_, summary, last = finished.stdout.splitlines()
    assert summary == "1 divergence: 1 still failing"
    assert last.startswith("Reproduce with: ")
    again = subprocess.run([PROGRAM, *shlex.split(last)[3:]], capture_output=True, text=True, check=False)
    assert again.stdout == finished.stdout


def test_what_broke_the_protocol_is_asked_again_too() -> None:
    file, *_ = examine("repaired", "repaired", "fail-always")
    found = replayed(file)
    assert (found["fails"], found["divergences"][0]["why"]) == (1, "failed")
    assert replayed(file, "repaired")["fixed"] == 1


def test_what_went_wrong_only_once_is_not_called_fixed() -> None:
    files = examine("seed", "seed", "exit", "50")
    found = replayed(files[0])
    assert (found["status"], found["open"]) == (Status.UNDECIDED, 1)
    assert found["divergences"][0]["why"] == "it went wrong only now and then, and not in 20 tries"


def test_what_is_skipped_now_is_not_called_fixed() -> None:
    file, *_ = examine("repaired", "seed")
    found = replayed(file, "seed", "seed", "skip-all")
    assert (found["status"], found["divergences"][0]["why"]) == (Status.UNDECIDED, "it skips this: not written yet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no divergence: Input data was truncated"),
        ("{}", "is no divergence: Object missing required field `part`"),
    ],
)
def test_what_is_no_divergence_is_one_line(text: str, said: str) -> None:
    file = Path(f"x{ENDING}")
    file.write_text(text)
    for place in (".", str(file)):
        finished = called("replay", place, "--", *FAKE, "seed")
        assert finished.returncode == Status.BAD_INPUT
        assert finished.stderr == f"hammer2-cluster: {file}: {said}\n"


def test_semantics_that_do_not_exist_are_no_divergence() -> None:
    file, *_ = examine("repaired", "seed")
    file.write_text(file.read_text().replace('"semantics": "seed",\n "impl', '"semantics": "mended",\n "impl'))
    assert "is no divergence: semantics 'mended'" in called("replay", str(file)).stderr


def test_a_directory_without_any_is_one_line() -> None:
    finished = called("replay", ".")
    assert finished.returncode == Status.BAD_INPUT
    assert finished.stderr == "hammer2-cluster: .: holds no divergence: expected files named *.divergence.json\n"


def test_a_directory_that_cannot_be_written_loses_nothing_of_the_report() -> None:
    Path("file").write_text("")
    finished = called("conform", *QUICK, "--save", "file/below", "--json", "--", *FAKE, "repaired", "seed")
    assert finished.returncode == Status.BAD_INPUT
    assert len(json.loads(finished.stdout)["divergences"]) == 20
    assert finished.stderr.splitlines()[-1].startswith("hammer2-cluster: could not be written: file")


MASTER, ERRORED = Slot(True, PfsType.MASTER, 7, 0), Slot(True, PfsType.MASTER, 7, 1)


def test_the_sentence_that_an_answer_breaks_is_named() -> None:
    configuration = Configuration((ERRORED, MASTER, MASTER), 3, None, 4)
    right = resolve(*configuration, REPAIRED)
    said = list(rules(configuration, REPAIRED, ["focus"], right._replace(focus=0)))
    assert said[0].startswith("why focus: slot 1, the first master without error")
    assert "broken: No errored master is selected. (C35, L470-474)" in said
    assert not broken(configuration, right, right)


@given(configurations(max_slots=3))
def test_every_wrong_answer_of_a_repaired_decision_breaks_a_sentence(configuration: Configuration) -> None:
    right = resolve(*configuration, REPAIRED)
    wrong = [
        right._replace(focus=None if right.focus is not None else 0),
        right._replace(focus=200),
        right._replace(error=right.error ^ 1),
        right._replace(flags=right.flags ^ 0x100),
        Verdict(Outcome.KKASSERT_L408, None, 0, 0),
    ]
    for got in wrong:
        assert broken(configuration, right, got)
