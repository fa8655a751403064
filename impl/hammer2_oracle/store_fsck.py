"""What ``hammer2-cluster store fsck`` does: every node of a store, one after the other."""

from pathlib import Path
from typing import NamedTuple

import click

from hammer2_cluster.device.device import Device
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.fsck import confirmed_by, damaged_headers, fsck, used_bytes
from hammer2_cluster.store.layout import HEADER_COUNT
from hammer2_oracle.store_directory import Counter, byte_progress, devices_in
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
    damaged = await damaged_headers(device)
    return Checked(node, blocks, problems, damaged if len(damaged) < HEADER_COUNT else [])


def check_nodes(directory: Path) -> list[Checked]:
    """Every node of a store. Raises StoreError."""
    with devices_in(directory) as (devices, why):
        confirmed = at_once(confirmed_by(devices))
        nodes = []
        for node, (device, trouble) in enumerate(zip(devices, why, strict=True)):
            if device is None:
                nodes.append(Checked(node, 0, [trouble], []))
                continue
            with byte_progress(f"fsck of node {node}", at_once(used_bytes(device, confirmed))) as counter:
                nodes.append(at_once(_check(node, device, confirmed, counter)))
        return nodes


def show(nodes: list[Checked]) -> None:
    """What was found, for people."""
    for node, blocks, problems, damaged in nodes:
        for problem in problems:
            click.echo(f"node {node}: {problem}")
        for slot in damaged:
            click.echo(f"node {node}: volume header {slot} is not valid; others are, no harm is done")
        click.echo(f"node {node}: {counted(blocks, 'block')}, {counted(len(problems), 'problem')}")
