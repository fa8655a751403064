"""Which of the seed's mistakes are mended: one named switch for each repair.

``SEED`` is the C as written, bug for bug; ``REPAIRED`` has every repair. A value between the two describes an
implementation that has some of the fixes: ``parse("seed,+majority_tid")``, ``parse("repaired,-fresh_focus")``.
"""

from typing import NamedTuple

from hammer2_spec.switches import chosen


class Semantics(NamedTuple):
    """One switch per repair, off in the seed. What each one mends is told by its finding."""

    fresh_focus: bool = False
    """The focus is chosen afresh; one left from before plays no part (L394 forgets to clear it)."""

    sound_votes: bool = False
    """Only error-free masters count towards a quorum; an errored one's tid stays evidence (L422-428)."""

    majority_tid: bool = False
    """The tid that a majority of masters holds decides, not the highest one seen (L422)."""

    ranked_roots: bool = False
    """Of several super-roots the best one is the focus, not the last (L447)."""

    ranked_soft: bool = False
    """Of several soft masters or soft slaves the best one is the focus; nothing is asserted (L510, L520)."""

    honest_access: bool = False
    """Access is granted only through a focus that has no error and allows it (L434-446, L475, L497)."""

    no_focus_error: bool = False
    """A cluster without a focus has the error INCOMPLETE instead of none (L394, L543)."""

    no_pfs_root: bool = False
    """A cluster without a PFS belongs to the super-root topology and is served as such (L408)."""

    # The operations.

    failed_lock: bool = False
    """A lock that cannot be served says so and leaves nothing locked or referenced (L376, promised at L543-546)."""

    relocked_lookup: bool = False
    """A cluster that a lookup without locks has focused can be locked (L359)."""

    inode_tids: bool = False
    """An indirect block is judged by the tid of the inode that it belongs to (L422, L474, L495)."""

    believed_lookups: bool = False
    """Lookups ask only members that may be believed (L827, promised at L333)."""

    outvoted_members: bool = False
    """Members that found something else than the majority are removed, instead of a panic (L863-867, L953-957)."""

    fresh_key_next: bool = False
    """Where to go on is computed from what was found, not from what the caller's variable held, nor from members that
    found nothing, whose answer wraps to 0 at the end of the key space (L814, L869, L959)."""

    stored_key_next: bool = False
    """A scan's next step returns where to go on (L961)."""

    kept_focus: bool = False
    """A scan's next step and a rename leave the parent's focus, a rename the cluster's too (L905, L1040-1041)."""

    moved_parent: bool = False
    """When a parent slot moves to another block, the parent's focus moves along (L833, L928, L1006, L1050)."""

    followed_focus: bool = False
    """Among equals, the focus follows the parent's or the child's (L857-861, L947-951, L1013, L1239), for good."""

    emptied_slot: bool = False
    """A slot whose chain was released is empty (L920-926)."""

    believed_writes: bool = False
    """Only members that may be written are modified, each under a parent that is there (L638, L684, L1002, L1043)."""

    rechecked_write: bool = False
    """A write that fails on any member decides anew, and reports when the quorum is lost (L688, L638)."""

    tolerant_modsync: bool = False
    """What was edited is carried to the members that can take it; the others are removed (L726-727, L734)."""

    own_identity: bool = False
    """The PFS identity of a root inode is never copied from node to node (L735)."""

    fresh_block_table: bool = False
    """A member whose embedded data ends gets an empty block table (L733-737)."""

    reported_create: bool = False
    """A failed creation is an error, of the member or of the call, instead of a panic (L1010, L1020)."""

    reported_delete: bool = False
    """A delete that could not be done on a quorum reports it (L1074-1077, L1085-1088)."""

    reported_rename: bool = False
    """A rename finds out where it was done, and reports it where a quorum did not (L1050-1058)."""

    whole_snapshot: bool = False
    """A snapshot is made on every node of the cluster, and reports what fails (L1135, L1157-1194)."""

    rechecked_child: bool = False
    """The child that was unlocked for a while is decided anew (L1231-1234)."""

    valid_data: bool = False
    """Data is loaded from members that may be believed; if there are none the callback says so (L1303-1311)."""

    reported_chain: bool = False
    """A cluster made of one chain has that chain's error, and then grants no access (L259-268)."""

    known_ddflag: bool = False
    """Copies, new elements and clusters of one chain know whether they are inodes (L256-266, L571-575, L988-1018)."""

    abstaining_members: bool = False
    """A member whose directory could not be read has no say in what is there (L838-840, L932-934)."""

    parents_pfs: bool = False
    """A new element belongs to the PFS of its parent, not to that of the transaction (L986-991)."""

    uneven_clusters: bool = False
    """Members that the parent has no slot for are released or removed, not forgotten (L633, L913-962, L1002-1016)."""

    zero_filled: bool = False
    """What was never written is delivered as zeroes, and not read (L1370-1371, promised at L1332-1336)."""

    carried_references: bool = False
    """When a slot comes to hold another chain, all references of its cluster move along (L833, L928, L1006, L1050)."""

    agreeing_parents: bool = False
    """On the way up, members that others have moved to another directory leave both clusters (L1229-1241)."""

    released_children: bool = False
    """On the way up, the child is unlocked on all nodes before its parent is locked on the first (L1218-1233)."""

    superroot_parents: bool = False
    """What is above the root of a PFS belongs to the devices' super-roots, not to that PFS (L1216, L572)."""

    locked_superroot: bool = False
    """A snapshot locks the super-root before the root of the PFS that is below it (L1098, L1151)."""


RESOLVE_REPAIRS = Semantics._fields[:8]
"""The switches of the decision; the others belong to the operations."""

SEED = Semantics()
REPAIRED = Semantics(*(True for _ in Semantics._fields))
BASES = {"seed": SEED, "repaired": REPAIRED}


def parse(text: str) -> Semantics:
    """Read ``seed``, ``repaired``, or switches: ``+name`` adds to the seed, ``-name`` takes from the repaired.

    Switches are separated by commas and may follow the base that they change: ``seed,+majority_tid``. Without a
    base they must all have the same sign.

    Raises ValueError, naming the word and what was expected, for anything else.
    """
    bases = {name: frozenset(switch for switch, on in base._asdict().items() if on) for name, base in BASES.items()}
    on = chosen(text, Semantics._fields, bases)
    return Semantics(*(name in on for name in Semantics._fields))


def describe(semantics: Semantics) -> str:
    """The shortest text that ``parse`` reads back as this value."""
    for name, base in BASES.items():
        if semantics == base:
            return name
    added = [f"+{name}" for name, on in zip(Semantics._fields, semantics, strict=True) if on]
    taken = [f"-{name}" for name, on in zip(Semantics._fields, semantics, strict=True) if not on]
    return min(",".join(added), ",".join(taken), key=len)
