"""The matrix: each property of the decision against each choice of repairs, and the smallest choices that are enough.

    python -m hammer2_proofs.matrix            proves or refutes each property anew, compares with what is stored
    python -m hammer2_proofs.matrix --write    computes everything and stores it (some minutes)

What is stored speaks of the sources whose hash it carries, and of no others.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias

import click

import hammer2_cluster.resolve
import hammer2_spec.configuration
import hammer2_spec.properties
import hammer2_spec.resolve
from hammer2_proofs.examples import Example, judge, known
from hammer2_proofs.property_proofs import Search, Standing, judgement, proved
from hammer2_spec.configuration import Configuration, Slot
from hammer2_spec.properties import PROPERTIES, AnyProperty
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics

STORED: Final = Path(__file__).parent / "results" / "resolve.json"
SOURCES: Final[tuple[ModuleType, ...]] = (
    hammer2_cluster.resolve,
    hammer2_spec.configuration,
    hammer2_spec.properties,
    hammer2_spec.resolve,
)
FEW: Final = 3
"""Slots up to which an example is looked for that shows a repair to be needed."""

Row: TypeAlias = dict[str, Any]
Progress: TypeAlias = Callable[[str], None]


def digest() -> str:
    """A hash of the sources that the matrix speaks of."""
    found = sha256()
    for module in SOURCES:
        found.update(Path(str(module.__file__)).read_bytes())
    found.update(" ".join(RESOLVE_REPAIRS).encode())
    return found.hexdigest()


def with_repairs(names: tuple[str, ...]) -> Semantics:
    """The seed with these repairs of the decision."""
    return SEED._replace(**dict.fromkeys(names, True))


# ---------------------------------------------------------------- examples as JSON


def _configuration_as_json(configuration: Configuration) -> Row:
    return {**configuration._asdict(), "slots": [[*slot] for slot in configuration.slots]}


def _configuration_from_json(row: Mapping[str, Any]) -> Configuration:
    return Configuration(**{**row, "slots": tuple(Slot(*slot) for slot in row["slots"])})


def example_as_json(example: Example) -> Row:
    """An example as it is stored."""
    other = _configuration_as_json(example.other) if example.other else None
    return {"first": _configuration_as_json(example.first), "other": other, "case": example.case}


def example_from_json(row: Mapping[str, Any]) -> Example:
    """A stored example."""
    other = _configuration_from_json(row["other"]) if row["other"] else None
    return Example(_configuration_from_json(row["first"]), other, row["case"])


# ---------------------------------------------------------------- one row


def base_columns(prop: AnyProperty) -> Row:
    """A property under the seed's semantics and the repaired."""
    row: Row = {"property": prop.name}
    for name, semantics in (("seed", SEED), ("repaired", REPAIRED)):
        found = judgement(prop, semantics)
        row[name] = {
            "standing": found.standing.value,
            "example": example_as_json(found.example) if found.example else None,
        }
        if found.standing is Standing.UNDECIDED:
            row[name]["detail"] = found.detail
    return row


def _minimal_repairs(prop: AnyProperty, examples: list[Example]) -> tuple[list[list[str]], list[list[str]]]:
    """The sets of repairs under which a property holds while it holds under no smaller part of them; the undecided.

    Nothing is assumed of how repairs combine: every set that has no such part is refuted by an example, or proved.
    """
    minimal: list[list[str]] = []
    undecided: list[list[str]] = []
    for size in range(len(RESOLVE_REPAIRS) + 1):
        for names in combinations(RESOLVE_REPAIRS, size):
            semantics = with_repairs(names)
            if any(set(smaller) <= set(names) for smaller in minimal) or known(prop, semantics, examples):
                continue
            example = Search(prop, semantics).smallest(FEW)
            if example:
                examples.append(example)
                continue
            held = proved(prop, semantics).standing is Standing.HOLDS
            (minimal if held else undecided).append(list(names))
    return minimal, undecided


def full_row(prop: AnyProperty) -> Row:
    """Everything about one property."""
    row = base_columns(prop)
    examples = [example_from_json(row[base]["example"]) for base in ("seed", "repaired") if row[base]["example"]]
    without = {}
    for repair in RESOLVE_REPAIRS:
        semantics = REPAIRED._replace(**{repair: False})
        example = Search(prop, semantics).smallest(FEW)
        if example:
            without[repair] = example_as_json(example)
            examples.append(example)
    minimal, undecided = _minimal_repairs(prop, examples)
    return row | {"refuted_without": without, "minimal_repairs": minimal, "undecided_repairs": undecided}


# ---------------------------------------------------------------- what is stored


def load() -> Row:
    """What is stored. Raises FileNotFoundError where nothing is."""
    found: Row = json.loads(STORED.read_text())
    return found


def is_current(stored: Mapping[str, Any]) -> bool:
    """Whether what is stored speaks of the sources as they are."""
    return bool(stored["sources"] == digest())


def compute(progress: Progress) -> Row:
    """The whole matrix."""
    rows = []
    for prop in PROPERTIES:
        rows.append(full_row(prop))
        progress(sentence(rows[-1]))
    return {"decision": "resolve", "sources": digest(), "rows": rows}


def store(matrix: Row) -> None:
    """Keep a matrix."""
    STORED.parent.mkdir(exist_ok=True)
    STORED.write_text(json.dumps(matrix, indent=1) + "\n")


def sentence(row: Row) -> str:
    """One row in one line."""
    sets = [" + ".join(names) or "nothing" for names in row.get("minimal_repairs", [])]
    enough = f"; enough: {' or '.join(sets)}" if sets else ""
    return f"seed {row['seed']['standing']:<9}  repaired {row['repaired']['standing']:<9}  {row['property']}{enough}"


def differences(stored: Row, progress: Progress) -> Iterator[str]:
    """Judge every property anew, and say what is not as it is stored, or not as it must be."""
    if not is_current(stored):
        yield "the stored matrix speaks of other sources: python -m hammer2_proofs.matrix --write"
    rows = {row["property"]: row for row in stored["rows"]}
    if list(rows) != [prop.name for prop in PROPERTIES]:
        yield "the stored matrix has other properties"
    for prop in PROPERTIES:
        found = base_columns(prop)
        progress(sentence(found))
        for base in ("seed", "repaired"):
            if found[base] != rows.get(prop.name, {}).get(base):
                yield f"{prop.name}, {base}: found {found[base]}, stored {rows.get(prop.name, {}).get(base)}"
        if found["repaired"]["standing"] != Standing.HOLDS.value:
            yield f"{prop.name} does not hold when repaired: {found['repaired']}"
        yield from _reproduced(prop, rows.get(prop.name, {}))


def _reproduced(prop: AnyProperty, row: Row) -> Iterator[str]:
    for repair, example in row.get("refuted_without", {}).items():
        if judge(prop, example_from_json(example), REPAIRED._replace(**{repair: False})).holds:
            yield f"{prop.name}: the stored example no longer shows that {repair} is needed"


@click.command()
@click.option("--write", is_flag=True, help="Compute the whole matrix and store it.")
def main(*, write: bool) -> None:
    """Judge every property of the decision under the seed's semantics and the repaired, beside what is stored."""

    def show(line: str) -> None:
        click.echo(line)

    started = time.process_time()
    try:
        if write:
            matrix = compute(show)
            store(matrix)
            wrong = [f"{row['property']}: undecided" for row in matrix["rows"] if row["undecided_repairs"]]
        else:
            wrong = list(differences(load(), show))
    except KeyboardInterrupt:
        click.echo("stopped before all properties were judged")
        raise SystemExit(3) from None
    except FileNotFoundError:
        click.echo(f"there is no {STORED}: python -m hammer2_proofs.matrix --write", err=True)
        raise SystemExit(2) from None
    for line in wrong:
        click.echo(line, err=True)
    if wrong:
        click.echo("Reproduce with: .venv/bin/python -m hammer2_proofs.matrix", err=True)
    seconds = time.process_time() - started
    click.echo(
        f"{len(PROPERTIES)} properties: {'all as stored, and all hold when repaired' if not wrong else 'see above'}, "
        f"{seconds:.0f} CPU-seconds"
    )
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
