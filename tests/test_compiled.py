"""Compiled code is what the source text says now: kept on disk, found again, and never stale."""

import os
import subprocess
import sys
import time
from enum import IntEnum
from pathlib import Path
from types import FunctionType
from typing import NamedTuple

import pytest

from hammer2_cluster.resolve import resolve
from hammer2_proofs import compiled as module
from hammer2_proofs.compiled import NotCompilable, compiled, digest
from hammer2_proofs.kernel import answer_all
from hammer2_spec.semantics import Semantics

OUTER = "from inner import Limit, above\n\ndef count(numbers):\n    return above(numbers, Limit.LOW) * 1\n"
INNER = """
from enum import IntEnum

class Limit(IntEnum):
    LOW = 3

def above(numbers, limit):
    found = 0
    for number in numbers:
        if number > limit:
            found += 1
    return found
"""
RUN = """
import numpy as np
from numba.core import event
from hammer2_proofs.compiled import compiled
from outer import count
with event.install_recorder("numba:compile") as compilations:
    result = compiled(count)(np.arange(10))
print(result, len(compilations.buffer))
"""


def count_in_a_new_process(directory: Path) -> tuple[int, bool]:
    """What the function counts, and whether anything was compiled for it."""
    environment = os.environ | {"HAMMER2_CACHE": str(directory / "cache"), "PYTHONPATH": str(directory)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    finished = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=True, cwd=directory
    )
    result, compilations = finished.stdout.split()
    return int(result), compilations != "0"


def test_a_warm_start_compiles_nothing_and_a_change_anywhere_is_compiled_anew(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer.py", tmp_path / "inner.py"
    outer.write_text(OUTER)
    inner.write_text(INNER)
    assert count_in_a_new_process(tmp_path) == (6, True)
    assert count_in_a_new_process(tmp_path) == (6, False)

    inner.write_text(INNER.replace("number > limit", "number < limit"))  # a called function, in another file
    assert count_in_a_new_process(tmp_path) == (3, True)
    assert count_in_a_new_process(tmp_path) == (3, False)

    inner.write_text(INNER.replace("LOW = 3", "LOW = 7"))  # a constant, in another file
    assert count_in_a_new_process(tmp_path) == (2, True)

    outer.write_text(OUTER.replace("* 1", "* 5"))  # the function itself
    assert count_in_a_new_process(tmp_path) == (10, True)

    outer.write_text(OUTER)
    inner.write_text(INNER)  # and back again
    assert count_in_a_new_process(tmp_path) == (6, False)


def test_damaged_files_in_the_cache_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "outer.py").write_text(OUTER)
    (tmp_path / "inner.py").write_text(INNER)
    assert count_in_a_new_process(tmp_path) == (6, True)
    for file in (tmp_path / "cache").rglob("*.nb?"):
        file.write_bytes(file.read_bytes()[:100])
    assert count_in_a_new_process(tmp_path) == (6, True)
    assert count_in_a_new_process(tmp_path) == (6, True)
    assert count_in_a_new_process(tmp_path) == (6, False)


def test_without_a_place_for_the_cache_everything_works(tmp_path: Path) -> None:
    (tmp_path / "outer.py").write_text(OUTER)
    (tmp_path / "inner.py").write_text(INNER)
    (tmp_path / "cache").write_text("a file where a directory should be")
    assert count_in_a_new_process(tmp_path) == (6, True)


class Level(IntEnum):
    LOW = 3


class Pair(NamedTuple):
    left: bool
    right: bool


class Swapped(NamedTuple):
    right: bool
    left: bool


FACTOR = 2


def called(number: int) -> int:
    return number * FACTOR


def calls(number: int) -> int:
    return called(number) + Level.LOW


TEXT = "def calls(number):\n    return called(number) + Level.LOW\n"


def recompiled(old: str, new: str, **more: object) -> FunctionType:
    """``calls`` from another text."""
    text = TEXT.replace(old, new)
    namespace: dict[str, object] = {"called": called, "Level": Level} | more
    exec(compile(text, __file__, "exec"), namespace)  # noqa: S102 - our own text
    made = namespace["calls"]
    assert isinstance(made, FunctionType)
    return made


def test_the_digest_names_all_that_is_compiled_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    same = digest(recompiled("", ""))
    assert digest(recompiled("    return", "    # a comment\n\n    return")) == same
    different = [
        digest(recompiled("+", "-")),
        digest(recompiled("called(number)", "called(2)")),
        digest(recompiled("", "", Level=IntEnum("Level", {"LOW": 4}))),
        digest(recompiled("", "", called=abs_of)),
        digest(recompiled("", ""), Pair),
        digest(recompiled("", ""), Swapped),
    ]
    assert digest(recompiled("", ""), called=abs_of) == different[3]
    monkeypatch.setitem(globals(), "FACTOR", 3)
    different.append(digest(recompiled("", "")))
    assert len({same, *different}) == 1 + len(different)


def abs_of(number: int) -> int:
    return abs(number)


def test_every_repair_is_in_the_digest_of_the_kernel() -> None:
    fields = list(Semantics._fields)
    assert "majority_tid" in fields
    known = digest(answer_all, Semantics, resolve=resolve)
    renamed = NamedTuple("Semantics", [(f"{name}_", bool) for name in fields])  # type: ignore[misc]  # made at run time
    swapped = NamedTuple("Semantics", [(name, bool) for name in reversed(fields)])  # type: ignore[misc]  # the same
    assert len({known, digest(answer_all, renamed, resolve=resolve), digest(answer_all, swapped, resolve=resolve)}) == 3


UNKNOWN = object()


def uses_something_unknown(number: int) -> bool:
    return number == UNKNOWN


def test_what_could_change_unnoticed_is_refused() -> None:
    with pytest.raises(NotCompilable, match="UNKNOWN is <object"):
        compiled(uses_something_unknown)


def test_code_that_nothing_has_used_for_long_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER2_CACHE", str(tmp_path))
    old, young, foreign = (tmp_path / "decisions" / name for name in ("old", "young", "../explorer"))
    for directory in (old, young, foreign):
        directory.mkdir(parents=True)
    month = time.time() - (module.KEPT_DAYS + 1) * 24 * 3600
    for directory in (old, foreign):
        os.utime(directory, (month, month))
    assert compiled(calls)(4) == 11
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()
