"""Which devices hold the volumes of one store, each in its place. Nothing is written."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hammer2_cluster.device.device import Device, DeviceError
from hammer2_cluster.store.volume_header import BadVolumeError, Generations, confirmed_tid, generations

NOT_THERE = "not there"


class Members(NamedTuple):
    """A store's devices by slot: as many as were made together, even if the last ones are missing."""

    devices: list[Device | None]
    found: list[Generations | None]
    """What the headers say; None for whoever takes no part."""
    trouble: list[str]
    """Why it takes no part, or nothing."""

    @property
    def confirmed_tid(self) -> int:
        """The highest tid that one of them has confirmed."""
        return confirmed_tid(one for one in self.found if one is not None)


async def members_of(devices: Sequence[Device | None]) -> Members:
    """Look at the headers on devices, given by slot.

    The store is the one that most of those were made for that stand in their own place. What was made for another one
    takes no part, nor does what stands in another one's place: a copy would vote twice.
    """
    members = Members(list(devices), [], [])
    for device in devices:
        try:
            members.found.append(None if device is None else await generations(device))
            members.trouble.append(NOT_THERE if device is None else "")
        except (BadVolumeError, DeviceError) as error:
            members.found.append(None)
            members.trouble.append(str(error))
    _leave_out_strangers(members)
    made = max((one.newest.nodes for one in members.found if one is not None), default=0)
    for _ in range(len(devices), made):
        members.devices.append(None)
        members.found.append(None)
        members.trouble.append(NOT_THERE)
    return members


def _leave_out_strangers(members: Members) -> None:
    headers = [None if one is None else one.newest for one in members.found]
    votes = Counter(header.clid for slot, header in enumerate(headers) if header is not None and header.slot == slot)
    (store, most), (_, second) = [*votes.most_common(2), (b"", 0), (b"", 0)][:2]
    for slot, header in enumerate(headers):
        if header is None:
            continue
        if most > second and header.clid != store:
            why = "it was made for another store"
        elif header.slot != slot:
            why = f"it is node {header.slot}, or a copy of it"
        elif most == second:
            why = "it was not made together with the others, and no store has more images here than another"
        else:
            continue
        members.found[slot], members.trouble[slot] = None, why
