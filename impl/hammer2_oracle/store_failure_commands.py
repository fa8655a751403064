"""``hammer2-cluster store fail, reconnect, resync``: let nodes fail, and bring them back into step."""

import json
from pathlib import Path

import click

from hammer2_oracle.options import json_option
from hammer2_oracle.status import Status
from hammer2_oracle.store_failures import How, keep, keep_causes, kept
from hammer2_oracle.store_options import Size, a_store_command, directory_argument, node_argument


def _change(directory: Path, node: int, how: How | None) -> None:
    from hammer2_oracle.store_directory import StoreError, images

    if node >= len(images(directory)):
        raise StoreError(f"{directory}: there is no node {node}")
    try:
        failures = kept(directory)
        failures.pop(node, None)
        keep(directory, failures if how is None else failures | {node: how})
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}") from None
    except ValueError as error:
        raise StoreError(str(error)) from None


@click.command
@directory_argument
@node_argument
@click.option("--how", type=click.Choice([how.value for how in How]), required=True, help="What goes wrong with it.")
@a_store_command
def fail(directory: Path, node: int, how: str) -> Status:
    """Let a node fail in each command from now on, until it is reconnected."""
    _change(directory, node, How(how))
    return Status.AGREE


@click.command
@directory_argument
@node_argument
@a_store_command
def reconnect(directory: Path, node: int) -> Status:
    """Let a node be well again; it has missed what was written meanwhile, until it is resynchronized."""
    _change(directory, node, None)
    return Status.AGREE


@click.command
@directory_argument
@node_argument
@click.option("--size", type=Size(), help="Of the new image: 512K to 8G, by default as another one.")
@json_option
@a_store_command
def replace(directory: Path, node: int, size: int | None, as_json: bool) -> Status:
    """Give a node a new, empty image; it votes once that is recorded, and everything is copied to it as by resync."""
    from hammer2_oracle.store_replace import put_new_image

    put_new_image(directory, node, size)
    _change(directory, node, None)
    return _resynchronized(directory, as_json)


@click.command
@directory_argument
@json_option
@a_store_command
def resync(directory: Path, as_json: bool) -> Status:
    """Bring every node into step that is there: what changed is copied. Status 1 if one does not get there."""
    return _resynchronized(directory, as_json)


def _resynchronized(directory: Path, as_json: bool) -> Status:
    from hammer2_oracle.store_resync import resynchronize, show

    nodes = resynchronize(directory)
    keep_causes(directory, {}, well=[node.node for node in nodes if node.in_step])
    if as_json:
        click.echo(json.dumps({"command": "store resync", "nodes": [node._asdict() for node in nodes]}))
    else:
        show(nodes)
    return Status.AGREE if all(node.in_step for node in nodes) else Status.DIFFER
