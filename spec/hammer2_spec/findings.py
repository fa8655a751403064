"""What is wrong with the seed, measured against its own comments, and the repair that mends it.

A finding names one repair. The properties that it breaks, and the smallest example of each, are not written here: the
machines that found them say so (``hammer2-cluster findings``).
"""

from typing import NamedTuple


class Finding(NamedTuple):
    """One mistake of the seed."""

    repair: str
    """The switch of Semantics that mends it."""
    title: str
    lines: str
    """Where the seed makes the mistake."""
    claims: tuple[str, ...]
    """What it promises instead."""
    story: str
    mended: str


FINDINGS: dict[str, Finding] = {
    "F01": Finding(
        repair="fresh_focus",
        title="A focus left from before is never given up",
        lines="394, 477, 498",
        claims=("C30", "C33", "C35", "C36", "C41", "C42"),
        story=(
            "Resolve clears the error but not the focus, and selects a master or a slave only where there is no focus "
            "yet. A focus from an earlier call therefore stays: errored, out of date, or a chain that the cluster no "
            "longer holds, and without its error. Modify calls resolve again just to get away from a master that "
            "failed (L672-696), and never does."
        ),
        mended="Resolve starts without a focus.",
    ),
    "F02": Finding(
        repair="sound_votes",
        title="Broken masters vote",
        lines="421-428, 472",
        claims=("C34", "C35", "C40", "C05"),
        story=(
            "Pass 1 counts every master at the highest tid, errored or not; pass 2 only looks whether enough were "
            "counted. One sound master and a majority of broken ones make a quorum, so that two views that share no "
            "sound master may both write."
        ),
        mended="Only masters without error count towards a quorum. The tid of an errored one stays evidence of what "
        "exists.",
    ),
    "F03": Finding(
        repair="majority_tid",
        title="One master with a higher tid takes the quorum away from all others",
        lines="422-425",
        claims=("C02", "C05", "C34", "C40"),
        story=(
            "The highest tid seen restarts the count. A single master that got further than the rest, by a write that "
            "nobody acknowledged, is one vote for its own tid, and the majority that agrees on the tid before it "
            "counts for nothing: the cluster stops when a node joins it. And a lone master without a quorum is "
            "declared synchronized, being all the masters at its own tid."
        ),
        mended="The highest tid that a majority of pfs_nmasters holds decides; where there is none, nobody votes.",
    ),
    "F04": Finding(
        repair="ranked_roots",
        title="Of several super-roots the last one is the focus, even if it is broken",
        lines="447-448",
        claims=("C39", "C42"),
        story=(
            "Pass 1 overwrites the focus with each super-root. The super-root is a one-device cluster, readable and "
            "writable; with two chains the order decides, and an errored one hides a sound one."
        ),
        mended="The best one is the focus: no error, then the higher tid, then the lower error number.",
    ),
    "F05": Finding(
        repair="ranked_soft",
        title="A second soft master or soft slave panics the kernel, in some orders",
        lines="510, 520",
        claims=("C37", "C38", "C42"),
        story=(
            "There should be only one soft master and one soft slave, but that is for the user to keep, who can mount "
            "two. The assertions turn the mistake into a panic: always for two soft masters; for two soft slaves "
            "unless a soft master stands before the second one."
        ),
        mended="The best one of its kind is the focus, as among super-roots, and nothing is asserted.",
    ),
    "F06": Finding(
        repair="honest_access",
        title="Reading and writing are declared possible through a focus that allows neither",
        lines="434-446, 475-476, 497, 521",
        claims=("C33", "C41"),
        story=(
            "The access flags are collected from all members, the focus is chosen on its own. An errored super-root, "
            "soft master or soft slave is readable by its flags while the cluster has an error. And beside a quorum of "
            "masters a soft master or soft slave in focus is read and written as if the quorum had agreed on it, "
            "however old it is; what is written to it would then be copied to the masters."
        ),
        mended="An error, or no focus, grants no access; a soft focus grants soft access, never hard.",
    ),
    "F07": Finding(
        repair="no_focus_error",
        title="A cluster that cannot be used has no error",
        lines="394, 543-546",
        claims=("C33", "C41"),
        story=(
            "The comment says that an error code is generated if the cluster cannot be locked for the operation. "
            "Without a quorum there is no focus, and the error stays 0: the caller goes on and follows a NULL pointer."
        ),
        mended="Without a focus the error is INCOMPLETE.",
    ),
    "F08": Finding(
        repair="no_pfs_root",
        title="A cluster without a PFS panics the kernel",
        lines="408, 419, 463",
        claims=("C39", "C43"),
        story=(
            "Six comments say that the PFS pointer can be NULL, and from_chain makes such clusters of the chains of "
            "the super-root topology (L260). Resolve asserts that there is a PFS as soon as there is a slot."
        ),
        mended="Without a PFS every member is a super-root: the degenerate cluster of one device.",
    ),
    "F09": Finding(
        repair="failed_lock",
        title="A lock that fails leaves everything locked",
        lines="376-377, 543-546",
        claims=(
            "C30",
            "C33",
        ),
        story=(
            "The comments say that the cluster is neither locked nor referenced if the lock fails. The code resolves "
            "and returns: the chains stay locked, the references stay taken, and the caller, who gets no result, "
            "cannot know."
        ),
        mended=("Lock returns the cluster's error; then nothing is locked and no reference taken."),
    ),
    "F10": Finding(
        repair="relocked_lookup",
        title="Locking what a lookup found without locks panics the kernel",
        lines="826-854, 359",
        claims=(
            "C30",
            "C61",
        ),
        story=(
            "A lookup with NOLOCK returns an unlocked cluster with a focus. Lock asserts that a cluster that is not "
            "locked has none."
        ),
        mended=("Lock forgets such a focus; it sets its own in any case."),
    ),
    "F11": Finding(
        repair="inode_tids",
        title="An indirect block makes a sound node look out of date",
        lines="422, 474, 495, 1229-1247",
        claims=(
            "C01",
            "C04",
            "C64",
        ),
        story=(
            "Block tables differ from node to node: after a lookup, or on the way up from a child, one node's member "
            "is the directory and another's an indirect block beneath it, whose tid only moves when something below it "
            "changes. Resolve compares the two and counts the node out."
        ),
        mended=("A member that is an indirect block is judged by the tid of the inode that it belongs to."),
    ),
    "F12": Finding(
        repair="believed_lookups",
        title="Nodes that may not be believed are searched all the same",
        lines="827-870, 915-960",
        claims=(
            "C31",
            "C61",
            "C63",
        ),
        story=(
            "Lookups ask every member of the parent, also those that are errored or behind the quorum. They find "
            "something else, or nothing, or fail for want of data, and each of these panics the kernel."
        ),
        mended=("Only members without error at the quorum's tid are asked."),
    ),
    "F13": Finding(
        repair="outvoted_members",
        title="One node that finds something else panics the kernel",
        lines="863-867, 953-957",
        claims=(
            "C02",
            "C63",
            "C81",
        ),
        story=(
            "Five assertions demand that all members find the same. A node failure is exactly that they do not: the "
            "text below says that an unexpected or missing chain is flagged failed and removed from the cluster."
        ),
        mended=(
            "What a majority of the masters found is the result; members that found something else are removed from "
            "both clusters. If no majority agrees, nothing is found and the parent has an error."
        ),
    ),
    "F14": Finding(
        repair="fresh_key_next",
        title="A lookup does not say where to go on",
        lines="814, 869-872",
        claims=(
            "C61",
            "C62",
        ),
        story=(
            "The next key is the minimum of the members' answers and of what the caller's variable held before, so it "
            "never moves beyond where the search began. Members that found nothing take part, and their answer wraps "
            "to 0 at the end of the key space, where the scan begins anew."
        ),
        mended=(
            "It is the least of the answers of those members that found the element; 0 is the end of the key space."
        ),
    ),
    "F15": Finding(
        repair="stored_key_next",
        title="The next step of a scan does not say where to go on",
        lines="959-963",
        claims=("C62",),
        story=("Lookup stores the key that it accumulated; next accumulates the same and returns without storing it."),
        mended=("It is stored."),
    ),
    "F16": Finding(
        repair="kept_focus",
        title="A scan and a rename take away the parent's focus",
        lines="905, 1040-1041",
        claims=(
            "C30",
            "C55",
            "C61",
        ),
        story=(
            "Next clears the focus of the parent before it asks whether a member is the parent's focus, so the result "
            "never follows it and the parent, still locked, is left without one: the next accessor follows a NULL "
            "pointer. Rename does the same to both clusters."
        ),
        mended=("The parent keeps its focus, and after a rename both clusters are decided anew."),
    ),
    "F17": Finding(
        repair="moved_parent",
        title="The parent's focus is left on a block that was unlocked",
        lines="833, 860, 928, 950, 1006, 1013, 1050",
        claims=(
            "C30",
            "C61",
        ),
        story=(
            "A lookup or an insertion may replace the block in a parent slot by the one beneath it where the search "
            "ended; the old one is unlocked. If it was the focus, the focus is now no member of the cluster, unlocked "
            "and perhaps freed."
        ),
        mended=("The focus moves along with the slot."),
    ),
    "F18": Finding(
        repair="followed_focus",
        title="The focus does not follow the parent's",
        lines="857-861, 947-951, 1013-1014, 1239-1240",
        claims=(
            "C54",
            "C61",
            "C64",
        ),
        story=(
            "The comments promise that the focus follows the parent's or the child's. What is set before the decision "
            "lasts only because resolve forgets to clear the focus; decided afresh, it is lost."
        ),
        mended=(
            "After the decision, the member in the slot of the parent's focus becomes the focus if it is as good as "
            "the chosen one."
        ),
    ),
    "F19": Finding(
        repair="emptied_slot",
        title="A member that a scan has released stays in its slot",
        lines="920-926",
        claims=(
            "C22",
            "C62",
        ),
        story=(
            "If the parent has lost a member, next drops or unlocks the child's chain and counts it as none, but "
            "leaves the pointer in the slot. Later the chain is released once more."
        ),
        mended=("The slot is emptied."),
    ),
    "F20": Finding(
        repair="believed_writes",
        title="Writes go to nodes that must not be written, and under parents that are not there",
        lines="638, 684-694, 1002-1017, 1043-1061, 1079-1092",
        claims=(
            "C05",
            "C31",
            "C50",
            "C54",
            "C55",
            "C83",
        ),
        story=(
            "Every present member is modified, attached or deleted: slaves, masters behind the quorum, and errored "
            "ones. A node that is behind gets the new tid with the next flush and passes for synchronized. In create "
            "and rename the parent's chain may be NULL, and resize asserts that it is not."
        ),
        mended=(
            "A write goes only to masters at the quorum's tid, soft masters and the super-root, without error, whose "
            "parent qualifies too; under a soft focus only to the soft masters, as the decision grants."
        ),
    ),
    "F21": Finding(
        repair="rechecked_write",
        title="A write that fails on most nodes succeeds",
        lines="688-696, 637-643",
        claims=(
            "C05",
            "C41",
            "C52",
        ),
        story=(
            "Modify looks only whether the focus has failed. If other masters fail, however many, the flags go on "
            "claiming that the cluster may be written. Resize does not look at all. Neither has a result."
        ),
        mended=(
            "A failure of any member decides the cluster anew, and the call returns an error when it may not be "
            "written."
        ),
    ),
    "F22": Finding(
        repair="tolerant_modsync",
        title="A member that missed the modification panics the kernel",
        lines="726-741",
        claims=(
            "C02",
            "C53",
        ),
        story=(
            "A member that could not be read when the cluster was modified, and can be again because another client "
            "has locked it since, was not modified. Modsync asserts that it was, and follows the data pointer of one "
            "that has lost its data."
        ),
        mended=("Such a member is removed from the cluster; the call returns an error if a quorum is lost by that."),
    ),
    "F23": Finding(
        repair="own_identity",
        title="Changing a root directory turns slaves into masters",
        lines="735-736",
        claims=("C53",),
        story=(
            "The metadata of a PFS's root inode holds what the PFS is on this node: its type, subtype and filesystem "
            "id. Modsync copies all of it from the focus."
        ),
        mended=("The PFS identity of a root inode stays the node's own."),
    ),
    "F24": Finding(
        repair="fresh_block_table",
        title="Embedded data becomes a block table",
        lines="733-737",
        claims=("C53",),
        story=(
            "When a file outgrows its inode, the front end clears the flag and the embedded data in the focus. Modsync "
            "sees that there is no embedded data and copies the metadata alone: the other nodes keep the old data, and "
            "their flag now says that it is a block table."
        ),
        mended=("A member whose embedded data ends gets an empty block table."),
    ),
    "F25": Finding(
        repair="reported_create",
        title="A node without space panics the kernel",
        lines="1010, 1020",
        claims=(
            "C02",
            "C54",
            "C80",
            "C82",
        ),
        story=(
            "Creation asserts that no node fails. If no member was asked the result is a variable that was never set."
        ),
        mended=(
            "A node that fails is removed from both clusters. If too few remain, the error is returned and what was "
            "created is taken back."
        ),
    ),
    "F26": Finding(
        repair="reported_delete",
        title="A delete that did nothing looks like success",
        lines="1074-1077, 1085-1088",
        claims=(
            "C05",
            "C56",
        ),
        story=(
            "Without a parent, or where a chain's parent is another one, a line is printed and nothing is deleted; the "
            "caller is told nothing. Nor does anybody look whether the chain layer's delete, which has no result, has "
            "deleted. A chain that others have detached, under an empty slot, passes for a match: NULL is NULL, and is "
            "followed."
        ),
        mended=(
            "Members that could not be deleted are removed, and the call returns an error unless a quorum deleted."
        ),
    ),
    "F27": Finding(
        repair="reported_rename",
        title="A rename that was not done looks like success",
        lines="1050-1057",
        claims=(
            "C05",
            "C55",
        ),
        story=("The chain layer's rename has no result. Nobody looks whether the chain has its new parent."),
        mended=(
            "The chain's parent tells; members that were not moved are removed, and the call returns an error unless a "
            "quorum moved."
        ),
    ),
    "F28": Finding(
        repair="whole_snapshot",
        title="A snapshot of a cluster of more than one node panics the kernel",
        lines="1135, 1157, 1191-1193",
        claims=(
            "C02",
            "C57",
        ),
        story=(
            "The snapshot is made on the focus's device only, and at the end asserts that there is no other. The block "
            "table of one node means nothing on another. A device or data that is missing, or a modification that "
            "fails, is a NULL pointer."
        ),
        mended=(
            "Each node that may be written makes the snapshot under its own super-root, with its own block table and "
            "the same ids; the call returns an error unless a quorum did."
        ),
    ),
    "F29": Finding(
        repair="rechecked_child",
        title="On the way up the child may break unseen",
        lines="1231-1240",
        claims=(
            "C35",
            "C64",
        ),
        story=(
            "To lock the parent first, the child is unlocked and locked again. In between it may have been moved or "
            "deleted, and reading it again may fail. The child's cluster keeps its focus and has no error."
        ),
        mended=("The child's cluster is decided anew."),
    ),
    "F30": Finding(
        repair="valid_data",
        title="Invalid data is delivered, and without data a NULL pointer is followed",
        lines="1303-1311, 1326, 1348",
        claims=(
            "C70",
            "C71",
        ),
        story=(
            "The first member whose data is there is taken, also if its check code is wrong or its node is behind the "
            "quorum. If no member has data, slot 0 is read, though it may be empty, and a read that fails ends the "
            "matter though others are left."
        ),
        mended=(
            "Only members that may be believed are asked, those first whose data is there; if all fail the callback "
            "says so."
        ),
    ),
    "F31": Finding(
        repair="reported_chain",
        title="A cluster of one broken chain claims that all is well",
        lines="259-268",
        claims=("C20", "C33", "C41"),
        story=(
            "from_chain fakes the flags: readable, writable, synchronized. If the chain could not be read when it was "
            "locked, its error stays in the chain; the cluster has none, and its focus has no data."
        ),
        mended="The chain's error is the cluster's, and then no access is granted.",
    ),
    "F32": Finding(
        repair="known_ddflag",
        title="Copies and new clusters forget that their elements are inodes",
        lines="256-266, 571-582, 988-1018",
        claims=("C20", "C24", "C54"),
        story=(
            "Lookup and next note in ddflag whether the elements found are inodes. A copy, a new element's cluster and "
            "that of one chain start from zeroed memory and get the PFS and the chains, but not this."
        ),
        mended="It is copied, or set by the type; a parent, which is made by way of a copy, starts without.",
    ),
    "F33": Finding(
        repair="abstaining_members",
        title="A directory that cannot be read looks empty",
        lines="838-840, 932-934",
        claims=("C02", "C63", "C81"),
        story=(
            "When a block of a directory cannot be read, the node's lookup returns nothing, and the parent slot holds "
            "that block with its error. Lookup and next take it for an answer: nothing there. If all nodes that are "
            "left answer so, the caller learns that the name does not exist."
        ),
        mended=(
            "Such a member has no say and is removed from both clusters, as one that found something else; without a "
            "majority of answers the parent has an error."
        ),
    ),
    "F34": Finding(
        repair="parents_pfs",
        title="A new element is judged by the PFS of the transaction",
        lines="986-992, 1018",
        claims=("C43", "C54"),
        story=(
            "The cluster of a new element gets the PFS of the transaction, which can be NULL, and may be another one "
            "than that of the parent whose slots it has, as when a snapshot is made under a super-root. Its members' "
            "types are then those of other nodes. The chains get that PFS too: without one no flush gives them its tid."
        ),
        mended="It belongs to the PFS of its parent, and so do its chains.",
    ),
    "F35": Finding(
        repair="uneven_clusters",
        title="Members that the parent has no slot for are lost",
        lines="633, 913, 962, 1002, 1016",
        claims=("C22", "C50", "C54", "C62"),
        story=(
            "Clusters made before and after a node joined have different numbers of slots, as delete allows for "
            "(L1080). Next and create set the number of slots to the parent's, and forget the members behind it with "
            "their locks and references; resize asserts that the numbers are equal."
        ),
        mended="Next releases such members; resize and create remove them as members that failed.",
    ),
    "F36": Finding(
        repair="zero_filled",
        title="What was never written is read from the medium",
        lines="1344-1346, 1370-1371",
        claims=("C71", "C72"),
        story=(
            "The comment speaks of issuing I/O or of creating a zero-fill element. The code only reads: of a block "
            "that was allocated and never written, whatever the medium held there before."
        ),
        mended="Zeroes are delivered, at once and without I/O.",
    ),
    "F37": Finding(
        repair="carried_references",
        title="A slot that comes to hold another chain leaves references behind",
        lines="833, 920-928, 1006, 1050",
        claims=("C21", "C22"),
        story=(
            "A reference to a cluster is one to each of its chains. Where the chain layer puts another chain into a "
            "slot (a parent that moves to another block, the next element of a scan) it exchanges one reference. The "
            "others stay with the chain that left, which is never freed, and the one that came is dropped too often, "
            "and freed while somebody holds it."
        ),
        mended="As many references as the cluster has are taken on the new chain and given back on the old one.",
    ),
    "F38": Finding(
        repair="agreeing_parents",
        title="On the way up, different directories become one parent",
        lines="1229-1241",
        claims=("C01", "C63", "C64", "C81"),
        story=(
            "While the child is unlocked to lock its parent first, others may move it to another directory, and have "
            "done so on some nodes sooner than on others. Each member's parent is taken as it is found: what is "
            "created in that cluster is then in two directories."
        ),
        mended=(
            "Members of another directory than that of a majority of masters are removed from child and parent. If no "
            "majority agrees the parent has an error."
        ),
    ),
    "F39": Finding(
        repair="released_children",
        title="The way up and the way down wait for each other",
        lines="1218-1238",
        claims=("C02", "C64"),
        story=(
            "The lock order is parent before child, and the children of one node are let go to keep it. But the slots "
            "come one after the other: while the parent in the first one is waited for, the children in the others "
            "stay locked. Somebody who came from above has all parents, and waits for one of those children: neither "
            "goes on."
        ),
        mended="The child is unlocked in all slots before the first of its parents is locked.",
    ),
    "F40": Finding(
        repair="superroot_parents",
        title="Above the root of a PFS, devices pass for members of the PFS",
        lines="1216, 572, 1244-1245",
        claims=("C39", "C43", "C64"),
        story=(
            "A parent's cluster is a copy of the child's, with its PFS. What is above the root of a PFS belongs to the "
            "super-root topology, where each device is for itself. The copy judges the devices by the parts that they "
            "play in the PFS below, and compares tids that have nothing to do with each other: a quorum of masters is "
            "found among them, or none."
        ),
        mended="A parent that is above the PFS of its child is in none: a cluster of super-roots.",
    ),
    "F41": Finding(
        repair="locked_superroot",
        title="A snapshot waits for the super-root while it holds what is below it",
        lines="1098-1099, 1133, 1151",
        claims=("C02", "C57"),
        story=(
            "The caller has locked the root of the PFS, exclusively, as the comment demands. The directory of the "
            "snapshot is created under the super-root, which is above it and is locked now. Somebody who came from "
            "above has the super-root and waits for the root of the PFS: neither goes on."
        ),
        mended="The way up locks the super-roots first, and the original again; they stay locked until the end.",
    ),
}
