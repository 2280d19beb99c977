"""Parts in packs."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.packs import append_part
from prefect_parallel.output.part import Record, part_header, write_part
from prefect_parallel.output.step_parts import StepParts, unpack

PROCESS = "0123abcd"


def success(index: int, attempt: int = 1, process: str = "process000") -> Record:
    return Record(index, attempt, 1, 1, kind="list", node="node-0", process=process)


def failure(index: int, attempt: int = 1, process: str = "process000") -> Record:
    return Record(index, attempt, 1, 0, error="failed", node="node-0", process=process)


class Step:
    def __init__(self, root: Path) -> None:
        self.directory = StepDirectory(root)
        self.directory.parts.mkdir()
        self.start = self.directory.new_packs()
        self.start.mkdir(parents=True)

    def pack(self, group: str = "000000", process: str = PROCESS) -> Path:
        return self.directory.pack(self.start.name, group, process)

    def append(self, record: Record, payload: bytes, pack: Path | None = None) -> None:
        part = part_header(record, payload) + payload
        append_part(pack or self.pack(), record.index, part)

    def found(self) -> dict[int, tuple[Record, bytes]]:
        with StepParts(self.directory) as parts:
            opened = {index: parts.open(index) for index in range(10)}
            records = {index: parts.record(index) for index in range(10)}
            found = {index: (it[0], it[1].read()) for index, it in opened.items() if it}
        assert {index: record for index, record in records.items() if record} == {
            index: record for index, (record, _) in found.items()
        }
        return found


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


def test_parts_are_found_in_packs_and_files(step: Step) -> None:
    step.append(success(1), b"one\n")
    step.append(success(0), b"")
    step.append(success(7), b"7 7\n" * 3, step.pack("000005"))
    write_part(step.directory.part(2), success(2), b"two\n")
    assert step.found() == {
        0: (success(0), b""),
        1: (success(1), b"one\n"),
        2: (success(2), b"two\n"),
        7: (success(7), b"7 7\n" * 3),
    }


@pytest.mark.parametrize("left", range(1, 143, 7))
def test_a_part_that_was_not_written_whole_is_none(step: Step, left: int) -> None:
    step.append(success(0), b"zero")
    whole = step.pack().stat().st_size
    step.append(success(1), b"one")
    assert whole + left < step.pack().stat().st_size
    os.truncate(step.pack(), whole + left)
    assert step.found() == {0: (success(0), b"zero")}


def test_a_part_that_cannot_be_written_leaves_the_pack_as_it_was(step: Step) -> None:
    step.append(success(0), b"zero")
    before = step.pack().read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
        with pytest.raises(OSError, match="File too large"):
            step.append(success(1), b"x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert step.pack().read_bytes() == before
    step.append(success(2), b"two")
    assert set(step.found()) == {0, 2}


@pytest.mark.parametrize(
    ("own", "counts"),
    [
        (success(0, 2), True),
        # Of another attempt: another node has had the success.
        (failure(0, 2), False),
        (failure(0, 1, "process001"), False),
        # Its process was ended after it had written the part.
        (failure(0), True),
    ],
)
def test_which_of_two_parts_counts(step: Step, own: Record, counts: bool) -> None:
    step.append(success(0), b"packed")
    write_part(step.directory.part(0), own, b"own" if own.error is None else b"")
    for _ in range(2):
        (record, _), *_ = step.found().values()
        assert (record == own) is counts
        unpack(step.directory, lambda: None)
    assert not step.directory.packs.exists()


def test_parts_get_files_of_their_own_whenever_that_is_broken_off(step: Step) -> None:
    for index in range(4):
        step.append(success(index), b"%d" % index)
    before = step.found()
    calls = 0

    def break_off() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(step.directory, break_off)
    # The next start has packs of its own.
    step.start.mkdir(parents=True)
    step.append(success(8), b"8", step.pack("000008"))
    unpack(step.directory, lambda: None)
    assert step.found() == {**before, 8: (success(8), b"8")}
    assert {path.name for path in step.directory.root.iterdir()} == {"parts"}
