"""The report of an examination as one page of HTML that needs nothing else: each divergence drawn as a table."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hammer2_cluster.program import from_here, pasted
from hammer2_oracle.conform.divergence import AnyDivergence, Divergence, OperationDivergence, ScenarioDivergence
from hammer2_oracle.conform.judging import described
from hammer2_oracle.conform.messages import Answer
from hammer2_oracle.conform.operations import call_of, in_json, spoken, world_of
from hammer2_oracle.conform.report import Report, in_counts
from hammer2_oracle.conform.scenarios import Program, rows, step_in_words
from hammer2_oracle.conform.scenarios import in_words as scenario_in_words
from hammer2_oracle.explanation import explain
from hammer2_oracle.picture import draw as draw_world
from hammer2_oracle.vector_record import focus_read
from hammer2_oracle.vectors import in_words
from hammer2_oracle.words import counted
from hammer2_spec.configuration import Configuration
from hammer2_spec.notation import arguments, format_flags, format_nmasters, format_slot, type_name

ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
FIELDS: Final = {"outcome": "o", "focus": "F", "error": "e", "flags": "g"}


NO_CELL: Final = -1


class Step(NamedTuple):
    """One row of a picture: what happens at every node."""

    name: str
    cells: list[str]
    kind: str = ""
    """How it is drawn: expected, got, or plainly."""
    remark: str = ""
    """What is no node's: a focus that is none."""
    wrong: int | None = None
    """Which cell alone is not as it should be; NO_CELL: the remark alone; None: the row is drawn as a whole."""


class Value(NamedTuple):
    """A field of the answer."""

    name: str
    before: str
    expected: str
    got: str
    differs: bool


class Picture(NamedTuple):
    """A divergence as it is drawn."""

    title: str
    file: str
    what: str
    columns: list[str]
    steps: list[Step]
    values: list[Value]
    rules: list[str]
    parts: list[str]
    commands: list[str]


def page(report: Report, divergences: Sequence[AnyDivergence], kept: Sequence[Path]) -> str:
    """The page.

    Args:
        report: what is known.
        divergences: those that are drawn.
        kept: where they are kept; nothing where they are not.
    """
    paths = [*map(str, kept), *[""] * (len(divergences) - len(kept))]
    return ENVIRONMENT.get_template("page.html").render(
        report=report,
        campaigns=[(name, in_counts(counts) or "nothing to judge") for name, counts in report.tally.campaigns.items()],
        pictures=[picture(it, path) for it, path in zip(divergences, paths, strict=True)],
    )


def title(divergence: AnyDivergence) -> str:
    """A divergence in a few words: the cluster, or the operation."""
    if isinstance(divergence, OperationDivergence):
        return call_of(divergence.question)
    if isinstance(divergence, ScenarioDivergence):
        return f"{scenario_in_words(divergence.question.scenario)}, {counted(len(divergence.question.steps), 'step')}"
    configuration = divergence.question.configuration
    members = " ".join("*" * (i == configuration.prior) + format_slot(it) for i, it in enumerate(configuration.slots))
    return f"{members or 'no members'}, {format_nmasters(configuration.pfs_nmasters)}"


def picture(divergence: AnyDivergence, path: str) -> Picture:
    """Draw a divergence: the nodes are columns, the steps rows."""
    commands = [pasted("replay", from_here(path))] if path else []
    if isinstance(divergence, OperationDivergence):
        return _operation(divergence, path, commands)
    if isinstance(divergence, ScenarioDivergence):
        return _scenario(divergence, path, commands)
    return _decision(divergence, path, commands)


def _operation(divergence: OperationDivergence, path: str, commands: list[str]) -> Picture:
    """Draw an operation: the calls that it should make are rows, each in the column of the node that it is for."""
    world = divergence.question.world
    numbers = [divergence.question.args.get(name) for name in ("cluster", "cparent")]
    clusters = [world.clusters[n] for n in numbers if n in world.clusters]
    count = max((cluster.nchains for cluster in clusters), default=0)
    homes = {chain: i for cluster in clusters for i, chain in enumerate(cluster.slots[:count]) if chain is not None}
    steps = []
    for n, call in enumerate(divergence.calls):
        said = spoken(call)
        name, home = said.pop("f"), homes.get(getattr(call, "chain", getattr(call, "parent", -1)), -1)
        wrong = divergence.field.startswith(f"calls[{n}]")
        cells = ["●" if i == home else "" for i in range(count)]
        steps.append(Step(f"{n} {name}", cells, "expected" if wrong else "", in_json(said)))
    if divergence.field.startswith("calls["):
        steps.append(Step("got", [""] * count, "got", in_json(divergence.got)))
    value = Value(divergence.field or "answer", "", in_json(divergence.right), in_json(divergence.got), True)
    drawn_world = draw_world(world_of(world).clusters.values())
    what = (divergence.detail or f"differs first at {divergence.field}") + _stability(divergence)
    columns = [f"node {i}" for i in range(count)]
    return Picture(
        title(divergence), Path(path).name, what, columns, steps, [value], divergence.rules, drawn_world, commands
    )


def _stability(divergence: AnyDivergence) -> str:
    return "; asked again, it answered in another way" if divergence.stable is False else ""


def _scenario(divergence: ScenarioDivergence, path: str, commands: list[str]) -> Picture:
    """Draw a scenario: what happens to a node, and as what it is shown, is in its column."""
    question, came = divergence.question, divergence.came
    answered, unanswered = question.steps[: len(came)], question.steps[len(came) :]
    drawn = rows(Program(question.scenario, tuple(answered)), came)
    steps = [Step(row.name, row.cells, "", row.result, NO_CELL if row.wrong is None else row.wrong) for row in drawn]
    steps += [Step(step_in_words(it), [""] * len(question.scenario.nodes)) for it in unanswered]
    if steps:
        steps[-1] = steps[-1]._replace(kind="got")
    wrong = divergence.standing == "differs"
    values = [Value("answer", "", divergence.expected or "", divergence.got or "", True)] if wrong else []
    what = (divergence.detail or "breaks a sentence of the specification") + _stability(divergence)
    columns = [f"{kind} {n}" for n, kind in enumerate(question.scenario.nodes)]
    return Picture(title(divergence), Path(path).name, what, columns, steps, values, divergence.rules, [], commands)


def _decision(divergence: Divergence, path: str, replay: list[str]) -> Picture:
    """Draw a decision: its steps are rows."""
    configuration, semantics = divergence.question.configuration, divergence.judged_by
    parts = explain(configuration, semantics).parts
    commands = [pasted("resolve", "--semantics", described(semantics), *arguments(configuration)), *replay]
    wrong = f"answers otherwise: {', '.join(divergence.fields)}" if divergence.got else str(divergence.detail)
    like = f"; that is the answer of {' and '.join(divergence.like)}" if divergence.like else ""
    return Picture(
        title(divergence),
        Path(path).name,
        f"{wrong}{like}{_stability(divergence)}",
        [f"node {i}" for i in range(len(configuration.slots))],
        list(_steps(divergence, configuration, [part.counted for part in parts])),
        list(_values(divergence, configuration)),
        divergence.rules,
        [f"node {i}: {part.why}" for i, part in enumerate(parts) if configuration.slots[i].present],
        commands,
    )


def _steps(divergence: Divergence, configuration: Configuration, counted: Sequence[bool]) -> Iterator[Step]:
    slots = configuration.slots
    yield Step("member", [type_name(slot.type) if slot.present else "–" for slot in slots])
    yield Step("mirror_tid", [str(slot.tid) if slot.present else "" for slot in slots])
    yield Step("error", [str(slot.error or "none") if slot.present else "" for slot in slots])
    yield _focus("focus before", configuration.prior, len(slots))
    words = ["counts" if part else "left out" for part in counted]
    yield Step("quorum", [word if slot.present else "" for word, slot in zip(words, slots, strict=True)])
    yield _focus("focus expected", focus_read(divergence.expected.F), len(slots), "expected")
    if divergence.got:
        wrong = "focus" in divergence.fields
        yield _focus("focus got", focus_read(divergence.got.F), len(slots), "got" if wrong else "expected")


def _focus(name: str, focus: int | None, count: int, kind: str = "") -> Step:
    at = focus if focus is not None and 0 <= focus < count else None
    cells = ["●" if i == at else "" for i in range(count)]
    return Step(name, cells, kind, in_words("focus", focus) if at is None else "")


def _values(divergence: Divergence, configuration: Configuration) -> Iterator[Value]:
    before = {"focus": in_words("focus", configuration.prior), "flags": format_flags(configuration.flags)}
    for name in FIELDS:
        got = _value(name, divergence.got) if divergence.got else "nothing"
        yield Value(name, before.get(name, ""), _value(name, divergence.expected), got, name in divergence.fields)


def _value(name: str, answer: Answer) -> str:
    value = getattr(answer, FIELDS[name])
    return in_words(name, focus_read(value) if name == "focus" else value)
