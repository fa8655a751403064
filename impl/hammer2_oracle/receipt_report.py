"""What is printed of a receipt, and where it is left."""

from pathlib import Path

import msgspec

from hammer2_cluster.program import from_here
from hammer2_oracle.manifest import Receipt, differences
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status


def handed_over(receipt: Receipt, file: Path, again: str) -> Status:
    """Write a receipt and print it; ``again``: the command that does the run once more."""
    file.write_bytes(msgspec.json.encode(receipt) + b"\n")
    screen = Screen()
    for name, done in receipt.executed.items():
        skipped = "".join(f", {count:,} skipped: {reason}" for reason, count in done.skipped.items())
        screen.line(f"{name}: {done.right:,} right, {done.wrong:,} wrong{skipped}", "red" if done.wrong else "")
    found = differences(receipt)
    for difference in found:
        screen.line(f"{difference.field}: expected {difference.expected}, got {difference.got}", "red")
    screen.line(f"{from_here(str(file))}: the receipt", "bold red" if found else "bold green")
    if found:
        screen.line(f"Reproduce with: {again}")
    return Status.DIFFER if found else Status.AGREE
