"""The command line as a whole: how it ends, whatever happens to it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hammer2_oracle import cli, commands
from hammer2_oracle.cli import COMMANDS, main
from hammer2_oracle.status import Status, worst

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("hammer2-cluster")
GOLDEN = ROOT / "data" / "golden" / "resolve-public.jsonl.xz"
ROW = '{"k":"a","m":2,"f":516,"p":0,"s":[[8,2,0]],"o":"ok","F":0,"e":0,"g":13060}'


def run(*arguments: str | Path, stdin: str = "") -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def start(*arguments: str | Path, stdout: int = subprocess.PIPE, unbuffered: str = "") -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    return subprocess.Popen([COMMAND, *arguments], stdin=pipe, stdout=stdout, stderr=pipe, text=True, env=environment)


def one_line(text: str) -> str:
    """The only line of a text."""
    (line,) = text.splitlines()
    return line


def test_every_command_is_a_module_with_a_function_of_its_name() -> None:
    files = {path.stem for path in Path(next(iter(commands.__path__))).glob("*.py")} - {"__init__"}
    assert set(COMMANDS) == files
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_help_lists_every_command_and_the_exit_statuses() -> None:
    text = run("--help").stdout
    for name, summary in COMMANDS.items():
        assert f"  {name} " in text
        assert summary in text
    assert "2 bad usage" in text


BAD_USAGE: dict[str, tuple[Sequence[str], str]] = {
    "no such command": (["decide"], "No such command 'decide'"),
    "no such option": (["check", "--quick", "x"], "No such option '--quick'"),
    "no file": (["check"], "expected FILE... or --vectors DIR"),
    "a negative limit": (["check", "--max-divergences", "-1", "x"], "-1 is not in the range x>=0"),
    "no such repair": (["check", "--semantics", "+wings", "x"], "'+wings'"),
    "no such semantics": (["resolve", "--semantics", "seeds", "--no-pfs"], "expected seed, repaired, or"),
    "a misspelt repair": (["resolve", "--semantics", "-majorty_tid", "--no-pfs"], "(-majority_tid?); "),
    "a repair without sign": (["resolve", "--semantics", "sound_votes", "--no-pfs"], "(+sound_votes?); "),
    "where the repairs are": (["resolve", "--semantics", "+wings", "--no-pfs"], " findings names them all"),
    "no number of seconds": (["prove", "--timeout", "nan"], "'nan' is no finite number"),
    "an endless time": (["prove", "--timeout", "inf"], "inf is not in the range 0<x<=1000000"),
    "a time too long to count": (["conform", "--timeout", "1e300", "--", "x"], "is not in the range"),
    "a silent implementation": (["conform", "--timeout", "nan", "--", "x"], "'nan' is no finite number"),
    "a list that is proved": (["prove", "--list", "--timeout", "3"], "--list and --smt2 ask no solver"),
    "a list that is exported": (["prove", "--list", "--smt2", "x"], "expected --list or --smt2, not both"),
    "a solver for scripts": (["prove", "--smt2", "x", "--solver", "z3"], "--list and --smt2 ask no solver"),
    "teeth with a time": (["prove", "--teeth", "--timeout", "3"], "--teeth judges all mutants: it takes no NAME,"),
    "no such decision": (["check", "--decision", "guess", "x"], "no decision is called 'guess', expected resolve"),
}


@pytest.mark.parametrize("what", BAD_USAGE)
def test_bad_usage_gets_one_line_that_says_where_to_look(what: str) -> None:
    arguments, words = BAD_USAGE[what]
    result = run(*arguments)
    assert result.exit_code == Status.BAD_INPUT
    assert result.stdout == ""
    assert words in one_line(result.stderr)
    assert result.stderr.startswith("hammer2-cluster: ")
    assert "--help)" in result.stderr


def test_a_line_is_short_however_long_what_it_speaks_of_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([ROW.replace('"k"', f'"{"k" * 100_000}"'), ROW.replace("516", "9" * 5_000)]))
    for arguments in (
        ["check", str(path)],
        ["resolve", "--nmasters", "9" * 5_000],
        ["resolve", "--nmasters", "1", f"6:{'9' * 5_000}"],
        ["resolve", "--semantics", f"+{'x' * 100_000}", "--no-pfs"],
    ):
        assert 20 < len(one_line(run(*arguments).stderr)) < 1_000
    assert all(len(f"{place}") < 2_000 for place in json.loads(run("check", "--json", path).stdout)["unreadable"])


def test_an_interrupt_while_the_program_is_loaded_is_one_line() -> None:
    interrupted = "import sys; sys.argv[0] = 'hammer2-cluster'; import hammer2_oracle; raise KeyboardInterrupt"
    finished = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (Status.UNDECIDED, "hammer2-cluster: stopped\n")
    defect = interrupted.replace("KeyboardInterrupt", "KeyError")
    assert "Traceback" in subprocess.run([sys.executable, "-c", defect], capture_output=True, text=True).stderr  # noqa: PLW1510 - fails


def test_without_arguments_help_is_shown_and_it_is_bad_usage() -> None:
    result = run()
    assert result.exit_code == Status.BAD_INPUT
    assert "Commands:" in result.output


def test_the_worst_status_is_the_one_that_outranks_the_others() -> None:
    assert worst() == Status.AGREE
    assert worst(Status.AGREE, Status.UNDECIDED) == Status.UNDECIDED
    assert worst(Status.UNDECIDED, Status.DIFFER) == Status.DIFFER
    assert worst(Status.DIFFER, Status.BAD_INPUT, Status.UNDECIDED) == Status.BAD_INPUT
    assert [int(status) for status in (Status.AGREE, Status.DIFFER, Status.BAD_INPUT, Status.UNDECIDED)] == [0, 1, 2, 3]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["check", str(GOLDEN)], ["resolve", "--no-pfs", "--json"]])
def test_a_full_disk_gets_one_line(arguments: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        process = start(*arguments, stdout=full.fileno(), unbuffered=unbuffered)
        _, errors = process.communicate()
    assert process.returncode == Status.BAD_INPUT
    assert one_line(errors) == "hammer2-cluster: cannot write the output: No space left on device"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["explore", "--list"], ["resolve", "--no-pfs"]])
def test_whoever_reads_may_stop_at_any_time_and_nothing_is_said(arguments: list[str], unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*arguments, stdout=writing, unbuffered=unbuffered)
    os.close(writing)
    _, errors = process.communicate()
    assert process.returncode == Status.BAD_INPUT
    assert errors == ""


@pytest.mark.parametrize(("redirection", "status"), [(">&-", 2), ("2>&-", 0), ("<&-", 2)])
def test_closed_standard_streams_are_no_crash(redirection: str, status: int) -> None:
    command = f"exec {shlex.quote(str(COMMAND))} check {'-' if '<' in redirection else GOLDEN} {redirection}"
    finished = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    assert finished.returncode == status
    assert (
        finished.stderr
        == {
            ">&-": "hammer2-cluster: cannot write the output: standard output is closed\n",
            "2>&-": "",
            "<&-": "hammer2-cluster: standard input: is closed\n",
        }[redirection]
    )


@pytest.mark.parametrize(
    ("row", "status", "found", "again"),
    [
        (ROW, Status.UNDECIDED, r"^([0-9]+) records: \1 agreed, 0 diverged$", "to keep it: "),
        (ROW.replace("13060", "0"), Status.DIFFER, r"^([0-9]+) records: 0 agreed, \1 diverged$", "Reproduce with: "),
    ],
)
def test_an_interrupt_says_what_was_found_by_then(row: str, status: Status, found: str, again: str) -> None:
    process = start("check", "-")
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(f"{row}{' ' * 10_000}\n" * 200)  # more than is judged at once
    process.stdin.flush()  # returns when all but a pipe's content was read: the first batch is judged by then
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == status
    assert re.search(found, output, re.MULTILINE)
    assert again in output
    assert one_line(errors) == "hammer2-cluster: stopped before all was judged"


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (click.ClickException("no such record"), Status.BAD_INPUT, "no such record"),
        (KeyboardInterrupt(), Status.UNDECIDED, "stopped"),
        (MemoryError(), Status.UNDECIDED, "out of memory"),
        (PermissionError(13, "Permission denied", "cache"), Status.BAD_INPUT, "cache: Permission denied"),
        (ZeroDivisionError("by zero"), Status.INTERNAL_ERROR, "internal error, please report it"),
        (AssertionError("never"), Status.INTERNAL_ERROR, "AssertionError('never')"),
    ],
)
def test_whatever_a_command_raises_ends_with_a_status_and_a_line(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: Status, words: str
) -> None:
    @click.command("resolve")
    def fails() -> None:
        raise raised

    monkeypatch.setattr(cli, "import_module", lambda _: type("Module", (), {"resolve": fails}))
    result = run("resolve")
    assert result.exit_code == status
    assert result.stderr.splitlines()[-1].startswith("hammer2-cluster: ")
    assert words in result.stderr.splitlines()[-1]
    assert ("Traceback" in result.stderr) == (status == Status.INTERNAL_ERROR)


def test_the_module_is_the_program_too() -> None:
    module = [sys.executable, "-m", "hammer2_oracle.cli"]
    shown = subprocess.run([*module, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == "python -m hammer2_oracle.cli 0.1.0\n"
    ended = subprocess.run([*module, "store", "ls", "/nowhere"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "hammer2-cluster: /nowhere: No such file or directory\n")


def test_the_version_is_printed() -> None:
    assert run("--version").stdout.split()[1] == "0.1.0"


def test_json_is_one_object_on_one_line() -> None:
    for arguments in (["check", str(GOLDEN), "--json"], ["resolve", "--no-pfs", "--json"]):
        assert json.loads(one_line(run(*arguments).stdout))["command"] == arguments[0]
