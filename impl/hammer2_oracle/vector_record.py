"""The resolve vector: one recorded call of resolve (data/golden/FORMAT.md, section 1), one line of JSON.

The question (m, f, p, s) is strict: a cluster that cannot exist is no record. The answer (o, F, e, g) is what an
implementation said, so anything that its types can hold is a record, to be judged.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Outcome, Slot, Verdict
from hammer2_spec.vocabulary import MAXCLUSTER, NMASTERS_MAX, TID_MAX

U8: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
U32: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
I32: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
# msgspec's bounds are 63 bits wide; Vector looks at the upper one itself.
Tid: TypeAlias = Annotated[int, Meta(ge=0, extra_json_schema={"maximum": TID_MAX})]
SlotIndex: TypeAlias = Annotated[int, Meta(ge=0, le=MAXCLUSTER - 1)]
Member: TypeAlias = Annotated[tuple[U8, Tid, I32], Meta(description="[pfs type, mirror_tid, error] of a chain")]
MEMBER_FIELDS: Final = ("type", "tid", "error")

OUTCOMES: Final = {outcome.text: outcome for outcome in Outcome}


class Vector(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One cluster, one call of resolve, and what it answered. The cluster has a PFS."""

    k: Annotated[Literal["a", "b"], Meta(description="a: of the exhaustive part, b: of the random part")]
    m: Annotated[int, Meta(ge=0, le=NMASTERS_MAX, description="pfs_nmasters")]
    f: Annotated[U32, Meta(description="cluster flags before")]
    p: Annotated[SlotIndex | None, Meta(description="focus before: null, or the index of a slot that is not null")]
    s: Annotated[list[Member | None], Meta(max_length=MAXCLUSTER, description="slots, null: no chain")]
    o: Annotated[str, Meta(pattern="^(ok|fault|kkassert:L[0-9]{1,4}|panic:[a-z_]{1,64})$", description="outcome")]
    F: Annotated[U8 | None, Meta(description="focus after: null, or a slot index")]
    e: Annotated[I32, Meta(description="cluster error after")]
    g: Annotated[U32, Meta(description="cluster flags after")]

    def __post_init__(self) -> None:
        """Look at what bounds of single numbers cannot say. Raises ValueError."""
        for i, member in enumerate(self.s):
            if member is not None and member[1] > TID_MAX:
                raise ValueError(f"Expected `int` <= {TID_MAX} - at `$.s[{i}][1]`")
        if self.p is not None and (self.p >= len(self.s) or self.s[self.p] is None):
            raise ValueError("Expected the index of a slot that is not null - at `$.p`")

    @property
    def configuration(self) -> Configuration:
        """The question."""
        slots = tuple([ABSENT if member is None else Slot(True, *member) for member in self.s])
        return Configuration(slots, self.m, self.p, self.f)

    @property
    def answer(self) -> tuple[str, int | None, int, int]:
        """Outcome, focus, error and flags."""
        return self.o, self.F, self.e, self.g


def vector(configuration: Configuration, verdict: Verdict, part: Literal["a", "b"] = "b") -> Vector:
    """The record of a call of resolve. Raises ValueError where the format has no place for it."""
    slots, pfs_nmasters, prior, flags = configuration
    if pfs_nmasters is None:
        raise ValueError("pfs_nmasters is None, expected a number: the cluster of a resolve vector has a PFS")
    if prior == FOREIGN:
        raise ValueError("prior is foreign, expected a slot or none: a resolve vector knows no others")
    return Vector(
        part,
        pfs_nmasters,
        flags,
        prior,
        [(slot.type, slot.tid, slot.error) if slot.present else None for slot in slots],
        verdict.outcome.text,
        verdict.focus,
        verdict.error,
        verdict.flags,
    )


def path_name(path: str) -> str:
    """A field's path as msgspec gives it, ``$.s[0][1]``, as people read it: ``s[0].tid``."""
    path = path.removeprefix("$").removeprefix(".")
    for number, name in enumerate(MEMBER_FIELDS):
        path = path.replace(f"][{number}]", f"].{name}")
    return path
