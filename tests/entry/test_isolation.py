"""The items of a failed mini-batch that fail are found, and all others are in the output."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from prefect_parallel.entry.bisection import MAX_FAILING, Bisection, Outcome
from prefect_parallel.output.aggregate import aggregate
from prefect_parallel.output.formats import Parts, format_for
from prefect_parallel.output.part import Record, read_record
from prefect_parallel.output.returns import Returns
from tests.entry.conftest import Node, NodeFactory


def bisected(
    size: int, failing: Collection[int] = (), *, threshold: int = -1, too_many: int = 10**9
) -> tuple[Bisection, list[range]]:
    """What is found, and the calls that it took; `too_many` items fail together."""
    calls: list[range] = []

    def call(items: range) -> Outcome:
        calls.append(items)
        fails = len(items) >= too_many or any(item in failing for item in items)
        return Outcome(items, "failed" if fails else None)

    bisection = Bisection([Outcome(range(size), "failed")], threshold)
    bisection.run(call)
    return bisection, calls


def failing_sets() -> Iterator[tuple[int, tuple[int, ...]]]:
    for size in range(1, 13):
        for count in (1, 2, 3):
            yield from ((size, each) for each in itertools.combinations(range(size), count))
    chance = random.Random(7)
    for size, count in itertools.product((37, 64, 65, 100, 1000), (1, 2, 5, 20)):
        yield from ((size, tuple(chance.sample(range(size), count))) for _ in range(50))


def test_failing_items_are_found_in_few_calls() -> None:
    for size, failing in failing_sets():
        bisection, calls = bisected(size, failing)
        found = sorted(bisection.succeeded + bisection.failing, key=lambda each: each.items.start)
        assert [item for each in found for item in each.items] == list(range(size))
        assert sorted(each.items.start for each in bisection.failing) == sorted(failing)
        assert all(each.called and len(each.items) == 1 for each in bisection.failing)
        assert len(calls) <= 2 * len(failing) * math.log2(size) + 1
        assert bisection.fine_size is None


@pytest.mark.parametrize(
    ("too_many", "failing", "fine"), [(100, (), 50), (26, (), 25), (26, (3,), 25), (2, (), 1)]
)
def test_items_that_fail_only_together_are_fine(
    too_many: int, failing: tuple[int, ...], fine: int
) -> None:
    bisection, _ = bisected(100, failing, too_many=too_many)
    assert [each.items for each in bisection.failing] == [range(i, i + 1) for i in failing]
    assert bisection.fine_size == fine


@pytest.mark.parametrize("threshold", [0, 1, 5])
def test_no_items_are_isolated_beyond_the_threshold(threshold: int) -> None:
    bisection, calls = bisected(1000, range(100), threshold=threshold)
    alone = [each for each in bisection.failing if each.called and len(each.items) == 1]
    assert len(alone) == threshold + 1
    assert calls[-1] == alone[-1].items
    assert {item for each in bisection.failing for item in each.items} >= set(range(100))


def test_no_items_are_isolated_beyond_the_maximum() -> None:
    bisection, calls = bisected(100_000, range(0, 100_000, 2))
    assert len(bisection.failing) == MAX_FAILING + 1
    assert len(calls) <= 2 * MAX_FAILING * math.log2(100_000)


SCRIPT = """
import os, time
def init(): pass
def run(mini_batch):
    with open("calls", "a") as calls:
        print(len(mini_batch), file=calls)
    names = [os.path.basename(path)[5:8] for path in mini_batch]
    for name in names:
        {fails}
    return [f"{{name}} of {{len(name)}}" for name in names]
"""


def run_to_the_end(node: Node, index: int = 0) -> Record:
    """Run a mini-batch as a task run without retries does."""
    mini_batch = node.mini_batches[index]
    return node.pool.isolate(mini_batch, node.pool.run(mini_batch, 1))


def output_of(node: Node, name: str = "out.txt") -> Path:
    returns = Returns()
    for index in range(len(node.mini_batches)):
        record = read_record(node.directory.part(index))
        assert record is not None
        returns.add(record)
    target = node.directory.root / name
    aggregate(
        Parts(node.directory, len(node.mini_batches)), returns, target, format_for(name),
        header=False,
    )  # fmt: skip
    return target


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        ("assert name not in ('003', '012'), name", "AssertionError: 003"),
        ("if name in ('003', '012'): os._exit(3)", "the process ended during run(): exit code 3"),
        (
            "time.sleep(600) if name == '003' else name == '012' and os._exit(3)",
            "run() took longer than retry_settings.timeout: 2 s",
        ),
        ("if name in ('003', '012'): return []", "run() returned 0 of 1 items"),
        ("if name in ('003', '012'): return 5", "run() returned int"),
        ("DELETED", "item 003.txt: cannot be opened: No such file or directory"),
    ],
)
def test_the_items_that_fail_are_isolated(node: NodeFactory, fails: str, error: str | None) -> None:
    deletes = fails == "DELETED"
    script = SCRIPT.format(fails="pass" if deletes else fails)
    timeout = 2 if "sleep" in fails else 240
    started = node(script, mini_batches=1, size=16, timeout=timeout, isolates_failed_items=True)
    if deletes:
        for number in (3, 12):
            Path(started.mini_batches[0].pieces[number].file.path).unlink()
    record = run_to_the_end(started)
    assert record.error is not None
    assert record.isolated is not None
    assert [(each.start, each.stop, each.alone) for each in record.isolated.failed] == [
        (3, 4, True), (12, 13, True),
    ]  # fmt: skip
    first = record.isolated.failed[0]
    assert error in first.error
    assert first.file is not None
    assert Path(first.file).name == "item 003.txt"
    assert (record.items, record.succeeded, record.failed_items) == (16, 14, 2)
    names = [f"{number:03d}" for number in range(16) if number not in (3, 12)]
    assert output_of(started).read_text().splitlines() == [f"{name} of 3" for name in names]
    assert read_record(started.directory.part(0)) == record
    assert list(started.directory.isolated.rglob("*.part")) == []
    assert first.traceback_file is not None
    log = (started.directory.root / first.traceback_file).read_text()
    assert "mini-batch 0, attempt 1, item 3 (16 files, first item 000.txt): " in log
    # It is not isolated again when another task run finds it.
    assert started.pool.isolate(started.mini_batches[0], record) is record


def test_items_that_are_too_many_at_once(node: NodeFactory) -> None:
    fails = "assert len(mini_batch) <= 5"
    started = node(SCRIPT.format(fails=fails), mini_batches=1, size=16, isolates_failed_items=True)
    record = run_to_the_end(started)
    assert (record.error, record.succeeded) == (None, 16)
    assert record.isolated is not None
    assert record.isolated.fine_size == 4
    assert len(output_of(started).read_text().splitlines()) == 16
    assert started.pool.run(started.mini_batches[0], 1) == record


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_pieces_of_a_part_fit_together_in_each_format(node: NodeFactory, name: str) -> None:
    script = """
        import os
        import pandas as pd
        def run(mini_batch):
            numbers = [int(os.path.basename(path)[5:8]) for path in mini_batch]
            assert 5 not in numbers
            frame = pd.DataFrame({"number": numbers})
            return frame.assign(high=1.5) if max(numbers) > 7 else frame
    """
    settings = {"mini_batches": 2, "size": 8, "output_file": name, "isolates_failed_items": True}
    started = node(script, **settings)
    assert [run_to_the_end(started, index).succeeded for index in (0, 1)] == [7, 8]
    text = output_of(started, name)
    if name == "out.csv":
        assert text.read_text() == "".join(
            f"{n},{1.5 if n > 7 else ''}\n" for n in range(16) if n != 5
        )
        return
    import pandas as pd

    read = pd.read_parquet if name == "out.parquet" else lambda file: pd.read_json(file, lines=True)
    frame = read(text)
    assert frame["number"].tolist() == [n for n in range(16) if n != 5]
    assert frame["high"].isna().sum() == 7


@pytest.mark.parametrize(
    ("fails", "isolates"),
    [
        ("assert name != '001'", False),
        ("if name == '001': import prefect_parallel as p; raise p.RetryAfter(60)", True),
    ],
)
def test_what_is_not_isolated(node: NodeFactory, fails: str, isolates: bool) -> None:
    started = node(SCRIPT.format(fails=fails), mini_batches=1, isolates_failed_items=isolates)
    record = run_to_the_end(started)
    assert record.isolated is None
    assert record.failed_items == 2
