"""Configurations are written as they are read, and drawn as a row of slots."""

import pytest
from hypothesis import given

from hammer2_oracle.commands.resolve import read_configuration
from hammer2_oracle.testing import configurations
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot
from hammer2_spec.notation import arguments, draw, format_flags, format_focus, format_slot, parse_slot, type_name
from hammer2_spec.vocabulary import PfsType


@pytest.mark.parametrize(
    ("word", "slot"),
    [
        ("master:6", Slot(True, 6, 6, 0)),
        ("slave:5/1", Slot(True, 3, 5, 1)),
        ("SOFT-MASTER:0x10/-1", Slot(True, 5, 16, -1)),
        ("soft_slave:0/0", Slot(True, 4, 0, 0)),
        ("255:18446744073709551615/0x7fffffff", Slot(True, 255, 2**64 - 1, 2**31 - 1)),
        ("6:1", Slot(True, 6, 1, 0)),
        ("-", ABSENT),
    ],
)
def test_a_slot_is_read(word: str, slot: Slot) -> None:
    assert parse_slot(word) == (slot, False)
    assert parse_slot(f"*{word}") == (slot, True)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "slot is '', expected TYPE:TID"),
        ("master", "slot is 'master', expected TYPE:TID or TYPE:TID/ERROR like master:6"),
        ("boss:1", "type is 'boss' in 'boss:1', expected 0..255 or one of none, cache"),
        (":1", "type is ''"),
        ("master:", "tid is '' in 'master:', expected an integer"),
        ("master:1.5", "tid is '1.5'"),
        ("master:1/", "error is ''"),
        ("master:1/x", "error is 'x' in 'master:1/x', expected an integer"),
        ("**master:1", "type is '*master'"),
        ("\u0663:1", "type is"),
    ],
)
def test_what_is_no_slot_is_refused_with_field_and_word(word: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_slot(word)
    assert said in str(refused.value)


@given(configurations())
def test_what_is_written_is_read_back(configuration: Configuration) -> None:
    words = arguments(configuration)
    flags = int(words[words.index("--flags") + 1], 16)
    prior = "foreign" if "--prior" in words else None
    nmasters = int(words[1]) if words[0] == "--nmasters" else None
    slots = words[words.index("--flags") + 2 :]
    assert read_configuration(slots, nmasters, prior, flags) == configuration


def test_every_type_has_one_name() -> None:
    assert [type_name(number) for number in (6, 7, 10, 255)] == ["master", "unused07", "10", "255"]
    assert all(parse_slot(f"{type_name(number)}:0")[0].type == number for number in range(256))
    assert len({type_name(number) for number in PfsType}) == len(PfsType)


def test_an_error_is_written_only_where_there_is_one() -> None:
    assert format_slot(Slot(True, 3, 5, 0)) == "slave:5"
    assert format_slot(Slot(True, 3, 5, -2)) == "slave:5/-2"


def test_a_focus_and_flags_are_said_in_words() -> None:
    assert [format_focus(focus) for focus in (None, FOREIGN, 3)] == ["none", "a chain that is no member", "slot 3"]
    assert format_flags(0x3F04) == "0x3f04 LOCKED WRHARD RDHARD WRSOFT RDSOFT MSYNCED SSYNCED"
    assert format_flags(0) == "0x0"
    assert format_flags(0x10) == "0x10 0x10"


def test_slots_are_drawn_in_a_row_with_arrows_at_the_focus() -> None:
    slots = [parse_slot(word)[0] for word in ("master:6", "-", "slave:5/1")]
    assert draw(slots, {"before": FOREIGN, "expected": 2, "got": 1, "then": 7}) == [
        "slot      0         1   2",
        "member    master:6  -   slave:5/1",
        "before    a chain that is no member",
        "expected                ^",
        "got                 ^",
        "then      slot 7",
    ]
    assert draw([], {"before": None}) == ["slot", "member", "before  none"]
