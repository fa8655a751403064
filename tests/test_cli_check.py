"""`hammer2-cluster check`: the recorded calls agree, and no change to an answer goes unnoticed."""

import json
import lzma
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result
from tests.terminal_kit import shown_on_a_terminal

from hammer2_cluster.decisions import DECISIONS
from hammer2_cluster.program import pasted
from hammer2_oracle import check, reading, traces, vectors
from hammer2_oracle.cli import main
from hammer2_oracle.reading import Lines
from hammer2_oracle.record_kinds import Contradiction, Difference, kind_named
from hammer2_oracle.status import Status
from hammer2_oracle.vectors import FEW, judge
from hammer2_proofs import kernel
from hammer2_spec.configuration import Configuration, Outcome, Verdict
from hammer2_spec.semantics import REPAIRED, SEED, Semantics, describe

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "resolve-public.jsonl.xz"
TRACES = GOLDEN.with_name("traces-public.jsonl.xz")
ROWS = 90_992

Json: TypeAlias = Any
PROGRAM = (sys.executable, "-m", "hammer2_oracle")
KEYS = {"outcome": "o", "focus": "F", "error": "e", "flags": "g"}


@cache
def golden() -> list[str]:
    with lzma.open(GOLDEN, "rt") as file:
        return file.read().splitlines()


def run(*arguments: str | Path, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)], input=stdin)


def judged(*arguments: str | Path, stdin: str = "") -> dict[str, Json]:
    result = run(*arguments, "--json", stdin=stdin)
    summary: dict[str, Json] = json.loads(result.stdout)
    assert summary["status"] == result.exit_code
    assert summary["records"] == summary["agreed"] + summary["diverged"] + summary["skipped"]
    return summary


def another(field: str, row: dict[str, Json], random_choice: random.Random) -> Json:
    """Another answer than the one in a row, of a kind that its type can hold."""
    now = row[KEYS[field]]
    number = now if isinstance(now, int) else 0
    candidates: dict[str, list[Json]] = {
        "outcome": ["ok", "kkassert:L510", "kkassert:L520", "kkassert:L408", "fault"],
        "focus": [None, *range(9), 255],
        "error": [0, 1, -1, number ^ 1, -(2**31), 2**31 - 1],
        "flags": [number ^ 1 << bit for bit in range(32)],
    }
    return random_choice.choice([one for one in candidates[field] if one != now])


def test_the_recorded_calls_agree_with_the_seed() -> None:
    result = run(GOLDEN)
    assert result.exit_code == Status.AGREE
    assert result.stdout == "90,992 records: 90,992 agreed, 0 diverged\n"
    assert result.stderr == ""
    summary = judged(GOLDEN)
    assert (summary["records"], summary["agreed"], summary["diverged"], summary["skipped"]) == (ROWS, ROWS, 0, 0)
    assert summary["divergences"] == []


@pytest.mark.parametrize("count", [FEW, 20_000], ids=["by CPython", "in machine code"])
def test_any_changed_answer_is_noticed_at_its_row_and_field(tmp_path: Path, count: int) -> None:
    random_choice = random.Random(20150330)
    rows = [json.loads(line) for line in random_choice.sample(golden(), count)]
    expected = []
    for line, row in enumerate(rows, 1):
        if random_choice.random() < 0.3:
            for field in random_choice.sample(list(KEYS), random_choice.choice([1, 1, 1, 2, 4])):
                right, row[KEYS[field]] = row[KEYS[field]], another(field, row, random_choice)
                expected.append((line, field, right, row[KEYS[field]]))
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = judged(path, "--max-divergences", "0")
    found = [(entry["line"], entry["field"], entry["expected"], entry["got"]) for entry in summary["divergences"]]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert {(entry["file"], entry["id"], entry["step"]) for entry in summary["divergences"]} == {
        (str(path), None, None)
    }
    lines = {line for line, *_ in expected}
    assert (summary["records"], summary["diverged"], summary["agreed"]) == (count, len(lines), count - len(lines))
    assert summary["status"] == Status.DIFFER


def test_every_record_that_differs_is_counted_but_not_every_one_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [json.loads(line) | {"e": 77, "g": 1} for line in golden()[:100]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for limit, listed in (([], 20), (["--max-divergences", "7"], 7), (["--max-divergences", "0"], 200)):
        summary = judged(path, *limit)
        assert summary["diverged"] == 100
        assert len(summary["divergences"]) == listed
    assert "... and 90 more records not listed" in run(path).stdout


def test_a_divergence_is_drawn_as_a_row_of_slots(tmp_path: Path) -> None:
    row = {
        "k": "b",
        "m": 2,
        "f": 4,
        "p": None,
        "s": [[6, 7, 1], None, [6, 7, 0]],
        "o": "ok",
        "F": 0,
        "e": 1,
        "g": 13060,
    }
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    result = run(path)
    assert result.exit_code == Status.DIFFER
    assert result.stdout.splitlines() == [
        f"{path}:1: focus and error",
        "    slot            0           1   2",
        "    member          master:7/1  -   master:7",
        "    focus before    none",
        "    expected focus                  ^",
        "    got focus       ^",
        "    pfs_nmasters 2, flags before 0x4 LOCKED",
        "    focus: expected slot 2, got slot 0",
        "    error: expected 0, got 1",
        "1 record: 0 agreed, 1 diverged",
        f"Reproduce with: {pasted('check', '--semantics', 'seed', str(path))}",
    ]


@pytest.mark.parametrize("from_stdin", [False, True])
@pytest.mark.parametrize(
    "semantics", [REPAIRED, SEED._replace(majority_tid=True), REPAIRED._replace(ranked_soft=False)]
)
def test_the_line_to_reproduce_a_divergence_can_be_pasted(
    tmp_path: Path, from_stdin: bool, semantics: Semantics
) -> None:
    path = tmp_path / "it's a file.jsonl"
    path.write_text("\n".join([*golden()[:50], golden()[90_000].replace('"e":', '"e":  5')]))
    options = ["--semantics", describe(semantics)]
    result = run(*options, "-", stdin=path.read_text()) if from_stdin else run(*options, path)
    assert result.exit_code == Status.DIFFER
    command = result.stdout.splitlines()[-1].removeprefix("Reproduce with: ")
    again = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    assert again.returncode == Status.DIFFER
    if from_stdin:
        assert again.stdout.splitlines()[0] == "standard input:1: " + result.stdout.splitlines()[0].partition(": ")[2]
    else:
        assert again.stdout == result.stdout


def test_unreadable_input_outranks_a_difference_and_loses_nothing(tmp_path: Path) -> None:
    good, bad, empty = tmp_path / "good.jsonl", tmp_path / "bad.jsonl", tmp_path / "empty.jsonl"
    good.write_text("\n".join(golden()[:10]))
    bad.write_text("\n".join([golden()[0].replace('"e":0', '"e":5'), "{}", golden()[1], "[]", golden()[2]]))
    empty.write_bytes(b"")
    files = [str(path) for path in (good, bad, tmp_path, empty, good)]
    result = run(*files)
    assert result.exit_code == Status.BAD_INPUT
    assert "23 records: 22 agreed, 1 diverged; 4 unreadable" in result.stdout
    assert result.stderr.splitlines() == [
        (
            f"hammer2-cluster: {bad}:2: expected the fields of a resolve vector or operation trace or protocol trace "
            "or ITF trace or receipt, got {} (and 1 more line of this file)"
        ),
        f"hammer2-cluster: {tmp_path}: Is a directory",
        f"hammer2-cluster: {empty}: is empty, expected at least one record",
    ]
    summary = judged(*files)
    assert [(place["file"], place["line"], place["field"]) for place in summary["unreadable"]] == [
        (str(bad), 2, None),
        (str(bad), 4, None),
        (str(tmp_path), None, None),
        (str(empty), None, None),
    ]
    assert summary["unreadable_places"] == 4
    assert [(entry["line"], entry["field"]) for entry in summary["divergences"]] == [(1, "error")]


def test_noise_is_described_briefly_and_counted_fully(tmp_path: Path) -> None:
    path = tmp_path / "noise.jsonl"
    path.write_text("noise\n" * 1000)
    summary = judged(path)
    assert len(summary["unreadable"]) == check.UNREADABLE_KEPT
    assert summary["unreadable_places"] == 1000
    assert "(and 999 more lines of this file)" in run(path).stderr


def test_a_file_cut_short_is_judged_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    path.write_bytes(GOLDEN.read_bytes()[:300_000])
    summary = judged(path)
    assert summary["agreed"] == summary["records"] > 40_000
    assert [place["line"] for place in summary["unreadable"]] == [summary["records"] + 1]
    assert summary["status"] == Status.BAD_INPUT


def test_vectors_and_traces_may_be_mixed(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    with lzma.open(TRACES, "rt") as file:
        traces = file.read().splitlines()[:20]
    mixed = [line for pair in zip(golden()[:20], traces, strict=True) for line in pair]
    path.write_text("\n".join(mixed))
    assert judged(path)["agreed"] == 40


def test_standard_input_is_judged_too() -> None:
    assert judged("-", stdin="\n".join(golden()[:30]))["agreed"] == 30


def test_what_was_read_when_an_interrupt_came_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = golden()[:20]
    lines[2] = lines[2].replace('"e":0', '"e":5')
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n")
    whole = Lines.__iter__

    def stopped(self: Lines) -> Iterator[bytes]:
        yield from islice(whole(self), 10)
        raise KeyboardInterrupt

    monkeypatch.setattr(Lines, "__iter__", stopped)
    summary = judged(path, GOLDEN)
    assert (summary["records"], summary["agreed"], summary["diverged"]) == (10, 9, 1)
    assert summary["interrupted"]
    assert summary["status"] == Status.DIFFER


def test_xz_is_recognised_however_it_comes_in() -> None:
    command = [*PROGRAM, "check", "--records", "90992", "-"]
    with GOLDEN.open("rb") as file, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as judge:
        assert judge.stdin is not None
        for size in (1, 2, 2, 1, -1):
            judge.stdin.write(file.read(size))
            judge.stdin.flush()
            time.sleep(0.2)
        said, _ = judge.communicate()
    assert judge.returncode == Status.AGREE
    assert said == b"90,992 records: 90,992 agreed, 0 diverged\n"


def test_a_file_with_records_missing_is_noticed_if_their_number_is_known(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(golden()[:20]))
    assert judged("--records", "20", path)["status"] == Status.AGREE
    short = judged("--records", "21", path)
    assert short["status"] == Status.BAD_INPUT
    assert [place["reason"] for place in short["unreadable"]] == ["20 records, expected 21"]
    assert " --records 21 " in str(short["reproduce"])


@pytest.mark.parametrize("stdin", ["{}\n", golden()[0] + "\n"])
def test_what_came_from_standard_input_and_cannot_be_shown_again_is_to_be_kept(tmp_path: Path, stdin: str) -> None:
    options = ["--records", "2", "-"]
    result = run(*options, stdin=stdin)
    assert result.exit_code == Status.BAD_INPUT
    said = result.stdout.splitlines()[-1]
    assert said.startswith("What came from standard input is gone; to keep it: ... | tee records.jsonl | ")
    assert said.endswith(" check --semantics seed --records 2 -")
    assert judged(*options, stdin=stdin)["reproduce"] is None
    kept = tmp_path / "records.jsonl"
    keeps = said.partition("... | ")[2].replace("records.jsonl", shlex.quote(str(kept)))
    again = subprocess.run(
        ["/bin/bash", "-c", keeps],
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert again.returncode == Status.BAD_INPUT
    assert kept.read_text() == stdin


def test_an_outcome_ends_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(golden()[0].replace('"o":"ok"', '"o":"ok\\n"'))
    assert "\\n" in path.read_text()
    assert [place["field"] for place in judged(path)["unreadable"]] == ["o"]


def test_the_exit_status_is_right_even_where_nobody_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("nonsense\n")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*PROGRAM, "check", path], stdout=subprocess.PIPE, stderr=full, check=False)
    assert ended.returncode == Status.BAD_INPUT


def test_the_seed_is_not_the_repaired_decision() -> None:
    summary = judged("--semantics", "repaired", GOLDEN)
    assert summary["semantics"] == "repaired"
    assert 0 < summary["agreed"] < summary["diverged"]


@pytest.mark.parametrize("kind", [vectors, traces])
def test_an_interrupt_within_a_batch_loses_nothing_that_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ModuleType
) -> None:
    """Twenty records, the third of them wrong; Ctrl-C strikes after the tenth."""
    if kind is vectors:
        lines = golden()[:20]
        lines[2] = lines[2].replace('"e":0', '"e":5')
    else:
        with lzma.open(TRACES, "rt") as file:
            lines = file.read().splitlines()[:20]
        lines[2] = lines[2].replace('"result":1,', '"result":0,')
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    whole = kind.KIND.judge

    def stopped(*arguments: Json) -> Iterator[tuple[int, list[Difference]]]:
        yield from islice(whole(*arguments), 10)
        raise KeyboardInterrupt

    monkeypatch.setattr(kind, "KIND", kind.KIND._replace(judge=stopped))
    kind_named.cache_clear()
    summary = judged(path)
    kind_named.cache_clear()
    assert summary["interrupted"]
    assert (summary["agreed"], summary["diverged"], summary["skipped"]) == (9, 1, 10)
    assert [entry["line"] for entry in summary["divergences"]] == [3]
    assert summary["status"] == Status.DIFFER


def test_what_cannot_be_read_on_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "damaged.jsonl.xz"
    text = bytearray(GOLDEN.read_bytes())
    text[300_000] ^= 255
    damaged.write_bytes(text)
    assert run(damaged).stderr.endswith("; from here on the file is not judged\n")
    monkeypatch.setattr(reading, "LINE_LIMIT", 100)
    long = tmp_path / "long.jsonl"
    long.write_text("\n".join([golden()[0], " " * 101, golden()[1]]))
    assert judged(long)["agreed"] == 1
    assert run(long).stderr.endswith("MiB; from here on the file is not judged\n")


def test_machine_code_that_contradicts_cpython_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [vectors.KIND.decode(line.encode()) for line in golden()[: FEW + 1]]
    right = vectors.compiled_suspects
    assert not any(differences for _, differences in judge(rows, DECISIONS["resolve"], SEED))
    wrong = Verdict(Outcome.OK, 7, 0, 0)
    monkeypatch.setattr(vectors, "compiled_suspects", lambda *arguments: right(*arguments) | {3: wrong})
    with pytest.raises(Contradiction, match="machine code Verdict"):
        list(judge(rows, DECISIONS["resolve"], SEED))
    configuration: Configuration = rows[3].configuration
    same = DECISIONS["resolve"].implementation(*configuration, SEED)
    monkeypatch.setattr(vectors, "compiled_suspects", lambda *_: {3: same})
    with pytest.raises(Contradiction, match="yet only one differs"):
        list(judge(rows, DECISIONS["resolve"], SEED))


def test_few_vectors_need_no_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "decide_all", None)
    rows = [vectors.KIND.decode(line.encode()) for line in golden()[:FEW]]
    assert not any(differences for _, differences in judge(rows, DECISIONS["resolve"], SEED))
    with pytest.raises(TypeError):
        list(judge([*rows, rows[0]], DECISIONS["resolve"], SEED))


def test_progress_is_shown_on_a_terminal_and_never_in_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(golden()[:100]))
    command = [str(Path(sys.executable).with_name("hammer2-cluster")), "check", str(path)]
    shown, printed = shown_on_a_terminal(command)
    assert re.search(r"[0-9,]+ records/s", shown)
    assert printed == "100 records: 100 agreed, 0 diverged\n"
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert piped.stderr == ""
