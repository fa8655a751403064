"""What ``hammer2-cluster findings`` prints of the protocol: findings, what the seed breaks, the matrix."""

import json
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from hammer2_cluster.decisions import Decision
from hammer2_cluster.program import program
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status
from hammer2_proofs import protocol_findings
from hammer2_proofs.explorer.models import INGREDIENTS_OF
from hammer2_proofs.protocol_ablations import SEED_STEPS
from hammer2_proofs.protocol_findings import HOLDS
from hammer2_spec.claims import CLAIMS
from hammer2_spec.protocol.findings import PROTOCOL_FINDINGS, SEED_HAS
from hammer2_spec.protocol.model import WHY
from hammer2_spec.protocol.tree_model import WHY as TREE_WHY
from hammer2_spec.transition_system import Model

WIDTH: Final = 110
COLUMN: Final = 25
"""So wide are the names of what is taken away."""

Row = Mapping[str, Any]


def violations(found: list[dict[str, Any]]) -> dict[str, Row]:
    """The sentences that the seed breaks, as findings V01, V02, ..."""
    of_the_seed = (row for row in found if row["without"] == ["seed"])
    return {f"V{number:02}": row for number, row in enumerate(of_the_seed, start=1)}


def by_number(found: list[dict[str, Any]]) -> dict[str, Row]:
    """The counterexample of each finding; refused where one is missing."""
    return {**{number: _shortest(found, number) for number in PROTOCOL_FINDINGS}, **violations(found)}


def ends(row: Row) -> str:
    """What the last step of a counterexample does."""
    return "leads to a state without progress" if row["standing"] == protocol_findings.STUCK else "breaks"


def the_seed_has(row: Row) -> list[str]:
    """The ingredients of a row's model that the original's comments have, read literally."""
    return sorted(SEED_HAS & {*INGREDIENTS_OF[row["model"]]})


def numbers() -> list[str]:
    """The numbers of all findings of the protocol."""
    return [*PROTOCOL_FINDINGS, *violations(protocol_findings.load())]


def overview(screen: Screen) -> None:
    """The findings in a line each, what the seed breaks, and the matrix of ingredients."""
    found = protocol_findings.load()
    screen.line()
    screen.line("The protocol: failures and resynchronization, which the original only promises")
    for number, finding in PROTOCOL_FINDINGS.items():
        screen.line(f"{number}  {finding.title}", "bold")
        screen.line(f"     lines {finding.lines}; breaks {', '.join(finding.claims)}; mended by {finding.repair}")
    screen.line()
    screen.line("What breaks if the original's comments are read literally")
    for number, row in violations(found).items():
        screen.line(f"{number}  {len(row['steps']):>2} steps  {row['sentence']}", "yellow")
    screen.line()
    screen.line("Each ingredient of the protocol taken away")
    for line in _matrix(found):
        screen.line(line)


def _names(row: Row) -> list[str]:
    """What is taken away, and after an arrow what is done instead; all but the last line stand by themselves."""
    instead = " + ".join(row["instead"])
    names = (" + ".join(row["without"]) or "nothing") + (f" -> {instead}" if instead else "")
    return [names] if len(names) <= COLUMN else [*textwrap.wrap(names, WIDTH), ""]


def _matrix(found: list[dict[str, Any]]) -> Iterator[str]:
    for row in found:
        if row["without"] != ["seed"]:
            *above, names = _names(row)
            yield from (f"  {line}" for line in above)
            end = f"{row['states']:,} states" if row["standing"] == HOLDS else row["sentence"]
            steps = "" if row["standing"] == HOLDS else f"{len(row['steps'])} steps"
            yield f"  {names:<{COLUMN}} {row['situation']:<26} {row['standing']:<6} {steps:>8}  {end}"
            for way in row.get("also", ()):
                yield f"  {'':<{COLUMN}} {'':<26} {'also':<6} {len(way['steps']):>2} steps  {way['sentence']}"


def one(number: str, decision: Decision, as_json: bool) -> Status:
    """One finding in full, with its shortest counterexample, which is run again."""
    found = protocol_findings.load()
    row = by_number(found)[number]
    if as_json:
        click.echo(json.dumps({"command": "findings", "decision": decision.name, "finding": as_object(number, row)}))
        return Status.AGREE
    screen = Screen()
    for line in _head(number, row):
        screen.line(line)
    for text in (line for objection in protocol_findings.objections(row) for line in textwrap.wrap(objection, WIDTH)):
        raise click.ClickException(f"the stored counterexample is none: {text}")
    screen.line()
    screen.line(f"The shortest way ({row['situation']}) {ends(row)}: {row['sentence']}")
    for line in drawn(row):
        screen.line(f"  {line}")
    screen.line(f"$ {shlex.join(command(row))}")
    return Status.AGREE


def _shortest(found: list[dict[str, Any]], number: str) -> Row:
    row = protocol_findings.shortest(found, PROTOCOL_FINDINGS[number].repair)
    if row is None:
        raise click.ClickException(f"{protocol_findings.STORED} has no counterexample for {number}")
    return row


def _head(number: str, row: Row) -> Iterator[str]:
    finding = PROTOCOL_FINDINGS.get(number)
    if finding is None:
        yield f"{number}  Broken in the original: {row['sentence']}"
        has = the_seed_has(row)
        yield from textwrap.wrap(
            f"The original's comments, read literally, have of the protocol: {', '.join(has)}.", WIDTH
        )
        return
    yield f"{number}  {finding.title}"
    yield f"lines {finding.lines}; mended by the ingredient {finding.repair}"
    for name in finding.claims:
        claim = CLAIMS[name]
        text = f"{name} ({claim.lines or 'derived'}): {claim.promise}"
        yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="      ")
    yield ""
    yield from textwrap.wrap(finding.story, WIDTH)
    yield from textwrap.wrap(f"Mended: {finding.mended}", WIDTH)
    yield f"The ingredient: {ingredients()[finding.repair]}"


def ingredients() -> dict[str, str]:
    """What each ingredient says, of the protocol and of the tree."""
    return {**TREE_WHY, **WHY}


def drawn(row: Row) -> Iterator[str]:
    """The steps, each with what it changes; what recurs for ever after them, if anything; other ways to no progress."""
    model = protocol_findings.model_of(row)
    yield from _changed(model, row["steps"], protocol_findings.states(row))
    if row.get("cycle"):
        renumbered = "; of tids only their order counts, so that they are renumbered" if model.normalize else ""
        yield f"From there this can recur for ever{renumbered}:"
        yield from _changed(model, row["cycle"], protocol_findings.recurring(row))
    for way in row.get("also", ()):
        yield f"Another {ends(row)}: {way['sentence']}"
        yield from drawn({**row, "also": [], **way})


def _changed(model: Model[Any, Any], steps: Sequence[tuple[str, Sequence[int]]], along: list[Any]) -> Iterator[str]:
    from hammer2_proofs.explorer.table import RENUMBERED
    from hammer2_proofs.explorer.trace import changes, shown, titled

    def told(title: str, before: Any, after: Any) -> list[str]:  # noqa: ANN401 - states of any model
        what = ", ".join(
            f"{path} {shown(model, path, old)} -> {shown(model, path, new)}"
            for path, (old, new) in changes(before, after).items()
        )
        return textwrap.wrap(f"{title}: {what}", WIDTH, subsequent_indent="      ")

    actions = {action.name: action for action in model.actions}
    for number, ((name, index), before, after) in enumerate(zip(steps, along, along[1:], strict=False), start=1):
        made = actions[name].step(model.setup, before, *index)
        yield from told(f"{number:>2}. {titled(name, [*zip(actions[name].over, index, strict=True)])}", before, made)
        if made != after:
            yield from told(f"    ({RENUMBERED})", made, after)


def command(row: Row) -> list[str]:
    """The command that finds it again."""
    words = [program(), "explore", row["model"]]
    for name, value in row["bounds"].items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    seed = row["without"] == ["seed"]
    words += (
        ["--semantics", "seed", "--keep-going", "--depth", str(SEED_STEPS)]
        if seed
        else [w for name in row["without"] for w in ("--without", name)]
    )
    words += [w for name in row["switches"] if not name.startswith("without-") for w in ("--with", name)]
    stuck = row["standing"] == protocol_findings.STUCK
    return [*words, *(["--progress-property"] if stuck else ["--symmetry"] if row["model"] == "protocol" else [])]


def as_object(number: str, row: Row) -> dict[str, Any]:
    """A finding for machines."""
    finding = PROTOCOL_FINDINGS.get(number)
    return {"number": number, **(finding._asdict() if finding else {}), "counterexample": dict(row)}


def everything() -> dict[str, Any]:
    """The protocol's findings and matrix for machines."""
    found = protocol_findings.load()
    return {"findings": {number: as_object(number, row) for number, row in by_number(found).items()}, "matrix": found}
