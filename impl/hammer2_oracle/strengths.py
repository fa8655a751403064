"""How strong a set of vectors is, kind by kind."""

from collections.abc import Sequence

import msgspec

from hammer2_oracle import strength_operations, strength_protocol
from hammer2_oracle.protocol import record as protocol_record
from hammer2_oracle.strength import Strength, strength
from hammer2_oracle.traces import decode
from hammer2_oracle.vector_record import Vector
from hammer2_oracle.vector_set import Part
from hammer2_spec.semantics import Semantics


def strengths(parts: Sequence[Part], semantics: Semantics, every: int, processes: int) -> dict[str, Strength]:
    """Which mutants are killed by the vectors of decisions, by the traces of operations and by those of the protocol.

    Args:
        parts: the files of a set.
        semantics: that of the set.
        every: only each n-th mutant.
        processes: so many at once, for operations.
    """
    lines = {(part.kind, part.accept): part.lines for part in parts}
    vectors = [msgspec.json.decode(line, type=Vector) for line in lines["resolve vector", True]]
    right, wrong = ([decode(line) for line in lines["operation trace", accept]] for accept in (True, False))
    legal, illegal = (
        [protocol_record.decode(line) for line in lines["protocol trace", accept]] for accept in (True, False)
    )
    return {
        "decisions": strength(vectors, semantics, every),
        "operations": strength_operations.strength(right, wrong, semantics, every, processes),
        "protocol": strength_protocol.strength(legal, illegal, strength_protocol.mutants()[::every]),
    }
