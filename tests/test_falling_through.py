"""A cluster of a single node runs straight through: no task, no queue (C08)."""

import threading

import pytest
from tests.sim_kit import FILES, devices_with, read_all

from hammer2_cluster.falling_through import FallingThrough
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.node import Node
from hammer2_cluster.store.chains import StoredChains, at_once
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import LABEL
from hammer2_cluster.store.making import open_volume
from hammer2_cluster.store.pfs import assemble
from hammer2_cluster.straight import Straight


def mounted() -> tuple[FallingThrough, StoredChains]:
    waiting = FallingThrough()
    return waiting, StoredChains([at_once(open_volume(devices_with(1)[0], 0, "", waiting))])


async def get(on: Straight, chains: StoredChains, name: bytes) -> bytes:
    root, why = await assemble(on, chains, LABEL)
    return await read_all(Filesystem(on, chains, LABEL, root, why), name)


@pytest.mark.claims("C08")
def test_a_single_node_needs_no_task_and_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: object, **_more: object) -> None:
        raise AssertionError("a task or a queue")

    monkeypatch.setattr(threading.Thread, "start", never)
    monkeypatch.setattr(Node, "accept", never)
    monkeypatch.setattr(FrontEnd, "ask", never)
    waiting, chains = mounted()
    assert waiting.run(chains, lambda on: get(on, chains, b"b")) == FILES[b"b"]


def test_threads_that_share_a_single_node_wait_for_each_others_locks() -> None:
    waiting, chains = mounted()
    root, why = waiting.run(chains, lambda on: assemble(on, chains, LABEL))
    read: list[bytes] = []

    def work(n: int) -> None:
        name, data = b"%d" % n, b"%d" % n * 3000
        for _ in range(10):
            waiting.run(chains, lambda on: Filesystem(on, chains, LABEL, root, why).put(name, [data], len(data)))
            read.append(waiting.run(chains, lambda on: read_all(Filesystem(on, chains, LABEL, root, why), name)))
            assert read[-1]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(read) == 30
    assert {data[:1] * 3000 for data in read} == {b"0" * 3000, b"1" * 3000, b"2" * 3000}
