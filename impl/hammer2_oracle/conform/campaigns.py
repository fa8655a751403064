"""What an implementation of resolve is asked: a few questions that tell, then all small ones, then those at edges."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from hammer2_proofs import matrix
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, MAXCLUSTER, NMASTERS_MAX, ClusterFlag, PfsType

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

EDGES: Final = (
    *(
        Slot(True, kind, tid, 0)
        for kind in (PfsType.MASTER, PfsType.SLAVE)
        for tid in (0, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1)
    ),
    *(Slot(True, PfsType.MASTER, 2**63, error) for error in (1, 2**8, 2**16, 2**31 - 1, -1, -(2**31))),
    *(Slot(True, kind + 2**bit, 2**63, 0) for kind in (PfsType.MASTER, PfsType.SLAVE) for bit in range(4, 8)),
)
"""Members whose numbers are lost where fewer bits are kept, or a sign is seen."""

RIVALS: Final = tuple(
    Slot(True, kind, tid, error) for kind in (PfsType.MASTER, PfsType.SLAVE) for tid, error in ((1, 0), (2, 0), (1, 1))
)
"""Members of a quorum that are as good as one another, a little better, or of no use."""


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


def edges() -> Iterator[Configuration]:
    """All pairs of members with numbers at an edge; then every number of masters beside every number that is needed."""
    for pair in product(EDGES, repeat=2):
        yield Configuration(pair, 1, None, ClusterFlag.LOCKED)
    healthy = Slot(True, PfsType.MASTER, 2**63, 0)
    for count in range(MAXCLUSTER + 1):
        for pfs_nmasters in (*range(2 * MAXCLUSTER + 2), 127, 128, 254, NMASTERS_MAX):
            yield Configuration((healthy,) * count, pfs_nmasters, None, 2**32 - 1)


def rivals() -> Iterator[Configuration]:
    """Members between which only their order, or the number of an error, decides.

    Clusters of three masters and slaves, as two slaves compete only where a master's vote makes a quorum; and like
    members in pairs: of two the better one has the higher tid, and then the lower error, wherever it stands.
    """
    for slots in product(RIVALS, repeat=3):
        for pfs_nmasters in range(LARGEST_NMASTERS + 1):
            yield Configuration(slots, pfs_nmasters, None, ClusterFlag.LOCKED)
    for kind in (PfsType.SUPROOT, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.MASTER, PfsType.SLAVE):
        for one, other in (((1, 1), (1, 2)), ((1, 0), (2, 0))):
            for pair in ((one, other), (other, one)):
                yield Configuration(tuple(Slot(True, kind, *it) for it in pair), 1, None, ClusterFlag.LOCKED)


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
