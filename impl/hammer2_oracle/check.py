"""Judges files of records against the reference: who agrees, who differs and where, what could not be read."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from hammer2_cluster.decisions import Decision
from hammer2_oracle.reading import Lines, Unreadable
from hammer2_oracle.record_kinds import Difference, RecordKind, Undecided, read_records
from hammer2_oracle.status import Status, worst
from hammer2_spec.semantics import Semantics

BATCH_BYTES: Final = 2**20
"""Text of the records that are judged together."""
UNREADABLE_KEPT: Final = 20
"""Unreadable places of one file that are described; all are counted."""


class Row(NamedTuple):
    """One record, and where it stands."""

    file: str
    line: int
    text: bytes
    kind: RecordKind
    record: Any


class Divergence(NamedTuple):
    """A record that differs from the reference."""

    row: Row
    differences: list[Difference]

    def entries(self) -> Iterator[dict[str, Any]]:
        """One JSON object for each field that differs."""
        for difference in self.differences:
            yield {
                "file": self.row.file,
                "line": self.row.line,
                "id": self.row.kind.identify(self.row.record),
                "step": difference.step,
                "field": difference.field,
                "expected": difference.expected,
                "got": difference.got,
            }


@dataclass
class Tally:
    """What came of a check, so far."""

    records: int = 0
    agreed: int = 0
    diverged: int = 0
    divergences: list[Divergence] = field(default_factory=list)
    """The first ones."""
    undecided: list[tuple[Row, Undecided]] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    """The first ones of each file."""
    unreadable_places: Counter[str] = field(default_factory=Counter)
    """How many there are in each file."""
    interrupted: bool = False

    @property
    def skipped(self) -> int:
        """Records that were read and not judged to the end: undecided, or the check was stopped."""
        return self.records - self.agreed - self.diverged

    @property
    def status(self) -> Status:
        """How the command ends."""
        return worst(
            Status.BAD_INPUT if self.unreadable else Status.AGREE,
            Status.DIFFER if self.diverged else Status.AGREE,
            Status.UNDECIDED if self.interrupted or self.undecided else Status.AGREE,
        )

    def note(self, unreadable: Unreadable) -> None:
        """Count an unreadable place, and keep it if it is among the first of its file."""
        self.unreadable_places[unreadable.file] += 1
        if self.unreadable_places[unreadable.file] <= UNREADABLE_KEPT:
            self.unreadable.append(unreadable)


class Watcher(Protocol):
    """Whoever wants to know how far the check is."""

    def advance(self, bytes_read: int, records: int) -> None:
        """So many bytes of the files, and so many records, have been judged since the last call."""


def check(
    files: Sequence[str], decision: Decision, semantics: Semantics, max_divergences: int, watcher: Watcher
) -> Tally:
    """Judge every record of some files. Ctrl-C stops it; the tally says what was found by then.

    Args:
        files: their names; ``-`` is standard input.
        decision: the reference.
        semantics: its repairs.
        max_divergences: how many differing fields are kept, 0 for all; all records that differ are counted.
        watcher: is told after every batch.

    Raises:
        Contradiction: the reference contradicts itself.
    """
    tally = Tally()
    kept = 0
    try:
        with _few_collections():
            for batch, bytes_read in _batches(files, tally):
                tally.records += len(batch)
                judged = 0
                for i, differences in batch[0].kind.judge([row.record for row in batch], decision, semantics):
                    tally.agreed += i - judged
                    judged = i + 1
                    if not differences:
                        tally.agreed += 1
                        continue
                    if isinstance(differences, Undecided):
                        tally.undecided.append((batch[i], differences))
                        continue
                    tally.diverged += 1
                    if kept < max_divergences or not max_divergences:
                        kept += len(differences)
                        tally.divergences.append(Divergence(batch[i], differences))
                tally.agreed += len(batch) - judged
                watcher.advance(bytes_read, len(batch))
    except KeyboardInterrupt:
        tally.interrupted = True
    return tally


@contextmanager
def _few_collections() -> Iterator[None]:
    """Records hold no cycles; looking for some among a batch of them takes as long as all the rest of a check."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _batches(files: Sequence[str], tally: Tally) -> Iterator[tuple[list[Row], int]]:
    """The records in batches of one kind, with the number of bytes read since the last batch."""
    for file in files:
        batch: list[Row] = []
        size = 0
        reported = 0
        lines = None
        try:
            with Lines(file) as lines:
                for item in read_records(lines):
                    if isinstance(item, Unreadable):
                        tally.note(item)
                        continue
                    row = Row(lines.file, *item)
                    if batch and (size >= BATCH_BYTES or row.kind is not batch[0].kind):
                        yield batch, lines.bytes_read - reported
                        batch, size, reported = [], 0, lines.bytes_read
                    batch.append(row)
                    size += len(row.text)
        except Unreadable as unreadable:
            tally.note(unreadable)
        except KeyboardInterrupt:  # what has been read is judged
            tally.interrupted = True
        if batch and lines:
            yield batch, lines.bytes_read - reported
        if tally.interrupted:
            return
