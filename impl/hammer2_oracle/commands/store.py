"""``hammer2-cluster store``: run a real cluster on file-backed nodes."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import IO, Any, ParamSpec

import click

from hammer2_oracle.options import json_option, semantics_option
from hammer2_oracle.status import Status
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import PfsType

P = ParamSpec("P")
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


class Size(click.ParamType[int]):
    """A number of bytes, with a unit: 65536, 64K, 64M, 1G."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the text."""
        if isinstance(value, int):
            return value
        text = str(value).upper().removesuffix("IB").removesuffix("B")
        digits = text.rstrip("KMG")
        if not digits.isascii() or not digits.isdigit() or text[len(digits) :] not in UNITS:
            self.fail(f"{value!r} is no size, expected a number and K, M or G", param, ctx)
        return int(digits) * UNITS[text[len(digits) :]]


def a_store_command(function: Callable[P, Status]) -> Callable[P, Status]:
    """Whatever is wrong with a store ends as one line and status 2."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Status:
        from hammer2_oracle.cli import Ending
        from hammer2_oracle.store_directory import StoreError

        try:
            return function(*args, **kwargs)
        except StoreError as error:
            raise Ending(Status.BAD_INPUT, str(error)) from None

    return run


directory_argument = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
snapshot_option = click.option("--snapshot", "label", metavar="LABEL", help="Read from this snapshot.")


@click.group
@semantics_option("repaired")
@click.pass_context
def store(ctx: click.Context, semantics: Semantics) -> None:
    """Run a real cluster on file-backed nodes: DIR holds one image per node, 0.img, 1.img, ... in slot order."""
    ctx.obj = semantics


@store.command
@directory_argument
@click.option("--masters", type=click.IntRange(1, 8), default=3, show_default=True, help="How many masters.")
@click.option("--slaves", type=click.IntRange(0, 7), default=0, show_default=True, help="How many slaves.")
@click.option("--size", type=Size(), default="64M", show_default=True, help="Of each image: 512K to 8G.")
@click.pass_obj
@a_store_command
def init(semantics: Semantics, directory: Path, masters: int, slaves: int, size: int) -> Status:
    """Make a new store."""
    from hammer2_oracle.store_directory import initialize

    initialize(directory, [PfsType.MASTER] * masters + [PfsType.SLAVE] * slaves, size, semantics)
    return Status.AGREE


@store.command
@directory_argument
@click.argument("file")
@click.argument("name", required=False)
@click.pass_obj
@a_store_command
def put(semantics: Semantics, directory: Path, file: str, name: str | None) -> Status:
    """Put a file (- for standard input) into the store, in place of one of that name; it is durable at the end."""
    from hammer2_oracle.store_directory import byte_progress, name_of, opened, pieces_of, reading, source

    if name is None and file == "-":
        raise click.UsageError("expected a NAME for what comes from standard input")
    with opened(directory, semantics) as cluster, source(file) as content:
        size = content.seek(0, os.SEEK_END)
        content.seek(0)
        filesystem = cluster.mount()
        with byte_progress("put", size) as counter, reading(file):
            pieces = counted(pieces_of(content), counter.advance)
            cluster.run(filesystem.put(name_of(Path(file).name if name is None else name), pieces, size))
        cluster.run(filesystem.flush())
    return Status.AGREE


def counted(pieces: Iterable[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    """The pieces, while they are counted."""
    for piece in pieces:
        yield piece
        advance(len(piece))


@store.command
@directory_argument
@click.argument("name")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@snapshot_option
@click.pass_obj
@a_store_command
def get(semantics: Semantics, directory: Path, name: str, file: Path | None, label: str | None) -> Status:
    """Write a file of the store to FILE, or to standard output. FILE appears when it is complete."""
    from hammer2_oracle.store_directory import byte_progress, name_of, opened

    with opened(directory, semantics) as cluster, byte_progress("get", None) as counter:
        filesystem = cluster.mount() if label is None else cluster.mount(name_of(label))

        async def write_to(target: IO[bytes]) -> None:
            async for piece in filesystem.read(name_of(name)):
                target.write(piece)
                counter.advance(len(piece))

        if file is None:
            cluster.run(write_to(sys.stdout.buffer))
            sys.stdout.buffer.flush()
        else:
            complete(file, lambda target: cluster.run(write_to(target)))
    return Status.AGREE


def complete(file: Path, write_to: Callable[[IO[bytes]], None]) -> None:
    """A file that is there as a whole, or as it was before."""
    part = file.with_name(file.name[:200] + ".part")
    try:
        with part.open("wb") as target:
            write_to(target)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@store.command("ls")
@directory_argument
@snapshot_option
@json_option
@click.pass_obj
@a_store_command
def list_files(semantics: Semantics, directory: Path, label: str | None, as_json: bool) -> Status:
    """List the files: size in bytes, and name."""
    from hammer2_oracle.store_directory import name_of, opened, printable

    with opened(directory, semantics) as cluster:
        filesystem = cluster.mount() if label is None else cluster.mount(name_of(label))

        async def names() -> list[tuple[bytes, int]]:
            return sorted([listed async for listed in filesystem.names()])

        files = cluster.run(names())
    if as_json:
        rows = [{"name": text_of(name), "name_hex": name.hex(), "size": size} for name, size in files]
        click.echo(json.dumps({"command": "store ls", "files": rows}))
    else:
        for name, size in files:
            click.echo(f"{size:>12} {printable(name)}")
    return Status.AGREE


def text_of(name: bytes) -> str | None:
    """A name as text, if it is UTF-8."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None


@store.command("rm")
@directory_argument
@click.argument("name")
@click.pass_obj
@a_store_command
def remove(semantics: Semantics, directory: Path, name: str) -> Status:
    """Remove a file."""
    from hammer2_oracle.store_directory import name_of, opened

    with opened(directory, semantics) as cluster:
        filesystem = cluster.mount()
        cluster.run(filesystem.remove(name_of(name)))
        cluster.run(filesystem.flush())
    return Status.AGREE


@store.command
@directory_argument
@click.argument("label")
@click.option("--delete", is_flag=True, help="Remove the snapshot instead.")
@click.pass_obj
@a_store_command
def snapshot(semantics: Semantics, directory: Path, label: str, delete: bool) -> Status:
    """Freeze the contents under a label; get and ls can read from it."""
    from hammer2_oracle.store_directory import name_of, opened

    with opened(directory, semantics) as cluster:
        if delete:
            cluster.run(cluster.remove_snapshot(name_of(label)))
        else:
            cluster.run(cluster.mount().snapshot(name_of(label)))
    return Status.AGREE


@store.command
@directory_argument
@json_option
@click.pass_obj
@a_store_command
def status(semantics: Semantics, directory: Path, as_json: bool) -> Status:
    """Show each node, and what they decide together: the quorum, the focus, and why."""
    from hammer2_oracle.store_directory import opened
    from hammer2_oracle.store_status import report

    with opened(directory, semantics) as cluster:
        report(cluster, semantics, as_json)
    return Status.AGREE


@store.command
@directory_argument
@json_option
@a_store_command
def fsck(directory: Path, as_json: bool) -> Status:
    """Walk every block of every node: check codes, leaks, double use. Status 1 if anything is wrong."""
    from hammer2_cluster.store.chains import at_once
    from hammer2_cluster.store.fsck import confirmed_by, damaged_headers
    from hammer2_cluster.store.fsck import fsck as check
    from hammer2_oracle.store_directory import byte_progress, devices_in

    nodes: list[dict[str, Any]] = []
    with devices_in(directory) as (devices, why), byte_progress("fsck", None) as counter:
        confirmed = at_once(confirmed_by(devices))
        for node, (device, trouble) in enumerate(zip(devices, why, strict=True)):
            found = {"node": node, "blocks": 0, "problems": [trouble] if trouble else [], "damaged_headers": []}
            if device is not None:

                async def walk(found: dict[str, Any] = found, device: Any = device) -> None:  # noqa: ANN401 - closed over
                    done = 0
                    async for progress in check(device, confirmed):
                        found["blocks"] = progress.blocks
                        found["problems"] += [str(problem) for problem in progress.problems]
                        counter.advance(progress.bytes - done)
                        done = progress.bytes
                    found["damaged_headers"] = await damaged_headers(device)

                at_once(walk())
            nodes.append(found)
    if as_json:
        click.echo(json.dumps({"command": "store fsck", "nodes": nodes}))
    else:
        show(nodes)
    return Status.DIFFER if any(node["problems"] for node in nodes) else Status.AGREE


def show(nodes: list[dict[str, Any]]) -> None:
    """What fsck found, for people."""
    for node in nodes:
        for problem in node["problems"]:
            click.echo(f"node {node['node']}: {problem}")
        for slot in node["damaged_headers"]:
            click.echo(f"node {node['node']}: volume header {slot} is not valid; others are, no harm is done")
        click.echo(f"node {node['node']}: {node['blocks']} blocks, {len(node['problems'])} problems")
