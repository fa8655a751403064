"""What ``hammer2-cluster replay`` does and prints."""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from hammer2_cluster.program import from_here, pasted
from hammer2_oracle.conform.divergence import read
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.messages import Answer
from hammer2_oracle.conform.operations import OperationJudgement
from hammer2_oracle.conform.replaying import Fate, Replayed, replay
from hammer2_oracle.conform.report import AnyJudgement, drawn
from hammer2_oracle.conform.scenarios import ScenarioJudgement
from hammer2_oracle.reading import Unreadable
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status, worst
from hammer2_oracle.words import counted


def run(place: Path, command: Sequence[str], timeout: float, as_json: bool) -> Status:
    """Ask again and print what came of it. Raises click.ClickException where nothing can be read or asked."""
    try:
        found = list(read(place))
        replayed = list(replay(iter(found), command, timeout))
    except Unreadable as unreadable:
        raise click.ClickException(str(unreadable)) from None
    except Misbehaved as misbehaved:
        raise click.ClickException(f"{shlex.join(command) or place}: {misbehaved}") from None
    status = worst(*(it.fate.status for it in replayed))
    options = [] if timeout == 10.0 else ["--timeout", f"{timeout:g}"]
    reproduce = pasted("replay", *options, from_here(str(place)), *(["--", *command] if command else []))
    if as_json:
        click.echo(json.dumps(_as_json(replayed, command, status, reproduce)))
    else:
        _show(replayed, status, reproduce)
    return status


def _show(replayed: Sequence[Replayed], status: Status, reproduce: str) -> None:
    screen = Screen()
    for path, divergence, fate, judgement, why in replayed:
        style = {Fate.FIXED: "green", Fate.FAILS: "red", Fate.OPEN: "yellow"}[fate]
        screen.line(f"{from_here(str(path))}: {fate.value}{': ' if why else ''}{why}", style)
        if fate is Fate.FAILS and judgement is not None:
            for line in drawn(judgement, divergence.judged_by):
                screen.line(f"    {line}")
    counts = Counter(it.fate for it in replayed)
    parts = ", ".join(f"{counts[fate]} {fate.value}" for fate in Fate if counts[fate])
    screen.line(f"{counted(len(replayed), 'divergence')}: {parts}", "bold red" if status else "bold green")
    if status:
        screen.line(f"Reproduce with: {reproduce}")


def _as_json(replayed: Sequence[Replayed], command: Sequence[str], status: Status, reproduce: str) -> dict[str, object]:
    counts = Counter(it.fate for it in replayed)
    return {
        "command": "replay",
        "implementation": [*command] or None,
        **{fate.name.lower(): counts[fate] for fate in Fate},
        "divergences": [
            {
                "file": str(it.path),
                "fate": it.fate.name.lower(),
                "why": it.why or None,
                "got": _got(it.judgement),
                "found": msgspec.to_builtins(it.divergence),
            }
            for it in replayed
        ],
        "status": status,
        "reproduce": reproduce,
    }


def _got(judgement: AnyJudgement | None) -> object:
    if isinstance(judgement, OperationJudgement):
        return judgement.got
    if isinstance(judgement, ScenarioJudgement):
        return judgement.breach.got if judgement.breach else None
    return msgspec.to_builtins(judgement.reply) if judgement and isinstance(judgement.reply, Answer) else None
