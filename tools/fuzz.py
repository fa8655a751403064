"""Repeat the property-based tests, each round with another seed, until the time is up: `make fuzz`.

Each campaign leaves a line in a file: its first seed, the rounds, the counts, how it ended, and the commands that
repeat what failed. The next campaign begins with those: what one night found is there until it is mended.
"""

import os
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec
from junitparser import JUnitXml

from hammer2_oracle.options import FiniteRange

KEPT: Final = Path(__file__).parent.parent / ".hypothesis" / "campaigns.jsonl"
"""Beside the examples that Hypothesis keeps."""
REPRODUCE: Final = "Reproduce with: "
BAD_USAGE, NOTHING_COLLECTED = 4, 5  # of pytest's exit statuses; the first also for a test that is not there
GRACE_SECONDS = 30
"""What tests get to come to an end when the time is up."""


class Campaign(msgspec.Struct):
    """What came of one call."""

    seed: int
    """Of the first round; each round has the next one."""
    arguments: list[str]
    began: datetime
    outcome: str = "passed"
    """passed, failed, or stopped: by Ctrl-C, before the time was up."""
    rounds: int = 0
    """Without a failure; the last one is cut short when the time is up."""
    seconds: float = 0.0
    passed: int = 0
    """Tests, over all rounds."""
    failed: int = 0
    mended: list[str] = []
    """Commands that failed in an earlier campaign and pass now, or whose test is no longer there."""
    failing: list[str] = []
    """Commands that repeat what fails."""


def failing_before(kept: Path) -> list[str]:
    """What earlier campaigns found and none has seen mended. Raises click.UsageError for a file of something else."""
    found: dict[str, None] = {}
    for number, line in enumerate(kept.read_bytes().splitlines() if kept.exists() else (), start=1):
        try:
            campaign = msgspec.json.decode(line, type=Campaign)
        except msgspec.DecodeError as error:
            raise click.UsageError(f"{kept}:{number}: {error}") from None
        found |= dict.fromkeys(campaign.failing)
        found = {command: None for command in found if command not in campaign.mended}
    return list(found)


def command_for(seed: int, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs one round: more examples than `make test`, and all of them from this seed."""
    options = ["--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}"]
    return [sys.executable, "-m", "pytest", "-m", "hypothesis", "-q", "-n", "auto", *options, *arguments]


def run(command: Sequence[str], campaign: Campaign, seconds: float | None = None) -> int:
    """Run tests, for so many seconds at the most, and add to the campaign what came of them.

    Returns pytest's exit status, 0 where nothing had failed when the time was up. Raises KeyboardInterrupt on Ctrl-C.
    """
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "round.xml"
        process = subprocess.Popen(
            [*command, f"--junit-xml={report}"], stdout=subprocess.PIPE, text=True, process_group=0
        )
        timer = threading.Timer(seconds or 0, _end, [process])
        if seconds is not None:
            timer.start()
        try:
            wrong = _follow(process)
        except KeyboardInterrupt:
            _end(process)
            campaign.failing += _follow(process)
            raise
        finally:
            in_time = not timer.finished.is_set()
            timer.cancel()
            if report.exists():
                for suite in JUnitXml.fromfile(str(report)):
                    campaign.failed += suite.failures + suite.errors
                    campaign.passed += suite.tests - suite.skipped - suite.failures - suite.errors
    if process.returncode and (wrong or in_time):
        campaign.failing += wrong or [shlex.join(command)]
        return process.returncode
    return 0


def _follow(process: subprocess.Popen[str]) -> list[str]:
    """Print what tests print, to their end; the commands that repeat those that failed."""
    assert process.stdout is not None
    wrong = []
    for line in process.stdout:
        print(line, end="", flush=True)
        if line.startswith(REPRODUCE):
            wrong.append(line.removeprefix(REPRODUCE).strip())
    process.wait()
    return wrong


def _end(process: subprocess.Popen[str]) -> None:
    """Let tests come to an end, and all that they have started; after a while without asking."""

    def send(number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    send(signal.SIGINT)
    killer = threading.Timer(GRACE_SECONDS, send, [signal.SIGKILL])
    killer.daemon = True
    killer.start()


def fuzz(minutes: float, campaign: Campaign, before: Sequence[str] = ()) -> int:
    """Repeat what failed before, then run rounds until the time is up or something fails. Return the exit status."""
    started = time.monotonic()
    try:
        for command in before:
            print(f"failed in an earlier campaign: {command}", flush=True)
            campaign.failing, others = [], campaign.failing
            fails = run(shlex.split(command), campaign) not in (0, BAD_USAGE, NOTHING_COLLECTED)
            campaign.failing = [*others, command] if fails else others
            if not fails:
                campaign.mended.append(command)
        while not campaign.failing:
            left = 60 * minutes - (time.monotonic() - started)
            if campaign.rounds and left <= 0:
                break
            seed = campaign.seed + campaign.rounds
            print(f"round {campaign.rounds + 1}, seed {seed}", flush=True)
            if run(command_for(seed, campaign.arguments), campaign, max(left, 0) or None) == NOTHING_COLLECTED:
                print("fuzz: no property-based test was selected", file=sys.stderr)
                return 2
            campaign.rounds += not campaign.failing
    except KeyboardInterrupt:
        campaign.outcome = "stopped"
    campaign.seconds = round(time.monotonic() - started, 1)
    return _concluded(campaign)


def _concluded(campaign: Campaign) -> int:
    so_far = f"rounds without a failure: {campaign.rounds}"
    for command in campaign.mended:
        print(f"fuzz: passes now, or is no longer there: {command}")
    if campaign.failing:
        campaign.outcome = "failed"
        print(f"fuzz: failed; {so_far}")
        print("\n".join(f"{REPRODUCE}{command}" for command in campaign.failing))
        return 1
    if campaign.outcome == "stopped":
        print(f"fuzz: interrupted; {so_far}")
        return 3
    print(f"fuzz: {so_far}, seeds {campaign.seed} to {campaign.seed + campaign.rounds - 1}")
    return 0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--minutes", type=FiniteRange(min=0), default=10, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the first round.  [default: drawn at random]")
@click.option(
    "--kept",
    type=click.Path(dir_okay=False, path_type=Path),
    default=KEPT,
    help="Where campaigns are recorded.  [default: .hypothesis/campaigns.jsonl]",
)
@click.argument("arguments", metavar="[PYTEST ARGUMENT]...", nargs=-1)
def main(minutes: float, seed: int | None, kept: Path, arguments: Sequence[str]) -> None:
    """Repeat the property-based tests, each round with another seed, until the time is up or one fails.

    What an earlier campaign found comes first, until it is mended.
    """
    campaign = Campaign(secrets.randbelow(2**32) if seed is None else seed, [*arguments], datetime.now(UTC))
    before = failing_before(kept)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("ab") as records:
            status = fuzz(minutes, campaign, before)
            if status != 2:
                records.write(msgspec.json.encode(campaign) + b"\n")
    except OSError as error:
        raise click.UsageError(f"{kept}: {error.strerror}") from None
    sys.exit(status)


if __name__ == "__main__":
    main()
