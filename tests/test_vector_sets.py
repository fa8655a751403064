"""`hammer2-cluster vectors`: what it writes is right or shown wrong, none twice, and the same when written again."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from hammer2_cluster.resolve import resolve
from hammer2_oracle import vector_set
from hammer2_oracle.conditions import Conditions
from hammer2_oracle.conform import campaigns
from hammer2_oracle.conform.operation_questions import every_case
from hammer2_oracle.manifest import Executed, Receipt, differences
from hammer2_oracle.protocol import scenarios
from hammer2_oracle.record_kinds import kind_named
from hammer2_oracle.replay import check_trace
from hammer2_oracle.results import CONTRACT
from hammer2_oracle.schemas import text_of
from hammer2_oracle.status import Status
from hammer2_oracle.telling_traces import telling_performances
from hammer2_oracle.vector_branches import decision_branches, every_way, reasons
from hammer2_oracle.vector_record import Vector, vector
from hammer2_spec import resolve as resolve_specification
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot
from hammer2_spec.semantics import REPAIRED, SEED, Semantics, parse
from hammer2_spec.vocabulary import PfsType

PROGRAM = Path(sys.executable).with_name("hammer2-cluster")
PORTS = Path(__file__).with_name("ports")
KINDS = ("resolve", "traces", "protocol")
FILES = tuple(f"{kind}-{verdict}.jsonl" for kind in KINDS for verdict in ("accept", "reject"))


def called(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = (PROGRAM, *words)
    return subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def checked(*words: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(called("check", "--json", *words).stdout)
    return found


@pytest.fixture
def directory(quick_vectors: Path) -> Path:
    return quick_vectors


def manifest_of(directory: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((directory / "manifest.json").read_text())
    return made


def test_what_must_be_accepted_is_right_and_what_must_be_rejected_is_not(directory: Path) -> None:
    for file in manifest_of(directory)["files"]:
        found = checked(directory / file["name"])
        assert found["records"] == file["records"] > 10
        assert found["agreed" if file["verdict"] == "accept" else "diverged"] == file["records"]


def test_the_manifest_says_what_the_files_hold(directory: Path) -> None:
    made = manifest_of(directory)
    jsonschema.validate(made, json.loads(text_of("manifest")))
    assert [file["name"] for file in made["files"]] == list(FILES)
    assert {path.name for path in directory.iterdir()} == {*FILES, "manifest.json"}
    for file in made["files"]:
        text = (directory / file["name"]).read_bytes()
        assert hashlib.sha256(text).hexdigest() == file["sha256"]
        lines = text.splitlines()
        assert len(lines) == len(set(lines)) == file["records"]
        if file["name"].startswith("traces"):
            traces = [json.loads(line) for line in lines]
            assert len({trace.pop("id") for trace in traces}) == len(traces)
            assert len({json.dumps(trace) for trace in traces}) == len(traces)


def test_it_is_the_same_to_the_byte_when_it_is_made_again(directory: Path, tmp_path: Path) -> None:
    called("vectors", "--out", tmp_path, PYTHONHASHSEED="2")
    for name in (*FILES, "manifest.json"):
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()


def test_every_operation_and_every_outcome_of_a_decision_is_there(directory: Path) -> None:
    files = {file["name"]: file["coverage"] for file in manifest_of(directory)["files"]}
    traces, decisions = files["traces-accept.jsonl"], files["resolve-accept.jsonl"]
    assert traces["operations never performed"] == []
    assert {"ok", "fault", "kkassert:L408", "kkassert:L863", "kkassert:L1192"} <= set(traces["outcomes"])
    assert set(decisions["outcomes"]) == {"ok", "kkassert:L408", "kkassert:L510", "kkassert:L520"}
    assert decisions["without a PFS"] > 100
    assert decisions["foreign focus before"] > 100
    assert len(files["traces-reject.jsonl"]["edits"]) >= 5


def test_decisions_and_operations_take_every_branch_that_can_be_taken(directory: Path) -> None:
    files = {file["name"]: file["coverage"] for file in manifest_of(directory)["files"]}
    decisions, traces = files["resolve-accept.jsonl"], files["traces-accept.jsonl"]
    assert decisions["branches not taken"] == []
    assert list(decisions["branches that cannot be taken"]) == ["member_type: pfs_nmasters is None: true"]
    assert decisions["branches taken"] > 60
    cannot, left = traces["branches that cannot be taken"], traces["branches not taken"]
    assert (len(cannot), left) == (1, [])
    assert traces["branches taken"] == traces["branches"] - 1 > 130
    assert all(re.fullmatch(r"\w+\.py:\d+:\d+ \w+(: (true|false))?", it) for it in cannot)


def test_worlds_to_which_no_program_leads_are_told_where_they_show_something() -> None:
    cases = [case for case in every_case()[:20] if case.program_name in ("lock", "resize", "climb")]
    found = telling_performances([], REPAIRED, cases)
    edits = {trace.id.rpartition(", ")[2] for trace in found}
    assert {"it has no parents", "it consists of rings of block tables"} <= edits
    for trace in found:
        assert check_trace(trace, REPAIRED) is None
        assert not trace.steps[0].outcome.startswith(CONTRACT)
    assert len(reasons(every_way(REPAIRED), REPAIRED)) == 12
    assert len(reasons(every_way(SEED), SEED)) == 1


@pytest.mark.parametrize("semantics", [SEED, REPAIRED, parse("+ranked_soft,+fresh_focus"), parse("-sound_votes")])
def test_decisions_take_every_branch_under_every_semantics(semantics: Semantics) -> None:
    found = decision_branches(vector_set.resolve_vectors(semantics, "quick"), semantics)
    assert found["branches not taken"] == []
    few = decision_branches(vector_set.resolve_vectors(semantics, "quick")[:5], semantics)
    assert len(few["branches not taken"]) > 10


def test_scenarios_take_every_action_and_every_branch_that_can_be_taken(directory: Path) -> None:
    files = {file["name"]: file["coverage"] for file in manifest_of(directory)["files"]}
    legal, wrong = files["protocol-accept.jsonl"], files["protocol-reject.jsonl"]
    assert legal["actions never taken"] == []
    assert set(legal["actions"]) == {
        action.name for cluster in scenarios.CLUSTERS.values() for action in cluster.model.actions
    }
    assert legal["branches not taken"] == []
    assert legal["branches that cannot be taken"] == scenarios.UNREACHABLE
    assert legal["branches"] == legal["branches taken"] + len(scenarios.UNREACHABLE) > 450
    assert 300 < legal["branches taken by legal events alone"] < legal["branches taken"]
    assert set(wrong["edits"]) == set(scenarios.EDITS)
    assert set(wrong["actions refused by their guards"]) == set(legal["actions"])


def test_every_legal_scenario_stands_beside_a_wrong_one_that_differs_in_one_edit(directory: Path) -> None:
    right, wrong = (
        [json.loads(line) for line in (directory / f"protocol-{verdict}.jsonl").read_text().splitlines()]
        for verdict in ("accept", "reject")
    )
    beside = {trace["id"].partition(": ")[0] for trace in wrong}
    assert {trace["id"] for trace in right} <= beside
    assert sum(" after " in trace["id"] for trace in wrong) > 150


def test_a_branch_that_is_not_taken_is_listed_and_one_that_cannot_be_has_its_reason() -> None:
    conditions = Conditions()
    watched = conditions.watched(resolve_specification.outranks)  # type: ignore[arg-type]  # a plain function
    good, bad = (Slot(True, PfsType.MASTER, 7, error) for error in (0, 5))
    assert watched(good, bad) is True
    assert [conditions.text(branch) for branch in sorted(conditions.taken)] == [
        "outranks: (one.error == 0) != (other.error == 0): true",
        "outranks: one.error == 0: true",
    ]
    found = conditions.coverage(conditions.taken, {"outranks: one.error == 0: false": "we are lucky"})
    assert (found["branches"], found["branches taken"]) == (10, 2)
    assert found["branches that cannot be taken"] == {"outranks: one.error == 0: false": "we are lucky"}
    assert len(found["branches not taken"]) == 7


@pytest.mark.parametrize("count", [3, 8])
def test_every_two_slots_hold_every_two_kinds_of_members(count: int) -> None:
    rows = [configuration.slots for configuration in vector_set.covering(count)]
    assert len(rows) == vector_set.PRIME**2
    every = set(product(campaigns.MEMBERS, repeat=2))
    for i in range(count):
        for j in range(i):
            assert {(row[i], row[j]) for row in rows} == every


def test_the_full_set_holds_all_that_the_quick_one_holds_of_decisions() -> None:
    quick, full = (vector_set.encoded(vector_set.resolve_vectors(REPAIRED, size)) for size in ("quick", "full"))
    assert set(quick) < set(full)
    assert len(full) == len(set(full)) > 11_000


def test_a_vector_without_a_pfs_or_with_a_foreign_focus_is_judged_alone_and_in_bulk(tmp_path: Path) -> None:
    master = Slot(True, PfsType.MASTER, 7, 0)
    strange = [
        Configuration((master, ABSENT), None, None, 4),
        Configuration((master, master), 2, FOREIGN, 4),
        Configuration((), None, FOREIGN, 0),
    ]
    from hammer2_cluster.resolve import resolve

    lines = [msgspec.json.encode(vector(it, resolve(*it, SEED))) for it in strange]
    assert b'"p":"foreign"' in lines[1]
    assert b'"F":"foreign"' in lines[2]
    wrong = lines[2].replace(b'"F":"foreign"', b'"F":null')
    file = tmp_path / "vectors.jsonl"
    for times in (1, 300):
        file.write_bytes(b"\n".join([*lines * times, wrong]) + b"\n")
        found = checked(file)
        assert (found["agreed"], found["diverged"]) == (3 * times, 1)
        assert found["divergences"][0]["field"] == "focus"
    assert "a chain that is no member" in called("check", file).stdout


# ---- receipts


def receipt_of(directory: Path) -> Receipt:
    files = manifest_of(directory)["files"]
    text = (directory / "manifest.json").read_bytes()
    done = {file["name"]: Executed(file["records"] - 3, 0, {"more than 4 slots": 3}) for file in files}
    return Receipt("my port 0.1", str(directory / "manifest.json"), hashlib.sha256(text).hexdigest(), done)


def judged(receipt: Receipt, tmp_path: Path) -> list[str]:
    """The fields of a receipt that are not as they should be."""
    file = tmp_path / "receipt.jsonl"
    file.write_bytes(msgspec.json.encode(receipt) + b"\n")
    jsonschema.validate(json.loads(file.read_text()), json.loads(text_of("receipt")))
    return [it.field for it in differences(kind_named("receipt").decode(file.read_bytes()))]


def test_a_receipt_of_a_whole_run_agrees(directory: Path, tmp_path: Path) -> None:
    assert judged(receipt_of(directory), tmp_path) == []


def test_nothing_is_green_with_something_missing_wrong_or_unexplained(directory: Path, tmp_path: Path) -> None:
    name = FILES[2]
    right = receipt_of(directory).executed[name].right
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"right": right - 1}, f"executed.{name}"),
        ({"wrong": 1, "right": right - 1}, f"executed.{name}.wrong"),
        ({"skipped": {" ": 3}}, f"executed.{name}.skipped"),
    ]
    for changes, field in wrong:
        receipt = receipt_of(directory)
        receipt.executed[name] = msgspec.structs.replace(receipt.executed[name], **changes)
        assert judged(receipt, tmp_path) == [field]
    idle = receipt_of(directory)
    for done in idle.executed.values():
        done.right, done.skipped = 0, {"no time": done.right + 3}
    assert judged(idle, tmp_path) == ["executed"]
    missing = receipt_of(directory)
    del missing.executed[name]
    assert judged(missing, tmp_path) == [f"executed.{name}"]
    extra = receipt_of(directory)
    extra.executed["more.jsonl"] = Executed(1, 0, {})
    assert judged(extra, tmp_path) == ["executed.more.jsonl"]


def test_a_receipt_against_another_manifest_differs(directory: Path, tmp_path: Path) -> None:
    other = msgspec.structs.replace(receipt_of(directory), sha256="0" * 64)
    assert judged(other, tmp_path) == ["sha256"]
    nowhere = msgspec.structs.replace(receipt_of(directory), manifest="nowhere.json")
    assert judged(nowhere, tmp_path) == ["manifest"]
    assert "expected a manifest, got nowhere.json: No such file" in called("check", tmp_path / "receipt.jsonl").stdout


def test_check_judges_a_whole_set_and_leaves_a_receipt(directory: Path, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.jsonl"
    done = called("check", "--vectors", directory, "--receipt", receipt)
    assert done.returncode == Status.AGREE, done.stdout + done.stderr
    assert len(re.findall(r"-(?:accept|reject).jsonl: [1-9][0-9,]* right, 0 wrong\n", done.stdout)) == len(FILES)
    assert checked(receipt)["agreed"] == 1
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    made = manifest_of(copy)
    made["files"] = made["files"][4:]
    made["files"][0]["verdict"] = "reject"
    (copy / "manifest.json").write_text(json.dumps(made))
    done = called("check", "--vectors", copy, "--receipt", receipt)
    assert done.returncode == Status.DIFFER
    assert "protocol-accept.jsonl: 0 right, " in done.stdout
    assert "Reproduce with: " in done.stdout
    (copy / FILES[4]).write_text("{}\n")
    done = called("check", "--vectors", copy, "--receipt", receipt)
    assert done.returncode == Status.BAD_INPUT
    assert "protocol-accept.jsonl is not the file that the manifest speaks of" in done.stderr


def test_a_set_and_files_are_not_judged_at_once(directory: Path) -> None:
    for words in ((), ("--vectors", str(directory), "x.jsonl"), ("--vectors", str(directory), "--json")):
        assert called("check", *words).returncode == Status.BAD_INPUT


def ran(directory: Path, where: Path, *port: str) -> subprocess.CompletedProcess[str]:
    words = [str(PROGRAM), "conform", "--timeout", "30", "--vectors", str(directory), "--", sys.executable, *port]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=where)


def test_a_right_implementation_gets_a_receipt_that_agrees(directory: Path, tmp_path: Path) -> None:
    for port, part in (("port.py", "operations"), ("operations_port.py", "resolve")):
        finished = ran(directory, tmp_path, str(PORTS / port), "seed")
        assert finished.returncode == Status.AGREE, finished.stdout
        counts = re.findall(r": ([\d,]+) right, 0 wrong(.*)", finished.stdout)
        assert len(counts) == len(FILES)
        skipped = [reason for _, reason in counts if reason]
        for what in (part, "protocol"):
            assert sum(reason.endswith(f"skipped: it does not claim to do {what}") for reason in skipped) == 2
        assert len(skipped) == 4
        assert checked(tmp_path / "receipt.jsonl")["agreed"] == 1


def test_a_wrong_implementation_accepts_what_is_wrong_and_not_what_is_right(directory: Path, tmp_path: Path) -> None:
    finished = ran(directory, tmp_path, str(PORTS / "operations_port.py"), "seed", "seed", "wrong-state")
    assert finished.returncode == Status.DIFFER
    assert "Reproduce with: " in finished.stdout
    found = checked(tmp_path / "receipt.jsonl")["divergences"]
    assert "executed.traces-accept.jsonl.wrong" in [it["field"] for it in found]
    finished = ran(directory, tmp_path, str(PORTS / "port.py"), "repaired")
    assert finished.returncode == Status.DIFFER
    assert not re.search("resolve-reject.jsonl: [0-9,]+ right, 0 wrong", finished.stdout)


def test_a_tid_that_is_taken_for_signed_is_told(directory: Path) -> None:
    lines = (directory / "resolve-accept.jsonl").read_bytes().splitlines()
    asked = [msgspec.json.decode(line, type=Vector).configuration for line in lines]

    def as_signed(it: Configuration) -> Configuration:
        return it._replace(slots=tuple(slot._replace(tid=slot.tid ^ 2**63) for slot in it.slots))

    assert any(resolve(*as_signed(it), SEED) != resolve(*it, SEED) for it in asked)


@pytest.mark.parametrize(
    ("how", "after", "breach"),
    [
        ("exit", "300", "ended: exit status 7"),
        ("ends-badly", "0", "ended: told to stop: exit status 3"),
        ("fail-always", "0", "out of memory"),
    ],
)
def test_what_breaks_the_protocol_is_in_the_receipt(
    directory: Path, tmp_path: Path, how: str, after: str, breach: str
) -> None:
    fake = str(PORTS.with_name("fake_implementation.py"))
    finished = ran(directory, tmp_path, fake, "seed", "seed", how, after)
    assert finished.returncode == Status.DIFFER
    receipt = msgspec.json.decode((tmp_path / "receipt.jsonl").read_bytes(), type=Receipt)
    assert any(breach in it for it in receipt.breaches)
    if how == "fail-always":
        assert not any(it.right for it in receipt.executed.values())
    assert "breaches" in {it["field"] for it in checked(tmp_path / "receipt.jsonl")["divergences"]}


def test_files_that_are_not_the_manifests_are_not_asked(directory: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    with (copy / FILES[0]).open("a") as file:
        file.write("\n")
    finished = ran(copy, tmp_path, str(PORTS / "port.py"), "seed")
    assert finished.returncode == Status.BAD_INPUT
    assert finished.stderr.endswith("resolve-accept.jsonl is not the file that the manifest speaks of\n")
    assert not (tmp_path / "receipt.jsonl").exists()


def test_a_receipt_names_itself() -> None:
    kind = kind_named("receipt")
    assert kind.identify(Receipt("my port 0.1", "m", "0" * 64, {})) == "my port 0.1"


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finished = called("vectors", "--out", tmp_path / "file" / "below")
    assert finished.returncode == Status.BAD_INPUT
    assert len(finished.stderr.splitlines()) == 1
