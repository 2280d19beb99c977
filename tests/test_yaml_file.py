"""Files that are invalid YAML, or not a mapping."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from prefect_parallel.errors import InvalidMLTable, InvalidPipeline, Problem
from prefect_parallel.yaml_file import parse_document, read_document


def problems(text: str) -> list[Problem]:
    with pytest.raises(InvalidPipeline) as refused:
        parse_document(text, "x.yml", InvalidPipeline)
    return refused.value.problems


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "line 1"),
        ("a:\n  b: {c: 1, d: 2, c: 3}\n", (2, 19), "line 2"),
        ("a: 1\n'a': 3\n", (2, 1), "line 1"),
        ("a:\n\tb: 1\n", (2, 1), "invalid YAML"),
        ("a: b: c\n", (1, 5), "invalid YAML"),
        ("a: [1, 2\n", (2, 1), "invalid YAML"),
        ("a: 'x\n", (2, 1), "invalid YAML"),
        ("5: x\n", (1, 1), "the key is the number 5, not text"),
        ("a:\n  yes: x\n", (2, 3), "the key is the boolean true, not text"),
        ("~: x\n", (1, 1), "the key is nothing (null), not text"),
        ("1.5: x\n", (1, 1), "the key is the number 1.5, not text"),
        ("? [a, b]\n: x\n", (1, 3), "the key is a list, not text"),
        ("a: !!python/object:os.system {}\n", (1, 4), "!!python/object:os.system"),
        ("a: !!python/object/apply:os.system [touch x]\n", (1, 4), "python/object/apply"),
        ("a: !!binary aGk=\n", (1, 4), "!!binary"),
        ("a: !!set {b}\n", (1, 4), "!!set"),
        ("a: !mine x\n", (1, 4), "!mine"),
        ("a: !!int x\n", (1, 4), "not a YAML int"),
        ("a: *b\n", (1, 4), "undefined alias"),
        ("a: &a [*a]\n", (1, 8), "undefined alias"),
        ("<<: 3\n", (1, 5), "can only merge mappings"),
        ("", (None, None), "empty"),
        ("# nothing\n", (None, None), "empty"),
        ("- a\n", (1, 1), "not a mapping"),
        ("text\n", (1, 1), "not a mapping"),
        ("a: 1\n---\nb: 2\n", (2, 1), "second YAML document"),
        ("a: \x01\n", (1, 1), "invalid YAML"),
        (LAUGHS, (5, 29), "aliases expand to more than"),
        ("{a: " * 300 + "}" * 300, (1, 402), "nested deeper"),
    ],
)
def test_errors_are_located(text: str, place: tuple[int | None, int | None], words: str) -> None:
    before = time.process_time()
    first = problems(text)[0]
    assert (first.line, first.column) == place
    assert words in str(first)
    assert first.file == "x.yml"
    assert time.process_time() - before < 1


def test_tabs_are_explained() -> None:
    assert "tab" in (problems("a:\n\tb: 1\n")[0].hint or "")


def test_all_problems_of_a_file_are_reported() -> None:
    found = problems("a: !!set {b}\nc: 1\nc: 2\n7: 8\n")
    assert [problem.line for problem in found] == [1, 3, 4]


def test_yaml_1_1() -> None:
    text = """\
a: yes
b: off
c: 0x10
d: 010
e: 1_000
f: 2024-01-02
g: 2024-01-02 03:04:05
h: "5"
i: .5
j: ~
k: !!str 5
"""
    assert parse_document(text, "x.yml", InvalidPipeline).data == {
        "a": True,
        "b": False,
        "c": 16,
        "d": 8,
        "e": 1000,
        "f": "2024-01-02",
        "g": "2024-01-02 03:04:05",
        "h": "5",
        "i": 0.5,
        "j": None,
        "k": "5",
    }


def test_merge_keys() -> None:
    text = """\
a: &a {x: 1, y: 2}
b: &b {y: 3, z: 4}
c: {<<: *a, x: 5}
d: {<<: [*a, *b], w: 0}
"""
    data = parse_document(text, "x.yml", InvalidPipeline).data
    assert data["c"] == {"x": 5, "y": 2}
    assert data["d"] == {"w": 0, "x": 1, "y": 2, "z": 4}


def test_keys_that_may_be_numbers_are_text_as_written() -> None:
    text = "1: a\n0x1: {yes: b, ~: c}\n1.10: d\n"
    data = parse_document(text, "x.yml", InvalidMLTable, number_keys=True).data
    assert data == {"1": "a", "0x1": {"yes": "b", "~": "c"}, "1.10": "d"}
    with pytest.raises(InvalidMLTable, match="2:1: 1: duplicate key, first defined on line 1"):
        parse_document("1: a\n'1': b\n", "x.yml", InvalidMLTable, number_keys=True)


def test_an_alias_that_nests_too_deep_is_told_from_one_that_expands() -> None:
    half = "[" * 60 + "]" * 60
    text = f"a: &a {half}\nb: {'[' * 60}*a{']' * 60}\n"
    with pytest.raises(InvalidPipeline, match="nested deeper than 100 levels"):
        parse_document(text, "x.yml", InvalidPipeline)


def test_a_byte_order_mark_and_unicode(tmp_path: Path) -> None:
    file = tmp_path / "ü.yml"
    file.write_bytes("\ufeffgröße: ☃\n".encode())
    document = read_document(file, InvalidPipeline)
    assert document.data == {"größe": "☃"}
    assert document.folder == tmp_path


def test_other_encodings_are_named(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_bytes("a: 1\nb: größe\n".encode("latin-1"))
    with pytest.raises(InvalidPipeline, match=r"x\.yml:2: byte 0xf6 is not UTF-8"):
        read_document(file, InvalidPipeline)


def test_a_missing_file_names_those_that_are_there(tmp_path: Path) -> None:
    for name in ("pipeline.yml", "other.yaml"):
        (tmp_path / name).write_text("a: 1")
    with pytest.raises(InvalidPipeline, match=r"no such file.*\n.*other\.yaml, pipeline\.yml"):
        read_document(tmp_path / "pipelin.yml", InvalidPipeline)
    with pytest.raises(InvalidPipeline, match="is a directory"):
        read_document(tmp_path, InvalidPipeline)


def test_ten_megabytes_are_read_in_seconds() -> None:
    step = f"    inputs: {{a: 1, b: {{type: uri_folder, path: ./{'data' * 120}}}}}\n"
    text = "jobs:\n" + "".join(f"  step{number}:\n{step}" for number in range(20_000))
    assert len(text) > 10_000_000
    before = time.process_time()
    assert len(parse_document(text, "x.yml", InvalidPipeline).data["jobs"]) == 20_000
    assert time.process_time() - before < 30
