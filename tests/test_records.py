"""Records are strict: what is no record is refused with file, line and field, and what was read before is kept."""

import json
import lzma
import random
import re
import tracemalloc
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammer2_cluster.resolve import resolve
from hammer2_oracle import reading
from hammer2_oracle.reading import LINE_LIMIT, Lines, Unreadable, key_twice
from hammer2_oracle.record_kinds import KINDS, kind_named, read_records
from hammer2_oracle.schemas import SCHEMAS, text_of
from hammer2_oracle.testing import configurations
from hammer2_oracle.vector_record import Vector, vector
from hammer2_spec.configuration import Configuration
from hammer2_spec.semantics import SEED

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "data" / "golden" / "resolve-public.jsonl.xz"

Json: TypeAlias = Any

ANY_KIND = "resolve vector or operation trace or protocol trace or ITF trace or receipt"
GOOD: dict[str, Json] = {
    "k": "a", "m": 2, "f": 10756, "p": 1, "s": [None, [8, 1, 3]], "o": "ok", "F": 1, "e": 3, "g": 13060
}  # fmt: skip


@cache
def golden_lines() -> list[bytes]:
    with lzma.open(GOLDEN) as file:
        return file.read().splitlines()


def changed(**fields: Json) -> bytes:
    return json.dumps(GOOD | fields).encode()


def read(path: Path) -> tuple[list[Any], list[Unreadable]]:
    """The records of a file, and what was unreadable in it."""
    records: list[Any] = []
    unreadable: list[Unreadable] = []
    try:
        with Lines(str(path)) as lines:
            for item in read_records(lines):
                if isinstance(item, Unreadable):
                    unreadable.append(item)
                else:
                    records.append(item[3])
    except Unreadable as error:
        unreadable.append(error)
    return records, unreadable


NO_RECORDS: dict[str, tuple[bytes, str | None, str]] = {
    # what: the line, the field that is named, and words of the reason
    "a float tid": (changed(s=[None, [8, 1.5, 3]]), "s[1].tid", "expected an integer, got 1.5"),
    "an integral float tid": (changed(s=[None, [8, 1.0, 3]]), "s[1].tid", "expected an integer, got 1.0"),
    "a tid with an exponent": (
        json.dumps(GOOD).encode().replace(b"[8, 1, 3]", b"[8, 1e2, 3]"),
        "s[1].tid",
        "expected an integer",
    ),
    "a tid of 65 bits": (changed(s=[None, [8, 2**64, 3]]), "s[1].tid", f"<= {2**64 - 1}, got {2**64}"),
    "a tid of a thousand digits": (changed(s=[None, [8, 10**999, 3]]), "s[1].tid", f"<= {2**64 - 1}"),
    "a negative tid": (changed(s=[None, [8, -1, 3]]), "s[1].tid", ">= 0, got -1"),
    "a tid in quotes": (changed(s=[None, [8, "1", 3]]), "s[1].tid", 'expected an integer, got "1"'),
    "no tid": (changed(s=[None, [8, None, 3]]), "s[1].tid", "got null"),
    "a type of 9 bits": (changed(s=[None, [256, 1, 3]]), "s[1].type", "<= 255, got 256"),
    "an error of 33 bits": (changed(s=[None, [8, 1, 2**31]]), "s[1].error", "got 2147483648"),
    "a slot of two numbers": (changed(s=[None, [8, 1]]), "s[1]", "length 3, got 2"),
    "a slot of four numbers": (changed(s=[None, [8, 1, 3, 4]]), "s[1]", "length 3, got 4"),
    "a slot that is an object": (changed(s=[None, {"type": 8}]), "s[1]", 'got {"type": 8}'),
    "nine slots": (changed(s=[None, [8, 1, 3], *[None] * 7]), "s", "length <= 8, got 9"),
    "no list of slots": (changed(s=None), "s", "expected an array, got null"),
    "a boolean for a number": (changed(m=True), "m", "expected an integer or null, got true"),
    "256 masters": (changed(m=256), "m", "<= 255, got 256"),
    "a focus of another name": (changed(p="none"), "p", 'got "none"'),
    "flags of 33 bits": (changed(f=2**32), "f", f"<= {2**32 - 1}"),
    "a prior focus on a null slot": (changed(p=0), "p", "slot that is not null, got 0"),
    "a prior focus beyond the slots": (changed(p=2), "p", "slot that is not null, got 2"),
    "a prior focus beyond the array": (changed(p=8), "p", "<= 7, got 8"),
    "an unknown part": (changed(k="c"), "k", "got"),
    "an unknown outcome": (changed(o="okay"), "o", 'got "okay"'),
    "a negative focus": (changed(F=-1), "F", ">= 0, got -1"),
    "a cluster error of 33 bits": (changed(e=-(2**31) - 1), "e", "got -2147483649"),
    "an unknown key": (changed(x=1), "x", "is no field of the resolve vector"),
    "a missing key": (json.dumps({key: GOOD[key] for key in GOOD if key != "g"}).encode(), "g", "is missing"),
    "a key twice": (json.dumps(GOOD).encode().replace(b'"m": 2', b'"m": 2, "m": 2'), "m", "is there twice"),
    "a key twice, once in disguise": (
        json.dumps(GOOD).encode().replace(b'"m": 2', rb'"m": 2, "\u006d": 2'),
        "m",
        "is there twice",
    ),
    "no number": (json.dumps(GOOD).encode().replace(b'"m": 2', b'"m": NaN'), None, "is not JSON"),
    "half an object": (json.dumps(GOOD).encode()[:-5], None, "is not JSON: it ends too early"),
    "two objects": (json.dumps(GOOD).encode() * 2, None, "is not JSON: trailing characters"),
    "another object": (
        b'{"x": 1}',
        None,
        f'expected the fields of a {ANY_KIND}, got {{"x": 1}}',
    ),
    "an empty object": (b"{}", None, f"expected the fields of a {ANY_KIND}, got {{}}"),
    "an array": (b"[1]", None, "expected an object, got [1]"),
    "a number": (b"5", None, "expected an object"),
    "a string": (b'"x"', None, "expected an object"),
    "an empty line": (b"", None, "is empty"),
    "a line of blanks": (b" \t ", None, "is empty"),
    "text that is not UTF-8": (json.dumps(GOOD).encode().replace(b"ok", b"\xff"), None, "is not UTF-8"),
    "a key that is not UTF-8": (json.dumps(GOOD).encode().replace(b'"m"', b'"\xff"'), None, "is not UTF-8"),
    "binary noise": (bytes(range(11, 256)), None, "is not JSON"),
    "zero bytes": (b"\0" * 100, None, "is not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), None, "is not JSON"),
    "a tower of brackets": (b"[" * 10**6, None, "expected an object"),
    "a tower of brackets in a field": (b'{"k":' + b"[" * 10**6, None, "is nested too deeply"),
    "a trace without its world": (b'{"id":"x","kind":"single"}', "world", "is missing"),
}


@pytest.mark.parametrize("what", NO_RECORDS)
def test_what_is_no_record_is_refused_with_line_and_field(tmp_path: Path, what: str) -> None:
    line, field, reason = NO_RECORDS[what]
    good = json.dumps(GOOD).encode()
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join([good, good, line, good, b""]))
    records, unreadable = read(path)
    assert len(records) == 3
    assert [(place.file, place.line, place.field) for place in unreadable] == [(str(path), 3, field)]
    assert reason in unreadable[0].reason
    message = str(unreadable[0])
    assert message.startswith(f"{path}:3: {field or ''}")
    assert "\n" not in message
    assert len(message) < 400
    assert "`" not in message


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    middle = len(data) * 3 // 4
    return data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "reason"), [(cut_short, "cut short"), (flipped, "Corrupt"), (lambda data: data[:-20], "cut short")]
)
def test_damaged_xz_loses_nothing_before_the_damage(
    tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "rows.jsonl.xz"
    path.write_bytes(damage(GOLDEN.read_bytes()))
    records, (unreadable,) = read(path)
    assert len(records) > 20_000
    assert records == [msgspec.json.decode(line, type=Vector) for line in golden_lines()[: len(records)]]
    assert unreadable.line == len(records) + 1
    assert reason in unreadable.reason


def test_xz_that_wants_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**30}]
    with lzma.open(path, "wb", filters=filters) as file:
        file.write(changed())
    records, (unreadable,) = read(path)
    assert records == []
    assert "Memory usage limit" in unreadable.reason


def test_several_xz_streams_with_padding_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    stream = lzma.compress(changed() + b"\n" + changed()[:40])
    path.write_bytes(stream + b"\0" * 8 + lzma.compress(changed()[40:] + b"\n"))
    assert read(path) == ([msgspec.json.decode(changed(), type=Vector)] * 2, [])


def test_xz_is_recognised_by_content_and_its_name_is_a_promise(tmp_path: Path) -> None:
    (tmp_path / "unnamed").write_bytes(lzma.compress(changed()))
    assert len(read(tmp_path / "unnamed")[0]) == 1
    (tmp_path / "text.xz").write_bytes(changed())
    records, (unreadable,) = read(tmp_path / "text.xz")
    assert records == []
    assert "xz data cannot be read" in unreadable.reason


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_last_line_may_lack_its_end_and_carriage_returns_are_white_space(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes((end or b"\n").join([changed()] * 3) + end)
    assert len(read(path)[0]) == 3
    assert read(path)[1] == []


def test_a_byte_order_mark_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + changed())
    assert [str(place) for place in read(path)[1]] == [f"{path}:1: begins with a byte order mark, expected JSON"]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty, expected at least one record"), (None, "No such file or directory")]
)
def test_a_file_without_records_is_no_success(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert [str(place) for place in read(path)[1]] == [f"{path}: {reason}"]
    assert "Is a directory" in str(read(tmp_path)[1][0])


def test_a_line_of_two_gigabytes_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.write(changed() + b"\n")
        file.truncate(2**31)  # a hole: zeros up to here
    tracemalloc.start()
    records, (unreadable,) = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(records) == 1
    assert (unreadable.line, unreadable.reason) == (
        2,
        "the line is longer than 64 MiB; from here on the file is not judged",
    )
    assert peak < 2 * LINE_LIMIT


def lines_of(path: Path) -> list[bytes]:
    with Lines(str(path)) as lines:
        return list(lines)


@given(st.binary().map(lambda data: data.replace(b"\r", b"")), st.integers(1, 9))
def test_lines_do_not_depend_on_the_pieces_in_which_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, piece: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces.jsonl"
    path.write_bytes(b"-" + data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PIECE", piece)
        assert lines_of(path) == (b"-" + data).removesuffix(b"\n").split(b"\n")


@pytest.mark.parametrize("piece", [1, 7, 2**18])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n-\n"])
def test_the_longest_line_is_read_and_a_longer_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, end: bytes
) -> None:
    monkeypatch.setattr(reading, "PIECE", piece)
    monkeypatch.setattr(reading, "LINE_LIMIT", 20)
    path = tmp_path / "lines"
    path.write_bytes(b"-\n" + b"x" * 20 + end)
    assert lines_of(path)[1] == b"x" * 20
    path.write_bytes(b"-\n" + b"x" * 21 + end)
    with pytest.raises(Unreadable, match=":2: the line is longer"):
        lines_of(path)


def with_one_key_twice(value: Json, chosen: Iterator[bool]) -> str:
    """A JSON text in which the first key that is chosen comes twice."""
    if isinstance(value, dict):
        pairs = []
        for key, inner in value.items():
            pairs.append(f"{json.dumps(key)}:{with_one_key_twice(inner, chosen)}")
            if next(chosen):
                pairs.append(pairs[-1])
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(with_one_key_twice(inner, chosen) for inner in value) + "]"
    return json.dumps(value)


@pytest.mark.parametrize("file", ["resolve-public", "traces-public"])
def test_no_key_anywhere_in_a_record_may_come_twice(tmp_path: Path, file: str) -> None:
    random_choice = random.Random(20150330)
    with lzma.open(GOLDEN.with_name(f"{file}.jsonl.xz")) as golden:
        rows = random_choice.sample(golden.read().splitlines(), 150)
    path = tmp_path / "rows.jsonl"
    texts = []
    for row in rows:
        value = json.loads(row)
        nkeys = row.count(b'":')
        chosen = random_choice.randrange(nkeys)
        texts.append(with_one_key_twice(value, (i == chosen for i in range(nkeys))))
    path.write_text("\n".join(texts))
    records, unreadable = read(path)
    assert records == []
    assert len(unreadable) == 150
    assert {place.reason for place in unreadable} == {"is there twice"}


def test_quotation_marks_in_disguise_do_not_hide_a_key_that_comes_twice(tmp_path: Path) -> None:
    with lzma.open(GOLDEN.with_name("traces-public.jsonl.xz")) as file:
        trace = next(line for line in file if b'"op":"snapshot"' in line)
    disguised = re.sub(rb'"name":"[^"]*"', rb'"name":"\\u0022\\u0022"', trace)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(disguised + re.sub(rb'("nmasters":\d+)', rb"\1,\1", disguised, count=1))
    records, (unreadable,) = read(path)
    assert len(records) == 1
    assert (unreadable.line, unreadable.field, unreadable.reason) == (2, "nmasters", "is there twice")


def test_kinds_are_told_apart_line_by_line(tmp_path: Path) -> None:
    with lzma.open(GOLDEN.with_name("traces-public.jsonl.xz")) as file:
        trace = next(iter(file)).rstrip()
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join([changed(), trace, trace, changed(), changed(x=1), trace]))
    with Lines(str(path)) as lines:
        kinds = [None if isinstance(item, Unreadable) else item[2].name for item in read_records(lines)]
    assert kinds == ["resolve vector", *["operation trace"] * 2, "resolve vector", None, "operation trace"]


def test_every_kind_is_registered_under_its_own_name() -> None:
    assert [kind_named(name).name for name in KINDS] == list(KINDS)
    ours, published_elsewhere = {"divergence", "manifest", "message of conform"}, {"ITF trace"}
    assert {title for title, _ in SCHEMAS.values()} == {*KINDS, *ours} - published_elsewhere
    marks = [marks for marks, _ in KINDS.values()]
    assert len(frozenset().union(*marks)) == sum(len(keys) for keys in marks)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_current_and_strict(name: str) -> None:
    assert (ROOT / "docs" / "reference" / f"{name}.schema.json").read_text() == text_of(name)
    schema = json.loads(text_of(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    objects = [one for one in schema["$defs"].values() if one["type"] == "object"]
    assert objects
    assert [one["title"] for one in objects if one["additionalProperties"] is not False] == []
    assert [one["title"] for one in objects if "required" not in one and one["properties"] == {}] == []


@cache
def vector_schema() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(text_of("resolve-vector")))


def test_the_schema_accepts_what_was_recorded() -> None:
    for line in random.Random(1).sample(golden_lines(), 1000):
        vector_schema().validate(json.loads(line))


BEYOND_A_SCHEMA = {"an integral float tid", "a tid with an exponent", "a key twice", "a key twice, once in disguise"}
BEYOND_A_SCHEMA |= {"a prior focus on a null slot", "a prior focus beyond the slots", "no number"}


@pytest.mark.parametrize("what", [what for what, (_, field, _) in NO_RECORDS.items() if field])
def test_the_schema_refuses_what_is_no_record(what: str) -> None:
    line = NO_RECORDS[what][0]
    if what == "a trace without its world":
        schema = jsonschema.Draft202012Validator(json.loads(text_of("operation-trace")))
        assert not schema.is_valid(json.loads(line))
    else:
        assert vector_schema().is_valid(json.loads(line)) == (what in BEYOND_A_SCHEMA)


@given(configurations())
def test_a_vector_holds_exactly_a_call_and_its_answer(configuration: Configuration) -> None:
    verdict = resolve(*configuration, SEED)
    record = vector(configuration, verdict)
    line = msgspec.json.encode(record)
    assert vector_schema().is_valid(json.loads(line))
    again = kind_named("resolve vector").decode(line)
    assert again == record
    assert again.configuration == configuration
    assert again.answer == (verdict.outcome.text, *verdict[1:])


def test_every_recorded_vector_is_written_as_it_was_read() -> None:
    decode = kind_named("resolve vector").decode
    assert all(msgspec.json.encode(decode(line)) == line for line in golden_lines())


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (rb'{"a":1,"b":[{"c":"d"}]}', None),
        (rb'{"a":1,"b":{"a":2}}', None),
        (rb'{"a":1,"a":2}', "a"),
        (rb'[{"b":[{"c":1,"c":1}]}]', "c"),
        (rb'{"a":1,"\u0061":2}', "a"),
        (rb'{"a":1,"a":2,"b":"\u0022\u0022"}', "a"),
        (rb'{"a":1,"b":"\"\""}', None),
    ],
)
def test_a_key_that_comes_twice_is_found_whatever_is_quoted(line: bytes, key: str | None) -> None:
    assert key_twice(line) == key
