"""JSON Schemas of the records: `python -m hammer2_oracle.schemas docs/reference` writes them.

What a schema cannot say (the prior focus is a slot that is not null; no key comes twice) its description does.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hammer2_oracle import trace_record
from hammer2_oracle.conform.divergence import Divergence, OperationDivergence, ScenarioDivergence
from hammer2_oracle.conform.messages import MESSAGES
from hammer2_oracle.manifest import Manifest, Receipt
from hammer2_oracle.protocol import record as protocol_record
from hammer2_oracle.vector_record import Vector

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def any_of(types: Sequence[type]) -> dict[str, Any]:
    """The schema of whatever is one of some types."""
    schemas, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    return {"anyOf": [*schemas], "$defs": components}


SCHEMAS: Final[dict[str, tuple[str, Callable[[], dict[str, Any]]]]] = {
    "resolve-vector": ("resolve vector", lambda: msgspec.json.schema(Vector)),
    "operation-trace": ("operation trace", trace_record.schema),
    "protocol-trace": ("protocol trace", protocol_record.schema),
    "manifest": ("manifest", lambda: msgspec.json.schema(Manifest)),
    "receipt": ("receipt", lambda: msgspec.json.schema(Receipt)),
    "divergence": ("divergence", lambda: any_of([Divergence, OperationDivergence, ScenarioDivergence])),
    "conform": ("message of conform", lambda: any_of(MESSAGES)),
}
"""For each file its title and its content."""


def text_of(name: str) -> str:
    """The schema as it is published."""
    title, schema = SCHEMAS[name]
    return json.dumps({"$schema": DIALECT, "title": title, **schema()}, indent=2) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Write all schemas to a directory."""
    [directory] = arguments
    for name in SCHEMAS:
        (Path(directory) / f"{name}.schema.json").write_text(text_of(name))


if __name__ == "__main__":
    main(sys.argv[1:])
