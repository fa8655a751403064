"""What ``hammer2-cluster findings`` prints."""

import json
import shlex
import textwrap
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import click

from hammer2_cluster.decisions import Decision
from hammer2_cluster.program import from_here, pasted, python
from hammer2_oracle import protocol_report
from hammer2_oracle.counterexamples import STORED
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status
from hammer2_oracle.traces import decode, draw_before
from hammer2_oracle.words import counted
from hammer2_proofs import matrix
from hammer2_proofs.examples import Example, drawn, judge
from hammer2_spec.claims import CLAIMS
from hammer2_spec.configuration import FOREIGN
from hammer2_spec.findings import FINDINGS, Finding
from hammer2_spec.properties import PROPERTIES, AnyProperty
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics
from hammer2_spec.vocabulary import PfsType

WIDTH: Final = 110


class Shown(NamedTuple):
    """A property that the finding breaks, with the smallest example."""

    prop: AnyProperty
    example: Example
    semantics: Semantics


def _remake() -> str:
    return f"{python()} -m hammer2_proofs.matrix --write"


def stored_matrix() -> dict[str, Any]:
    """The stored matrix; refused when it speaks of other sources."""
    try:
        stored = matrix.load()
    except FileNotFoundError:
        raise click.ClickException(f"{matrix.STORED} is missing: {_remake()}") from None
    if not matrix.is_current(stored):
        raise click.ClickException(f"{matrix.STORED} speaks of other sources than these: {_remake()}")
    return stored


def broken_without(stored: dict[str, Any], finding: Finding) -> list[Shown]:
    """What the decision breaks without this repair alone: the finding's own claims first, and the plainest example."""
    properties = {prop.name: prop for prop in PROPERTIES}
    without = REPAIRED._replace(**{finding.repair: False})
    shown = [
        Shown(properties[row["property"]], matrix.example_from_json(row["refuted_without"][finding.repair]), without)
        for row in stored["rows"]
        if finding.repair in row["refuted_without"]
    ]
    own = set(finding.claims)
    return sorted(shown, key=lambda it: (not own & {*it.prop.claims}, surprises(it.example)))


def broken_in_the_seed(stored: dict[str, Any], finding: Finding) -> Shown | None:
    """The plainest of the original's smallest counterexamples that this repair alone mends; its own claims first."""
    properties = {prop.name: prop for prop in PROPERTIES}
    alone = SEED._replace(**{finding.repair: True})
    shown = [
        Shown(properties[row["property"]], matrix.example_from_json(row["seed"]["example"]), SEED)
        for row in stored["rows"]
        if row["seed"]["example"]
    ]
    mended = [it for it in shown if judge(it.prop, it.example, alone).holds]
    own = set(finding.claims)
    return min(mended, key=lambda it: (not own & {*it.prop.claims}, surprises(it.example)), default=None)


def surprises(example: Example) -> int:
    """How much about an example needs an explanation of its own: the fewer, the plainer it is."""
    found = 0
    for slots, pfs_nmasters, prior, _ in filter(None, (example.first, example.other)):
        found += 2 * len(slots) + (not pfs_nmasters) + (prior is not None) + 2 * (prior == FOREIGN)
        for slot in slots:
            strange_type = slot.type not in set(PfsType) or slot.type == PfsType.NONE
            found += (not slot.present) or (slot.error != 0) + 2 * strange_type
    return found


def stored_trace(repair: str) -> list[str]:
    """The stored run that shows an operation's repair to be needed, drawn at its last step."""
    for number, line in enumerate(STORED.read_bytes().splitlines(), 1):
        trace = decode(line)
        if trace.id.split()[1].rstrip(":") == repair:
            last = len(trace.steps) - 1
            file = shlex.quote(from_here(str(STORED)))
            steps = [type(step).__struct_config__.tag for step in trace.steps]
            outcome = getattr(trace.steps[last], "outcome", "ok")
            return [
                f"run        {trace.id.partition(': ')[2]}: {', '.join(map(str, steps))}",
                f"last step  {steps[last]}, outcome {outcome}; before it:",
                *(f"    {line}" for line in draw_before(trace, last)),
                f"$ sed -n {number}p {file} | {pasted('check', '--semantics', f'-{repair}', '-')}",
            ]
    raise click.ClickException(f"{STORED} has no trace for {repair}: {python()} tools/store_findings.py")


def overview(decision: Decision, as_json: bool) -> Status:
    """All findings in a line each, and the matrix of the decision's properties."""
    stored = stored_matrix()
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
        sets = " or ".join(" + ".join(names) or "none needed" for names in row["enough"])
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
    stored = stored_matrix()
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
        screen.line(
            f"The smallest run found that goes wrong with all repairs but this one, semantics -{finding.repair}:"
        )
        for line in stored_trace(finding.repair):
            screen.line(f"  {line}")
        screen.line("The command replays the recorded run; with --semantics repaired it shows what is mended.")
        return Status.AGREE
    broken = broken_without(stored, finding)
    if in_the_seed := broken_in_the_seed(stored, finding):
        _show(screen, "The original, semantics seed, breaks", in_the_seed)
    else:
        screen.line("No smallest counterexample of the original is mended by this repair alone.")
    screen.line()
    without = f"With all repairs but this one, semantics -{finding.repair}"
    screen.line(f"{without}, {counted(len(broken), 'property')} {'fails' if len(broken) == 1 else 'fail'}:")
    for shown in broken:
        screen.line(f"  {shown.prop.name} ({', '.join(shown.prop.claims)})")
    screen.line()
    _show(screen, f"{without}, the decision breaks", broken[0])
    return Status.AGREE


def _show(screen: Screen, who: str, shown: Shown) -> None:
    screen.line(f"{who} {shown.prop.name}; the smallest example:")
    screen.line(f"  {shown.prop.sentence}")
    for line in drawn(*shown):
        screen.line(f"    {line}")


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
            for it in broken_without(stored, finding)
        ]
        in_the_seed = broken_in_the_seed(stored, finding)
        row["seed_example"] = in_the_seed and {
            "property": in_the_seed.prop.name,
            "claims": in_the_seed.prop.claims,
            "example": matrix.example_as_json(in_the_seed.example),
        }
        row["broken_in_the_seed"] = [
            it["property"]
            for it in stored["rows"]
            if it["seed"]["standing"] == "refuted" and finding.repair in _used(it)
        ]
    else:
        row["run"] = stored_trace(finding.repair)
    return row


def _used(row: dict[str, Any]) -> set[str]:
    return {repair for names in row["enough"] for repair in names}
