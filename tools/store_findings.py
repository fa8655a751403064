"""Searches the smallest counterexample for each repair of the operations again, and stores them as traces."""

import msgspec

from hammer2_oracle.counterexamples import STORED, evidence
from hammer2_spec.semantics import RESOLVE_REPAIRS, Semantics


def main() -> None:
    """Write data/findings/operations.jsonl; it changes only where the operations do."""
    lines = []
    for repair in Semantics._fields:
        found = evidence(repair)
        if found is None:
            raise SystemExit(f"{repair}: no counterexample, is it needed?")
        print(f"{repair}: {found.counterexample}")
        if repair not in RESOLVE_REPAIRS:
            lines.append(msgspec.json.encode(found.trace))
    STORED.parent.mkdir(parents=True, exist_ok=True)
    STORED.write_bytes(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    main()
