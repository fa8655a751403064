"""Break what a step of `make verify` looks at, and the step says so: each with a mistake in a copy of the sources."""

import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from verify import STEPS

ROOT = Path(__file__).parent.parent


class Plant(NamedTuple):
    """A mistake, the step's command narrowed to where it shows, and what that says of it."""

    file: str
    before: str
    after: str
    command: Sequence[str]
    said: str


def program(*words: str) -> list[str]:
    return ["-m", "hammer2_oracle", *words]


def narrowed(module: str, *statements: str) -> list[str]:
    """A step's module whose lists are cut short before it begins."""
    return ["-c", f"import {module} as m; {'; '.join(statements)}; raise SystemExit(m.main())"]


def first_run(number: int) -> list[str]:
    """One run of the explorer's list."""
    return narrowed("hammer2_proofs.explorer.verification", f"m.STANDARD = m.STANDARD[{number}:{number + 1}]")


DECISION = "impl/hammer2_cluster/resolve.py", "nmasters >= nquorum", "nmasters > nquorum"
CREATE = "impl/hammer2_cluster/topology.py", "cluster.refs = 1", "cluster.refs = 2"
PLANTS = {
    "recorded-calls": Plant(*DECISION, program("check", "--records", "300", "resolve.jsonl"), " diverged"),
    "recorded-traces": Plant(*CREATE, program("check", "--records", "300", "traces.jsonl"), "refs"),
    "every-small-configuration": Plant(
        *DECISION,
        narrowed("hammer2_proofs.bulk", "m.CAMPAIGNS = (m.Campaign('tiny', 2, (0,), (m.SEED,), 7824),)"),
        "Reproduce with: ",
    ),
    "proofs": Plant(*DECISION, program("prove", "equivalence: quorum, 1 slots: reached"), "refuted "),
    "properties": Plant(
        *DECISION,
        narrowed(
            "hammer2_proofs.matrix",
            "stored = m.load()",
            "stored['rows'] = stored['rows'][3:4]",
            "m.load = lambda: stored",
            "m.is_current = lambda _: True",
            "m.PROPERTIES = m.PROPERTIES[3:4]",
        ),
        "a_majority_of_sound_masters_at_one_tid_is_enough: ",
    ),
    "teeth": Plant(
        "proofs/hammer2_proofs/mutants.py",
        "in _functions(tree):",
        "in list(_functions(tree))[:1]:",
        program("prove", "--teeth"),
        "expected",
    ),
    "operations": Plant(
        *CREATE,
        narrowed(
            "hammer2_proofs.operations.__main__",
            "import hammer2_proofs.operations.search as s",
            "s.QUESTIONS = {}",
            "m.PROGRAMS = {'create': m.PROGRAMS['create']}",
        ),
        "create on ",
    ),
    "contracts": Plant(
        "impl/hammer2_cluster/accessors.py",
        "chain.flags &= ~flags",
        "chain.flags &= ~flags | 1 << 10",
        ["tools/contracts.py", "accessors.clr_chainflags"],
        "refuted",
    ),
    "calibration": Plant(
        "proofs/hammer2_proofs/explorer/calibration.py", "m.masters // 2 + 1", "m.masters // 2", first_run(1), "broken"
    ),
    "protocol": Plant(
        "spec/hammer2_spec/protocol/state.py", "m.masters // 2 + 1", "m.masters // 2", first_run(3), "broken"
    ),
    "schedules": Plant(
        "impl/hammer2_cluster/control.py",
        "self._media[client.prior_tid] + 1",
        "self._media[client.prior_tid]",
        narrowed(
            "hammer2_proofs.schedules.__main__",
            "m.trial = m.reasons = lambda *_, **__: []",
            "m.STANDARD = [m.Scenario('tiny', (('write',),), masters=2)]",
        ),
        "Reproduce with: ",
    ),
}


TAKES_LONG = ("every-small-configuration", "proofs", "teeth")
"""Are not run without the mistake as well: what they complain of can only be that."""


def test_there_is_a_mistake_for_every_step() -> None:
    assert list(PLANTS) == [step.name for step in STEPS]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, and a few hundred of the recorded calls and traces."""
    made = tmp_path_factory.mktemp("copy")
    for name in ("spec", "impl", "proofs", "tools", "data"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("resolve", "traces"):
        with lzma.open(ROOT / "data" / "golden" / f"{name}-public.jsonl.xz") as records:
            (made / f"{name}.jsonl").write_bytes(b"".join(islice(records, 0, 3000, 10)))
    return made


def run(copy: Path, command: Sequence[str]) -> tuple[int, str]:
    """Exit status and output of a command on the copy."""
    paths = os.pathsep.join(str(copy / name) for name in ("spec", "impl", "proofs", "tools"))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("step", PLANTS)
def test_a_mistake_in_what_it_looks_at_turns_the_step_red(copy: Path, step: str) -> None:
    plant = PLANTS[step]
    file = copy / plant.file
    text = file.read_text(encoding="utf-8")
    assert text.count(plant.before) == 1
    if step not in TAKES_LONG:
        status, said = run(copy, plant.command)
        assert status == 0, said
    file.write_text(text.replace(plant.before, plant.after), encoding="utf-8")
    try:
        status, said = run(copy, plant.command)
    finally:
        file.write_text(text, encoding="utf-8")
    assert status == 1, said
    assert plant.said in said
