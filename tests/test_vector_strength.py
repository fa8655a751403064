"""How strong vectors are is counted: who is killed, who survives and is named, who takes too long."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import itf_py
import pytest

import hammer2_spec.resolve
from hammer2_cluster import locking
from hammer2_oracle import strength as module
from hammer2_oracle import strength_operations, strength_protocol
from hammer2_oracle.protocol import scenarios
from hammer2_oracle.protocol.scenarios import Scenarios
from hammer2_oracle.status import Status
from hammer2_oracle.strength import Strength, strength
from hammer2_oracle.traces import decode
from hammer2_oracle.vector_set import resolve_vectors
from hammer2_proofs.mutants import Mutant, Mutation, mutate
from hammer2_spec.protocol import reading, writing
from hammer2_spec.semantics import REPAIRED, SEED

EVERY = 60
VECTORS = resolve_vectors(REPAIRED, "quick")
TEXT = Path(hammer2_spec.resolve.__file__).read_text()


def as_mutants(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    wrong = tuple(Mutant(f"m{n}", "resolve", 1, "test", f"mutant {n}", "wrong", text) for n, text in enumerate(texts))
    monkeypatch.setattr(module, "mutate", lambda _: Mutation(wrong, 0, 0, 0))


@cache
def strength_of_all() -> Strength:
    return strength(VECTORS, REPAIRED, EVERY)


def test_most_mutants_are_killed_and_the_others_are_named() -> None:
    found = strength_of_all()
    assert found.killed > 0.6 * found.mutants > 4
    assert found.killed + len(found.survivors) + len(found.inconclusive) == found.mutants
    assert all(text.startswith("resolve.py:") for text in found.survivors)
    assert len(found.properties) > 5
    assert max(found.properties.values()) <= found.killed


def test_vectors_of_nothing_kill_little() -> None:
    nothing = [it for it in VECTORS if not it.s and it.p is None]
    assert strength(nothing, REPAIRED, EVERY).killed < strength_of_all().killed


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
    monkeypatch.setattr(strength_protocol, "mutants", protocol_mutants)
    monkeypatch.setattr(strength_operations, "mutants", list)
    said = CliRunner().invoke(
        vectors, ["--out", str(tmp_path), "--strength", "--itf", "--least", "1"], standalone_mode=False
    )
    assert said.return_value == Status.DIFFER  # nothing of the decisions is killed
    assert "strength.json: decisions: 0 of 1 mutants of the specification killed, 1 survive" in said.stdout
    assert "strength.json: protocol: 1 of 2 mutants" in said.stdout
    found = json.loads((tmp_path / "strength.json").read_text())
    assert found["decisions"]["survivors"] == ["mutant 0"]
    assert (found["operations"]["mutants"], found["protocol"]["survivors"]) == (0, ["as it is"])
    itf = sorted((tmp_path / "itf").iterdir())
    assert len(itf) == len((tmp_path / "protocol-accept.jsonl").read_text().splitlines()) > 5
    assert itf_py.trace_from_json(json.loads(itf[0].read_text())).vars[0] == "action"


# ---- traces of the protocol, and of operations

WRITING = Path(writing.__file__).read_text()


def protocol_mutants(*changes: tuple[str, str]) -> list[Mutant]:
    """Versions of acknowledge: as it is, one that acknowledges at once, and what else is asked for."""
    all_changes = (("", ""), ("replies(m, s, c) < needed(m, s, c)", "False"), *changes)
    texts = (WRITING.replace(old, new) if old else WRITING for old, new in all_changes)
    names = ("as it is", "at once", *(new for _, new in changes))
    modules = zip(names, texts, strict=True)
    return [Mutant(name, "acknowledge", 1, "test", name, writing.__name__, text) for name, text in modules]


def scenarios_of_one_cluster(monkeypatch: pytest.MonkeyPatch) -> Scenarios:
    monkeypatch.setattr(scenarios, "WALKS", {"quick": (1, 20)})
    return scenarios.scenarios.__wrapped__("quick", 1)


def test_traces_of_the_protocol_kill_what_is_wrong_name_what_survives_and_wait_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strength_protocol, "CPU_SECONDS", 0.5)
    found = scenarios_of_one_cluster(monkeypatch)
    endless = ("client.phase != Phase.WRITE or replies(m, s, c) < needed(m, s, c)", "all(True for _ in iter(int, 1))")
    chosen = protocol_mutants(endless)
    result = strength_protocol.strength(found.legal, found.refused, chosen)
    assert (result.killed, result.survivors) == (1, ["as it is"])
    assert result.inconclusive == [endless[1]]
    assert strength_protocol.strength(found.legal, [], chosen[:2]).killed == 0  # it allows more, and forbids nothing


def test_most_mutants_of_the_protocol_are_killed_by_its_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scenarios_of_one_cluster(monkeypatch)
    monkeypatch.setattr(strength_protocol, "MODULES", (reading,))
    every = strength_protocol.mutants.__wrapped__()
    assert len(every) > 100
    result = strength_protocol.strength(found.legal, found.refused, every[::20])
    assert result.killed > 0.5 * result.mutants > 3
    assert result.killed + len(result.survivors) + len(result.inconclusive) == result.mutants
    assert result.properties


def test_most_mutants_of_the_operations_are_killed_by_their_traces(
    monkeypatch: pytest.MonkeyPatch, quick_vectors: Path
) -> None:
    monkeypatch.setattr(strength_operations, "mutants", lambda: list(mutate(locking).mutants))
    files = (quick_vectors / f"traces-{verdict}.jsonl" for verdict in ("accept", "reject"))
    right, wrong = ([decode(line) for line in file.read_bytes().splitlines()] for file in files)
    result = strength_operations.strength(right, wrong, SEED, every=12)
    assert result.killed > 0.5 * result.mutants > 3
    assert result.killed + len(result.survivors) + len(result.inconclusive) == result.mutants
    assert sum(result.functions.values()) == result.killed
    assert result.properties


def test_help_does_not_load_what_it_does_not_need() -> None:
    program = Path(sys.executable).with_name("hammer2-cluster")
    said = subprocess.run([program, "vectors", "--help"], capture_output=True, text=True, check=True)
    assert "--strength" in said.stdout
