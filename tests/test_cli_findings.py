"""`hammer2-cluster findings`: every finding in full, with the example that machines found, and nothing out of date."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hammer2_cluster.program import program, python
from hammer2_oracle.cli import main
from hammer2_oracle.status import Status
from hammer2_proofs import matrix, protocol_findings
from hammer2_proofs.examples import judge
from hammer2_spec.claims import CLAIMS
from hammer2_spec.findings import FINDINGS
from hammer2_spec.properties import PROPERTIES
from hammer2_spec.protocol.findings import PROTOCOL_FINDINGS
from hammer2_spec.semantics import RESOLVE_REPAIRS, SEED

OF_THE_DECISION = [number for number, finding in FINDINGS.items() if finding.repair in RESOLVE_REPAIRS]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["findings", *arguments])


def printed(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == Status.AGREE, result.output
    return result.stdout


OF_THE_PROTOCOL = [*PROTOCOL_FINDINGS, *(f"V{number:02}" for number in range(1, 12))]


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_overview_names_every_finding_and_every_property() -> None:
    text = printed()
    for number, finding in FINDINGS.items():
        assert f"{number}  {finding.title}" in text
        assert f"mended by {finding.repair}" in text
    for prop in PROPERTIES:
        assert f" {prop.name}: " in text


@pytest.mark.parametrize("number", FINDINGS)
def test_a_finding_shows_the_claim_it_breaks_with_its_lines_and_what_goes_wrong(number: str) -> None:
    finding = FINDINGS[number]
    text = in_one_line(printed(number.lower()))
    assert f"lines {finding.lines}; mended by the repair {finding.repair}" in text
    for name in finding.claims:
        assert in_one_line(f"{name} ({CLAIMS[name].lines or 'derived'}): {CLAIMS[name].promise}") in text
    assert in_one_line(finding.story) in text
    assert in_one_line(finding.mended) in text


@pytest.mark.parametrize("number", OF_THE_DECISION)
def test_the_command_that_a_finding_prints_decides_its_example_again(number: str) -> None:
    text = printed(number)
    commands = [line.split("$ ")[1] for line in text.splitlines() if line.strip().startswith(f"$ {program()} ")]
    told = [line for line in text.splitlines() if re.match(r" +(pfs_nmasters \d+|no PFS): ", line)]
    assert commands
    for command, line in zip(commands, told, strict=True):
        again = json.loads(CliRunner().invoke(main, [*shlex.split(command)[1:], "--json"]).stdout)
        assert f": {again['outcome']}, " in line
        assert f"error {again['error']}, flags {again['flags']:#x}" in line


@pytest.mark.parametrize("number", OF_THE_DECISION)
def test_the_original_breaks_a_claim_of_the_finding_and_this_repair_alone_mends_it(number: str) -> None:
    finding = FINDINGS[number]
    text = printed(number)
    assert f"With all repairs but this one, semantics -{finding.repair}, the decision breaks " in text
    shown = json.loads(printed(number, "--json"))["finding"]["seed_example"]
    if shown is None:
        assert "No smallest counterexample of the original is mended by this repair alone." in text
        return
    assert f"The original, semantics seed, breaks {shown['property']}; the smallest example:" in text
    prop = next(prop for prop in PROPERTIES if prop.name == shown["property"])
    example = matrix.example_from_json(shown["example"])
    assert not judge(prop, example, SEED).holds
    assert judge(prop, example, SEED._replace(**{finding.repair: True})).holds


def test_most_findings_of_the_decision_have_an_example_of_the_original() -> None:
    found = json.loads(printed("--json"))["findings"]
    assert sum(found[number]["seed_example"] is not None for number in OF_THE_DECISION) >= len(OF_THE_DECISION) - 1


OF_THE_OPERATIONS = [number for number in FINDINGS if number not in OF_THE_DECISION]


@pytest.mark.parametrize("number", [OF_THE_OPERATIONS[0], OF_THE_OPERATIONS[-1]])
def test_the_run_of_a_finding_can_be_replayed_and_differs_from_the_repaired(number: str) -> None:
    (command,) = [line.strip()[2:] for line in printed(number).splitlines() if line.strip().startswith("$ ")]
    for semantics, status in ((f"-{FINDINGS[number].repair}", 0), ("repaired", 1)):
        asked = command.replace(f"-{FINDINGS[number].repair}", semantics)
        finished = subprocess.run(["/bin/bash", "-c", asked], capture_output=True, text=True, check=False)
        assert (finished.returncode, finished.stderr) == (status, ""), asked


def test_the_object_for_machines_holds_what_is_printed() -> None:
    everything: dict[str, Any] = json.loads(printed("--json"))
    assert set(everything["findings"]) == set(FINDINGS)
    assert everything["matrix"] == matrix.load()
    for number in FINDINGS:
        one = json.loads(printed(number, "--json"))["finding"]
        assert one == everything["findings"][number]
        assert one.get("broken") or one.get("run")


@pytest.mark.parametrize("number", ["F00", "3", "resolve", "F\u0663"])
def test_no_such_finding_is_bad_usage(number: str) -> None:
    result = run(number)
    assert result.exit_code == Status.BAD_INPUT
    assert f"no finding is called '{number}', expected F01 to " in result.stderr


@pytest.mark.parametrize("number", ["F3", "f003", "p1"])
def test_a_number_may_be_written_without_its_zero(number: str) -> None:
    assert printed(number) == printed(f"{number[0].upper()}0{number[-1]}")


def test_a_matrix_of_other_sources_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "resolve.json"
    other.write_text(json.dumps(matrix.load() | {"sources": "0" * 64}))
    monkeypatch.setattr(matrix, "STORED", other)
    result = run("F01")
    assert result.exit_code != Status.AGREE
    assert f"speaks of other sources than these: {python()} -m hammer2_proofs.matrix --write" in result.stderr


def test_a_missing_matrix_says_how_to_make_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(matrix, "STORED", tmp_path / "absent.json")
    result = run()
    assert result.exit_code != Status.AGREE
    assert f"is missing: {python()} -m hammer2_proofs.matrix --write" in result.stderr


def test_the_overview_names_every_finding_of_the_protocol_and_its_matrix() -> None:
    text = printed()
    for number, finding in PROTOCOL_FINDINGS.items():
        assert f"{number}  {finding.title}" in text
    assert "\nV01   4 steps  every majority of intact media yields what was acknowledged\n" in text
    assert "disable_on_disconnect     one client                 holds" in text


@pytest.mark.parametrize("number", OF_THE_PROTOCOL)
def test_a_finding_of_the_protocol_shows_its_shortest_counterexample(number: str) -> None:
    text = printed(number)
    row = json.loads(printed(number, "--json"))["finding"]["counterexample"]
    assert f"{len(row['steps']):>2}. {row['steps'][-1][0]}" in text
    assert f": {row['sentence']}" in in_one_line(text)
    command = text.splitlines()[-1].removeprefix("$ ")
    assert shlex.split(command)[:3] == [program(), "explore", row["model"]]


def test_the_object_for_machines_has_the_protocol() -> None:
    found = json.loads(printed("--json"))["protocol"]
    assert list(found["findings"]) == OF_THE_PROTOCOL
    assert found["matrix"] == protocol_findings.load()


def test_counterexamples_of_another_protocol_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_findings, "digest", lambda: "another")
    result = run("P01")
    assert result.exit_code != Status.AGREE
    assert f"speaks of another protocol than this: {python()} -m hammer2_proofs.protocol_ablations" in result.stderr
