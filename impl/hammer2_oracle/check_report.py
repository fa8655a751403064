"""What ``hammer2-cluster check`` prints."""

import json
import shlex
from collections.abc import Sequence
from itertools import islice
from typing import Any

import click

from hammer2_cluster.decisions import Decision
from hammer2_oracle.check import Tally
from hammer2_oracle.options import complain, reproduce
from hammer2_oracle.screen import Screen
from hammer2_oracle.words import counted
from hammer2_spec.semantics import Semantics, describe


def report(
    tally: Tally,
    files: Sequence[str],
    decision: Decision,
    semantics: Semantics,
    max_divergences: int,
    records: int | None,
    as_json: bool,
) -> None:
    """Print a tally: for machines or for people on standard output, what could not be read on standard error."""
    again = reproduce("check", decision, semantics, _arguments(files, records))
    command = reproduction(tally, files, decision, semantics, again)
    if as_json:
        click.echo(json.dumps(summary(tally, decision, semantics, max_divergences) | {"reproduce": command}))
    else:
        show(tally, command, again)
    for file, places in tally.unreadable_places.items():
        first = next(place for place in tally.unreadable if place.file == file)
        complain(f"{first} (and {counted(places - 1, 'more line')} of this file)" if places > 1 else str(first))
    if tally.interrupted:
        complain("stopped before all was judged")


def show(tally: Tally, command: str | None, again: str) -> None:
    """Print a tally for people; where no command shows the failure again, how to keep what came."""
    screen = Screen()
    for row, differences in tally.divergences:
        name = row.kind.identify(row.record)
        where = f"{row.file}:{row.line}" + (f", {name}" if name else "")
        screen.line(f"{where}: {' and '.join(difference.field for difference in differences)}", "bold")
        for line in row.kind.draw(row.record, differences):
            screen.line(f"    {line}")
    if len(tally.divergences) < tally.diverged:
        screen.line(f"... and {counted(tally.diverged - len(tally.divergences), 'more record')} not listed")
    for row, (step, reason) in tally.undecided:
        screen.line(
            f"{row.file}:{row.line}, {row.kind.identify(row.record)}: undecided at step {step}: {reason}", "bold"
        )
    text = f"{counted(tally.records, 'record')}: {tally.agreed:,} agreed, {tally.diverged:,} diverged"
    if tally.skipped:
        text += f", {tally.skipped:,} not judged"
    if tally.unreadable:
        text += f"; {tally.unreadable_places.total():,} unreadable"
    screen.line(text, "bold red" if tally.status else "bold green")
    if command:
        screen.line(f"Reproduce with: {command}")
    elif tally.status:
        screen.line(f"What came from standard input is gone; to keep it: ... | tee records.jsonl | {again}")


def _arguments(files: Sequence[str], records: int | None) -> list[str]:
    options = [] if records is None else ["--records", str(records)]
    return [*options, *(["--"] if any(file.startswith("-") and file != "-" for file in files) else []), *files]


def reproduction(
    tally: Tally, files: Sequence[str], decision: Decision, semantics: Semantics, again: str
) -> str | None:
    """The command that shows a failure again, None where there is none, or where nobody has the records any more.

    Args:
        tally: what was found.
        files: what was judged.
        decision: by which decision.
        semantics: by which semantics.
        again: the command line.
    """
    if not tally.status or "-" not in files:
        return again if tally.status else None
    rows = [it.row for it in tally.divergences] or [row for row, _ in tally.undecided]
    if not rows:
        return None
    line = shlex.quote(rows[0].text.decode())
    return f"printf '%s\\n' {line} | {reproduce('check', decision, semantics, ['-'])}"


def summary(tally: Tally, decision: Decision, semantics: Semantics, max_divergences: int) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    entries = (entry for divergence in tally.divergences for entry in divergence.entries())
    return {
        "command": "check",
        "decision": decision.name,
        "semantics": describe(semantics),
        "records": tally.records,
        "agreed": tally.agreed,
        "diverged": tally.diverged,
        "skipped": tally.skipped,
        "divergences": list(islice(entries, max_divergences or None)),
        "undecided": [
            {"file": row.file, "line": row.line, "id": row.kind.identify(row.record), "step": step, "reason": reason}
            for row, (step, reason) in tally.undecided
        ],
        "unreadable": [
            {"file": place.file, "line": place.line, "field": place.field, "reason": place.reason}
            for place in tally.unreadable
        ],
        "unreadable_places": tally.unreadable_places.total(),
        "interrupted": tally.interrupted,
        "status": int(tally.status),
    }
