"""hammer2-cluster store fail, reconnect, resync: a store goes on through failures, and gets over them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.store_command_kit import good, refused, run

from hammer2_oracle.store_failures import CAUSES, FILE

SAYS = {
    "disconnect": "node 1 takes no part: disconnected",
    "stall": "node 1 takes no part: it does not answer",
    "read": "node 1 takes no part: ",
    "write": "node 1 was not written: ",
    "full": "node 1 was not written: ",
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    good("init", directory, "--size", "2M")
    good("put", directory, "-", "before", stdin=b"as it was")
    return directory


def status(store: Path) -> dict[str, Any]:
    result = run("status", store, "--json")
    assert result.exit_code == 0
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def resync(store: Path) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = json.loads(run("resync", store, "--json").stdout)["nodes"]
    return nodes


def is_sound(store: Path) -> bool:
    report = json.loads(good("fsck", store, "--json"))
    return all(not node["problems"] for node in report["nodes"])


@pytest.mark.claims("C82", "C83", "C84", "C92")
@pytest.mark.parametrize("how", SAYS)
def test_a_store_goes_on_through_a_failure_says_what_it_went_without_and_gets_over_it(store: Path, how: str) -> None:
    good("fail", store, "1", "--how", how)
    result = run("put", store, "-", "during", stdin=b"written by two of three")
    assert (result.exit_code, SAYS[how] in result.stderr) == (0, True), result.stderr
    for name, content in (("before", b"as it was"), ("during", b"written by two of three")):
        result = run("get", store, name)
        assert (result.exit_code, result.stdout_bytes) == (0, content), result.stderr
    said = status(store)
    assert said["nodes"][1]["failing"] == how
    assert [entry["node"] for entry in said["queue"]] == [1]
    good("reconnect", store, "1")
    result = run("resync", store)
    assert result.exit_code == 0, result.output
    assert "node 1: in step, 1 blocks copied, 0 removed, 1 skipped" in result.stdout
    said = status(store)
    assert said["queue"] == []
    assert {node["tid"] for node in said["nodes"]} == {said["quorum"]["tid"]}
    assert good("get", store, "during") == b"written by two of three"
    assert is_sound(store)


def test_why_a_node_has_missed_its_first_write_is_told_until_it_is_in_step_again(store: Path) -> None:
    good("fail", store, "1", "--how", "write")
    run("put", store, "-", "during", stdin=b"written by two of three")
    good("reconnect", store, "1")
    run("put", store, "-", "more", stdin=b"and more")
    [entry] = status(store)["queue"]
    assert (entry["node"], "write error" in entry["why"]) == (1, True), "it is behind, and that is why"
    assert f"node 1 has missed a write: {entry['why']}" in run("status", store).stdout
    (store / CAUSES).chmod(0o400)
    assert status(store)["queue"] == [entry]
    good("resync", store)
    assert status(store)["queue"] == []
    assert not (store / CAUSES).exists()


def test_causes_that_cannot_be_read_are_not_known(store: Path) -> None:
    good("fail", store, "1", "--how", "disconnect")
    run("put", store, "-", "during", stdin=b"written by two of three")
    assert [entry["why"] for entry in status(store)["queue"]] == ["disconnected"]
    for text in ("", "[]", '{"one": "x"}'):
        (store / CAUSES).write_text(text)
        assert [entry["why"] for entry in status(store)["queue"]] == ["disconnected"], "as it is seen now"


def test_a_failure_is_kept_until_the_node_is_reconnected(store: Path) -> None:
    good("fail", store, "2", "--how", "stall")
    for _ in range(2):
        assert "node 2 takes no part" in run("get", store, "before").stderr
    good("reconnect", store, "2")
    good("get", store, "before")
    assert not (store / FILE).exists()


def test_without_a_quorum_nothing_is_written_and_one_line_says_so(store: Path) -> None:
    good("fail", store, "0", "--how", "stall")
    good("fail", store, "1", "--how", "disconnect")
    result = run("put", store, "-", "more", stdin=b"x")
    assert result.exit_code == 2
    assert "no quorum" in result.stderr.splitlines()[-1]
    result = run("resync", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "too few masters" in result.stderr.splitlines()[-1]
    good("reconnect", store, "0")
    assert run("put", store, "-", "more", stdin=b"x").exit_code == 0


def test_a_resynchronization_copies_what_changed_and_nothing_else(store: Path) -> None:
    for n in range(6):
        good("put", store, "-", f"file {n}", stdin=b"x" * 5000)
    good("fail", store, "1", "--how", "disconnect")
    run("put", store, "-", "file 3", stdin=b"y" * 5000)
    run("rm", store, "file 4")
    good("reconnect", store, "1")
    copied = resync(store)
    assert [node["in_step"] for node in copied] == [True] * 3
    assert (copied[1]["copied"], copied[1]["removed"], copied[1]["skipped"]) == (2, 1, 5)
    assert [node["copied"] for node in (copied[0], copied[2])] == [0, 0]
    assert resync(store)[1]["copied"] == 0, "there is nothing left to do"


def test_a_node_that_does_not_get_there_is_named_with_the_reason(store: Path) -> None:
    good("fail", store, "1", "--how", "write")
    run("put", store, "-", "more", stdin=b"x")
    result = run("resync", store)
    assert result.exit_code == 1
    assert "node 1: not in step: " in result.stdout
    assert "write error" in result.stdout


def test_each_absence_of_a_node_begins_an_epoch_so_that_no_tid_is_used_twice(store: Path) -> None:
    epochs = []
    for away in ("0", "1", "2", "1"):
        good("fail", store, away, "--how", "stall")
        run("put", store, "-", "more", stdin=os.urandom(9))
        epochs.append(status(store)["quorum"]["tid"] >> 32)
        good("reconnect", store, away)
        assert run("resync", store).exit_code == 0
        epochs.append(status(store)["quorum"]["tid"] >> 32)
    assert epochs == sorted(set(epochs))


def test_what_cannot_fail_is_refused(store: Path) -> None:
    assert "there is no node 5" in refused("fail", store, "5", "--how", "stall")
    assert "no images" in refused("reconnect", store.parent, "0")
    assert run("fail", store, "1", "--how", "shout").exit_code == 2
    (store / FILE).write_text('{"1": "shout"}')
    assert FILE in refused("get", store, "before")
    assert FILE in refused("fail", store, "1", "--how", "stall")


def test_a_snapshot_without_a_node_begins_an_epoch_too(store: Path) -> None:
    good("fail", store, "0", "--how", "disconnect")
    run("snapshot", store, "frozen")
    run("put", store, "-", "more", stdin=b"x")
    assert status(store)["quorum"]["tid"] >> 32 == 2
