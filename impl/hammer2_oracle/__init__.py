"""What others use: records, the judge of vectors and traces, and the command line."""

import os
import sys
from types import TracebackType

from hammer2_cluster.program import NAME


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while the command line is still being imported: one line, and the status of what is undecided."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    os.write(2, f"{NAME}: stopped\n".encode())
    os._exit(3)


if os.path.basename(sys.argv[0]) == NAME:  # noqa: PTH119 - pathlib takes a tenth of the time that --help may take
    sys.excepthook = _end
