"""The judges of the operations: which code each answers for, and that a wrong version is noticed."""

import ast
import lzma
from pathlib import Path

import pytest

import traces_by_reading
from hammer2_oracle.replay import check_trace
from hammer2_oracle.trace_record import OPERATIONS
from hammer2_oracle.traces import decode
from hammer2_proofs.apart import apart
from hammer2_proofs.mutants import Mutant
from hammer2_proofs.operations.misuses import MISUSES, Misused
from hammer2_proofs.operations.probes import modules, run_instead
from hammer2_proofs.operations.specialised import Code
from hammer2_proofs.operations.teeth import (
    Outcome,
    belongs_to,
    cases_for,
    code_of,
    coverage_of,
    fate_of,
    mutants,
    ways_through,
)
from hammer2_spec.semantics import REPAIRED, SEED

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "traces-public.jsonl.xz"


@pytest.fixture(scope="module")
def seed_code() -> Code:
    return code_of(SEED, list(OPERATIONS))


class FewTraces:
    name = "few traces"
    semantics = SEED
    straight = True

    def __init__(self) -> None:
        with lzma.open(GOLDEN) as file:
            self.traces = [decode(line) for line in file.read().splitlines()[::8]]

    def parts(self) -> dict[str, int]:
        return {"traces": len(self.traces)}

    def count(self) -> int:
        return len(self.traces)

    def is_well(self, case: int) -> bool:
        return check_trace(self.traces[case]) is None


def test_what_is_left_under_the_seed_replays_as_the_whole_does(seed_code: Code) -> None:
    judge = FewTraces()

    def work() -> list[int]:
        for name, module in modules().items():
            body = [f for n, f in seed_code.functions[name].items() if "." not in n]
            run_instead(module, ast.Module([*body], []))
        return [case for case in range(judge.count()) if not judge.is_well(case)]

    assert apart(work) == []


def test_code_that_only_a_repair_selects_is_not_left_under_the_seed(seed_code: Code) -> None:
    repaired = code_of(REPAIRED, list(OPERATIONS))
    assert "believed" in repaired.functions["standing"]
    assert "believed" not in seed_code.functions["standing"]
    assert ways_through(seed_code) - ways_through(repaired)
    every = mutants()
    of_believed = [mutant for mutant in every if mutant.function == "believed"]
    assert of_believed
    assert not any(belongs_to(mutant, seed_code) for mutant in of_believed)
    assert sum(belongs_to(mutant, repaired) for mutant in of_believed) > len(of_believed) * 0.9


def test_what_the_text_of_the_seed_says_of_calls_that_nobody_recorded_holds() -> None:
    traces = traces_by_reading.traces()
    assert len(traces) > 25
    assert [trace.id for trace in traces if check_trace(trace) is not None] == []


def mutant(description: str) -> Mutant:
    return next(mutant for mutant in mutants() if mutant.description.endswith(description))


def test_a_wrong_version_is_killed_by_a_case_that_comes_by_and_the_original_stays() -> None:
    judge = FewTraces()
    coverage = coverage_of(judge)
    wrong = mutant("`cluster.refs += 1` became `cluster.refs -= 1`")
    cases = cases_for(wrong, coverage)
    assert 0 < len(cases) < judge.count()
    assert fate_of(judge, wrong, cases).outcome is Outcome.KILLED
    assert fate_of(judge, wrong, []).outcome is Outcome.ALIVE
    assert all(judge.is_well(case) for case in cases)


@pytest.mark.parametrize("misused", MISUSES, ids=lambda misused: str(misused.sentence))
def test_a_call_that_breaks_a_contract_ends_as_the_original_does(misused: Misused) -> None:
    assert misused.is_well()
    assert not misused._replace(outcome="something else").is_well()
