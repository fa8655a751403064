"""Repeat the property-based tests, each round with another seed, until the time is up: `make fuzz`."""

import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

import click

from hammer2_oracle.options import FiniteRange

NOTHING_COLLECTED = 5  # pytest's exit status


def command_for(seed: int, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs one round: more examples than `make test`, and all of them from this seed."""
    options = ["--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}"]
    return [sys.executable, "-m", "pytest", "-m", "hypothesis", "-q", "-n", "auto", *options, *arguments]


def fuzz(minutes: float, first_seed: int, arguments: Sequence[str]) -> int:
    """Run rounds until the time is up or one fails; a round that has begun is finished. Return the exit status."""
    started = time.monotonic()
    rounds = 0
    try:
        while rounds == 0 or time.monotonic() - started < 60 * minutes:
            seed = first_seed + rounds
            print(f"round {rounds + 1}, seed {seed}", flush=True)
            command = command_for(seed, arguments)
            status = subprocess.run(command, check=False).returncode
            if status == NOTHING_COLLECTED:
                print("fuzz: no property-based test was selected", file=sys.stderr)
                return 2
            if status:
                print(f"fuzz: round {rounds + 1} failed")
                print(f"Reproduce with: {shlex.join(command)}")
                return 1
            rounds += 1
    except KeyboardInterrupt:
        print(f"fuzz: interrupted; rounds without a failure: {rounds}")
        return 3
    print(f"fuzz: rounds without a failure: {rounds}, seeds {first_seed} to {first_seed + rounds - 1}")
    return 0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--minutes", type=FiniteRange(min=0), default=10, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the first round.  [default: drawn at random]")
@click.argument("arguments", metavar="[PYTEST ARGUMENT]...", nargs=-1)
def main(minutes: float, seed: int | None, arguments: Sequence[str]) -> None:
    """Repeat the property-based tests, each round with another seed, until the time is up or a round fails."""
    sys.exit(fuzz(minutes, secrets.randbelow(2**32) if seed is None else seed, arguments))


if __name__ == "__main__":
    main()
