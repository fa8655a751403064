"""Operation traces as they are stored (data/golden/FORMAT.md section 2): strict records, and their JSON Schema.

Unknown fields, wrong types and numbers out of range are refused with the path of the field. ``decode`` reads a line.
"""

import functools
import json
import operator
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

U8 = Annotated[int, Meta(ge=0, le=255)]
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
I32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
# msgspec cannot bound above 63 bits; decode looks for longer numbers itself.
U64 = Annotated[int, Meta(ge=0, extra_json_schema={"maximum": 2**64 - 1})]
Id = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Pointer: TypeAlias = Id | None
"""An object's number, null for NULL."""
Count = Annotated[int, Meta(ge=1, le=2**32)]
Runs = list[tuple[Count, U8]]
"""Run-length coded bytes."""
Bit = Literal[0, 1]
Types8 = Annotated[list[U8], Meta(min_length=8, max_length=8)]
Name = Annotated[str, Meta(max_length=1024)]


class Record(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Strict, and absent fields stay absent."""


# ---- the world


class PfsRecord(Record):
    """A PFS: the type of each of its nodes, and how many masters it has."""

    types: Types8
    nmasters: U8


class InodeRecord(Record):
    """An inode in memory."""

    vp: bool
    flags: U32


class BlockrefRecord(Record):
    """The ten blockref fields."""

    type: U8
    methods: U8
    copyid: U8
    keybits: U8
    vradix: U8
    bflags: U8
    key: U64
    mirror_tid: U64
    modify_tid: U64
    data_off: U64


class ChainRecord(Record):
    """A chain, all fields."""

    type: U8
    methods: U8
    copyid: U8
    keybits: U8
    vradix: U8
    bflags: U8
    key: U64
    mirror_tid: U64
    modify_tid: U64
    data_off: U64
    bytes: U32
    flags: U32
    error: I32
    parent: Pointer
    hmp: Pointer
    pmp: Pointer
    refs: I32
    locks: I32
    data: Runs | None


class ChainChange(Record):
    """A chain's fields as far as they changed; of a new chain, all."""

    type: U8 | UnsetType = UNSET
    methods: U8 | UnsetType = UNSET
    copyid: U8 | UnsetType = UNSET
    keybits: U8 | UnsetType = UNSET
    vradix: U8 | UnsetType = UNSET
    bflags: U8 | UnsetType = UNSET
    key: U64 | UnsetType = UNSET
    mirror_tid: U64 | UnsetType = UNSET
    modify_tid: U64 | UnsetType = UNSET
    data_off: U64 | UnsetType = UNSET
    bytes: U32 | UnsetType = UNSET
    flags: U32 | UnsetType = UNSET
    error: I32 | UnsetType = UNSET
    parent: Pointer | UnsetType = UNSET
    hmp: Pointer | UnsetType = UNSET
    pmp: Pointer | UnsetType = UNSET
    refs: I32 | UnsetType = UNSET
    locks: I32 | UnsetType = UNSET
    data: Runs | UnsetType | None = UNSET


CHAIN_FIELDS: Final = ChainRecord.__struct_fields__
FieldName = Literal[
    "type", "methods", "copyid", "keybits", "vradix", "bflags", "key", "mirror_tid", "modify_tid", "data_off",
    "bytes", "flags", "error", "parent", "hmp", "pmp", "refs", "locks",
]  # fmt: skip
FieldValue = Annotated[int, Meta(ge=-(2**31))] | None


class ClusterRecord(Record):
    """A cluster, all fields."""

    pmp: Pointer
    refs: I32
    flags: U32
    nchains: Annotated[int, Meta(ge=0, le=8)]
    focus: Pointer
    error: I32
    ddflag: Bit
    slots: Annotated[list[Pointer], Meta(min_length=8, max_length=8)]
    cache: Annotated[list[I32], Meta(min_length=8, max_length=8)]


class World(Record):
    """What there is before the first step; an object's number is its place in its list."""

    pmps: list[PfsRecord]
    inodes: Annotated[list[InodeRecord], Meta(min_length=3, max_length=3)]
    chains: list[ChainRecord]
    clusters: list[ClusterRecord]


class State(Record):
    """What a step changed."""

    clusters: dict[Id, ClusterRecord] | UnsetType = UNSET
    freed: list[Id] | UnsetType = UNSET
    chains: dict[Id, ChainChange] | UnsetType = UNSET
    inodes: dict[Id, U32] | UnsetType = UNSET


# ---- calls on the layers below, and their effects in the order in which they are applied


class Changes(Record):
    """What any call may change: new chains, then fields, then data."""

    new: list[ChainRecord] | UnsetType = UNSET
    set: list[tuple[Id, FieldName, FieldValue]] | UnsetType = UNSET
    data: list[tuple[Id, Runs | None]] | UnsetType = UNSET


class Found(Changes, kw_only=True):
    """A lookup's answer; what is absent is unchanged."""

    ret: Pointer
    key_next: U64 | UnsetType = UNSET
    parent: Pointer | UnsetType = UNSET
    cache: I32 | UnsetType = UNSET


class Created(Changes, kw_only=True):
    """An error code, and the chain that an empty slot now holds."""

    ret: I32
    parent: Pointer | UnsetType = UNSET
    chain: Id | UnsetType = UNSET


class Renamed(Changes):
    """The parent may have been replaced."""

    parent: Pointer | UnsetType = UNSET


class InodeCreated(Changes, kw_only=True):
    """The new inode, its cluster and an error code."""

    ip: Pointer
    error: I32
    cluster: ClusterRecord | None


class Filled(Changes, kw_only=True):
    """The byte that stands for the unique id."""

    byte: U8


class Call(Struct, forbid_unknown_fields=True, omit_defaults=True, tag_field="f"):
    """A call on a layer below. ``fx`` are its effects, and no part of the call."""


class Kmalloc(Call, tag="kmalloc"):
    """A new cluster."""

    cluster: Id


class Kfree(Call, tag="kfree"):
    """A cluster's end."""

    cluster: Id


class Kprintf(Call, tag="kprintf"):
    """A message, and whom it is about."""

    msg: Literal["already_locked", "not_locked", "cparent_null", "parent_mismatch", "snapshot"]
    cluster: Id | UnsetType = UNSET
    chain: Id | UnsetType = UNSET
    parent: Pointer | UnsetType = UNSET
    against: Pointer | UnsetType = UNSET


class Tsleep(Call, tag="tsleep"):
    """Sleep."""

    ident: Pointer
    ticks: I32


class ChainRef(Call, tag="chain_ref"):
    """See ChainLayer.ref."""

    chain: Id
    fx: Changes | UnsetType = UNSET


class ChainDrop(Call, tag="chain_drop"):
    """See ChainLayer.drop."""

    chain: Id
    fx: Changes | UnsetType = UNSET


class ChainUnlock(Call, tag="chain_unlock"):
    """See ChainLayer.unlock."""

    chain: Id
    fx: Changes | UnsetType = UNSET


class ChainSetflush(Call, tag="chain_setflush"):
    """See ChainLayer.setflush."""

    chain: Id
    fx: Changes | UnsetType = UNSET


class Flush(Call, tag="flush"):
    """See ChainLayer.flush."""

    chain: Id
    fx: Changes | UnsetType = UNSET


class ChainLock(Call, tag="chain_lock"):
    """See ChainLayer.lock."""

    chain: Id
    how: I32
    fx: Changes | UnsetType = UNSET


class ChainLookup(Call, tag="chain_lookup"):
    """See ChainLayer.lookup; cache: the slot's cache_index before."""

    parent: Id
    key_next: U64
    key_beg: U64
    key_end: U64
    cache: I32
    flags: I32
    fx: Found


class ChainNext(Call, tag="chain_next"):
    """See ChainLayer.next."""

    parent: Id
    chain: Id
    key_next: U64
    key_beg: U64
    key_end: U64
    cache: I32
    flags: I32
    fx: Found


class ChainCreate(Call, tag="chain_create"):
    """See ChainLayer.create; chain: what the slot held before."""

    parent: Pointer
    chain: Pointer
    pmp: Pointer
    key: U64
    keybits: I32
    type: I32
    bytes: U64
    flags: I32
    fx: Created


class ChainRename(Call, tag="chain_rename"):
    """See ChainLayer.rename."""

    parent: Pointer
    chain: Id
    flags: I32
    bref: BlockrefRecord | None
    fx: Renamed | UnsetType = UNSET


class ChainDelete(Call, tag="chain_delete"):
    """See ChainLayer.delete."""

    parent: Pointer
    chain: Id
    flags: I32
    fx: Changes | UnsetType = UNSET


class ChainModify(Call, tag="chain_modify"):
    """See ChainLayer.modify."""

    chain: Id
    flags: I32
    fx: Changes | UnsetType = UNSET


class ChainResize(Call, tag="chain_resize"):
    """See ChainLayer.resize."""

    ip: Pointer
    parent: Id
    chain: Id
    nradix: I32
    flags: I32
    fx: Changes | UnsetType = UNSET


class InodeRepoint(Call, tag="inode_repoint"):
    """See ChainLayer.inode_repoint."""

    ip: Id
    pip: None
    cluster: Id


class Vsetisdirty(Call, tag="vsetisdirty"):
    """See ChainLayer.vsetisdirty."""

    ip: Id


class InodeCreate(Call, tag="inode_create"):
    """See ChainLayer.inode_create."""

    dip: Annotated[str, Meta(pattern="^iroot:[0-9]+$(?!\n)", max_length=32)]
    va_type: I32
    va_mode: I32
    name_len: U32
    cluster: None
    flags: I32
    fx: InodeCreated


class InodeUnlockEx(Call, tag="inode_unlock_ex"):
    """See ChainLayer.inode_unlock_ex."""

    ip: Id
    cluster: Id


class Uuidgen(Call, tag="uuidgen"):
    """See ChainLayer.uuidgen."""

    chain: Id
    offset: U32
    count: Count
    fx: Filled


class Dirhash(Call, tag="dirhash"):
    """See ChainLayer.dirhash."""

    name_len: U32


class Adjreadcounter(Call, tag="adjreadcounter"):
    """See ChainLayer.adjreadcounter."""

    chain: Id
    bytes: U32


class IoGetblk(Call, tag="io_getblk"):
    """See ChainLayer.io_getblk; cluster: the owner of the control block."""

    hmp: Pointer
    data_off: U64
    bytes: U32
    cluster: Id


class Callback(Call, tag="callback"):
    """The caller's callback is called at once."""

    cluster: Id
    chain: Pointer
    lbase: I32


AnyCall: TypeAlias = (
    Kmalloc | Kfree | Kprintf | Tsleep | ChainRef | ChainDrop | ChainUnlock | ChainSetflush | Flush | ChainLock
    | ChainLookup | ChainNext | ChainCreate | ChainRename | ChainDelete | ChainModify | ChainResize | InodeRepoint
    | Vsetisdirty | InodeCreate | InodeUnlockEx | Uuidgen | Dirhash | Adjreadcounter | IoGetblk | Callback
)  # fmt: skip


# ---- steps: an operation's name, its arguments, its result


class FoundResult(Record):
    """Of lookup and next; key_next is the caller's variable afterwards."""

    cluster: Pointer
    key_next: U64


class CreateResult(Record):
    """Of create; "uninit" where the original returns a variable that it never set."""

    error: I32 | Literal["uninit"]
    cluster: Pointer


class LoadResult(Record):
    """The I/O control block after load_async."""

    chain: Pointer
    lbase: I32
    flags: U32
    error: I32
    dio_null: bool
    cluster: Id
    ptr_ok: bool
    callback_ok: bool


class NewKey(Record):
    """The two fields of rename's bref that count."""

    key: U64
    keybits: U8


class PfsChange(Struct, array_like=True, forbid_unknown_fields=True):
    """Replacement of a PFS record: [pmp, types, nmasters]."""

    pmp: Id
    types: Types8
    nmasters: U8


_SCAN = {"key_next": U64, "key_beg": U64, "key_end": U64, "flags": I32}

Type: TypeAlias = Any
"""A type, to msgspec; made at import, so unknown to a type checker."""

OPERATIONS: Final[dict[str, tuple[dict[str, Type], Type]]] = {
    "need_resize": ({"cluster": Pointer, "bytes": I32}, Bit),
    "type": ({"cluster": Pointer}, U8),
    "modified": ({"cluster": Pointer}, Bit),
    "bref": ({"cluster": Pointer}, BlockrefRecord),
    "isunlinked": ({"cluster": Pointer}, Literal[0, 8]),
    "set_chainflags": ({"cluster": Pointer, "flags": U32}, None),
    "clr_chainflags": ({"cluster": Pointer, "flags": U32}, None),
    "setflush": ({"cluster": Pointer}, None),
    "setmethod_check": ({"cluster": Pointer, "check_algo": I32}, None),
    "from_chain": ({"chain": Pointer}, Id),
    "ref": ({"cluster": Pointer}, None),
    "drop": ({"cluster": Pointer}, None),
    "wait": ({"cluster": Pointer}, None),
    "resolve": ({"cluster": Pointer}, None),
    "unlock": ({"cluster": Pointer}, None),
    "modsync": ({"cluster": Pointer}, None),
    "lock": ({"cluster": Pointer, "how": I32}, None),
    "copy": ({"cluster": Pointer}, Id),
    "parent": ({"cluster": Pointer}, Id),
    "resize": ({"ip": Pointer, "cparent": Pointer, "cluster": Pointer, "nradix": I32, "flags": I32}, None),
    "modify_ip": ({"ip": Pointer, "cluster": Pointer, "flags": I32}, Pointer),
    "modify": ({"cluster": Pointer, "flags": I32}, None),
    "lookup_init": ({"cparent": Pointer, "flags": I32}, Pointer),
    "lookup_done": ({"cparent": Pointer}, None),
    "lookup": ({"cparent": Pointer, **_SCAN}, FoundResult),
    "next": ({"cparent": Pointer, "cluster": Pointer, **_SCAN}, FoundResult),
    "create": (
        {
            "pmp": Pointer,
            "cparent": Pointer,
            "cluster": Pointer,
            "key": U64,
            "keybits": I32,
            "type": I32,
            "bytes": U64,
            "flags": I32,
        },
        CreateResult,
    ),
    "rename": ({"cparent": Pointer, "cluster": Pointer, "flags": I32, "bref": NewKey | None}, None),
    "delete": ({"cparent": Pointer, "cluster": Pointer, "flags": I32}, None),
    "snapshot": ({"cluster": Pointer, "name": Name}, I32),
    "rdata": ({"cluster": Pointer}, Pointer),
    "wdata": ({"cluster": Pointer}, Pointer),
    "load_async": ({"cluster": Pointer}, LoadResult),
}
"""Each operation's arguments and result (FORMAT.md 2.3)."""

_ENVIRONMENT = [
    ("set", list[tuple[Id, FieldName, FieldValue]] | UnsetType, UNSET),
    ("poke", list[tuple[Id, U32, U32, U8]] | UnsetType, UNSET),
    ("pmp", list[PfsChange] | UnsetType, UNSET),
]

OUTCOMES = "^(ok|fault|uaf|kkassert:L[0-9]{1,4}|panic:(illegal|unknown)_node_type)$(?!\n)"
OutcomeText = Annotated[str, Meta(pattern=OUTCOMES)]


class Step(Struct):
    """What every step has; the classes for each operation are in STEPS."""

    op: str
    args: Any
    outcome: str
    calls: list[AnyCall]
    state: State
    result: Any = UNSET


def _strict(name: str, fields: list[Type], tag: str | None = None) -> Type:
    return msgspec.defstruct(
        name, fields, tag=tag, tag_field=tag and "op", forbid_unknown_fields=True, omit_defaults=True, kw_only=True
    )


def _step(op: str, args: Type, result: Type) -> Type:
    fields: list[Type] = [("args", args), ("outcome", OutcomeText), ("calls", list[AnyCall]), ("state", State)]
    if result is not None:
        fields.append(("result", result | UnsetType, UNSET))
    return _strict(f"{op}_step", fields, op)


STEPS: Final = {
    op: _step(op, _strict(f"{op}_args", list(args.items())), result) for op, (args, result) in OPERATIONS.items()
} | {"env": _step("env", _strict("env_args", _ENVIRONMENT), None)}


if TYPE_CHECKING:
    AnyStep: TypeAlias = Step
else:
    AnyStep = functools.reduce(operator.or_, STEPS.values())


class Trace(Record):
    """A world and what was done in it. It ends at the first outcome other than ok."""

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Literal["single", "multi"]
    world: World
    steps: Annotated[list[AnyStep], Meta(min_length=1)]


_decoder: Final = msgspec.json.Decoder(Trace)
_long_number: Final = re.compile(rb"\d{20,}")


def _too_long(value: object, path: str = "$") -> str | None:
    """The path of the first integer that no unsigned 64-bit field holds."""
    if isinstance(value, dict):
        items = [(f"{path}.{key}", v) for key, v in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{i}]", v) for i, v in enumerate(value)]
    else:
        return path if isinstance(value, int) and value >= 2**64 else None
    return next((found for where, v in items if (found := _too_long(v, where))), None)


def decode(line: bytes) -> Trace:
    """Read one line, field by field; hammer2_oracle.traces.decode also looks at what its numbers refer to.

    Raises msgspec.DecodeError: ValidationError, with the field's path, where the line is JSON.
    """
    trace = _decoder.decode(line)
    if any(int(m.group()) >= 2**64 for m in _long_number.finditer(line)) and (path := _too_long(json.loads(line))):
        raise msgspec.ValidationError(f"Expected `int` <= 2^64-1 - at `{path}`")
    return trace


def schema() -> dict[str, Any]:
    """The JSON Schema of a trace."""
    return msgspec.json.schema(Trace)
