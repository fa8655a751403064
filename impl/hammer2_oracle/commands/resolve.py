"""``hammer2-cluster resolve``: decide one configuration, and say why."""

import re
from collections.abc import Sequence

import click

from hammer2_cluster.decisions import Decision
from hammer2_oracle.options import decision_option, json_option, semantics_option
from hammer2_oracle.status import Status
from hammer2_spec.configuration import FOREIGN, Configuration, validate
from hammer2_spec.notation import parse_slot, read_integer
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import ClusterFlag


class Number(click.ParamType[int]):
    """A decimal or hexadecimal number; the configuration knows its range."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the text."""
        try:
            return value if isinstance(value, int) else read_integer(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command
@click.argument("words", metavar="SLOT...", nargs=-1)
@click.option("--nmasters", "pfs_nmasters", type=Number(), help="Masters that the PFS has, reachable or not: 0..255.")
@click.option("--no-pfs", is_flag=True, help="The cluster belongs to no PFS (pmp is NULL).")
@click.option("--prior", help="The focus before: none, foreign (no member any more), or a slot's number; or mark it *.")
@click.option(
    "--flags",
    type=Number(),
    default=int(ClusterFlag.LOCKED),
    help="The cluster's flag word before. Default: 0x4, LOCKED.",
)
@semantics_option("seed")
@decision_option
@json_option
def resolve(
    words: Sequence[str],
    pfs_nmasters: int | None,
    no_pfs: bool,
    prior: str | None,
    flags: int,
    semantics: Semantics,
    decision: Decision,
    as_json: bool,
) -> Status:
    """Decide one configuration, and say who was counted, who was left out, and why.

    A SLOT is TYPE:TID or TYPE:TID/ERROR, like master:6 or slave:5/1, or - for one that is absent. TYPE is a PFS type's
    name or number. A * before a slot marks the focus before (quote it for the shell).
    """
    from hammer2_oracle.resolve_report import report

    if (pfs_nmasters is None) != no_pfs:
        raise click.UsageError("expected either --nmasters N or --no-pfs")
    try:
        configuration = read_configuration(words, pfs_nmasters, prior, flags)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    report(configuration, decision, semantics, as_json)
    return Status.AGREE


def read_configuration(words: Sequence[str], pfs_nmasters: int | None, prior: str | None, flags: int) -> Configuration:
    """The valid configuration that the arguments say. Raises ValueError with field, value and what was expected."""
    parsed = [parse_slot(word) for word in words]
    marked: list[int | None] = [i for i, (_, is_prior) in enumerate(parsed) if is_prior]
    if prior is not None:
        marked.append(read_focus(prior))
    if len(marked) > 1:
        raise ValueError(f"prior is given {len(marked)} times, expected one * or --prior")
    configuration = Configuration(tuple(slot for slot, _ in parsed), pfs_nmasters, next(iter(marked), None), flags)
    validate(configuration)
    return configuration


def read_focus(text: str) -> int | None:
    """Read a focus. Raises ValueError."""
    words = {"none": None, "foreign": FOREIGN}
    if text in words:
        return words[text]
    if not re.fullmatch("0|[1-9][0-9]{0,30}", text):
        raise ValueError(f"prior is {text!r}, expected none, foreign or a slot's number")
    return int(text)
