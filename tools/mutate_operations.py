"""Mechanical mutants of the operations, and who kills them: the replay of the recording, or the properties.

Usage: mutate_operations.py replay|properties [--sample N] [--seed N]

The replay judges mutants of code that runs under the seed's semantics, the properties all. A survivor is listed with
its place. Each mutant runs in a process of its own; one that takes too long is listed, and counts as alive.
"""
# ruff: noqa: PLC0415, S311 - a process imports the operations when they are mutated; the sample is seeded, not secret

import argparse
import ast
import copy
import lzma
import os
import random
import signal
import sys
import types
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "impl" / "hammer2_cluster"
MODULES = ("accessors", "life_cycle", "locking", "standing", "modifying", "data", "lookups", "topology", "snapshot")
GOLDEN = ROOT / "data" / "golden" / "traces-public.jsonl.xz"
SECONDS = 240
MOST_BAD = 1
ALIVE, KILLED, HUNG = 0, 1, 2

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


def variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The ways in which one node is changed."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            changed = copy.deepcopy(node)
            changed.ops = [COMPARISONS[type(op)]()]
            yield "comparison", changed
        case ast.BoolOp():
            for i in range(len(node.values)):
                changed_values = copy.deepcopy(node)
                del changed_values.values[i]
                rest = changed_values.values
                yield f"operand {i} left out", changed_values if len(rest) > 1 else rest[0]
        case ast.BinOp() if type(node.op) in OPERATORS:
            changed_operator = copy.deepcopy(node)
            changed_operator.op = OPERATORS[type(node.op)]()
            yield "operator", changed_operator
        case ast.UnaryOp(op=ast.Not()):
            yield "not left out", node.operand
        case ast.Constant(value=bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield "constant", ast.Constant(value + 1)
        case ast.If() | ast.IfExp():
            changed_test = copy.deepcopy(node)
            changed_test.test = ast.UnaryOp(ast.Not(), node.test)
            yield "condition", changed_test
        case ast.Assign(targets=[ast.Attribute()]) | ast.AugAssign() | ast.Expr(value=ast.Call() | ast.Await()):
            yield "statement left out", ast.Pass()


def mutants(module: str) -> Iterator[tuple[str, int, str]]:
    """Where and how, the line, and the source."""
    tree = ast.parse((CLUSTER / f"{module}.py").read_text())
    annotations = [
        annotation
        for node in ast.walk(tree)
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(annotation, ast.AST)
    ]
    untouched = {id(node) for annotation in annotations for node in ast.walk(annotation)}
    places = [
        (parent, field, i, child)
        for parent in ast.walk(tree)
        for field, value in ast.iter_fields(parent)
        if field not in ("decorator_list", "bases")
        for i, child in enumerate(value if isinstance(value, list) else [value])
        if isinstance(child, ast.AST) and id(child) not in untouched
    ]
    for parent, field, i, child in places:
        for how, changed in variants(child):
            held = getattr(parent, field)
            replacement = [*held[:i], changed, *held[i + 1 :]] if isinstance(held, list) else changed
            setattr(parent, field, replacement)
            line = getattr(child, "lineno", 0)
            source = ast.unparse(ast.fix_missing_locations(tree))
            yield f"{module}.py:{line} {how}: {ast.unparse(child).splitlines()[0]}", line, source
            setattr(parent, field, held)


class Mutated(MetaPathFinder, Loader):
    """Imports one module from a source text."""

    def __init__(self, module: str, source: str) -> None:
        self._name = f"hammer2_cluster.{module}"
        self._source = source

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:  # noqa: D102 - Python's protocol
        return ModuleSpec(fullname, self) if fullname == self._name else None

    def exec_module(self, module: types.ModuleType) -> None:  # noqa: D102 - Python's protocol
        exec(compile(self._source, f"<mutant of {self._name}>", "exec"), module.__dict__)  # noqa: S102 - what it is for


def killed_by_replay(lines: list[bytes]) -> bool:
    """Some recorded trace diverges, or cannot be replayed any more."""
    from hammer2_oracle.replay import check_trace
    from hammer2_oracle.trace_record import decode

    return any(check_trace(decode(line)) is not None for line in lines)


def killed_by_properties() -> bool:
    """Some run on the model breaks a rule."""
    from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
    from hammer2_proofs.operations.search import Coverage, cases, search
    from hammer2_spec.semantics import REPAIRED

    return next(search(cases(PROGRAMS, WORLDS), REPAIRED, MOST_BAD, Coverage()), None) is not None


def judge(module: str, source: str, by: str, lines: list[bytes]) -> int:
    """Run a mutant in a process of its own."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        sys.meta_path.insert(0, Mutated(module, source))
        try:
            dead = killed_by_replay(lines) if by == "replay" else killed_by_properties()
        except Exception:  # noqa: BLE001 - a mutant may fail in any way
            dead = True
        os._exit(KILLED if dead else ALIVE)
    _, status = os.waitpid(child, 0)
    return HUNG if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def lines_of_the_seed(lines: list[bytes]) -> dict[str, set[int]]:
    """Which lines the replay of the recording runs; in a process of its own, since it imports the operations."""
    import json
    import tempfile

    with tempfile.NamedTemporaryFile("r") as file:
        child = os.fork()
        if child == 0:
            import coverage

            measured = coverage.Coverage(data_file=None, source=[str(CLUSTER)], config_file=False)
            measured.start()
            killed_by_replay(lines[::3])
            measured.stop()
            data = measured.get_data()
            seen = {Path(name).stem: data.lines(name) or [] for name in data.measured_files()}
            Path(file.name).write_text(json.dumps(seen))
            os._exit(0)
        os.waitpid(child, 0)
        return {module: set(seen) for module, seen in json.loads(Path(file.name).read_text()).items()}


def main() -> int:
    """The exit status: 1 if fewer than 95 in a hundred are killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("by", choices=["replay", "properties"])
    parser.add_argument("--sample", type=int, default=0, help="so many mutants; 0 for all")
    parser.add_argument("--seed", type=int, default=20150330)
    options = parser.parse_args()
    with lzma.open(GOLDEN) as file:
        lines = file.read().splitlines()
    reached = lines_of_the_seed(lines) if options.by == "replay" else {}
    every = [
        (where, module, source)
        for module in MODULES
        for where, line, source in mutants(module)
        if options.by == "properties" or line in reached.get(module, ())
    ]
    if options.sample:
        every = random.Random(options.seed).sample(every, min(options.sample, len(every)))
    survivors, hung = [], []
    for where, module, source in every:
        match judge(module, source, options.by, lines):
            case 0:
                survivors.append(where)
                print(f"survives: {where}", flush=True)
            case 2:
                hung.append(where)
                print(f"hangs: {where}", flush=True)
    dead = len(every) - len(survivors) - len(hung)
    share = 100 * dead / len(every)
    print(f"{options.by}: {dead} of {len(every)} mutants killed ({share:.1f} %), {len(hung)} stopped for their time")
    print(f"Reproduce with: {Path(sys.argv[0]).name} {options.by} --sample {options.sample} --seed {options.seed}")
    return int(dead < 0.95 * len(every))


if __name__ == "__main__":
    sys.exit(main())
