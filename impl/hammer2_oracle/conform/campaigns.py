"""What an implementation of resolve is asked: a few questions that tell, then all small ones, then random ones."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from hammer2_proofs import matrix
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, ClusterFlag, PfsType

MEMBERS: Final = (
    ABSENT,
    Slot(True, PfsType.CACHE, 1, 1),
    *(
        Slot(True, kind, 1, error)
        for kind in (PfsType.SUPROOT, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE)
        for error in (0, 1)
    ),
    *(
        Slot(True, kind, tid, error)
        for kind in (PfsType.MASTER, PfsType.SLAVE)
        for tid in (0, 1, 2)
        for error in (0, 1)
    ),
)
"""Every kind of member that is told from the others; of those that no quorum looks at, one tid."""

LARGEST_NMASTERS: Final = 3


def smoke() -> list[Configuration]:
    """The plainest clusters, and the smallest example of everything known to go wrong somewhere; small ones first."""
    healthy = Slot(True, PfsType.MASTER, 7, 0)
    plain = [Configuration((healthy,) * masters, masters, None, ClusterFlag.LOCKED) for masters in range(1, 4)]
    rows = matrix.load()["rows"]
    found = [example for row in rows for example in (row["seed"]["example"], *row["refuted_without"].values())]
    examples = [matrix.example_from_json(example).first for example in found if example]
    return sorted({*plain, *examples}, key=_size)


def _size(configuration: Configuration) -> tuple[object, ...]:
    """Small ones come first: few slots, then few masters, no focus, small numbers, no PFS last."""
    slots, pfs_nmasters, prior, flags = configuration
    number_or_last = (pfs_nmasters is None, pfs_nmasters or 0)
    return len(slots), number_or_last, (prior is not None, prior or 0), slots, flags


def small(most: int) -> Iterator[Configuration]:
    """All clusters of at most so many slots, smallest first; the flags before are some, then others."""
    before = (ClusterFlag.LOCKED, ClusterFlag.LOCKED | CLUSTER_ZFLAGS, 2**31 | ClusterFlag.RDHARD)
    asked = 0
    for count in range(most + 1):
        for slots in product(MEMBERS, repeat=count):
            present = [i for i, slot in enumerate(slots) if slot.present]
            for pfs_nmasters in (*range(LARGEST_NMASTERS + 1), None):
                for prior in (None, *present, FOREIGN):
                    yield Configuration(slots, pfs_nmasters, prior, int(before[asked % len(before)]))
                    asked += 1
