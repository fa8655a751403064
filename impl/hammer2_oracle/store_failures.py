"""What is kept with a store from one command to the next: which nodes were told to fail, and why which are behind."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final

from hammer2_cluster.device.device import Device
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.store.layout import RESERVED_BYTES

FILE: Final = "failures.json"
CAUSES: Final = "causes.json"


class How(Enum):
    """In which way a node fails."""

    DISCONNECT = "disconnect"
    READ = "read"
    WRITE = "write"
    FULL = "full"
    STALL = "stall"


_ABSENT: Final = {How.DISCONNECT: "disconnected", How.STALL: "it does not answer"}
_FAULTS: Final = {
    How.READ: Fault(Kind.READ_ERROR, range(RESERVED_BYTES, 2**64)),  # the headers can be read: it is known who it is
    How.WRITE: Fault(Kind.WRITE_ERROR),
    How.FULL: Fault(Kind.FULL),
}


def kept(directory: Path) -> dict[int, How]:
    """The nodes that fail, and how. Raises ValueError if the file that says so was tampered with."""
    path = directory / FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return {int(node): How(how) for node, how in said.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def keep(directory: Path, failures: dict[int, How]) -> None:
    """Remember these, and no others. Raises OSError."""
    _write(directory / FILE, {node: how.value for node, how in failures.items()})


def _write(path: Path, said: Mapping[int, str]) -> None:
    if not said:
        path.unlink(missing_ok=True)
        return
    part = path.with_suffix(".part")
    part.write_text(json.dumps({str(node): text for node, text in sorted(said.items())}), encoding="utf-8")
    part.replace(path)


def causes(directory: Path) -> dict[int, str]:
    """For nodes that have missed a write: what they missed the first one by. What cannot be read is not known."""
    try:
        said = json.loads((directory / CAUSES).read_text(encoding="utf-8"))
        return {int(node): str(why) for node, why in said.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def keep_causes(directory: Path, missed: dict[int, str], *, well: Iterable[int] = ()) -> None:
    """Remember why nodes have missed a write, where they had not missed one before; those that are well are forgotten.

    Where it cannot be written, it is not remembered.
    """
    before = causes(directory)
    after = {node: why for node, why in (missed | before).items() if node not in {*well}}
    if after != before:
        with suppress(OSError):
            _write(directory / CAUSES, after)


def struck(device: Device | None, how: How | None) -> tuple[Device | None, str]:
    """The device as it is while its node fails so, and why it is none, or nothing."""
    if how in _ABSENT:
        return None, _ABSENT[how]
    if device is None or how is None:
        return device, ""
    fault = _FAULTS[how]
    return FaultyDevice(device, faults=[Fault(fault.kind, fault.where)]), ""
