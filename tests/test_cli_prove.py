"""`hammer2-cluster prove`: what it prints, how it ends, and that nothing passes that was not proved."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cvc5
import pytest
import z3
from click.testing import CliRunner, Result
from tests.terminal_kit import shown_on_a_terminal

from hammer2_cluster.program import program
from hammer2_oracle.cli import main
from hammer2_oracle.status import Status
from hammer2_proofs import proving
from hammer2_proofs.obligations import TIMEOUT_SECONDS, NotReproduced, Obligation, Read, anything
from hammer2_proofs.proving import FAMILIES
from hammer2_proofs.source import Place, Refused
from hammer2_spec.semantics import REPAIRED

X = z3.Int("x")
PROGRAM = Path(sys.executable).with_name("hammer2-cluster")


def of_seven(read: Read) -> str:
    return f"slot 0\nx is {read(X)}"


def hard() -> Obligation:
    holes, pigeons = 11, 12
    sits = [[z3.Bool(f"sits {i} {j}") for j in range(holes)] for i in range(pigeons)]
    rows = [z3.Or(*row) for row in sits]
    pairs = [(i, k, j) for i in range(pigeons) for k in range(i) for j in range(holes)]
    alone = [z3.Or(z3.Not(sits[i][j]), z3.Not(sits[k][j])) for i, k, j in pairs]
    return Obligation("too hard", (X > 0,), z3.Not(z3.And(*rows, *alone)))


KINDS = {
    "true": Obligation("true", (X > 0,), X >= 1, solvers=("z3", "cvc5")),
    "false": Obligation("false", (X > 0,), X != 7, of_seven),
    "vacuous": Obligation("vacuous", (X > 0, X < 0), X == 3, of_seven),
    "hard": hard(),
}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The obligations are those of these kinds."""

    def obligations(*_: object) -> Iterator[Obligation]:
        return iter([KINDS[kind] for kind in request.param])

    monkeypatch.setattr(proving, "FAMILIES", {"made": obligations})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["prove", *arguments])


def answered(*arguments: str) -> dict[str, Any]:
    result = run("--json", *arguments)
    answers: dict[str, Any] = json.loads(result.stdout)
    assert answers["status"] == result.exit_code
    assert (
        answers["questions"]
        >= len(answers["answers"])
        == sum(answers[kind] for kind in ("proved", "refuted", "vacuous", "undecided"))
    )
    return answers


@pytest.mark.parametrize("made", [["true"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_what_is_proved_agrees_and_shows_its_time() -> None:
    result = run()
    assert result.exit_code == Status.AGREE
    *lines, last = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["proved", "z3"], ["proved", "cvc5"]]
    assert all(line.endswith(" s  made: true") for line in lines)
    assert last.startswith("2 of 2 proved (z3 1, cvc5 1), ")
    assert last.endswith(" CPU-seconds")


@pytest.mark.parametrize("made", [["true", "false"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_what_is_refuted_differs_and_shows_its_counterexample() -> None:
    result = run()
    assert result.exit_code == Status.DIFFER
    assert "    slot 0\n    x is 7\n" in result.stdout
    assert "2 of 3 proved (z3 2, cvc5 1), 1 refuted, " in result.stdout
    assert result.stdout.endswith(f"\nReproduce with: {program()} prove --timeout {TIMEOUT_SECONDS:g} 'made: false'\n")


@pytest.mark.parametrize("made", [["vacuous"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_what_is_vacuous_is_no_proof() -> None:
    answers = answered()
    assert (answers["status"], answers["vacuous"], answers["proved"]) == (Status.DIFFER, 1, 0)


@pytest.mark.parametrize("made", [["true", "hard"]], indirect=True)
@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("solver", ["z3", "cvc5", "both"])
def test_a_solver_that_gives_up_is_undecided(solver: str) -> None:
    answers = answered("--timeout", "2", "--solver", solver)
    expected = 2 if solver == "both" else 1
    assert (answers["status"], answers["undecided"], answers["proved"]) == (Status.UNDECIDED, expected, expected)
    assert answers["reproduce"] == f"{program()} prove --solver {solver} --timeout 2 'made: too hard'"


@pytest.mark.parametrize("made", [["hard", "false"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_refuted_outranks_undecided() -> None:
    assert run("--timeout", "2").exit_code == Status.DIFFER


@pytest.mark.parametrize("made", [["false"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_a_counterexample_that_python_does_not_confirm_is_a_defect_of_this_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def deny(read: Read) -> str:
        raise NotReproduced(f"{read(X)} is fine")

    monkeypatch.setitem(KINDS, "false", Obligation("false", (X > 0,), X != 7, deny))
    result = run()
    assert result.exit_code == Status.INTERNAL_ERROR
    assert "7 is fine" in result.stderr


def test_a_family_that_has_lost_obligations_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "FAMILIES", {"induction": lambda *_: iter([KINDS["true"]] * 699)})
    result = run("induction")
    assert result.exit_code == Status.BAD_INPUT
    assert "induction has lost obligations: 699, where there were 700" in result.stderr


@pytest.mark.parametrize("made", [["true", "false", "hard"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_names_select_obligations() -> None:
    assert [answer["name"] for answer in answered("true")["answers"]] == ["made: true", "made: true"]
    listed = run("--list", "made: t").stdout.splitlines()
    assert [line.split() for line in listed] == [["z3+cvc5", "made:", "true"], ["z3", "made:", "too", "hard"]]
    assert json.loads(run("--list", "--json", "false").stdout) == {
        "obligations": [{"name": "made: false", "solvers": ["z3"]}]
    }


@pytest.mark.parametrize("made", [["true"]], indirect=True)
@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nonsense"], "no obligation's name contains 'nonsense'; --list shows them all"),
        (["true", "nonsense"], "no obligation's name contains 'nonsense'"),
        (["--solver", "yices"], "'yices' is not one of"),
        (["--timeout", "0"], "0.0 is not in the range"),
        (["--timeout", "soon"], "'soon' is not a valid float"),
        (["--decision", "other"], "no decision is called 'other'"),
        (["--teeth", "true"], "--teeth judges all mutants"),
        (["--teeth", "--list"], "--teeth judges all mutants"),
    ],
)
def test_bad_usage_is_one_line(arguments: list[str], complaint: str) -> None:
    result = run(*arguments)
    assert result.exit_code == Status.BAD_INPUT
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1
    assert not result.stdout


@pytest.mark.parametrize("made", [["true", "false"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_scripts_for_another_solver_ask_the_same(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "scripts"
    result = run("--smt2", str(directory))
    assert result.exit_code == Status.AGREE
    assert result.stdout == f"2 scripts in {directory}: unsat is proved\n"
    said = {}
    for file in sorted(directory.iterdir()):
        answer = ""
        solver = cvc5.Solver(cvc5.TermManager())
        parser = cvc5.InputParser(solver)
        parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, str(file))
        while not (command := parser.nextCommand()).isNull():
            answer = command.invoke(solver, parser.getSymbolManager()).strip()
        said[file.name] = answer
    assert said == {"0001-made-true.smt2": "unsat", "0002-made-false.smt2": "sat"}
    assert (directory / "0001-made-true.smt2").read_text().startswith("; made: true\n")
    assert not any(":status" in file.read_text() for file in directory.iterdir())
    assert json.loads(run("--smt2", str(directory), "--json").stdout)["scripts"] == 2


@pytest.mark.parametrize("made", [["true", "false"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_ctrl_c_loses_neither_the_names_nor_that_nothing_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(proving, "discharge", stop)
    stopped = answered("made: true", "false")
    assert (stopped["status"], stopped["answers"]) == (Status.UNDECIDED, [])
    assert stopped["reproduce"] == f"{program()} prove --timeout {TIMEOUT_SECONDS:g} 'made: true' false"
    monkeypatch.setattr(proving, "FAMILIES", {"made": stop})
    result = run()
    assert result.exit_code == Status.UNDECIDED
    assert result.stderr == "hammer2-cluster: stopped: while the sources were lifted; nothing was asked yet\n"


def test_what_is_outside_the_dialect_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def family(*_: object) -> Iterator[Obligation]:
        raise Refused(Place("properties.py", 7, 4), "lambda", "has no meaning here")

    monkeypatch.setattr(proving, "FAMILIES", {"made": family})
    result = run()
    assert result.exit_code == Status.BAD_INPUT
    assert result.stderr.startswith("hammer2-cluster: outside the dialect: properties.py:7")
    assert result.stderr.endswith(": lambda: has no meaning here\n")


@pytest.mark.parametrize("made", [["true"]], indirect=True)
@pytest.mark.usefixtures("made")
def test_scripts_that_cannot_be_written_are_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("--smt2", str(tmp_path / "file"))
    assert result.exit_code == Status.BAD_INPUT
    assert "file" in result.stderr


def test_two_obligations_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    laws = [*FAMILIES["counting"](REPAIRED, anything)]
    monkeypatch.setattr(proving, "FAMILIES", {"counting": lambda *_: iter([*laws, laws[0]])})
    with pytest.raises(ValueError, match="2 obligations have one name: counting: a set is empty or has an element"):
        proving.obligations()


def test_every_obligation_has_a_solver_that_must_prove_it() -> None:
    with pytest.raises(ValueError, match="nobody must prove: nothing"):
        Obligation("nothing", (), X > 0, solvers=())


def test_ctrl_c_says_what_was_found_by_then_and_in_a_pipe_there_is_no_progress() -> None:
    process = subprocess.Popen(
        [PROGRAM, "prove", "equivalence"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, complaint = process.communicate()
    assert first.startswith("proved ")
    assert process.returncode == Status.UNDECIDED
    assert complaint == "hammer2-cluster: stopped before all was asked\n"
    assert " not asked, " in output.splitlines()[-2]
    assert output.splitlines()[-1].startswith(f"Reproduce with: {program()} prove")


def test_progress_is_shown_on_a_terminal() -> None:
    shown, _ = shown_on_a_terminal([str(PROGRAM), "prove", "equivalence: votes_for, 0"])
    assert "lifting the sources" in shown
    assert "2/2" in shown
