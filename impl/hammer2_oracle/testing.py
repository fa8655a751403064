"""Hypothesis strategies for whoever tests an implementation of the decision from Python.

Small tids, few errors, types that mean something: wide ranges hide the interesting cases.
"""

from hypothesis import strategies as st

from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, NMASTERS_MAX, TID_MAX, PfsType

NEAR_TIDS = st.integers(0, 3)
EDGE_TIDS = st.sampled_from([0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**63 + 1, TID_MAX - 1, TID_MAX])
MASTERS_AND_SLAVES = (PfsType.MASTER, PfsType.MASTER, PfsType.MASTER, PfsType.SLAVE)
WITH_A_PART = (*MASTERS_AND_SLAVES, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT, PfsType.CACHE)


def errors() -> st.SearchStrategy[int]:
    """Errors of a chain: mostly none, sometimes any signed 32-bit number."""
    return st.one_of(st.just(0), st.just(0), st.sampled_from([1, 2, 3]), st.integers(-(2**31), 2**31 - 1))


@st.composite
def configurations(draw: st.DrawFn, max_slots: int = MAXCLUSTER) -> Configuration:
    """Draw a valid configuration of at most ``max_slots`` slots (0..8).

    Half of them are plain views of a PFS, masters and slaves alone, because anything soft, and a super-root, outshines
    those.
    """
    parts = draw(st.sampled_from([MASTERS_AND_SLAVES, WITH_A_PART, tuple(range(256))]))
    tids = draw(st.sampled_from([NEAR_TIDS, EDGE_TIDS]))
    member = st.builds(Slot, st.just(True), st.sampled_from(parts), tids, errors())
    size = draw(st.integers(0, max_slots))  # a list of any length would mostly be short
    one = st.one_of(member, member, member, st.just(ABSENT))
    slots = tuple(draw(st.lists(one, min_size=size, max_size=size)))
    masters = sum(slot.present and slot.type == PfsType.MASTER for slot in slots)
    pfs_nmasters = draw(
        st.one_of(st.integers(max(0, masters - 1), masters + 2), st.none(), st.integers(0, NMASTERS_MAX))
    )
    prior = draw(st.sampled_from([None, FOREIGN, *(i for i, slot in enumerate(slots) if slot.present)]))
    flags = draw(st.one_of(st.sampled_from([0, 4, 0x3F04]), st.integers(0, 2**32 - 1)))
    return Configuration(slots, pfs_nmasters, prior, flags)


def semantics() -> st.SearchStrategy[Semantics]:
    """Any selection of repairs; shrinks towards the seed."""
    return st.builds(Semantics, *(st.booleans() for _ in Semantics._fields))
