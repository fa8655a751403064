"""Decides many configurations at once, in machine code compiled from the decision's own source text.

Tids enter as ranks: numba mixes signed and unsigned 64-bit numbers badly, and a rank is a small signed number. That is
enough because the decision only compares tids, with each other and with 0; ``comparisons`` checks that mechanically.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hammer2_cluster.resolve import resolve
from hammer2_proofs.compiled import compiled
from hammer2_spec.configuration import Configuration, Outcome, Slot, Verdict
from hammer2_spec.semantics import Semantics

NOTHING: Final = -2
"""None, where a focus stands in an array; FOREIGN is -1."""
NO_PFS: Final = -1
"""None, where pfs_nmasters stands in an array."""

SLOT: Final = np.dtype([("present", np.bool_), ("type", np.int64), ("tid", np.int64), ("error", np.int64)])
"""A Slot, with a rank for its tid."""
QUESTION: Final = np.dtype(
    [("first_slot", np.int64), ("nslots", np.int64), *((name, np.int64) for name in Configuration._fields[1:])]
)
"""A Configuration; its slots are nslots entries of another array, from first_slot on."""
ANSWER: Final = np.dtype([(name, np.int64) for name in Verdict._fields])
"""A Verdict."""

Decide = Callable[[Sequence[Slot], int | None, int | None, int, Semantics], Verdict]


def rank_tids(tids: NDArray[np.uint64], ranks: NDArray[np.int64]) -> None:
    """Write numbers that compare with each other as the tids of one cluster do: 0 for the tid 0, more for others."""
    for i in range(len(tids)):
        rank = 0
        if tids[i] > 0:
            rank = 1
            for j in range(len(tids)):
                if tids[j] < tids[i]:
                    rank += 1
        ranks[i] = rank


def answer_all(
    questions: NDArray[Any], slots: NDArray[Any], tids: NDArray[np.uint64], semantics: Semantics, answers: NDArray[Any]
) -> None:
    """Answer every question. To be compiled, then given arrays of the types above; the ranks are filled in here."""
    for k in range(len(questions)):
        question = questions[k]
        first = question.first_slot
        last = first + question.nslots
        members = slots[first:last]
        rank_tids(tids[first:last], members.tid)  # type: ignore[attr-defined]  # numba gives records attributes

        pfs_nmasters = None if question.pfs_nmasters == NO_PFS else question.pfs_nmasters
        prior = None if question.prior == NOTHING else question.prior
        verdict = resolve(members, pfs_nmasters, prior, question.flags, semantics)  # type: ignore[arg-type]  # the same

        answer = answers[k]
        answer.outcome = verdict.outcome
        answer.focus = focus_number(verdict.focus)
        answer.error = verdict.error
        answer.flags = verdict.flags


def focus_number(focus: int | None) -> int:
    """A focus as it stands in an array."""
    return NOTHING if focus is None else focus


def focus_of(number: int) -> int | None:
    """The focus that a number in an array stands for."""
    return None if number == NOTHING else number


@cache
def kernel(decide: Decide) -> Callable[..., None]:
    """``answer_all`` compiled around one decision."""
    return compiled(answer_all, arguments=[Semantics], resolve=decide)


def decide_all(configurations: Sequence[Configuration], semantics: Semantics, decide: Decide = resolve) -> NDArray[Any]:
    """Decide valid configurations in machine code. Returns one ANSWER for each, in order."""
    flat = [slot for configuration in configurations for slot in configuration.slots]
    tids = np.array([slot.tid for slot in flat], dtype=np.uint64)
    slots = np.array([(slot.present, slot.type, 0, slot.error) for slot in flat], dtype=SLOT)
    questions = np.zeros(len(configurations), dtype=QUESTION)
    questions["nslots"] = [len(configuration.slots) for configuration in configurations]
    questions["first_slot"] = np.cumsum(questions["nslots"]) - questions["nslots"]
    questions["pfs_nmasters"] = [
        NO_PFS if configuration.pfs_nmasters is None else configuration.pfs_nmasters for configuration in configurations
    ]
    questions["prior"] = [focus_number(configuration.prior) for configuration in configurations]
    questions["flags"] = [configuration.flags for configuration in configurations]
    answers = np.zeros(len(configurations), dtype=ANSWER)
    kernel(decide)(questions, slots, tids, semantics, answers)
    return answers


def verdict_of(answer: np.void) -> Verdict:
    """One answer as a Verdict."""
    return Verdict(
        Outcome(int(answer["outcome"])), focus_of(int(answer["focus"])), int(answer["error"]), int(answer["flags"])
    )
