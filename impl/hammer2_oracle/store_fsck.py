"""What ``hammer2-cluster store fsck`` does: every node of a store, one after the other, and then what they have."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import click

from hammer2_cluster.comparison import Difference, differences, files_on
from hammer2_cluster.device.device import Device, ReadError
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import shown
from hammer2_cluster.store.fsck import damaged_headers, fsck, used_bytes
from hammer2_cluster.store.volume_header import BadVolumeError
from hammer2_oracle.store_directory import Counter, byte_progress, members_in, name_in_json
from hammer2_oracle.words import counted


class Checked(NamedTuple):
    """What was found on a node."""

    node: int
    blocks: int
    problems: list[str]
    damaged_headers: list[int]
    """Volume headers that are not valid, while others are."""


async def _check(node: int, device: Device, confirmed: int, counter: Counter) -> Checked:
    blocks = done = 0
    problems: list[str] = []
    async for progress in fsck(device, confirmed):
        blocks = progress.blocks
        problems += map(str, progress.problems)
        counter.advance(progress.bytes - done)
        done = progress.bytes
    return Checked(node, blocks, problems, await damaged_headers(device))


def check_nodes(directory: Path) -> tuple[list[Checked], list[Difference]]:
    """Every node of a store, and what is not the same on nodes that are synchronized. Raises StoreError."""
    with members_in(directory, must_write=False) as members:
        confirmed, nodes, files = members.confirmed_tid, [], {}
        for node, (device, _, trouble) in enumerate(zip(*members, strict=True)):
            if device is None or trouble:
                nodes.append(Checked(node, 0, [trouble], []))
                continue
            with byte_progress(f"fsck of node {node}", at_once(used_bytes(device, confirmed))) as counter:
                nodes.append(at_once(_check(node, device, confirmed, counter)))
            with suppress(BadVolumeError, ReadError):  # told above
                files[node] = at_once(files_on(device, confirmed))
        return nodes, list(differences(files))


def in_json(found: Difference) -> dict[str, object]:
    """A difference as an object."""
    return {"pfs": name_in_json(found.of.label), "tid": found.of.mirror_tid, "groups": found.groups} | name_in_json(
        found.name
    )


def show(nodes: list[Checked], differing: list[Difference]) -> None:
    """What was found, for people."""
    for node, blocks, problems, damaged in nodes:
        for problem in problems:
            click.echo(f"node {node}: {problem}")
        for slot in damaged:
            click.echo(f"node {node}: volume header {slot} is not valid; others are, no harm is done")
        click.echo(f"node {node}: {counted(blocks, 'block')}, {counted(len(problems), 'problem')}")
    for found in differing:
        where = "; ".join(f"node{'s' * (len(group) > 1)} {', '.join(map(str, group))}" for group in found.groups)
        of = f"{shown(found.of.label)}, tid {found.of.mirror_tid}"
        click.echo(f"{of}: {shown(found.name)} is not the same on {where}")
