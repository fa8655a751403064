"""How strong vectors are is counted: who is killed, who survives and is named, who takes too long."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import hammer2_spec.resolve
from hammer2_oracle import strength as module
from hammer2_oracle.strength import strength
from hammer2_oracle.vector_set import resolve_vectors
from hammer2_proofs.mutants import Mutant, Mutation
from hammer2_spec.semantics import REPAIRED

EVERY = 60
VECTORS = resolve_vectors(REPAIRED, "quick")
TEXT = Path(hammer2_spec.resolve.__file__).read_text()


def as_mutants(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    wrong = tuple(Mutant(f"m{n}", "resolve", 1, "test", f"mutant {n}", "wrong", text) for n, text in enumerate(texts))
    monkeypatch.setattr(module, "mutate", lambda _: Mutation(wrong, 0, 0, 0))


def test_most_mutants_are_killed_and_the_others_are_named() -> None:
    found = strength(VECTORS, REPAIRED, EVERY)
    assert found.killed > 0.6 * found.mutants > 4
    assert found.killed + len(found.survivors) + len(found.inconclusive) == found.mutants
    assert all(text.startswith("resolve.py:") for text in found.survivors)
    assert len(found.properties) > 5
    assert max(found.properties.values()) <= found.killed


def test_vectors_of_nothing_kill_little() -> None:
    nothing = [it for it in VECTORS if not it.s and it.p is None]
    assert strength(nothing, REPAIRED, EVERY).killed < strength(VECTORS, REPAIRED, EVERY).killed


def test_the_right_one_survives_and_one_that_crashes_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    as_mutants(monkeypatch, TEXT, TEXT + "\nresolve = None", TEXT + "\nraise ValueError")
    found = strength(VECTORS, REPAIRED)
    assert (found.killed, found.survivors) == (2, ["mutant 0"])


def test_one_that_takes_too_long_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_SECONDS", 0.2)
    as_mutants(monkeypatch, TEXT + "\ndef resolve(*_):\n    while True:\n        pass\n")
    found = strength(VECTORS, REPAIRED)
    assert (found.killed, found.survivors, found.inconclusive) == (0, [], ["mutant 0"])
    assert found.sentence == "0 of 1 mutants of the specification killed, 0 survive, 1 inconclusive"


def test_the_command_writes_it_beside_the_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from hammer2_oracle.commands.vectors import vectors

    as_mutants(monkeypatch, TEXT)
    monkeypatch.setattr("hammer2_oracle.vector_set.operation_traces", lambda *_: [])
    monkeypatch.setattr("hammer2_oracle.protocol.scenarios.WALKS", {"quick": (0, 0)})
    said = CliRunner().invoke(vectors, ["--out", str(tmp_path), "--strength"], standalone_mode=False)
    assert "strength.json: 0 of 1 mutants of the specification killed, 1 survive" in said.stdout
    assert json.loads((tmp_path / "strength.json").read_text())["survivors"] == ["mutant 0"]


def test_help_does_not_load_what_it_does_not_need() -> None:
    program = Path(sys.executable).with_name("hammer2-cluster")
    said = subprocess.run([program, "vectors", "--help"], capture_output=True, text=True, check=True)
    assert "--strength" in said.stdout
