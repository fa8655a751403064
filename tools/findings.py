"""Writes docs/reference/findings, a page for each finding: ``python tools/findings.py``.

With ``--measure`` each is found again first, and data/findings/effort.json keeps how long that took.
"""

import json
import re
import shlex
import textwrap
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import click

from hammer2_cluster.program import NAME, program
from hammer2_oracle import findings_report, protocol_report
from hammer2_oracle.counterexamples import MOST_BAD, evidence
from hammer2_oracle.findings_report import Shown
from hammer2_oracle.protocol_report import Row
from hammer2_oracle.words import counted
from hammer2_proofs import protocol_findings
from hammer2_proofs.examples import drawn
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.report import traces
from hammer2_proofs.explorer.search import search
from hammer2_proofs.matrix import FEW
from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
from hammer2_proofs.property_proofs import Search
from hammer2_proofs.protocol_ablations import SEED_STEPS
from hammer2_spec.claims import CLAIMS
from hammer2_spec.findings import FINDINGS, Finding
from hammer2_spec.protocol.findings import PROTOCOL_FINDINGS
from hammer2_spec.semantics import RESOLVE_REPAIRS

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = ROOT / "docs" / "reference" / "findings"
EFFORT: Final = ROOT / "data" / "findings" / "effort.json"
"""Of each finding: the CPU seconds, and what was gone through, when it was last found again."""
ORIGINAL: Final = ROOT / "data" / "seed" / "hammer2_cluster.c.txt"
WIDTH: Final = 110
HEAD: Final = """# What is wrong with the original

Written by `tools/findings.py` from what the machines stored; `make test` fails when a page is out of date. The same in
a terminal: `hammer2-cluster findings`, `hammer2-cluster findings F01`. `F` are mistakes of the decision and of the
operations, `P` what the comments on failures and resynchronization leave out, `V` the promises that those comments,
read literally, break.

| | | breaks | steps or slots | CPU-seconds |
| --- | --- | --- | --- | --- |"""
TAIL: Final = """
## Looked at, and no finding

- Parent locks exclusively what was locked shared (L1232-1233). The child "remains locked", more strictly; nobody
  waits for himself, since it is let go before. That no client locks exclusively what it holds shared is a rule of the
  [model](../../../impl/hammer2_cluster/model.py), and so is that only what is locked exclusively is modified.
- Parent tries again for as long as the child is moved meanwhile (L1229-1238): whoever moves it gets on.
- Drop and unlock look at the references before they take one away (L310, L608): whoever sees the last one has it.
- Lookup and next compare whatever the nodes return (L863, L953). With MATCHIND those are block tables too, which
  differ from node to node (L36-38): that flag is for chains.
- Modify promises that the data is accessible (L670). With OPTDATA the caller does without it, and the focus may have
  none.
- From_chain puts a chain into slot 0 whatever its node is (L257): it is for the super-root topology, which has one
  (L260)."""


# ---------------------------------------------------------------- the parts of a page


def excerpt(lines: str) -> Iterator[str]:
    """Lines of the original, "434-446, 475", in a block of code with their numbers."""
    source = dict(
        re.findall(r"^ *(\d+) ?(.*)$", ORIGINAL.read_text(encoding="utf-8").replace("\xa0", " "), re.MULTILINE)
    )
    yield "```c"
    for n, part in enumerate(lines.split(", ")):
        first, _, last = part.partition("-")
        if n:
            yield "     ..."
        for number in range(int(first), int(last or first) + 1):
            yield f"{number:>4}  {source[str(number)]}".rstrip()
    yield "```"


def promises(finding: Finding) -> Iterator[str]:
    """What the original promises instead."""
    for name in finding.claims:
        claim = CLAIMS[name]
        where = f"lines {claim.lines}" if claim.lines else "derived"
        yield from textwrap.wrap(f"- **{name}** ({where}) {claim.promise}", WIDTH, subsequent_indent="  ")


def block(lines: Iterator[str] | list[str]) -> Iterator[str]:
    """Lines as they stand, for a shell at the root of the project."""
    yield "```text"
    yield from (line.replace(program(), NAME).rstrip() for line in lines)
    yield "```"


def broken(finding: Finding, mender: str) -> Iterator[str]:
    """The beginning of each page of a mistake."""
    yield f"Lines {finding.lines} of the original; mended by the {mender} `{finding.repair}`.\n"
    yield "## What is promised\n"
    yield from promises(finding)
    yield "\n## What goes wrong\n"
    yield from [*textwrap.wrap(finding.story, WIDTH), ""]
    yield from excerpt(finding.lines)


def effort(number: str, how: str, command: str) -> Iterator[str]:
    """The end of each page: how it is found again, and how long that takes."""
    kept = efforts()[number]
    yield "\n## How it is found\n"
    took = f"When it was last found again that took {kept['cpu_seconds']:.1f} CPU-seconds ({kept['seen']})."
    yield from [*textwrap.wrap(f"{how} {took}", WIDTH), ""]
    yield from block([f"$ {command}"])


@cache
def efforts() -> Mapping[str, Any]:
    """What is kept of how long each took."""
    kept: dict[str, Any] = json.loads(EFFORT.read_text(encoding="utf-8"))
    return kept


# ---------------------------------------------------------------- the decision


def of_the_decision(number: str, finding: Finding) -> Iterator[str]:
    """A mistake of resolve."""
    stored = findings_report.stored_matrix()
    yield from broken(finding, "repair")
    if in_the_seed := findings_report.broken_in_the_seed(stored, finding):
        yield from _example("The smallest counterexample: the original breaks", in_the_seed)
    without = findings_report.broken_without(stored, finding)
    yield "\n## The repair\n"
    yield f"{finding.mended}\n"
    yield f"With all repairs but this one {counted(len(without), 'property')} of the decision can be refuted:\n"
    enough = {row["property"]: row["enough"] for row in stored["rows"]}
    for shown in without:
        sets = " or ".join(" + ".join(f"`{name}`" for name in names) for names in enough[shown.prop.name])
        yield f"- `{shown.prop.name}` ({', '.join(shown.prop.claims)}); enough for it: {sets}"
    yield from _example("Without it: the decision breaks", without[0])
    yield from effort(
        number,
        "A solver looks for the smallest cluster that refutes the property, and CPython decides it again.",
        f"{NAME} prove --semantics -{finding.repair} {without[0].prop.name}",
    )


def _example(title: str, shown: Shown) -> Iterator[str]:
    yield f"\n## {title} `{shown.prop.name}`\n"
    yield f"{shown.prop.sentence}\n"
    yield from block(list(drawn(*shown)))


def search_the_decision(finding: Finding) -> tuple[str, str]:
    """Find the plainest example again: its size, and where it was looked for."""
    shown = findings_report.broken_without(findings_report.stored_matrix(), finding)[0]
    if Search(shown.prop, shown.semantics).smallest(FEW) != shown.example:
        raise click.ClickException(f"the smallest example against {shown.prop.name} is another one")
    return counted(len(shown.example.first.slots), "slot"), f"all clusters of up to {FEW} slots"


# ---------------------------------------------------------------- the operations


def of_the_operations(number: str, finding: Finding) -> Iterator[str]:
    """A mistake of an operation."""
    yield from broken(finding, "repair")
    yield "\n## The smallest counterexample: all repairs but this one\n"
    yield from block(findings_report.stored_trace(finding.repair))
    yield "\n## The repair\n"
    yield finding.mended
    yield from effort(
        number,
        f"Every program runs in every world, with every answer of the layer below, up to {MOST_BAD} that are not the "
        "good day's; the first run that breaks a rule is the smallest.",
        "python tools/store_findings.py",
    )


def search_the_operations(finding: Finding) -> tuple[str, str]:
    """Find the smallest run again: its size, and where it was looked for."""
    found = evidence(finding.repair)
    if found is None:
        raise click.ClickException(f"{finding.repair} is not needed any more")
    return counted(len(found.trace.steps), "step"), f"{len(PROGRAMS)} programs in {len(WORLDS)} worlds"


# ---------------------------------------------------------------- the protocol


def of_the_protocol(number: str, row: Row) -> Iterator[str]:
    """What the protocol needs, or what the original's comments break."""
    finding = PROTOCOL_FINDINGS.get(number)
    if finding:
        yield from broken(finding, "ingredient")
    else:
        has = protocol_report.the_seed_has(row)
        yield "The original's comments, read literally, are the protocol with these of its ingredients alone: "
        yield f"{', '.join(f'`{name}`' for name in has) or 'none'}."
    yield f"\n## The shortest way there ({row['situation']})\n"
    yield f"Its last step {protocol_report.ends(row)}: {row['sentence']}.\n"
    yield from block(list(protocol_report.drawn(row)))
    if finding:
        yield "\n## The repair\n"
        yield finding.mended
    command = [NAME, *protocol_report.command(row)[1:]]
    yield from effort(number, "The explorer goes through all states, breadth first.", shlex.join(command))


def search_the_protocol(row: Row) -> tuple[str, str]:
    """Find the shortest way again: its size, and where it was looked for."""
    stuck, of_the_seed = row["standing"] == protocol_findings.STUCK, row["without"] == ["seed"]
    found = search(
        protocol_findings.model_of(row),
        symmetry=row["model"] == "protocol" and not stuck,
        depth=SEED_STEPS if of_the_seed else None,
        keep_going=of_the_seed,
    )
    sentences = [it.what for it in check(found)] if stuck else traces(found)
    if row["sentence"] not in sentences:
        raise click.ClickException(f"not broken any more: {row['sentence']}")
    return counted(len(row["steps"]), "step"), f"{found.states:,} states"


# ---------------------------------------------------------------- all of them


@cache
def protocol_rows() -> dict[str, Row]:
    """The counterexamples of the protocol by their numbers."""
    return protocol_report.by_number(protocol_findings.load())


@cache
def titles() -> dict[str, str]:
    """All findings by their numbers."""
    titles = {number: finding.title for number, finding in (FINDINGS | PROTOCOL_FINDINGS).items()}
    return titles | {
        number: f"Broken: {row['sentence']}" for number, row in protocol_rows().items() if number not in titles
    }


def page(number: str) -> str:
    """One page."""
    if number not in FINDINGS:
        body = of_the_protocol(number, protocol_rows()[number])
    elif FINDINGS[number].repair in RESOLVE_REPAIRS:
        body = of_the_decision(number, FINDINGS[number])
    else:
        body = of_the_operations(number, FINDINGS[number])
    return "\n".join([f"# {number}: {titles()[number]}\n", *body, "\n[All findings](README.md)"]) + "\n"


def pages() -> dict[str, str]:
    """All pages by their files' names."""
    return {"README.md": overview(), **{f"{number}.md": page(number) for number in titles()}}


def overview() -> str:
    """The page that leads to the others."""
    kept, lines = efforts(), [HEAD]
    for number, title in titles().items():
        finding = (FINDINGS | PROTOCOL_FINDINGS).get(number)
        claims = ", ".join(finding.claims) if finding else ""
        took = f"{kept[number]['cpu_seconds']:.1f}"
        lines.append(f"| [{number}]({number}.md) | {title} | {claims} | {kept[number]['size']} | {took} |")
    return "\n".join([*lines, TAIL]) + "\n"


def find_again(number: str) -> dict[str, Any]:
    """Find one again, and say how long that took."""
    started = time.process_time()
    if number not in FINDINGS:
        size, seen = search_the_protocol(protocol_rows()[number])
    elif FINDINGS[number].repair in RESOLVE_REPAIRS:
        size, seen = search_the_decision(FINDINGS[number])
    else:
        size, seen = search_the_operations(FINDINGS[number])
    return {"size": size, "seen": seen, "cpu_seconds": round(time.process_time() - started, 1)}


@click.command()
@click.option("--measure", is_flag=True, help="Find each again, and keep how long that takes.")
def main(*, measure: bool) -> None:
    """Write the pages of the findings."""
    if measure:
        kept = {}
        for number in titles():
            kept[number] = find_again(number)
            click.echo(f"{number}  {kept[number]['cpu_seconds']:6.1f} CPU-seconds  {titles()[number]}")
        EFFORT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        efforts.cache_clear()
    written = pages()
    PAGES.mkdir(parents=True, exist_ok=True)
    for old in {path.name for path in PAGES.glob("*.md")} - {*written}:
        (PAGES / old).unlink()
    for name, text in written.items():
        (PAGES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
