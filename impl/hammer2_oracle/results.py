"""How operations end, and what they return, as records have it."""

from collections.abc import Callable
from typing import Any, Final

from icontract import ViolationError
from msgspec import UNSET

from hammer2_cluster.objects import Chain, Cluster, Iocb
from hammer2_oracle.recorded import blockref_record, number
from hammer2_oracle.trace_record import OPERATIONS, CreateResult, FoundResult, LoadResult

CONTRACT: Final = "contract: "
"""What the outcome begins with of a call that the repaired operations do not allow."""


def outcome_of(end: Exception) -> str:
    """The outcome of an operation that has come to no good end: an assertion, or a call that must not be made."""
    return f"{CONTRACT}{str(end).splitlines()[0]}" if isinstance(end, ViolationError) else str(end)


def _created(made: tuple[int | None, Cluster | None]) -> CreateResult:
    error, cluster = made
    return CreateResult("uninit" if error is None else error, number(cluster))


def _found(found: tuple[Cluster | None, int]) -> FoundResult:
    cluster, key_next = found
    return FoundResult(number(cluster), key_next)


def _pointer_to_data(chain: Chain | None) -> int | None:
    return None if chain is None or chain.data is None else chain.id


def loaded(cluster: Cluster | None, callback: Callable[[Iocb], None], ptr: object) -> LoadResult:
    """The control block that load_async has left in a cluster, of a caller with this callback and pointer."""
    iocb = getattr(cluster, "iocb", None)
    assert isinstance(iocb, Iocb)  # noqa: S101 - load_async sets it
    return LoadResult(
        number(iocb.chain),
        iocb.lbase,
        iocb.flags,
        iocb.error,
        iocb.dio is None,
        iocb.cluster.id,
        iocb.ptr is ptr,
        iocb.callback is callback,
    )


_RETURNING: Final = {op for op, (_, result) in OPERATIONS.items() if result is not None}
_RECORDS: Final[dict[str, Callable[[Any], object]]] = {
    "bref": blockref_record,
    "from_chain": number,
    "copy": number,
    "lookup_init": number,
    "lookup": _found,
    "next": _found,
    "parent": number,
    "create": _created,
    "modify_ip": _pointer_to_data,
    "rdata": _pointer_to_data,
    "wdata": _pointer_to_data,
}


def result_record(op: str, returned: Any) -> object:  # noqa: ANN401 - whatever an operation returns
    """The result as a record, UNSET if the operation has none."""
    if op not in _RETURNING:
        return UNSET
    return _RECORDS[op](returned) if op in _RECORDS else returned
