"""The protocol trace: what happened to a cluster, one event after the other, as far as it was seen; one line of JSON.

An event may say which action of the protocol it was, and any part of the state after it.
"""

import re
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct, ValidationError

from hammer2_oracle.protocol.notation import Field, field_of
from hammer2_spec.protocol.model import protocol
from hammer2_spec.protocol.state import INGREDIENTS, UNLIMITED, Setup, State
from hammer2_spec.transition_system import Model

MOST: Final = 64
"""Masters, slaves, clients."""
Few: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
Some: TypeAlias = Annotated[int, Meta(ge=1, le=MOST)]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Bounded: TypeAlias = Annotated[int, Meta(ge=0, lt=UNLIMITED)]
FIELD: Final = r"^([a-z_]+|(nodes|clients|soft)\[[0-9]{1,2}\]\.[a-z_]+)$(?!\n)"
Item: TypeAlias = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=r"^(replacement [0-9]{1,3}|mixture)$(?!\n)")]
Value: TypeAlias = bool | Annotated[int, Meta(ge=0)] | Annotated[str, Meta(max_length=64)] | list[Item]
Seen: TypeAlias = Annotated[
    dict[Annotated[str, Meta(pattern=FIELD)], Value], Meta(description="values of fields of the state, by their paths")
]


class Cluster(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The nodes and clients, and which parts of the protocol play."""

    masters: Some
    slaves: Few = 0
    clients: Some = 1
    soft_masters: Few = 0
    writes: Annotated[Number, Meta(description="at most so many writes are told apart (Begin)")] = 0
    losses: Annotated[Few, Meta(description="how many times a master's media may be lost")] = 0
    elections: Annotated[Bounded | None, Meta(description="null: any number")] = None
    faults: Annotated[Bounded | None, Meta(description="null: any number")] = None
    fault_epochs: Annotated[Bounded | None, Meta(description="how many epochs faults may bring about; null: any")] = (
        None
    )
    views: Annotated[
        list[list[Few]] | None, Meta(description="for each client the nodes that it ever reaches; null: all")
    ] = None
    warm: Annotated[bool, Meta(description="at first client 0 has a session; else nobody has one")] = True
    rank_tids: Annotated[bool, Meta(description="numbers are ranks, given anew after every event")] = False
    endless: bool = False
    reader: bool = False
    partitions: bool = False
    free_epochs: bool = False
    late_finish: bool = False
    space: bool = False
    stay_away: bool = False
    history: bool = False
    without: Annotated[list[str], Meta(description="ingredients of the protocol that are taken away")] = []

    def __post_init__(self) -> None:
        """Look at what bounds of single numbers cannot say. Raises ValueError."""
        nodes = self.masters + self.slaves
        if self.views is not None and (
            len(self.views) != self.clients or any(i >= nodes for v in self.views for i in v)
        ):
            raise ValueError(f"Expected in views a list of nodes below {nodes} for each client")
        if strange := sorted({*self.without} - {*INGREDIENTS}):
            raise ValueError(f"Expected in without names of ingredients, not {strange[0]!r}")
        if self.free_epochs and not self.rank_tids:
            raise ValueError("Expected rank_tids with free_epochs")

    @property
    def setup(self) -> Setup:
        """As the protocol has it."""
        everything = (1 << self.masters + self.slaves) - 1
        views = None if self.views is None else tuple(sum(1 << i for i in {*view}) for view in self.views)
        values: dict[str, Any] = {
            "masters": self.masters,
            "views": views or (everything,) * self.clients,
            **{name: UNLIMITED if getattr(self, name) is None else getattr(self, name) for name in LIMITS},
            **{name: getattr(self, name) for name in SAME},
            **{name: name not in self.without for name in INGREDIENTS},
        }
        return Setup(**values)

    @property
    def model(self) -> Model[Setup, State]:
        """The protocol within these bounds."""
        return protocol(self.setup, self.slaves, warm=self.warm, soft_masters=self.soft_masters)


LIMITS: Final = ("elections", "faults", "fault_epochs")
SAME: Final = tuple(
    name for name in Setup._fields if name in Cluster.__struct_fields__ and name not in ("masters", "views", *LIMITS)
)
"""Those that a cluster and a setup have in common."""


class Event(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """One action, and the state after it."""

    action: Annotated[str | None, Meta(description="null: any")] = None
    index: Annotated[list[Number | None] | None, Meta(description="its indices; null, or one that is null: any")] = None
    seen: Seen = {}


class ProtocolTrace(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What happened to a cluster."""

    id: str
    cluster: Cluster
    events: list[Event]
    start: Seen = {}


DECODER: Final = msgspec.json.Decoder(ProtocolTrace)


def decode(line: bytes) -> ProtocolTrace:
    """Read one line, and see that what it speaks of is there. Raises msgspec.DecodeError."""
    trace = DECODER.decode(line)
    require_whole(trace)
    return trace


def require_whole(trace: ProtocolTrace) -> None:
    """See that actions, indices and fields are the protocol's. Raises msgspec.ValidationError."""
    model = trace.cluster.model
    sizes = {action.name: [model.sizes[domain] for domain in action.over] for action in model.actions}
    checked: dict[tuple[str, type], Field] = {}
    for number, event in enumerate(trace.events):
        place = f"$.events[{number}]"
        if event.action is None:
            if event.index is not None:
                raise ValidationError(f"Expected no index where no action is named - at `{place}.index`")
        elif event.action not in sizes:
            raise ValidationError(f"Expected one of {', '.join(sizes)} - at `{place}.action`")
        elif event.index is not None:
            _require_index(event.index, sizes[event.action], place)
        _require_fields(event.seen, model, f"{place}.seen", checked)
    _require_fields(trace.start, model, "$.start", checked)


def _require_index(index: list[int | None], sizes: list[int], place: str) -> None:
    if len(index) != len(sizes):
        raise ValidationError(f"Expected {len(sizes)} indices - at `{place}.index`")
    for n, (value, size) in enumerate(zip(index, sizes, strict=True)):
        if value is not None and value >= size:
            raise ValidationError(f"Expected `int` < {size} - at `{place}.index[{n}]`")


def _require_fields(
    seen: dict[str, Any], model: Model[Setup, State], place: str, known: dict[tuple[str, type], Field]
) -> None:
    for path, value in seen.items():
        try:
            field = known.get((path, type(value)))
            if field is None:
                field = known[path, type(value)] = field_of(model.initial[0], path)
            field.read(model.setup, value)
        except ValueError as error:
            raise ValidationError(f"Expected {error} - at `{place}.{re.sub('[.`]', '/', path)}`") from None


def schema() -> dict[str, Any]:
    """The JSON Schema of a protocol trace."""
    return msgspec.json.schema(ProtocolTrace)
