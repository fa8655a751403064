"""The constants are those of the recorded original."""

import re
from enum import IntEnum
from pathlib import Path

import pytest

from hammer2_spec import vocabulary
from hammer2_spec.vocabulary import ClusterFlag, enc_check, names_of

FORMAT = Path(__file__).parent.parent / "data" / "golden" / "FORMAT.md"
TABLE = dict(re.findall(r"^\| (\S[^|]*?) \| (.*) \|$", FORMAT.read_text().partition("## 3.")[2], re.MULTILINE))

ENUMS: dict[str, type[IntEnum]] = {
    "PFSTYPE": vocabulary.PfsType,
    "PFSSUBTYPE": vocabulary.PfsSubtype,
    "PFSMODE": vocabulary.PfsMode,
    "BREF_TYPE": vocabulary.BrefType,
    "BREF_FLAG": vocabulary.BrefFlag,
    "CLUSTER": vocabulary.ClusterFlag,
    "CHAIN": vocabulary.ChainFlag,
    "ERROR": vocabulary.Error,
    "LOOKUP": vocabulary.Lookup,
    "MODIFY": vocabulary.Modify,
    "RESOLVE": vocabulary.Resolve,
    "DELETE": vocabulary.Delete,
    "INSERT": vocabulary.Insert,
    "OPFLAG": vocabulary.OpFlag,
    "INODE flags": vocabulary.InodeFlag,
    "CHECK algos": vocabulary.Check,
    "IOCB flags": vocabulary.IocbFlag,
    "TRANS": vocabulary.TransFlag,
}


def numbers(row: str) -> dict[str, int]:
    return {name: int(value, 0) for name, value in re.findall(r"\b([A-Z_0-9]+) (0x[0-9A-Fa-f]+|\d+)\b", row)}


@pytest.mark.parametrize("group", ENUMS)
def test_an_enum_has_the_names_and_numbers_of_the_recording(group: str) -> None:
    recorded = numbers(TABLE[group].partition(";")[0])
    recorded.pop("MAX", None)
    assert {member.name: member.value for member in ENUMS[group]} == recorded


def test_the_other_constants_are_those_of_the_recording() -> None:
    assert numbers(TABLE["PFSTYPE"])["MAX"] == vocabulary.PFSTYPE_MAX
    assert int(TABLE["MAXCLUSTER"]) == vocabulary.MAXCLUSTER
    assert int(TABLE["OFF_MASK_RADIX"], 0) == vocabulary.OFF_MASK_RADIX
    assert int(TABLE["OFF_MASK"], 0) == vocabulary.OFF_MASK
    assert numbers(TABLE["CLUSTER masks"])["ZFLAGS"] == vocabulary.CLUSTER_ZFLAGS
    assert "RDSOFT 0xA00" in TABLE["CLUSTER masks"]
    assert vocabulary.CLUSTER_RDOK == ClusterFlag.RDHARD | ClusterFlag.RDSOFT == 0xA00
    assert vocabulary.CLUSTER_WROK == ClusterFlag.WRHARD | ClusterFlag.WRSOFT == 0x500
    assert f"FLUSH_MASK = MODIFIED, UPDATE, ONFLUSH = {vocabulary.CHAIN_FLUSH_MASK:#x}" in TABLE["CHAIN"]
    assert numbers(TABLE["DIRHASH"]) == {
        "VISIBLE": vocabulary.DIRHASH_VISIBLE,
        "USERMSK": vocabulary.DIRHASH_USERMSK,
        "LOMASK": vocabulary.DIRHASH_LOMASK,
        "HIMASK": vocabulary.DIRHASH_HIMASK,
        "FORCED": vocabulary.DIRHASH_FORCED,
    }
    assert TABLE["TID_MIN / TID_MAX"] == "1 / 2^64-1"
    assert (vocabulary.TID_MIN, vocabulary.TID_MAX) == (1, 2**64 - 1)
    assert TABLE["KEY_MIN / KEY_MAX"] == "0 / 2^64-1"
    assert (vocabulary.KEY_MIN, vocabulary.KEY_MAX) == (0, 2**64 - 1)
    assert TABLE["INODE_BYTES"] == "1024; EMBEDDED_BYTES 512; blockref 64 bytes, 8 in a blockset"
    assert (vocabulary.INODE_BYTES, vocabulary.EMBEDDED_BYTES) == (1024, 512)
    assert (vocabulary.BLOCKREF_BYTES, vocabulary.SET_COUNT) == (64, 8)


def test_the_check_nibble_is_the_upper_one() -> None:
    assert enc_check(-1) == 0xF0
    assert enc_check(3) == 0x30
    assert enc_check(16 + 5) == 0x50


def test_flags_are_read_back_by_name_and_strangers_as_a_number() -> None:
    assert names_of(0x104, ClusterFlag) == ["LOCKED", "WRHARD"]
    assert names_of(0x80000004, ClusterFlag) == ["LOCKED", "0x80000000"]
    assert names_of(0, ClusterFlag) == []
