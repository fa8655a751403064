"""What ``hammer2-cluster store status`` prints."""

import json

import click

from hammer2_cluster.store.directory import printable
from hammer2_cluster.store.local import NodeStatus, Store
from hammer2_oracle.explanation import explain, quorum_tid
from hammer2_oracle.resolve_report import access_in_words
from hammer2_oracle.screen import Screen
from hammer2_oracle.store_directory import name_in_json
from hammer2_oracle.store_failures import How
from hammer2_spec.configuration import ABSENT, Configuration, Slot
from hammer2_spec.notation import format_focus
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK, PfsType


def configuration_of(nodes: list[NodeStatus]) -> Configuration:
    """What resolve is given for the root of the PFS."""
    slots = tuple(
        ABSENT if node.root is None else Slot(True, node.root.inode.pfs_type, node.root.mirror_tid, 0) for node in nodes
    )
    known = [node.root for node in nodes if node.root is not None]
    newest = max(known, key=lambda root: root.mirror_tid, default=None)
    return Configuration(slots, newest.inode.pfs_nmasters if newest else 0, None, 0)


def report(store: Store, semantics: Semantics, as_json: bool, failing: dict[int, How], causes: dict[int, str]) -> None:
    """Print the state of all nodes and the verdict about the root.

    failing: the nodes that were told to fail. causes: for nodes, why they have missed a write.
    """
    nodes, snapshots = store.status(), store.snapshots()
    configuration = configuration_of(nodes)
    explanation = explain(configuration, semantics)
    verdict, agreed, needed, parts, focus_why = explanation[:5]
    rows = [
        {
            "node": n,
            "type": PfsType(node.root.inode.pfs_type).name.lower() if node.root else None,
            "tid": node.root.mirror_tid if node.root else None,
            "counted": parts[n].counted,
            "state": node.trouble or parts[n].why,
            "failing": failing[n].value if n in failing else None,
            "generation": node.generation,
            "size": node.size,
            "free": node.free,
        }
        for n, node in enumerate(nodes)
    ]
    queue = [
        {"node": n, "point": "/", "why": causes.get(n, row["state"])}
        for n, row in enumerate(rows)
        if nodes[n].root is None or (agreed.reached and row["tid"] != agreed.tid)
    ]
    if as_json:
        report = {
            "command": "store status",
            "nodes": rows,
            "snapshots": [name_in_json(label) for label in snapshots],
            "quorum": {
                "reached": agreed.reached,
                "tid": quorum_tid(agreed, semantics),
                "votes": agreed.nmasters,
                "needed": needed,
            },
            "focus": verdict.focus,
            "focus_why": focus_why,
            "error": verdict.error,
            "queue": queue,
            "readable": bool(verdict.flags & CLUSTER_RDOK),
            "writable": bool(verdict.flags & CLUSTER_WROK),
        }
        click.echo(json.dumps(report))
        return
    screen = Screen()
    width = max(6, *(len(str(row["tid"])) for row in rows))
    for n, node in enumerate(nodes):
        kind, tid = (rows[n]["type"] or "-", "-" if node.root is None else str(node.root.mirror_tid))
        space = f"{node.free / 2**20:.1f} of {node.size / 2**20:.1f} MiB free" if node.size else ""
        told = f" (told to fail: {failing[n].value})" if n in failing else ""
        line = f"node {n}  {kind:<8} tid {tid:<{width}} {space:<24} {rows[n]['state']}{told}"
        screen.line(line, "" if parts[n].counted else "dim")
    screen.line(f"quorum    {explanation.quorum_why}")
    screen.line(f"focus     {format_focus(verdict.focus)}: {focus_why}", "bold")
    screen.line(f"access    {access_in_words(explanation)}")
    waiting = ", ".join(f"node {entry['node']}" for entry in queue)
    screen.line(f"queue     {f'{waiting}, from the root' if waiting else 'nothing to resynchronize'}")
    for entry in queue:
        if entry["node"] in causes:
            screen.line(f"          node {entry['node']} has missed a write: {entry['why']}")
    if snapshots:
        screen.line(f"snapshots {', '.join(printable(label) for label in snapshots)}")
