"""A set of vectors, judged by the reference: what must be accepted agrees, what must be rejected does not."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import click
import msgspec

from hammer2_cluster.decisions import Decision
from hammer2_cluster.program import NAME, from_here, pasted
from hammer2_oracle.check import check
from hammer2_oracle.manifest import FILE, Entry, Executed, Manifest, Receipt, text_as_named
from hammer2_oracle.progress import Silent
from hammer2_oracle.receipt_report import handed_over
from hammer2_oracle.status import Status
from hammer2_spec.semantics import Semantics, parse


def run(directory: Path, receipt_file: Path, decision: Decision) -> Status:
    """Judge the files of a manifest under its semantics, write the receipt and print it.

    Raises click.ClickException where something cannot be read, or is not what the manifest speaks of.
    """
    try:
        text = (directory / FILE).read_bytes()
        made = msgspec.json.decode(text, type=Manifest)
        semantics = parse(made.semantics)
        executed = {file.name: _executed(directory, file, decision, semantics) for file in made.files}
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise click.ClickException(f"{directory}: {getattr(error, 'strerror', None) or error}") from None
    place = from_here(str((directory / FILE).resolve()))
    who = f"{NAME} {version(NAME)}"
    receipt = Receipt(who, place, hashlib.sha256(text).hexdigest(), executed)
    return handed_over(receipt, receipt_file, pasted("check", "--vectors", from_here(str(directory))))


def _executed(directory: Path, file: Entry, decision: Decision, semantics: Semantics) -> Executed:
    text_as_named(directory, file)
    tally = check([str(directory / file.name)], decision, semantics, 1, Silent())
    if tally.unreadable:
        raise ValueError(str(tally.unreadable[0]))
    if tally.interrupted:
        raise KeyboardInterrupt
    right, wrong = (tally.agreed, tally.diverged) if file.verdict == "accept" else (tally.diverged, tally.agreed)
    return Executed(right, wrong, {"undecided": tally.skipped} if tally.skipped else {})
