"""Check codes: what a blockref says of the content of its block."""

import hashlib
from collections.abc import Callable
from typing import Final

from fastcrc import crc32, crc64

from hammer2_cluster import confirmed
from hammer2_spec.vocabulary import Check

CHECK_BYTES: Final = 24
"""Room for a check code in a blockref; shorter ones are followed by zeros."""


def _crc32c(data: bytes | bytearray) -> bytes:
    return crc32.iscsi(data).to_bytes(4, "little")


def _crc64(data: bytes | bytearray) -> bytes:
    return crc64.xz(data).to_bytes(8, "little")


def _sha192(data: bytes | bytearray) -> bytes:
    return hashlib.sha256(data).digest()[:24]


_ALGORITHMS: Final[dict[int, Callable[[bytes | bytearray], bytes]]] = {
    Check.ISCSI32: _crc32c,
    Check.CRC64: _crc64,
    Check.SHA192: _sha192,
    Check.FREEMAP: _crc32c,
}


@confirmed.require(lambda methods: 0 <= methods <= 255)
@confirmed.ensure(lambda methods, result: methods == 16 * result + methods % 16)
def algorithm(methods: int) -> int:
    """The check algorithm in a blockref's methods byte."""
    return methods >> 4


def check_code(methods: int, data: bytes | bytearray) -> bytes:
    """The 24 bytes that a blockref with these methods holds for this content.

    methods: the algorithm is the upper nibble. NONE, DISABLED and numbers without a meaning give zeros.
    """
    compute = _ALGORITHMS.get(algorithm(methods))
    return (compute(data) if compute else b"").ljust(CHECK_BYTES, b"\0")


def matches(methods: int, check: bytes, data: bytes | bytearray) -> bool:
    """Whether the content is what the check code says; always, where the algorithm checks nothing."""
    return algorithm(methods) not in _ALGORITHMS or check_code(methods, data) == check
