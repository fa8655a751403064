"""The resolve vector: one recorded call of resolve (data/golden/FORMAT.md, section 1), one line of JSON.

The question (m, f, p, s) is strict: a cluster that cannot exist is no record. The answer (o, F, e, g) is what an
implementation said, so anything that its types can hold is a record, to be judged.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from hammer2_oracle.record_kinds import from_the_root
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Outcome, Slot, Verdict
from hammer2_spec.vocabulary import MAXCLUSTER, NMASTERS_MAX, TID_MAX

U8: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
U32: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
I32: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
# msgspec's bounds are 63 bits wide; Vector looks at the upper one itself.
Tid: TypeAlias = Annotated[int, Meta(ge=0, extra_json_schema={"maximum": TID_MAX})]
SlotIndex: TypeAlias = Annotated[int, Meta(ge=0, le=MAXCLUSTER - 1)]
Member: TypeAlias = Annotated[tuple[U8, Tid, I32], Meta(description="[pfs type, mirror_tid, error] of a chain")]
Foreign: TypeAlias = Literal["foreign"]
"""A focus that is a chain, but no member of the cluster any more."""
MEMBER_FIELDS: Final = ("type", "tid", "error")

OUTCOMES: Final = {outcome.text: outcome for outcome in Outcome}


def focus_read(said: int | Foreign | None) -> int | None:
    """A focus as the decision has it."""
    return FOREIGN if said == "foreign" else said


def focus_written(focus: int | None) -> int | Foreign | None:
    """A focus as records have it."""
    return "foreign" if focus == FOREIGN else focus


class Vector(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One cluster, one call of resolve, and what it answered."""

    k: Annotated[Literal["a", "b"], Meta(description="a: of the exhaustive part, b: of the random part")]
    m: Annotated[
        Annotated[int, Meta(ge=0, le=NMASTERS_MAX)] | None,
        Meta(description="pfs_nmasters; null: the cluster has no PFS"),
    ]
    f: Annotated[U32, Meta(description="cluster flags before")]
    p: Annotated[
        SlotIndex | Foreign | None,
        Meta(description="focus before: null, the index of a slot that is not null, or a chain that is no member"),
    ]
    s: Annotated[list[Member | None], Meta(max_length=MAXCLUSTER, description="slots, null: no chain")]
    o: Annotated[str, Meta(pattern="^(ok|fault|kkassert:L[0-9]{1,4}|panic:[a-z_]{1,64})$(?!\n)", description="outcome")]
    F: Annotated[U8 | Foreign | None, Meta(description="focus after: null, a slot index, or a chain that is no member")]
    e: Annotated[I32, Meta(description="cluster error after")]
    g: Annotated[U32, Meta(description="cluster flags after")]

    def __post_init__(self) -> None:
        """Look at what bounds of single numbers cannot say. Raises ValueError."""
        for i, member in enumerate(self.s):
            if member is not None and member[1] > TID_MAX:
                raise ValueError(f"Expected `int` <= {TID_MAX} - at `$.s[{i}][1]`")
        if isinstance(self.p, int) and (self.p >= len(self.s) or self.s[self.p] is None):
            raise ValueError("Expected the index of a slot that is not null - at `$.p`")

    @property
    def configuration(self) -> Configuration:
        """The question."""
        slots = tuple([ABSENT if member is None else Slot(True, *member) for member in self.s])
        return Configuration(slots, self.m, focus_read(self.p), self.f)

    @property
    def answer(self) -> tuple[str, int | None, int, int]:
        """Outcome, focus, error and flags."""
        return self.o, focus_read(self.F), self.e, self.g


def vector(configuration: Configuration, verdict: Verdict, part: Literal["a", "b"] = "b") -> Vector:
    """The record of a call of resolve."""
    slots, pfs_nmasters, prior, flags = configuration
    return Vector(
        part,
        pfs_nmasters,
        flags,
        focus_written(prior),
        [(slot.type, slot.tid, slot.error) if slot.present else None for slot in slots],
        verdict.outcome.text,
        focus_written(verdict.focus),
        verdict.error,
        verdict.flags,
    )


def path_name(path: str) -> str:
    """A field's path as msgspec gives it, ``$.s[0][1]``, as people read it: ``s[0].tid``."""
    path = from_the_root(path)
    for number, name in enumerate(MEMBER_FIELDS):
        path = path.replace(f"][{number}]", f"].{name}")
    return path
