"""What ``hammer2-cluster findings`` prints."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import click

from hammer2_cluster.decisions import Decision
from hammer2_cluster.program import python
from hammer2_oracle import protocol_report
from hammer2_oracle.counterexamples import STORED
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status
from hammer2_oracle.traces import decode, draw_before
from hammer2_proofs import matrix
from hammer2_proofs.examples import Example, drawn
from hammer2_spec.claims import CLAIMS
from hammer2_spec.findings import FINDINGS, Finding
from hammer2_spec.properties import PROPERTIES, AnyProperty
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, Semantics

WIDTH: Final = 110


class Shown(NamedTuple):
    """A property that the finding breaks, with the smallest example."""

    prop: AnyProperty
    example: Example
    semantics: Semantics


def _remake() -> str:
    return f"{python()} -m hammer2_proofs.matrix --write"


def _matrix() -> dict[str, Any]:
    """The stored matrix; refused when it speaks of other sources."""
    try:
        stored = matrix.load()
    except FileNotFoundError:
        raise click.ClickException(f"{matrix.STORED} is missing: {_remake()}") from None
    if not matrix.is_current(stored):
        raise click.ClickException(f"{matrix.STORED} speaks of other sources than these: {_remake()}")
    return stored


def _broken(stored: dict[str, Any], finding: Finding) -> list[Shown]:
    """What the decision breaks without this repair alone, simplest example first."""
    properties = {prop.name: prop for prop in PROPERTIES}
    without = REPAIRED._replace(**{finding.repair: False})
    shown = [
        Shown(properties[row["property"]], matrix.example_from_json(row["refuted_without"][finding.repair]), without)
        for row in stored["rows"]
        if finding.repair in row["refuted_without"]
    ]
    return sorted(shown, key=lambda it: len(it.example.first.slots))


def _stored_trace(repair: str) -> list[str]:
    """The stored run that shows an operation's repair to be needed, drawn at its last step."""
    for line in STORED.read_bytes().splitlines():
        trace = decode(line)
        if trace.id.split()[1].rstrip(":") == repair:
            last = len(trace.steps) - 1
            steps = [type(step).__struct_config__.tag for step in trace.steps]
            outcome = getattr(trace.steps[last], "outcome", "ok")
            return [
                f"run        {trace.id.partition(': ')[2]}: {', '.join(map(str, steps))}",
                f"last step  {steps[last]}, outcome {outcome}; before it:",
                *(f"    {line}" for line in draw_before(trace, last)),
            ]
    raise click.ClickException(f"{STORED} has no trace for {repair}: {python()} tools/store_findings.py")


def overview(decision: Decision, as_json: bool) -> Status:
    """All findings in a line each, and the matrix of the decision's properties."""
    stored = _matrix()
    if as_json:
        found = {number: _as_json(number, finding, stored) for number, finding in FINDINGS.items()}
        row = {"command": "findings", "decision": decision.name, "findings": found, "matrix": stored}
        click.echo(json.dumps({**row, "protocol": protocol_report.everything()}))
        return Status.AGREE
    screen = Screen()
    for number, finding in FINDINGS.items():
        screen.line(f"{number}  {finding.title}", "bold")
        screen.line(f"     lines {finding.lines}; breaks {', '.join(finding.claims)}; mended by {finding.repair}")
    screen.line()
    screen.line("Properties of the decision: in the original, with all repairs, and which repairs are enough")
    for row in stored["rows"]:
        sets = " or ".join(" + ".join(names) or "none needed" for names in row["minimal_repairs"])
        style = "" if row["seed"]["standing"] == "holds" else "yellow"
        screen.line(f"  {row['seed']['standing']:<8} {row['repaired']['standing']:<6} {row['property']}: {sets}", style)
    refuted = sum(row["seed"]["standing"] == "refuted" for row in stored["rows"])
    screen.line(
        f"{len(FINDINGS)} findings; of {len(stored['rows'])} properties the original breaks {refuted}, "
        f"the repaired decision {sum(row['repaired']['standing'] != 'holds' for row in stored['rows'])}"
    )
    protocol_report.overview(screen)
    return Status.AGREE


def one(number: str, decision: Decision, as_json: bool) -> Status:
    """One finding in full."""
    finding = FINDINGS[number]
    stored = _matrix()
    if as_json:
        found = _as_json(number, finding, stored)
        click.echo(json.dumps({"command": "findings", "decision": decision.name, "finding": found}))
        return Status.AGREE
    screen = Screen()
    screen.line(f"{number}  {finding.title}", "bold")
    screen.line(f"lines {finding.lines}; mended by the repair {finding.repair}")
    for line in _paragraphs(finding):
        screen.line(line)
    screen.line()
    if finding.repair not in RESOLVE_REPAIRS:
        screen.line("The smallest run found that goes wrong with all repairs but this one:")
        for line in _stored_trace(finding.repair):
            screen.line(f"  {line}")
        return Status.AGREE
    broken = _broken(stored, finding)
    screen.line(f"With all repairs but this one, {len(broken)} properties fail:")
    for shown in broken:
        screen.line(f"  {shown.prop.name} ({', '.join(shown.prop.claims)})")
    screen.line()
    screen.line(f"The smallest example, against {broken[0].prop.name}:")
    screen.line(f"  {broken[0].prop.sentence}")
    for line in drawn(*broken[0]):
        screen.line(f"    {line}")
    return Status.AGREE


def _paragraphs(finding: Finding) -> Iterator[str]:
    for name in finding.claims:
        claim = CLAIMS[name]
        yield from textwrap.wrap(
            f"{name} ({claim.lines or 'derived'}): {claim.promise}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="      ",
        )
    yield ""
    yield from textwrap.wrap(finding.story, WIDTH)
    yield from textwrap.wrap(f"Mended: {finding.mended}", WIDTH)


def _as_json(number: str, finding: Finding, stored: dict[str, Any]) -> dict[str, Any]:
    """A finding for machines: examples of the decision's as the matrix has them, an operation's run as its trace."""
    row: dict[str, Any] = {"number": number, **finding._asdict()}
    if finding.repair in RESOLVE_REPAIRS:
        row["broken"] = [
            {"property": it.prop.name, "claims": it.prop.claims, "example": matrix.example_as_json(it.example)}
            for it in _broken(stored, finding)
        ]
        row["broken_in_the_seed"] = [
            it["property"]
            for it in stored["rows"]
            if it["seed"]["standing"] == "refuted" and finding.repair in _used(it)
        ]
    else:
        row["run"] = _stored_trace(finding.repair)
    return row


def _used(row: dict[str, Any]) -> set[str]:
    return {repair for names in row["minimal_repairs"] for repair in names}
