"""Traces that nobody recorded: calls that the public traces leave out, with what the text of the seed says of them.

The replay of the public traces cannot judge code that none of them comes by. For some of it the outcome can be read off
the C, since it calls nothing below: a NULL that is followed, a KKASSERT at the top of a function, a panic. Each is
written down here by hand, with the line that decides it, in the form of recorded traces (data/golden/FORMAT.md).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hammer2_oracle.trace_record import Trace
from hammer2_oracle.traces import decode
from hammer2_spec.vocabulary import BrefType, ChainFlag, ClusterFlag, PfsType

Row = tuple[str, str, dict[str, Any], str, Mapping[str, Any], Mapping[str, Any]]
"""What it shows, the operation, its arguments, the outcome, what is special of cluster 0, and of both chains.

What is special of the second chain alone stands under ``second``.
"""

LOCKED: Final = {"flags": ClusterFlag.LOCKED, "focus": 0}
NOTHING: Final[Mapping[str, Any]] = {}


def rows() -> Iterator[Row]:
    """Each trace, in short."""
    top: dict[str, Any] = {"cluster": 0}
    for what in ("setflush", "wait", "resolve", "modsync", "load_async", "rdata", "type", "bref", "modified"):
        yield f"{what} of NULL", what, {"cluster": None}, "fault", NOTHING, NOTHING
    yield "clr_chainflags of NULL", "clr_chainflags", {"cluster": None, "flags": 1}, "fault", NOTHING, NOTHING
    yield "isunlinked of NULL", "isunlinked", {"cluster": None}, "fault", NOTHING, NOTHING
    yield "modify of NULL (L684)", "modify", {"cluster": None, "flags": 0}, "fault", NOTHING, NOTHING
    renamed = {"cparent": 0, "cluster": None, "flags": 0, "bref": None}
    yield "rename of NULL (L1039)", "rename", renamed, "fault", NOTHING, NOTHING
    for refs in (0, -1):
        yield f"drop with {refs} references (L305)", "drop", top, "kkassert:L305", {"refs": refs}, NOTHING
        unlocked = {**LOCKED, "refs": refs}
        yield f"unlock with {refs} references (L601)", "unlock", top, "kkassert:L601", unlocked, NOTHING
    yield "lock of what has a focus (L359)", "lock", {**top, "how": 3}, "kkassert:L359", {"focus": 0}, NOTHING
    modified = {"flags": ChainFlag.MODIFIED}
    for block in BrefType:
        if block not in (BrefType.INODE, BrefType.DATA):
            volume = block in (BrefType.FREEMAP_NODE, BrefType.FREEMAP_LEAF, BrefType.FREEMAP, BrefType.VOLUME)
            panic = "panic:illegal_node_type" if volume else "panic:unknown_node_type"  # L743-751
            yield f"modsync of {block.name}", "modsync", top, panic, LOCKED, {**modified, "type": block}
    for field, value in (("bytes", 512), ("bytes", 2048), ("type", BrefType.DATA)):
        unlike = {**modified, "data": [[2048, 0]], "second": {field: value}}
        yield f"modsync of {field} that differ (L727)", "modsync", top, "kkassert:L727", LOCKED, unlike
    nothing = {**modified, "type": BrefType.DATA, "bytes": 0, "data": None}
    yield "modsync of no bytes (L741)", "modsync", top, "ok", LOCKED, nothing
    resized = {"ip": 0, "cparent": 0, "cluster": 1, "nradix": 10, "flags": 0}
    for slots in ([0], [0, 1, 1]):  # cluster 1 has two
        other = {"nchains": len(slots), "slots": slots + [None] * (8 - len(slots))}
        yield f"resize under {len(slots)} parents (L633)", "resize", resized, "kkassert:L633", other, NOTHING


def _chain(n: int, special: Mapping[str, Any]) -> dict[str, Any]:
    bref = {"type": 1, "methods": 0, "copyid": 0, "keybits": 0, "vradix": 0, "bflags": 0, "key": 1, "modify_tid": 0}
    special = {**special, **(special.get("second", {}) if n == 1 else {})}
    special.pop("second", None)
    rest = {"bytes": 1024, "flags": 0, "error": 0, "parent": None, "hmp": n, "pmp": 0, "refs": 3, "locks": 1}
    return {**bref, "mirror_tid": 5, "data_off": 0, **rest, "data": [[1024, n]], **special}


def _cluster(special: Mapping[str, Any]) -> dict[str, Any]:
    plain = {"pmp": 0, "refs": 1, "flags": 0, "nchains": 2, "focus": None, "error": 0, "ddflag": 0}
    return {**plain, "slots": [0, 1] + [None] * 6, "cache": [0] * 8, **special}


def traces() -> list[Trace]:
    """All of them."""
    pfs = {"types": [PfsType.MASTER, PfsType.MASTER, 0, 0, 0, 0, 0, 0], "nmasters": 2}
    made = []
    for what, op, args, outcome, cluster, chain in rows():
        world = {
            "pmps": [pfs],
            "inodes": [{"vp": True, "flags": 0}] * 3,
            "chains": [_chain(n, chain) for n in range(2)],
            "clusters": [_cluster(cluster), _cluster({})],
        }
        step = {"op": op, "args": args, "outcome": outcome, "calls": [], "state": {}}
        record = {"id": f"by reading: {what}", "kind": "single", "world": world, "steps": [step]}
        made.append(decode(json.dumps(record).encode()))
    return made
