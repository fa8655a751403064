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
            "soft master or soft slave is readable by its flags while the cluster has an error; and a soft slave in "
            "focus beside a quorum of masters may be written, though it is a slave, and what is written to it would "
            "be copied to the masters."
        ),
        mended="An error, or no focus, grants no access; a soft slave in focus grants no writing.",
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
}
