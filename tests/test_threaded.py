"""The threaded runner: the same bodies, a worker per node, and clients in threads of their own."""

import sys
import threading
from collections.abc import Iterator

import pytest
from tests.sim_kit import FILES, devices_with, open_on, read_all
from tests.store_kit import problems, tree_of

from hammer2_cluster import life_cycle
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.patience import Cancelled
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import LABEL
from hammer2_cluster.store.pfs import assemble
from hammer2_cluster.straight import Straight
from hammer2_cluster.threaded import Threads
from hammer2_spec.semantics import REPAIRED

CLIENTS = 2


class Running:
    """Three nodes with threads, and two clients that have the filesystem mounted."""

    def __init__(self) -> None:
        self.threads = Threads(3)
        self.devices = [
            FaultyDevice(device, node) for device, node in zip(devices_with(3), self.threads.nodes, strict=True)
        ]
        self.chains = open_on(self.devices, self.threads.nodes)
        straight = Straight(self.chains, REPAIRED)
        root, _ = straight.run(assemble(straight, self.chains, LABEL))
        self.filesystems = [
            Filesystem(
                self.threads.client(c, self.chains),
                self.chains,
                LABEL,
                straight.run(life_cycle.copy(straight, root)),
                [],
            )
            for c in range(CLIENTS)
        ]

    def load(self, c: int, rounds: int) -> None:
        """Put and read back."""
        for n in range(rounds):
            name, data = b"%d-%d" % (c, n % 5), b"%d" % n * 2000
            self.threads.run(c, self.filesystems[c].put(name, [data], len(data)))
            assert self.threads.run(c, read_all(self.filesystems[c], name)) == data

    def load_all(self, rounds: int) -> None:
        """All clients at once."""
        failed: list[BaseException] = []

        def work(c: int) -> None:
            try:
                self.load(c, rounds)
            except BaseException as error:  # noqa: BLE001 - told below
                failed.append(error)

        clients = [threading.Thread(target=work, args=(c,)) for c in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(120)
            assert not client.is_alive(), "a client is stuck"
        assert not failed

    def judge(self, nodes: tuple[int, ...]) -> None:
        """What the nodes have is equal, and whole."""
        self.threads.run(0, self.filesystems[0].flush())
        self.threads.close()
        volumes = [self.chains.volumes[n] for n in nodes]
        assert len({tree_of(volume) for volume in volumes if volume is not None}) == 1
        assert not problems([self.devices[n] for n in nodes])


@pytest.fixture
def running() -> Iterator[Running]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    running = Running()
    yield running
    running.threads.close()
    sys.setswitchinterval(before)


@pytest.mark.claims("C07")
def test_clients_in_threads_leave_equal_nodes(running: Running) -> None:
    running.load_all(25)
    for node in running.threads.nodes:
        while node.owes:
            pass
    running.judge((0, 1, 2))


def test_a_node_that_is_slow_is_waited_for_by_nobody(running: Running) -> None:
    running.devices[1].faults.append(Fault(Kind.SLOW, ticks=20, times=5))
    running.load_all(10)
    while running.threads.nodes[1].owes:
        pass
    running.judge((0, 1, 2))


@pytest.mark.claims("C02", "C80")
def test_a_medium_that_never_answers_again_costs_one_node(running: Running) -> None:
    running.devices[2].faults.append(Fault(Kind.HANG))
    running.load_all(10)
    assert running.threads.nodes[2].owes > 0
    running.judge((0, 1))


@pytest.mark.claims("C02", "C80", "C84")
def test_a_disconnect_in_the_middle_of_the_load_stops_nobody(running: Running) -> None:
    timer = threading.Timer(0.05, running.threads.disconnect, (0,))
    timer.start()
    running.load_all(15)
    timer.join()
    assert not running.threads.nodes[0].connected
    running.judge((1, 2))


def test_who_waits_for_a_lost_quorum_can_be_called_back(running: Running) -> None:
    for device in running.devices[1:]:
        device.faults.append(Fault(Kind.HANG))
    timer = threading.Timer(0.2, running.threads.cancel, (0,))
    timer.start()
    with pytest.raises(Cancelled):
        running.threads.run(0, read_all(running.filesystems[0], b"a"))
    assert FILES[b"a"]
