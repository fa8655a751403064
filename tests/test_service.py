"""A store in service: real threads on files, while whatever can fail does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from tests.hostile_day import HostileDay, nothing, read_all
from tests.store_kit import Ids, tree_of

from hammer2_cluster.control import STEPS
from hammer2_cluster.device.device import Device
from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.failures import Cause
from hammer2_cluster.patience import FAIL
from hammer2_cluster.service import Service
from hammer2_cluster.store.directory import UnavailableError
from hammer2_cluster.store.local import Store
from hammer2_spec.protocol.state import Phase, Setup, State
from hammer2_spec.vocabulary import PfsType

NIGHTLY = settings.get_current_profile_name() == "nightly"
GRACE = 20
BIG = b"0123456789" * 9000


def new_devices(masters: int = 3, slaves: int = 0) -> list[Device]:
    devices: list[Device] = [MemoryDevice(1 << 21) for _ in range(masters + slaves)]
    Store.make(devices, [PfsType.MASTER] * masters + [PfsType.SLAVE] * slaves, Ids())
    return devices


@contextmanager
def serving(devices: list[Device], **faults: Fault) -> Iterator[Service]:
    """faults: for nodes n0, n1, ..."""
    struck = [[faults[f"n{n}"]] if f"n{n}" in faults else [] for n in range(len(devices))]
    service = Service(devices, clients=2, grace=GRACE, faults=struck)
    yield service
    service.close()


def put(service: Service, name: bytes, data: bytes, c: int = 0) -> None:
    service.write(c, lambda: service.clients[c].filesystem.put(name, [data], len(data)))


def get(service: Service, name: bytes, c: int = 0) -> bytes:
    return service.run(c, lambda: read_all(service.clients[c].filesystem, name))


@pytest.mark.claims("C02", "C05", "C07", "C85", "C97")
@pytest.mark.timeout(1200)
def test_a_hostile_day_ends_with_equal_nodes_and_everything_acknowledged(tmp_path: Path, run_seed: str) -> None:
    day = HostileDay(tmp_path, 600 if NIGHTLY else 30, int(run_seed))
    day.run()
    assert day.done["written"] > day.seconds
    assert {"Preempt", "SyncFinish", "WriteFail", "Reconnect"} <= {*day.service.control.taken}


def test_what_one_client_has_written_another_one_reads() -> None:
    with serving(new_devices()) as service:
        put(service, b"c", BIG)
        assert get(service, b"c", 1) == BIG
        put(service, b"c", b"other", 1)
        assert get(service, b"c") == b"other"
        assert service.wait_for_nodes(20) == []


@pytest.mark.claims("C90", "C92")
def test_a_slave_is_written_by_resynchronization_alone() -> None:
    with serving(new_devices(3, 1)) as service:
        put(service, b"c", BIG)
        put(service, b"d", BIG)
        assert service.wait_for_nodes(20) == []
        assert service.control.taken["SyncFinish"] >= 1
        assert service.watchers[3].progress.copied
        volumes = service.chains.volumes
    assert len({tree_of(volume) for volume in volumes if volume is not None}) == 1


@pytest.mark.claims("C02", "C90", "C93")
@pytest.mark.parametrize(("kind", "why"), [(Kind.HANG, "does not answer"), (Kind.READ_ERROR, "cannot be read")])
def test_a_node_that_cannot_be_opened_takes_no_part_and_comes_back_by_itself_when_it_can(kind: Kind, why: str) -> None:
    with serving(new_devices(), n1=Fault(kind)) as service:
        assert why in service.trouble[1]
        put(service, b"c", BIG)
        assert get(service, b"c") == BIG
        assert not service.in_step(1)
        assert why in service.why(1)
        device = service.devices[1]
        assert device is not None
        device.faults.clear()
        service.failures.returned(1)
        assert service.wait_for_nodes(20) == []
        volumes = service.chains.volumes
    assert len({tree_of(volume) for volume in volumes if volume is not None}) == 1


@pytest.mark.claims("C90", "C97")
def test_what_only_a_node_has_that_could_not_be_opened_at_first_is_not_forgotten() -> None:
    devices = new_devices()
    store = Store.open([devices[0], devices[1], None], Ids())
    filesystem = store.mount()
    store.run(filesystem.put(b"c", [BIG], len(BIG)))
    store.run(filesystem.flush())  # acknowledged by nodes 0 and 1
    with serving(devices, n1=Fault(Kind.HANG)) as service:
        device = service.devices[1]
        assert device is not None
        device.faults.clear()
        service.failures.returned(1)
        deadline = time.monotonic() + 30
        while not service.failures.is_mounted(1):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        service.failures.disconnected(0)
        put(service, b"d", BIG)
        assert get(service, b"c") == BIG, "node 2 alone has never heard of it"


@pytest.mark.claims("C02", "C06", "C85")
def test_a_node_that_hangs_in_the_middle_of_a_write_costs_only_itself() -> None:
    with serving(new_devices()) as service:
        put(service, b"c", BIG)
        device = service.devices[2]
        assert device is not None
        device.faults.append(Fault(Kind.HANG, times=1))
        put(service, b"d", BIG)
        put(service, b"e", BIG)
        assert service.failures.causes.get(2, Cause.STALL) is Cause.STALL
        assert service.wait_for_nodes(20) == [], "the call that hung is forgotten with the memory of the node"
        assert get(service, b"e") == BIG


@pytest.mark.claims("C82", "C93")
def test_a_full_node_waits_for_space_and_is_brought_into_step_when_there_is_some() -> None:
    with serving(new_devices()) as service:
        put(service, b"c", BIG)
        device = service.devices[2]
        assert device is not None
        device.faults.append(Fault(Kind.FULL))
        put(service, b"d", BIG)
        deadline = time.monotonic() + 30
        while not service.watchers[2].has_given_up:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert "full" in service.watchers[2].trouble
        assert not service.in_step(2)
        device.faults.clear()
        put(service, b"e", BIG)
        assert service.wait_for_nodes(20) == []
        assert get(service, b"d", 1) == BIG


def test_a_medium_that_nobody_has_made_for_the_store_does_not_vote_and_is_not_filled() -> None:
    """Somebody has to say that it is to be: `store replace`."""
    devices = new_devices()
    blank = devices[1] = MemoryDevice(1 << 21)
    with serving(devices) as service:
        put(service, b"c", BIG)
        service.failures.returned(1)
        deadline = time.monotonic() + 30
        while not service.watchers[1].has_given_up:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        put(service, b"d", BIG)
        assert get(service, b"c", 1) == BIG
        assert not service.in_step(1)
        assert service.control.taken["Promise"] == 2
    assert not any(blank.content)


@pytest.mark.claims("C05", "C33")
def test_without_a_quorum_a_client_fails_or_waits_as_it_has_chosen() -> None:
    with serving(new_devices()) as service:
        put(service, b"c", BIG)
        for n in (0, 1):
            service.failures.disconnected(n)
        with pytest.raises(UnavailableError):
            service.write(0, nothing, FAIL)
        with pytest.raises(UnavailableError):
            service.run(1, lambda: read_all(service.clients[1].filesystem, b"c"), FAIL)
        service.failures.returned(0)
        put(service, b"d", BIG)
        assert get(service, b"c", 1) == BIG


def test_actions_that_threads_take_at_the_same_time_are_all_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(new_devices()) as service:
        put(service, b"c", BIG)
        assert service.wait_for_nodes(20) == []
        begun, other_came = threading.Event(), threading.Event()
        step = STEPS["Disconnect"]

        def slowly(setup: Setup, state: State, n: int) -> State | None:
            begun.set()
            other_came.wait(0.2)
            return step(setup, state, n)

        monkeypatch.setitem(STEPS, "Disconnect", slowly)
        one = threading.Thread(target=service.control.take, args=("Disconnect", 0))
        one.start()
        assert begun.wait(20)
        service.control.take("GiveUp" if service.control.may("GiveUp", 0) else "CrashClient", 0)
        other_came.set()
        one.join(20)
        assert not service.control.state.nodes[0].connected
        assert service.control.state.clients[0].phase is Phase.IDLE


def test_a_store_without_any_node_that_can_be_opened_is_refused() -> None:
    with pytest.raises(UnavailableError, match="node 0: not there"):
        Service([None, None], grace=GRACE)
