"""``hammer2-cluster store``: run a real cluster on file-backed nodes."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import click

from hammer2_oracle import store_failure_commands
from hammer2_oracle.options import json_option, semantics_option
from hammer2_oracle.status import Status
from hammer2_oracle.store_options import Size, a_store_command, directory_argument
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import PfsType

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
    from hammer2_oracle.store_directory import byte_progress, changing, mounted, name_of, opened, pieces_of, source

    if name is None and file == "-":
        raise click.UsageError("expected a NAME for what comes from standard input")
    with opened(directory, semantics, must_write=True) as cluster, source(file) as (content, size):
        filesystem = mounted(cluster)
        with byte_progress("put", size) as counter, changing(cluster, filesystem):
            pieces = counted(pieces_of(content, size, file), counter.advance)
            cluster.run(filesystem.put(name_of(Path(file).name if name is None else name), pieces, size))
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
    """Write a file of the store to FILE, or to standard output (also -). FILE appears when it is complete."""
    from hammer2_oracle.store_directory import byte_progress, complete, mounted, name_of, opened

    with opened(directory, semantics, must_write=False) as cluster:
        filesystem = mounted(cluster, label)
        size = cluster.run(filesystem.size_of(name_of(name)))
        with byte_progress("get", size) as counter:

            async def write_to(target: IO[bytes]) -> None:
                async for piece in filesystem.read(name_of(name)):
                    target.write(piece)
                    counter.advance(len(piece))

            if file is None or file == Path("-"):
                cluster.run(write_to(sys.stdout.buffer))
                sys.stdout.buffer.flush()
            else:
                with complete(file, directory) as target:
                    cluster.run(write_to(target))
    return Status.AGREE


@store.command("ls")
@directory_argument
@snapshot_option
@json_option
@click.pass_obj
@a_store_command
def list_files(semantics: Semantics, directory: Path, label: str | None, as_json: bool) -> Status:
    """List the files: size in bytes, and name."""
    from hammer2_cluster.store.directory import printable
    from hammer2_oracle.store_directory import mounted, name_in_json, opened

    with opened(directory, semantics, must_write=False) as cluster:
        filesystem = mounted(cluster, label)

        async def names() -> list[tuple[bytes, int]]:
            return sorted([listed async for listed in filesystem.names()])

        files = cluster.run(names())
    if as_json:
        rows = [name_in_json(name) | {"size": size} for name, size in files]
        click.echo(json.dumps({"command": "store ls", "files": rows}))
    else:
        for name, size in files:
            click.echo(f"{size:>12} {printable(name)}")
    return Status.AGREE


@store.command("rm")
@directory_argument
@click.argument("name")
@click.pass_obj
@a_store_command
def remove(semantics: Semantics, directory: Path, name: str) -> Status:
    """Remove a file."""
    from hammer2_oracle.store_directory import changing, mounted, name_of, opened

    with opened(directory, semantics, must_write=True) as cluster:
        filesystem = mounted(cluster)
        with changing(cluster, filesystem):
            cluster.run(filesystem.remove(name_of(name)))
    return Status.AGREE


@store.command
@directory_argument
@click.argument("label")
@click.option("--delete", is_flag=True, help="Remove the snapshot instead.")
@click.pass_obj
@a_store_command
def snapshot(semantics: Semantics, directory: Path, label: str, delete: bool) -> Status:
    """Freeze the contents under a label; get and ls can read from it."""
    from hammer2_oracle.store_directory import mounted, name_of, opened, writing

    with opened(directory, semantics, must_write=True) as cluster:
        filesystem = mounted(cluster)
        change = filesystem.remove_snapshot if delete else filesystem.snapshot
        with writing(cluster, filesystem):
            cluster.run(change(name_of(label)))
    return Status.AGREE


@store.command
@directory_argument
@json_option
@click.pass_obj
@a_store_command
def status(semantics: Semantics, directory: Path, as_json: bool) -> Status:
    """Show each node, what they decide together: the quorum, the focus, and why; and who waits for resync."""
    from hammer2_oracle.store_directory import opened
    from hammer2_oracle.store_failures import causes, kept
    from hammer2_oracle.store_status import report

    with opened(directory, semantics, must_write=False) as cluster:
        report(cluster, semantics, as_json, kept(directory), causes(directory))
    return Status.AGREE


@store.command
@directory_argument
@json_option
@a_store_command
def fsck(directory: Path, as_json: bool) -> Status:
    """Walk every block of every node: check codes, leaks, double use, and whether synchronized nodes have the same.

    Status 1 if anything is wrong.
    """
    from hammer2_oracle.store_fsck import check_nodes, in_json, show

    nodes, differing = check_nodes(directory)
    if as_json:
        rows = [node._asdict() for node in nodes]
        click.echo(json.dumps({"command": "store fsck", "nodes": rows, "differences": [*map(in_json, differing)]}))
    else:
        show(nodes, differing)
    return Status.DIFFER if differing or any(node.problems for node in nodes) else Status.AGREE


for command in (
    store_failure_commands.fail,
    store_failure_commands.reconnect,
    store_failure_commands.replace,
    store_failure_commands.resync,
):
    store.add_command(command)
