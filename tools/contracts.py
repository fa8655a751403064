"""What CrossHair confirms of the contracts in hammer2_cluster, over all paths: a step of `make verify`.

Every function with an icontract contract stands in the list, contract by contract: as confirmed, or with who checks it
instead. The run fails if a contract of one that is confirmed is refuted or no longer confirmed, if one of the others is
refuted, and if the list is not that of the contracts in the source.

"All paths" means: for all arguments of the types in the signature that meet the preconditions; clusters and chains are
those of symbolic_clusters. An exception that the docstring names is no failure.
"""

import importlib
import inspect
import os
import pkgutil
import re
import shlex
import signal
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

os.environ["ICONTRACT_SLOW"] = "1"  # before the first import of icontract: what is confirmed is else not asserted

import icontract
from crosshair.core import Checkable, ClampedCheckable, ConditionCheckable
from crosshair.core_and_libs import analyze_function
from crosshair.fnutil import FunctionInfo
from crosshair.options import AnalysisKind, AnalysisOptionSet
from crosshair.statespace import MessageType

from symbolic_clusters import with_words

ROOT: Final = Path(__file__).resolve().parent.parent
LIST: Final = ROOT / "proofs" / "hammer2_proofs" / "results" / "contracts.toml"
PACKAGE: Final = "hammer2_cluster"

CONFIRM_SECONDS: Final = 12
"""CPU seconds for a condition that is on the list as confirmed,"""
EASY_SECONDS: Final = CONFIRM_SECONDS / 3
"""of which it may need so many when it is put there: other machines are slower."""
SEARCH_SECONDS: Final = 1
"""CPU seconds that a counterexample to another condition is looked for."""

HOLDS, REFUTED, BAD_USAGE, UNDECIDED = 0, 1, 2, 3


class Verdict(Enum):
    """What became of a function's contracts."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_CONFIRMED = "not confirmed"
    """All paths that could be looked at hold."""
    OUT_OF_TIME = "out of time"


@dataclass(frozen=True)
class Target:
    """A function with contracts."""

    name: str
    """Without the package: ``store.layout.zones``, ``device.faults.Fault.strikes``."""
    owner: type | None
    function: Callable[..., Any]
    requires: Sequence[str]
    ensures: Sequence[str]

    @property
    def is_coroutine(self) -> bool:
        """CrossHair sees of a coroutine function only that it returns a coroutine."""
        return inspect.iscoroutinefunction(inspect.unwrap(self.function))


@dataclass(frozen=True)
class Entry:
    """What the list says of a function."""

    requires: Sequence[str]
    ensures: Sequence[str]
    checked_by: Sequence[str]
    """Who checks it instead; nobody if CrossHair confirms it."""


@dataclass(frozen=True)
class Finding:
    """What CrossHair said of a function."""

    verdict: Verdict
    message: str
    seconds: float
    """CPU seconds of the condition that took longest."""


# ---- the contracts in the source


def sentence(contract: Any) -> str:  # noqa: ANN401 - icontract's own class
    """A contract as its author describes it, with its source unless that is a rule of hammer2_spec."""
    inspected = icontract._represent.inspect_lambda_condition(condition=contract.condition)  # noqa: SLF001 - as CrossHair does
    source = " ".join(inspected.text.split()) if inspected else ""
    return ": ".join(filter(None, [contract.description, source])) or str(contract.condition.__name__)


def target(name: str, owner: type | None, function: object) -> Target | None:
    """A function with its contracts; None if it has none."""
    if not inspect.isfunction(function) or not (checker := icontract._checkers.find_checker(func=function)):  # noqa: SLF001 - as CrossHair does
        return None
    requires = [sentence(contract) for group in getattr(checker, "__preconditions__", []) for contract in group]
    ensures = [sentence(contract) for contract in getattr(checker, "__postconditions__", [])]
    return Target(name, owner, function, requires, ensures) if requires or ensures else None


def functions_of(module: ModuleType, prefix: str) -> Iterator[tuple[str, type | None, object]]:
    """The functions and methods that a module defines."""
    for name, member in vars(module).items():
        if getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(member):
            for method, inner in vars(member).items():
                function = inner.fget if isinstance(inner, property) else getattr(inner, "__func__", inner)
                yield f"{prefix}{name}.{method}", member, function
        else:
            yield f"{prefix}{name}", None, member


def targets_in(package: str) -> dict[str, Target]:
    """Every function of a package that has a contract, by name."""
    root = importlib.import_module(package)
    names = [package, *(found.name for found in pkgutil.walk_packages(root.__path__, f"{package}."))]
    found: dict[str, Target] = {}
    for module_name in names:
        prefix = module_name.removeprefix(package).removeprefix(".")
        for name, owner, function in functions_of(importlib.import_module(module_name), prefix and f"{prefix}."):
            if one := target(name, owner, function):
                found[name] = one
    return found


# ---- CrossHair


def exceptions(below: type[BaseException] = BaseException) -> Iterator[type[BaseException]]:
    """Every class of exceptions that some module has defined."""
    yield below
    for known in below.__subclasses__():
        yield from exceptions(known)


def declared_exceptions(function: Callable[..., Any]) -> frozenset[type[BaseException]]:
    """The exceptions that a docstring names."""
    words = set(re.findall(r"\w+", function.__doc__ or ""))
    return frozenset(known for known in exceptions() if known.__name__ in words)


def checkables(one: Target, seconds: float) -> Iterator[Checkable]:
    """One for each postcondition; of a function that has none: that it returns."""
    options = AnalysisOptionSet(
        analysis_kind=[AnalysisKind.icontract],
        report_all=True,
        per_condition_timeout=seconds,
        per_path_timeout=seconds,
        max_uninteresting_iterations=sys.maxsize,
    )
    name = one.name.rpartition(".")[2]
    info = FunctionInfo(one.owner, name, vars(one.owner)[name]) if one.owner else one.function
    for checkable in analyze_function(info, options):
        inner = checkable.checkable if isinstance(checkable, ClampedCheckable) else checkable
        if isinstance(inner, ConditionCheckable):
            declared = inner.conditions.raises | declared_exceptions(one.function)
            inner.conditions = replace(inner.conditions, raises=declared, sig=with_words(inner.conditions.sig))
        yield checkable


def examine(one: Target, seconds: float) -> Finding:
    """Let CrossHair look at each contract of a function for so many CPU seconds."""
    if one.is_coroutine:
        return Finding(Verdict.NOT_CONFIRMED, "a coroutine function", 0)
    longest = 0.0
    worst = Verdict.CONFIRMED
    for checkable in checkables(one, seconds):
        began = time.process_time()
        messages = list(checkable.analyze())
        took = time.process_time() - began
        longest = max(longest, took)
        for message in messages:
            if message.state == MessageType.CANNOT_CONFIRM:
                worst = (
                    Verdict.OUT_OF_TIME if took >= seconds or worst is Verdict.OUT_OF_TIME else Verdict.NOT_CONFIRMED
                )
            elif message.state != MessageType.CONFIRMED:
                return Finding(Verdict.REFUTED, f"{message.state.value}: {message.message}", longest)
        if not messages:
            worst = Verdict.NOT_CONFIRMED
        if worst is not Verdict.CONFIRMED and seconds > SEARCH_SECONDS:
            break
    return Finding(worst, "", longest)


_targets: dict[str, Target] = {}
"""Of a worker."""


def _begin(targets: dict[str, Target]) -> None:
    """A worker, which Ctrl-C does not concern: its parent ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _targets.update(targets)


def _examine(job: tuple[str, float]) -> tuple[str, Finding]:
    name, seconds = job
    return name, examine(_targets[name], seconds)


def examine_all(targets: dict[str, Target], jobs: Sequence[tuple[str, float]]) -> Iterator[tuple[str, Finding]]:
    """Findings for (name, CPU seconds for each contract), each from a process of its own: CrossHair keeps state."""
    with get_context("fork").Pool(os.cpu_count(), _begin, (targets,), maxtasksperchild=1) as pool:
        for name, finding in pool.imap(_examine, jobs, chunksize=1):
            progress(f"{finding.seconds:6.1f} s  {finding.verdict.value:14} {name}")
            yield name, finding


def progress(text: str) -> None:
    """For whoever watches."""
    print(text, file=sys.stderr, flush=True)


# ---- the list


def read_list(file: Path) -> dict[str, Entry]:
    """The list in the repository. Raises click.UsageError if it cannot be read."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        return {
            name: Entry(entry["requires"], entry["ensures"], entry.get("checked_by", []))
            for name, entry in document.items()
        }
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise click.UsageError(f"{file}: no list of contracts: {error!r}") from None


def write_list(file: Path, entries: dict[str, Entry]) -> None:
    """Put the list into the repository."""
    confirmed = [name for name, entry in entries.items() if not entry.checked_by]
    others = [name for name, entry in entries.items() if entry.checked_by]
    head = [
        "# The contracts of hammer2_cluster. Written by: .venv/bin/python tools/contracts.py --write",
        "# What has no checked_by is confirmed by CrossHair over all paths. A checked_by is written by hand: steps of",
        "# `make verify`, and test files.",
    ]
    blocks = ["\n".join(head)]
    for name in [*sorted(confirmed), *sorted(others)]:
        lines = [f'["{name}"]']
        for field in ("requires", "ensures", "checked_by"):
            values = getattr(entries[name], field)
            if values or field != "checked_by":
                lines.append(
                    f"{field} = [" + "".join(f"\n    {quoted(value)}," for value in values) + ("\n]" if values else "]")
                )
        blocks.append("\n".join(lines))
    file.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def quoted(text: str) -> str:
    """A TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


NOBODY: Final = "nobody"


def disagreements(found: Mapping[str, Target], listed: Mapping[str, Entry]) -> Iterator[str]:
    """Where the list is not that of the contracts in the source."""
    for name in sorted(found.keys() | listed.keys()):
        if name not in listed:
            yield f"{name}: it has contracts and is not on the list"
        elif name not in found:
            yield f"{name}: it is on the list and has no contract any more"
        else:
            for field in ("requires", "ensures"):
                here, there = list(getattr(found[name], field)), list(getattr(listed[name], field))
                yield from (f"{name}: {field} {text!r} is not on the list" for text in here if text not in there)
                yield from (f"{name}: {field} {text!r} is gone" for text in there if text not in here)
                if sorted(here) == sorted(there) and here != there:
                    yield f"{name}: {field}: the order is not that of the list"
            if NOBODY in listed[name].checked_by:
                yield f"{name}: CrossHair does not confirm it, and nobody checks it instead"


def judged(name: str, confirmed: bool, finding: Finding) -> tuple[int, str]:
    """The exit status for a function, which the list calls confirmed or not, and what there is to say of it."""
    if finding.verdict is Verdict.REFUTED:
        return REFUTED, f"{name}: refuted: {finding.message}"
    if confirmed and finding.verdict is Verdict.NOT_CONFIRMED:
        return REFUTED, f"{name}: no longer confirmed: CrossHair cannot follow every path to its end"
    if confirmed and finding.verdict is Verdict.OUT_OF_TIME:
        return UNDECIDED, f"{name}: undecided: not confirmed within {CONFIRM_SECONDS} CPU seconds"
    return HOLDS, ""


def check(found: dict[str, Target], listed: Mapping[str, Entry]) -> int:
    """Examine what is on the list; print what is wrong, and last a sentence on all of it. Returns the exit status."""
    wrong = list(disagreements(found, listed))
    for line in wrong:
        print(line)
    statuses = {REFUTED} if wrong else {HOLDS}
    counts = dict.fromkeys(Verdict, 0)
    contracts = 0
    to_do = sorted(found.keys() & listed.keys(), key=lambda name: (bool(listed[name].checked_by), name))
    try:
        jobs = [(name, SEARCH_SECONDS if listed[name].checked_by else CONFIRM_SECONDS) for name in to_do]
        for name, finding in examine_all(found, jobs):
            status, said = judged(name, not listed[name].checked_by, finding)
            statuses.add(status)
            counts[finding.verdict] += 1
            contracts += max(1, len(found[name].ensures)) if finding.verdict is Verdict.CONFIRMED else 0
            if said:
                print(said)
                print(f"Reproduce with: {shlex.join([sys.executable, __file__, name])}")
    except KeyboardInterrupt:
        statuses.add(UNDECIDED)
        print(f"interrupted: {len(to_do) - sum(counts.values())} functions were not looked at")
    others = counts[Verdict.NOT_CONFIRMED] + counts[Verdict.OUT_OF_TIME]
    print(
        f"{contracts} contracts of {counts[Verdict.CONFIRMED]} functions confirmed over all paths, "
        f"{counts[Verdict.REFUTED]} functions refuted, {others} not confirmed and checked otherwise; "
        f"the list is {'wrong' if wrong else 'right'}"
    )
    return next(status for status in (REFUTED, UNDECIDED, HOLDS) if status in statuses)


def write(found: dict[str, Target], listed: Mapping[str, Entry], file: Path) -> int:
    """Write the list anew. What is not easily confirmed keeps its checked_by. Returns the exit status."""
    entries: dict[str, Entry] = {}
    refuted = 0
    for name, finding in examine_all(found, [(name, EASY_SECONDS) for name in sorted(found)]):
        if finding.verdict is Verdict.REFUTED:
            print(f"{name}: refuted: {finding.message}")
            refuted += 1
        before = listed[name].checked_by if name in listed else []
        others = [] if finding.verdict is Verdict.CONFIRMED else before or [NOBODY]
        entries[name] = Entry(found[name].requires, found[name].ensures, others)
    if refuted:
        print(f"{refuted} functions refuted: the list is left as it was")
        return REFUTED
    write_list(file, entries)
    confirmed = sum(not entry.checked_by for entry in entries.values())
    print(f"{file}: {confirmed} functions confirmed, {len(entries) - confirmed} not")
    return HOLDS


@click.command()
@click.argument("functions", metavar="[FUNCTION]...", nargs=-1)
@click.option("--write", "writes", is_flag=True, help="Write the list anew.")
@click.option("--package", default=PACKAGE, show_default=True, help="Whose contracts.")
@click.option("--list", "file", type=click.Path(path_type=Path), default=LIST, help="The list.")
def main(functions: Sequence[str], writes: bool, package: str, file: Path) -> None:
    """Compare what CrossHair confirms of the contracts in a package with the list, or only that of some functions."""
    found = targets_in(package)
    listed = {} if writes and not file.exists() else read_list(file)
    for name in functions:
        if name not in found and name not in listed:
            raise click.UsageError(f"no function with contracts is called {name!r}")
    if writes:
        sys.exit(write(found, listed, file))
    if functions:
        found = {name: one for name, one in found.items() if name in functions}
        listed = {name: entry for name, entry in listed.items() if name in functions}
    sys.exit(check(found, listed))


if __name__ == "__main__":
    main()
