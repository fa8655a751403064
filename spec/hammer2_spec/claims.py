"""Every sentence of the seed that promises behaviour, numbered, in our own words.

Line numbers are those printed in data/seed/hammer2_cluster.c.txt. A derived claim is one that no comment makes in so
many words, but that the code or the ordinary meaning of the interface implies.
"""

from typing import NamedTuple


class Claim(NamedTuple):
    """One promise."""

    section: str
    lines: str
    """Where the seed makes it; empty where it is derived from the whole."""
    promise: str
    derived: bool = False
    """The whole of it, or what follows "(Derived:)" in it, is implied, not said."""


CLAIMS: dict[str, Claim] = {
    "C01": Claim(
        "The module as a whole",
        "35-38",
        "Chains that represent the same information on different nodes form one entity; media data is "
        "directly accessible through it, except block tables, which legitimately differ from node to "
        "node.",
    ),
    "C02": Claim(
        "The module as a whole",
        "48-51",
        "The cluster operates properly even if some nodes are broken, including locks that are never granted.",
    ),
    "C03": Claim(
        "The module as a whole",
        "57-67",
        "Locking and data access are asynchronous inside; quorum is judged on transaction ids; cache-"
        "coherency state kept in the chains is validated.",
    ),
    "C04": Claim(
        "The module as a whole",
        "69-77",
        "Lookups and scans are asynchronous inside and judged by quorum on transaction ids too.",
    ),
    "C05": Claim(
        "The module as a whole",
        "79-88",
        "A modifying operation goes on through node failures as long as the quorum holds; if the quorum "
        "is lost it waits for resynchronization, or fails, by management mode.",
    ),
    "C06": Claim(
        "The module as a whole",
        "90-91",
        "A node on which a modifying operation fails is disconnected, not flushed, remounted and "
        "resynchronized (compare C81 for reads).",
    ),
    "C07": Claim(
        "The module as a whole",
        "93-103",
        "Operations on several local nodes are dispatched to one thread per node, because chain "
        "operations can't be made asynchronous themselves; network nodes are spoken to by messages, ended"
        " by such threads on the other side.",
    ),
    "C08": Claim(
        "The module as a whole",
        "105-107",
        "A single-node filesystem uses no threads: each cluster function falls through to the chain directly.",
    ),
    "C09": Claim(
        "The module as a whole",
        "40-46",
        "The module dispatches I/O, rolls up status, arranges mastership, and presents one topology to "
        "the layer above; its operations mimic the chain operations, on clusters.",
    ),
    "C10": Claim(
        "Accessors",
        "118-133",
        "need_resize: true iff some present chain's size differs.",
    ),
    "C11": Claim(
        "Accessors",
        "135-145",
        "type, modified: those of the focus.",
    ),
    "C12": Claim(
        "Accessors",
        "147-159",
        "bref: the focus's blockref without its data offset, size radix retained.",
    ),
    "C13": Claim(
        "Accessors",
        "161-181",
        "isunlinked: true iff any present chain is flagged UNLINKED; usable without a lock.",
    ),
    "C14": Claim(
        "Accessors",
        "183-207",
        "set_chainflags, clr_chainflags: on all present chains.",
    ),
    "C15": Claim(
        "Accessors",
        "209-220",
        "setflush: every present chain is scheduled for flush.",
    ),
    "C16": Claim(
        "Accessors",
        "222-238",
        "setmethod_check: on every present chain, each of which must be MODIFIED.",
    ),
    "C17": Claim(
        "Accessors",
        "1254-1276",
        "rdata: the focus's data, waiting for at least one of the I/Os that locking has started; wdata: "
        "the same, only in a modified cluster, without waiting; only universal data (no block tables) may"
        " be read this way.",
    ),
    "C20": Claim(
        "Life cycle",
        "240-269",
        "from_chain: one reference, locked, focused on the chain, which is not referenced further: "
        "ownership passes to the cluster.",
    ),
    "C21": Claim(
        "Life cycle",
        "271-289",
        "ref: references the cluster and each chain, so that ref/unlock sequences can lock again.",
    ),
    "C22": Claim(
        "Life cycle",
        "291-294",
        "drop: drops the caller's reference; at zero the cluster is freed and all its chains are dropped."
        " (The code drops each chain at every drop: it mirrors C21.) (Derived:) No reference is leaked, "
        "none is dropped twice.",
        derived=True,
    ),
    "C23": Claim(
        "Life cycle",
        "295-297",
        "A read in progress is detached from the cluster once the first has returned; the rest finish on "
        "their own and are ignored.",
    ),
    "C24": Claim(
        "Life cycle",
        "556-584",
        "copy: a referenced, unlocked copy with no focus; all chains referenced.",
    ),
    "C25": Claim(
        "Life cycle",
        "586-618",
        "unlock: unlocks and dereferences; the last reference destroys the cluster; the focus is cleared.",
    ),
    "C30": Claim(
        "Locking and resolving",
        "327-332",
        "lock: references and locks the cluster and its chains; the act of locking sets the focus.",
    ),
    "C31": Claim(
        "Locking and resolving",
        "333-339",
        "The chains may be narrowed by quorum acceptability; a read-only lock may narrow to a single "
        "chain if the whole subtopology is known intact; with a CACHE chain as focus at least a SLAVE is "
        "retained.",
    ),
    "C32": Claim(
        "Locking and resolving",
        "340-343",
        "A read-only operation is as-of: once the topology is validated at the top level of the "
        "operation, the quorum need not be maintained.",
    ),
    "C33": Claim(
        "Locking and resolving",
        "344-345, 543-551",
        "If a failure occurs, an error code is generated; the cluster is then not locked and not "
        "referenced, and the operation can be retried.",
    ),
    "C34": Claim(
        "Locking and resolving",
        "404-430, 463-470",
        "A quorum needs up-to-date masters: more than half of pfs_nmasters, all at the quorum's tid.",
    ),
    "C35": Claim(
        "Locking and resolving",
        "463-483",
        "No errored master is selected as focus; no errored slave either (485-503); a selected one is at "
        "the quorum's tid.",
    ),
    "C36": Claim(
        "Locking and resolving",
        "477-482, 498-502",
        "A master is preferred over a slave as focus, in whatever order they stand.",
        derived=True,
    ),
    "C37": Claim(
        "Locking and resolving",
        "505-514",
        "A directly mounted soft master always wins. There should be only one: an assumption on the input"
        " that a user can violate.",
    ),
    "C38": Claim(
        "Locking and resolving",
        "515-526",
        "A directly mounted soft slave wins over all but a soft master. There should be only one, likewise.",
    ),
    "C39": Claim(
        "Locking and resolving",
        "440-449",
        "The super-root is a degenerate one-device cluster, readable and writable.",
    ),
    "C40": Claim(
        "Locking and resolving",
        "532-541",
        "MSYNCED / SSYNCED iff all available masters / slaves are fully synchronized (even if there are "
        "none); they tell the synchronization thread whether there is work it could do.",
    ),
    "C41": Claim(
        "Locking and resolving",
        "546-551",
        "rdok / wrok tell whether reading / writing is possible; before writing, modify must be called.",
    ),
    "C43": Claim(
        "Locking and resolving",
        "632, 767, 813, 822, 986, 991",
        "A cluster's PFS may be NULL.",
    ),
    "C42": Claim(
        "Locking and resolving",
        "",
        "resolve is a function of the members' types, tids and errors; resolving twice gives the same; "
        "the order of the slots decides only between equals.",
        derived=True,
    ),
    "C50": Claim(
        "Modifying",
        "620-644",
        "resize: every present chain, under its own parent; chains may be replaced.",
    ),
    "C51": Claim(
        "Modifying",
        "646-666",
        "modify_ip: marks the inode modified, modifies the chains, repoints the inode's cached cluster, "
        "and returns writable data.",
    ),
    "C52": Claim(
        "Modifying",
        "668-697",
        "modify: after it, the focus is writable and its data accessible; if the focused master errors, "
        "another is selected.",
    ),
    "C53": Claim(
        "Modifying",
        "699-755",
        "modsync: what was edited in the focus is in every other chain; block tables are never copied (an"
        " inode's metadata only, unless its data is embedded).",
    ),
    "C54": Claim(
        "Modifying",
        "972-1021",
        "create: a new element under each parent; if a cluster is supplied, its NULL members are skipped "
        "(997-999); the focus follows the parent's.",
    ),
    "C55": Claim(
        "Modifying",
        "1023-1061",
        "rename: each chain under its new parent; only key and keybits come from the argument.",
    ),
    "C56": Claim(
        "Modifying",
        "1063-1093",
        "delete: marks a cluster deleted. (Derived:) Each chain whose parent is the given one; a mismatch is reported.",
        derived=True,
    ),
    "C57": Claim(
        "Modifying",
        "1095-1203",
        "snapshot: a new PFS under the super-root with its own fsid, type MASTER, subtype SNAPSHOT, whose"
        " contents are the flushed contents of the original and never change with it; the original is "
        "synced before and its inode exclusively locked. About its clid the comments contradict each "
        "other (1139-1141: the same; 1164-1166: its own, no further synchronization); the code does the "
        "latter.",
    ),
    "C60": Claim(
        "Lookups",
        "757-792",
        "lookup_init: an independently locked cluster over the same chains, shared if asked; lookup_done releases it.",
    ),
    "C61": Claim(
        "Lookups",
        "794-882",
        "lookup: the first match or overlap under the parent, as a new cluster; none if no node has one; "
        "the focus follows the parent's focus; key_next is where to go on.",
    ),
    "C62": Claim(
        "Lookups",
        "884-970",
        "next: the following match; a scan by next visits every key in range exactly once, in order, and ends.",
    ),
    "C63": Claim(
        "Lookups",
        "834-870, 913-961, with 1382 and 1388-1391",
        "The members kept in a result agree on what they found (type, key, keybits, size); the others "
        "have failed and are treated as C81 says.",
    ),
    "C64": Claim(
        "Lookups",
        "1205-1248",
        "parent: a locked parent for a locked child, which stays locked; the parent's focus follows the "
        "child's; the result is always resolved.",
    ),
    "C70": Claim(
        "Data",
        "1278-1287",
        "load_async: the callback is made once, for the first validated data, or with none if there is no"
        " valid data; the cluster is unique to the caller or serialized.",
    ),
    "C71": Claim(
        "Data",
        "1298-1301, 1326-1329",
        "Data already resolved is preferred, and delivered at once, with no I/O.",
    ),
    "C72": Claim(
        "Data",
        "1331-1342",
        "Otherwise I/O is issued for the size needed, or a zero-filled element is made, which is not marked dirty.",
    ),
    "C80": Claim(
        "Node failures",
        "1378-1386",
        "Causes: read error, write error, unexpected or missing chain, disconnect and reconnect, out of space.",
    ),
    "C81": Claim(
        "Node failures",
        "1388-1393",
        "Read failure or unexpected chain: the chain and its parent chain at the failing nodes are "
        "flagged failed and removed from the cluster; the node stays active; the highest common point is "
        "queued for resynchronization.",
    ),
    "C82": Claim(
        "Node failures",
        "1395-1398",
        "Write failure or no space: as C81, and flushes are disabled on the entire node.",
    ),
    "C83": Claim(
        "Node failures",
        "1397-1401",
        "Modifying transactions already running may complete; new ones leave the node out of every "
        "cluster structure concerned and create no modified chains on it; the node's root is queued for "
        "resynchronization.",
    ),
    "C84": Claim(
        "Node failures",
        "1403",
        "A temporary disconnect is a write failure.",
    ),
    "C85": Claim(
        "Node failures",
        "1405-1407",
        "Whether operations stall depends only on what failed, which nodes remain, the cluster's type and"
        " operating state.",
    ),
    "C86": Claim(
        "Node failures",
        "1409-1414",
        "A flush on a write-disabled node writes nothing: mirror_tid does not move there; its dirty "
        "metadata is thrown away.",
    ),
    "C87": Claim(
        "Node failures",
        "1416-1418",
        "Dirty buffers and inodes are thrown away only if enough nodes remain to complete the operation.",
    ),
    "C90": Claim(
        "Resynchronization",
        "1425-1427",
        "Any out-of-sync or failed node starts its own resynchronization when the failure is detected.",
    ),
    "C91": Claim(
        "Resynchronization",
        "1429-1431",
        "Work is queued at the highest point where the failed node's parent is still valid; if there is "
        "none, an incremental scan from the root.",
    ),
    "C92": Claim(
        "Resynchronization",
        "1413, 1430",
        "Incremental: mirror_tid tells what need not be visited; a pass copies only what changed.",
    ),
    "C93": Claim(
        "Resynchronization",
        "1431-1434",
        "It waits for a disconnected node to come back, and for space to be freed on a full one.",
    ),
    "C94": Claim(
        "Resynchronization",
        "1436-1438",
        "On a full node, older unlocked snapshots are removed to make space, space is recovered, then it "
        "starts. (Derived:) Not one that no quorum elsewhere holds.",
        derived=True,
    ),
    "C95": Claim(
        "Resynchronization",
        "1440-1443",
        "Each pass virtually snapshots the PFS on the good nodes and synchronizes the target against that"
        " snapshot: a consistent topology, and no interference with the front end.",
    ),
    "C96": Claim(
        "Resynchronization",
        "1445-1446",
        "Several nodes can be resynchronized at once.",
    ),
    "C97": Claim(
        "Resynchronization",
        "",
        "When failures stop, every node of the cluster ends synchronized (MSYNCED and SSYNCED; soft "
        "masters and soft slaves apart), and nothing that was acknowledged under a quorum is lost at any "
        "time.",
        derived=True,
    ),
}
