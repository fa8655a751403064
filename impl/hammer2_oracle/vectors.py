"""Judges resolve vectors: many at once in machine code, and every one that differs once more by CPython."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from hammer2_cluster.decisions import Decision
from hammer2_oracle.record_kinds import Contradiction, Difference, RecordKind
from hammer2_oracle.vector_record import OUTCOMES, Vector, path_name
from hammer2_spec.configuration import Verdict
from hammer2_spec.notation import draw as draw_slots
from hammer2_spec.notation import format_flags, format_focus, format_nmasters
from hammer2_spec.semantics import Semantics

FEW: Final = 500
"""So many vectors CPython decides sooner than numba is imported."""

NO_OUTCOME: Final = -1
"""An outcome that the decision never has."""


def answer_of(verdict: Verdict) -> tuple[str, int | None, int, int]:
    """A verdict as a vector records it."""
    return verdict.outcome.text, *verdict[1:]


def judge(
    vectors: Sequence[Vector], decision: Decision, semantics: Semantics
) -> Iterator[tuple[int, list[Difference]]]:
    """Compare the answers of vectors with those of a decision."""
    suspects: Mapping[int, Verdict | None]
    if len(vectors) > FEW:
        suspects = compiled_suspects(vectors, decision, semantics)
    else:
        suspects = dict.fromkeys(range(len(vectors)))
    for i, compiled in suspects.items():
        configuration = vectors[i].configuration
        verdict = decision.implementation(*configuration, semantics)
        if compiled not in (None, verdict):
            raise Contradiction(f"CPython decides {verdict}, machine code {compiled}, for {configuration}")
        answers = zip(Verdict._fields, answer_of(verdict), vectors[i].answer, strict=True)
        differences = [Difference(field, expected, got) for field, expected, got in answers if expected != got]
        if compiled and not differences:
            raise Contradiction(f"machine code and CPython decide {verdict}, yet only one differs from {vectors[i]}")
        yield i, differences


def compiled_suspects(vectors: Sequence[Vector], decision: Decision, semantics: Semantics) -> dict[int, Verdict]:
    """The vectors that do not say what machine code says, and what that is."""
    import numpy as np

    from hammer2_proofs import kernel

    answers = kernel.decide_all([vector.configuration for vector in vectors], semantics, decision.implementation)
    recorded = np.array(
        [(OUTCOMES.get(v.o, NO_OUTCOME), kernel.focus_number(v.answer[1]), v.e, v.g) for v in vectors],
        dtype=kernel.ANSWER,
    )
    return {int(i): kernel.verdict_of(answers[i]) for i in np.flatnonzero(answers != recorded)}


def draw(vector: Vector, differences: Sequence[Difference]) -> list[str]:
    """The slots in a row, expected beside got."""
    marks: dict[str, int | None] = {"focus before": vector.configuration.prior}
    focus = {difference.field: difference for difference in differences}.get("focus")
    if focus:
        marks |= {"expected focus": focus.expected, "got focus": focus.got}
    lines = draw_slots(vector.configuration.slots, marks)
    lines.append(f"{format_nmasters(vector.m)}, flags before {format_flags(vector.f)}")
    for field, expected, got, _ in differences:
        lines.append(f"{field}: expected {in_words(field, expected)}, got {in_words(field, got)}")
    return lines


def in_words(field: str, value: int | str | None) -> str:
    """One field of an answer for people."""
    if field == "flags" and isinstance(value, int):
        return format_flags(value)
    return format_focus(value) if field == "focus" and not isinstance(value, str) else str(value)


KIND: Final = RecordKind(
    name="resolve vector",
    decode=msgspec.json.Decoder(Vector).decode,
    path_name=path_name,
    judge=judge,
    draw=draw,
    identify=lambda _: None,
)
