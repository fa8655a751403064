"""What the seed's comments on failures leave out, or get wrong, and the ingredient that mends it.

A finding names one ingredient of the protocol, or of resynchronization below the root. What breaks without it, and the
shortest way there, is not written here: the explorer has found it (``hammer2-cluster findings``).
"""

from hammer2_spec.findings import Finding

PROTOCOL_FINDINGS: dict[str, Finding] = {
    "P01": Finding(
        repair="promise",
        title="Two front ends may both write",
        lines="44-51, 79-91",
        claims=("C05", "C97"),
        story=(
            "The comments speak of quorums of nodes, never of who may use them. Two front ends that each see a "
            "majority both write; each finds the other's half-done write, or misses it."
        ),
        mended="A majority of masters promises an epoch, durably, one by one, before a session's first write.",
    ),
    "P02": Finding(
        repair="restamp",
        title="What a recovery found may be gone in the next one",
        lines="1421-1447",
        claims=("C97",),
        story=(
            "A write that only a minority has may be the highest version in one recovery, be read, and be missing in "
            "the next recovery, which asks other nodes."
        ),
        mended="A session stamps what it recovered as the first version of its own epoch, on a majority, and serves it "
        "only then.",
    ),
    "P03": Finding(
        repair="refuse_lower_epochs",
        title="An old front end's resynchronization overwrites a node that serves a new one",
        lines="1421-1443",
        claims=("C95", "C97"),
        story=(
            "The resynchronization thread is none of the front end's transactions. A pass that an old session began "
            "takes a node, which has promised itself to a new session, back to the old session's version."
        ),
        mended="A node refuses lower epochs in resynchronization as it does in writes.",
    ),
    "P04": Finding(
        repair="never_lower",
        title="Resynchronization takes an acknowledged write away",
        lines="1440-1443",
        claims=("C95", "C97"),
        story=(
            "A pass copies the last committed version while a write is under way. A node that has flushed that write, "
            "and was counted for it, goes away, comes back and is set back by the pass: the acknowledgement rests on "
            "a minority."
        ),
        mended="A pass is refused by a node whose media has a higher tid.",
    ),
    "P05": Finding(
        repair="flush_before_ack",
        title="What was acknowledged was in memory only",
        lines="79-91, 1395-1401",
        claims=("C86", "C97"),
        story="A modifying operation is done when the chains in memory are modified; flushes come later, and may fail.",
        mended="An operation is acknowledged when a majority of masters has flushed it.",
    ),
    "P06": Finding(
        repair="read_flushed",
        title="A read returns what is lost afterwards",
        lines="57-77",
        claims=("C03", "C32", "C97"),
        story="A lookup's quorum is judged by the tids of chains in memory. What it returned may never be flushed.",
        mended="A hard read counts what is on the media.",
    ),
    "P07": Finding(
        repair="unique_tids",
        title="A tid is given to a second write",
        lines="1395-1414",
        claims=("C01", "C86"),
        story=(
            "The dirty data of a write that failed is thrown away, and the next write gets the next tid: the same one. "
            "A node that had flushed the first one has another content under that tid."
        ),
        mended="A write that was given up keeps its tid.",
    ),
    "P08": Finding(
        repair="epoch_in_tid",
        title="Two front ends give the same tid to different writes",
        lines="57-59",
        claims=("C01",),
        story="Each front end counts on from the highest tid it sees; two see the same one.",
        mended="A tid begins with the epoch of the session that made it.",
    ),
    "P09": Finding(
        repair="check_predecessor",
        title="A node that missed a write takes the next one",
        lines="79-88",
        claims=("C01", "C05"),
        story=(
            "An operation continues on the nodes that are left. A node that failed in one operation and takes part in "
            "the next has the new tid and lacks what it missed."
        ),
        mended="A write goes only to a node that has exactly the version before it.",
    ),
    "P10": Finding(
        repair="blank_is_no_evidence",
        title="A new disk votes",
        lines="1425-1434",
        claims=("C97",),
        story=(
            "A master with new, empty media is a node that is behind, as any other. With it a majority finds that "
            "nothing was ever written."
        ),
        mended="Blank media neither promises nor shows a version.",
    ),
    "P11": Finding(
        repair="record_replacement",
        title="A master whose disk was replaced votes for what it has forgotten",
        lines="1425-1434",
        claims=("C97",),
        story=(
            "Its old media may have been what an acknowledgement rested on, and its promise may still be in the pocket "
            "of a front end. Filled from one session it counts as the old one did."
        ),
        mended="A replacement is recorded by a write that commits without the new media; only a version that has "
        "the record fills it.",
    ),
    "P12": Finding(
        repair="disabled_is_evidence",
        title="After a common outage nobody may recover",
        lines="1395-1403",
        claims=("C97",),
        story=(
            "A node that was disconnected is write-disabled until it is resynchronized from a good node. If a majority "
            "was disconnected there is no good node, though nothing is lost."
        ),
        mended="A write-disabled node promises, and its version counts in a recovery.",
    ),
    "P13": Finding(
        repair="volatile_is_evidence",
        title="A write is flushed after the recovery that did not see it",
        lines="1395-1401",
        claims=("C83", "C97"),
        story=(
            "A node shows what is on its media while a write is still dirty in its memory, and flushes it afterwards; "
            "the old session counts that flush and acknowledges a write that the new session does not have."
        ),
        mended="What a node shows in a recovery is the version in memory.",
    ),
    "P14": Finding(
        repair="fixed_majority",
        title="A majority of those present is none",
        lines="408-430",
        claims=("C34", "C97"),
        story="Two parts of a cluster that do not see each other each have a majority of the nodes that are present.",
        mended="A majority is of the masters that the PFS was made with.",
    ),
    "P15": Finding(
        repair="keep_old_version",
        title="A resynchronization that is cut short destroys the last copy",
        lines="1440-1443",
        claims=("C95", "C97"),
        story=(
            "The target of a pass is overwritten in place. Until it is complete it is neither version; a node that had "
            "an unacknowledged, or the only reachable, version has none."
        ),
        mended="The target keeps its old version until the copy is complete.",
    ),
    "P16": Finding(
        repair="exclusive_pass",
        title="A busy front end starves a resynchronization",
        lines="1440-1443",
        claims=("C97",),
        story="Each pass copies a snapshot; when it is done there is a newer version, again and again.",
        mended="A target that was overtaken gets one pass during which no write begins.",
    ),
    "P17": Finding(
        repair="replacement_first",
        title="A busy front end keeps a replaced master out",
        lines="1440-1443",
        claims=("C97",),
        story="Recording a replacement is a write among others; if others always come first it never happens.",
        mended="Recording a replacement precedes other writes.",
    ),
    "P18": Finding(
        repair="sound_votes",
        title="Masters without a sound version answer a read",
        lines="421-428, 472",
        claims=("C34", "C35"),
        story="F02, seen from the protocol: a blank master and one that is behind are two that agree on an old tid.",
        mended="Only masters with a whole version answer a hard read.",
    ),
    "P19": Finding(
        repair="stamp_last",
        title="A target of a resynchronization votes before it is complete",
        lines="1409-1414, 1440-1443",
        claims=("C86", "C95"),
        story=(
            "Incremental resynchronization goes by mirror_tid, from the root. If the root has the new tid before what "
            "is below it is copied, the node is taken for synchronized."
        ),
        mended="A copy gets the tid of its version when it is complete.",
    ),
    "P20": Finding(
        repair="spare_kept_version",
        title="Making space destroys the last copy",
        lines="1436-1438",
        claims=("C94", "C97"),
        story=(
            "On a full node older snapshots are removed. The version that a target keeps until the copy is complete is "
            "such a snapshot."
        ),
        mended="Freeing space spares the version that is kept for a running pass.",
    ),
    "P21": Finding(
        repair="durable_mark",
        title="The tid of a directory hides that the copy of a leaf was cut short",
        lines="1411-1413, 1429-1431",
        claims=("C91", "C92"),
        story=(
            "Copying a leaf moves the tids above it up to the root, as every change does. If the pass is cut short "
            "there, the directory's tid is that of the snapshot, and the next pass does not look below it."
        ),
        mended="An element whose copying has begun carries a mark, on the media, until all below it is certified.",
    ),
    "P22": Finding(
        repair="compare_equal",
        title="A write that nobody was told of survives below the root",
        lines="1411-1413",
        claims=("C92", "C97"),
        story="A target that got ahead by a write that was left behind has a higher tid, not a newer version.",
        mended="Only an equal tid certifies a subtree.",
    ),
    "P23": Finding(
        repair="children_first",
        title="A directory is certified before its leaves are",
        lines="1440-1443",
        claims=("C92", "C95"),
        story="A pass from the root down may finish a directory when it has visited it, not when all below is done.",
        mended="A mark is taken away when all below it is certified.",
    ),
    "P24": Finding(
        repair="whole_flush",
        title="A torn flush shows a mixture of versions",
        lines="1409-1414",
        claims=("C86",),
        story="If blocks are flushed in place, one by one, a crash leaves new leaves under an old root.",
        mended="A flush writes new blocks and then the volume header that leads to them.",
    ),
    "P25": Finding(
        repair="flush_between_writes",
        title="Half of a write of several chains is flushed",
        lines="1395-1401",
        claims=("C83", "C86"),
        story="A flush in the middle of an operation puts a part of it on the media, under the tid of the whole.",
        mended="A flush waits for the operations under way.",
    ),
    "P26": Finding(
        repair="lower_tids",
        title="A target that went astray is never in step again",
        lines="1411-1413",
        claims=("C97",),
        story="The chain layer only ever moves tids up. That of a write that was left behind stays, and differs.",
        mended="A pass gives an element the tid of the version that it certifies, even if it is lower.",
    ),
    "P27": Finding(
        repair="mark_leaf",
        title="Half of a copy passes for the old version",
        lines="1411-1413, 1429-1431, 1440-1443",
        claims=("C92", "C95", "C97"),
        story=(
            "An element keeps its old tid until its copy is complete. If the pass is cut short there, and what it "
            "copied was acknowledged by nobody and is lost with its source, a recovery makes the old version the "
            "current one: its tid is that of the half-copied element, and the next pass skips it."
        ),
        mended="An element carries a mark while it is copied, and nothing goes by its tid then.",
    ),
}

SEED_HAS = frozenset(
    {
        "disable_on_disconnect",  # L1403
        "disable_on_write_failure",  # L1395-1401
        "resync_before_eligible",  # L1397-1401
        "fixed_majority",  # L408-409
        "resolve_at_begin",  # L331: locking resolves
        "whole_flush",  # of HAMMER2 as a whole
        "flush_between_writes",  # L1397: running transactions are allowed to complete
    }
)
"""The ingredients that the seed's comments, read literally, have."""
