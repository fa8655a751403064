"""A progress display on standard error, if that is a terminal."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class Silent:
    """Shows nothing."""

    def advance(self, bytes_read: int, records: int) -> None:
        """Ignore it."""


def total_bytes(files: Sequence[str]) -> int | None:
    """How much there is to read, None where that cannot be known."""
    try:
        status = [os.fstat(sys.stdin.fileno()) if file == "-" else Path(file).stat() for file in files]
    except (OSError, ValueError, AttributeError):
        return None
    return sum(one.st_size for one in status) if all(stat.S_ISREG(one.st_mode) for one in status) else None


@contextmanager
def reading_progress(files: Sequence[str]) -> Iterator[Silent]:
    """Show how far the reading of files is: records judged, their rate, and the time that remains."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[records]:,} records"),
        BarColumn(),
        TextColumn("{task.fields[rate]:,.0f} records/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total_bytes(files), records=0, rate=0.0)

        class Shown(Silent):
            def advance(self, bytes_read: int, records: int) -> None:
                shown = progress.tasks[0]
                done = shown.fields["records"] + records
                progress.update(task, advance=bytes_read, records=done, rate=done / max(shown.elapsed or 0, 0.1))

        yield Shown()
