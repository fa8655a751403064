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

    The store is the one that most of them were made for; what was made for another one takes no part, nor does a volume
    that stands in another one's place: a copy would vote twice.
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
    votes = Counter(one.newest.clid for one in members.found if one is not None).most_common(2)
    for slot, one in enumerate(members.found):
        if one is None:
            continue
        if len(votes) > 1 and votes[0][1] == votes[1][1]:
            why = "it was not made together with the others, and no store has more images here than another"
        elif one.newest.clid != votes[0][0]:
            why = "it was made for another store"
        elif one.newest.slot != slot:
            why = f"it is node {one.newest.slot}, or a copy of it"
        else:
            continue
        members.found[slot], members.trouble[slot] = None, why
