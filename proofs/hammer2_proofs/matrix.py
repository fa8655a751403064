"""The matrix: each property of the decision against each choice of repairs, and the smallest choices that are enough.

    python -m hammer2_proofs.matrix            proves or refutes everything in it anew
    python -m hammer2_proofs.matrix --write    computes it, and stores it

What is stored speaks of the sources whose hash it carries, and of no others.
"""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

import click

import hammer2_cluster.resolve
import hammer2_spec.configuration
import hammer2_spec.properties
import hammer2_spec.resolve
import hammer2_spec.vocabulary
from hammer2_proofs.examples import Example, judge, known
from hammer2_proofs.obligations import NotReproduced, Status, discharge
from hammer2_proofs.property_proofs import Search, Standing, judgement, with_at_least
from hammer2_spec.configuration import Configuration, Slot
from hammer2_spec.properties import PROPERTIES, AnyProperty
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics, describe

STORED: Final = Path(__file__).parent / "results" / "resolve.json"
SOURCES: Final[tuple[ModuleType, ...]] = (
    hammer2_cluster.resolve,
    hammer2_spec.configuration,
    hammer2_spec.properties,
    hammer2_spec.resolve,
    hammer2_spec.vocabulary,
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


def with_repairs(names: Collection[str]) -> Semantics:
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


# ---------------------------------------------------------------- which repairs are enough

CHOICES: Final = tuple(
    frozenset(names) for size in range(len(RESOLVE_REPAIRS) + 1) for names in combinations(RESOLVE_REPAIRS, size)
)
"""All sets of repairs of the decision, smaller ones first."""


def named(choice: Collection[str]) -> list[str]:
    """A set of repairs in their usual order."""
    return [name for name in RESOLVE_REPAIRS if name in choice]


def refuted_choices(prop: AnyProperty, examples: Sequence[Example]) -> set[frozenset[str]]:
    """The sets of repairs with which one of some examples refutes the property."""
    return {choice for choice in CHOICES if known(prop, with_repairs(choice), examples)}


def smallest_enough(refuted: Collection[frozenset[str]]) -> list[list[str]]:
    """The smallest sets that no refuted set contains: with them a property holds, whatever else is mended."""
    enough: list[frozenset[str]] = []
    for choice in CHOICES:
        if not any(smaller <= choice for smaller in enough) and not any(choice <= other for other in refuted):
            enough.append(choice)
    return [named(choice) for choice in enough]


def holds_with(prop: AnyProperty, repairs: Collection[str]) -> Semantics | bool:
    """Whether a property is proved with these repairs, whichever others there are.

    Else semantics under which a solver thinks that it does not hold, False where it gives up.
    """
    suspects: list[Semantics] = []
    for obligation in with_at_least(prop, repairs, suspects.append):
        if discharge(obligation).status is not Status.PROVED:
            return suspects[0] if suspects else False
    return True


def enough_repairs(prop: AnyProperty, examples: list[Example]) -> tuple[list[list[str]], list[list[str]]]:
    """The smallest sets of repairs that are enough, and those of which nothing is known. Adds examples to those given.

    Every set that is not enough has a superset that an example refutes; every one that is has been proved.
    """
    proved_sets: list[list[str]] = []
    while True:
        candidates = [it for it in smallest_enough(refuted_choices(prop, examples)) if it not in proved_sets]
        if not candidates:
            return proved_sets, []
        for candidate in candidates:
            found = holds_with(prop, candidate)
            if found is True:
                proved_sets.append(candidate)
                continue
            example = found and (Search(prop, found).smallest(FEW) or Search(prop, found).smallest())
            if not example:
                return proved_sets, [candidate]
            examples.append(example)
            break


# ---------------------------------------------------------------- one row


def of_the_seed(prop: AnyProperty) -> Row:
    """A property under the seed's semantics, with the smallest example that refutes it."""
    found = judgement(prop, SEED)
    example = example_as_json(found.example) if found.example else None
    return {"standing": found.standing.value, "example": example} | ({"detail": found.detail} if found.detail else {})


def full_row(prop: AnyProperty) -> Row:
    """Everything about one property."""
    seed = of_the_seed(prop)
    examples = [example_from_json(seed["example"])] if seed["example"] else []
    without = {}
    for repair in RESOLVE_REPAIRS:
        example = Search(prop, REPAIRED._replace(**{repair: False})).smallest(FEW)
        if example:
            without[repair] = example_as_json(example)
            examples.append(example)
    shown = len(examples)
    enough, undecided = enough_repairs(prop, examples)
    return {
        "property": prop.name,
        "seed": seed,
        "repaired": {"standing": _repaired(enough, undecided).value},
        "refuted_without": without,
        "enough": enough,
        "undecided": undecided,
        "more_examples": [example_as_json(example) for example in examples[shown:]],
    }


def _repaired(enough: Sequence[object], undecided: Sequence[object]) -> Standing:
    if enough:
        return Standing.HOLDS
    return Standing.UNDECIDED if undecided else Standing.REFUTED


def examples_of(row: Row) -> list[Example]:
    """All examples that are stored of a property."""
    first = [row["seed"]["example"]] if row["seed"]["example"] else []
    return [example_from_json(it) for it in (*first, *row["refuted_without"].values(), *row["more_examples"])]


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
    sets = [" + ".join(names) or "nothing" for names in row["enough"]]
    return (
        f"seed {row['seed']['standing']:<9}  repaired {row['repaired']['standing']:<9}  {row['property']}"
        f"; enough: {' or '.join(sets)}"
    )


class Difference(NamedTuple):
    """Something that is not as it is stored, or not as it must be."""

    text: str
    undecided: bool = False
    """A solver gave up."""


def differences(stored: Row, progress: Progress) -> Iterator[Difference]:
    """Judge every property anew, and say what is not as it is stored, or not as it must be."""
    if not is_current(stored):
        yield Difference("the stored matrix speaks of other sources: python -m hammer2_proofs.matrix --write")
    rows = {row["property"]: row for row in stored["rows"]}
    if list(rows) != [prop.name for prop in PROPERTIES]:
        yield Difference("the stored matrix has other properties: python -m hammer2_proofs.matrix --write")
        return
    for prop in PROPERTIES:
        yield from _differences(prop, rows[prop.name])
        progress(sentence(rows[prop.name]))


def _differences(prop: AnyProperty, row: Row) -> Iterator[Difference]:
    seed = of_the_seed(prop)
    if seed != row["seed"]:
        undecided = seed["standing"] == Standing.UNDECIDED.value
        yield Difference(f"{prop.name}, seed: found {seed}, stored {row['seed']}", undecided)
    for repair, example in row["refuted_without"].items():
        if judge(prop, example_from_json(example), REPAIRED._replace(**{repair: False})).holds:
            yield Difference(f"{prop.name}: the stored example does not show that {repair} is needed")
    refuted = refuted_choices(prop, examples_of(row))
    needed = [repair for repair in RESOLVE_REPAIRS if frozenset(RESOLVE_REPAIRS) - {repair} in refuted]
    if needed != list(row["refuted_without"]):
        yield Difference(f"{prop.name}: needs {needed}, stored {list(row['refuted_without'])}")
    if smallest_enough(refuted) != row["enough"]:
        yield Difference(
            f"{prop.name}: by the examples {smallest_enough(refuted)} may be enough, stored {row['enough']}"
        )
    for repairs in row["enough"]:
        found = holds_with(prop, repairs)
        if found is not True:
            detail = f"is not proved, see {describe(found)}" if found else "is undecided"
            yield Difference(f"{prop.name}, with at least {' + '.join(repairs)}: {detail}", undecided=not found)
    if not row["enough"]:
        yield Difference(f"{prop.name} is not proved with all repairs")
    if row["undecided"]:
        yield Difference(f"{prop.name}: stored as undecided with {row['undecided']}", undecided=True)


def _finish(wrong: Sequence[Difference], started: float) -> NoReturn:
    for line in wrong:
        click.echo(line.text, err=True)
    if wrong:
        click.echo("Reproduce with: .venv/bin/python -m hammer2_proofs.matrix", err=True)
    seconds = time.process_time() - started
    click.echo(
        f"{len(PROPERTIES)} properties: {'all as stored, and all hold when repaired' if not wrong else 'see above'}, "
        f"{seconds:.0f} CPU-seconds"
    )
    raise SystemExit(0 if not wrong else 3 if all(line.undecided for line in wrong) else 1)


@click.command()
@click.option("--write", is_flag=True, help="Compute the whole matrix and store it.")
def main(*, write: bool) -> None:
    """Judge every property of the decision under the seed's semantics and the repaired, beside what is stored."""
    started = time.process_time()
    wrong: list[Difference] = []
    try:
        if write:
            matrix = compute(click.echo)
            store(matrix)
            wrong += [
                Difference(f"{row['property']}: undecided", undecided=True)
                for row in matrix["rows"]
                if row["undecided"]
            ]
        else:
            for difference in differences(load(), click.echo):
                wrong.append(difference)
    except KeyboardInterrupt:
        for line in wrong:
            click.echo(line.text, err=True)
        click.echo("stopped before all properties were judged")
        raise SystemExit(1 if any(not line.undecided for line in wrong) else 3) from None
    except NotReproduced as reason:
        click.echo(f"a solver and CPython contradict each other: {reason}", err=True)
        raise SystemExit(1) from None
    except FileNotFoundError:
        click.echo(f"there is no {STORED}: python -m hammer2_proofs.matrix --write", err=True)
        raise SystemExit(2) from None
    _finish(wrong, started)


if __name__ == "__main__":
    main()
