"""`logs/report.html`: what it says, and what scripts cannot make it do."""

from __future__ import annotations

import csv
import json
import re
import tracemalloc
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prefect_parallel.entry.node_logs import ATTEMPTS_HEADER
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.attempts import Attempt, Span
from prefect_parallel.output.job_report import write_job_report
from prefect_parallel.output.report import write_report
from prefect_parallel.output.report.bars import MAX_BARS
from prefect_parallel.output.report.charts import FAILED, STARTING, SUCCEEDED
from prefect_parallel.output.report.failures import causes
from prefect_parallel.output.report.lanes import lanes, lives
from prefect_parallel.output.root_cause import root_cause
from prefect_parallel.output.run_log import NoSuchRun, read_run
from prefect_parallel.output.timestamps import format_timestamp
from tests.output.written_run import ITEMS, START, WrittenRun


class Page(HTMLParser):
    """The elements of a page, and its text without scripts and styles."""

    def __init__(self, run: WrittenRun) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.charts: list[dict[str, Any]] = []
        self._inside = ""
        self.file = write_report(run.directory)
        self.feed(self.file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data
        elif "data-charts" in self.elements[-1][1]:
            self.charts.append(json.loads(data))

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.elements)


def test_failures_are_grouped_by_root_cause(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "a run")
    for index in range(30):
        if index % 3 == 0:
            where = f"/data/{index}.csv"
            traceback = f'Traceback\n  File "script.py", line {index}\nValueError'
            for attempt in (1, 2):
                run.attempt(
                    index,
                    f"ValueError: row {index} of {where} is bad",
                    attempt=attempt,
                    traceback=traceback,
                )
        elif index == 10:
            run.attempt(index, "the process ended during run(): exit code 3")
            run.attempt(index, attempt=2, process="process001")
        else:
            run.attempt(index)
    run.script_error("OSError: cannot say goodbye", "deep inside")
    run.end()

    log = read_run(run.directory)
    found = {cause.name: cause for cause in causes(log, log.steps[0])}
    bad = found["ValueError: row … of … is bad"]
    assert (bad.attempts, bad.failed, bad.recovered) == (20, list(range(0, 30, 3)), 0)
    assert bad.where == "mini-batch 0, attempt 1 (file 0.csv), on node-0 process000"
    assert bad.traceback == 'Traceback\n  File "script.py", line 0\nValueError'
    assert bad.debug == (f"prefect-parallel debug '{tmp_path}/a run' --step score --mini-batch 0")
    died = found["the process ended during run(): exit code 3"]
    assert (died.attempts, died.failed, died.recovered) == (1, [], 1)
    goodbye = found["OSError: cannot say goodbye"]
    assert (goodbye.traceback, goodbye.debug) == ("deep inside", None)
    assert next(iter(found)) == bad.name

    page = Page(run)
    assert "20 of 30 succeeded" in page.text
    assert "10 mini-batches, 100 items" in page.text
    assert "allowed_failed_percent: 30" in page.text
    assert "Did not run: after" in page.text
    assert bad.debug in page.text
    assert "deep inside" in page.text


def test_one_mini_batch_is_not_several(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    for attempt in (1, 2):
        run.attempt(0, "Error", attempt=attempt)
    run.end()
    facts = Page(run).text.split()
    assert f"failed1 mini-batch, {ITEMS} items retried1 mini-batch attempts2" in " ".join(facts)


def test_a_bar_for_each_start_and_attempt_and_none_over_another(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    for index in range(50):
        run.attempt(index, process=f"process{index % 2:03d}", seconds=0.0004)
    run.attempt(50, "Error", process="process000", seconds=0.0001)
    run.startup(2.5, error="ImportError: no")
    run.startup(1.5)
    (data,) = Page(run).charts
    bars = data["bars"]
    assert len(bars["lane"]) == 53
    assert {data["colors"][kind] for kind in bars["kind"]} == {SUCCEEDED, STARTING, FAILED[0]}
    assert sum("ImportError: no" in text for text in bars["text"]) == 1
    assert sum("400 µs" in text for text in bars["text"]) == 50
    assert none_overlap(bars)
    assert sum(sum(row) for row in data["durations"]["counts"].values()) == 51


def test_many_short_attempts_share_bars_and_none_is_left_out(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    write_short_attempts(run, 3 * MAX_BARS)
    page = Page(run)
    (data,) = page.charts
    bars = data["bars"]
    assert len(bars["lane"]) <= 2 * MAX_BARS
    assert none_overlap(bars)
    one_each = {(bars["start"][i], text): text for i, text in enumerate(bars["text"])}
    counts = Counter[str]()
    for text in one_each.values():
        if text.startswith("mini-batch"):
            counts["Error: bad" if "Error" in text else "succeeded"] += 1
        for count, kind in re.findall(r"^(\d+) x (.*)$", text, re.MULTILINE):
            counts[kind] += int(count)
    assert counts == {"Error: bad": MAX_BARS, "succeeded": 2 * MAX_BARS}
    assert f"Of {3 * MAX_BARS:,} attempts, neighbors within" in page.text
    rate = data["rate"]
    assert sum(rate) / len(rate) == pytest.approx(10 * 3 * MAX_BARS / data["length"], rel=0.01)
    assert page.file.stat().st_size < 4_000_000


def test_many_attempts_take_little_memory(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    write_short_attempts(run, 10_000)
    write_job_report(run.step)
    tracemalloc.start()
    try:
        write_job_report(run.step)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A table has 80 bytes of each; as objects, they take more than 300.
    assert peak < 200 * 10_000


def write_short_attempts(run: WrittenRun, count: int) -> None:
    """Attempts of a millisecond, of which each third fails."""
    attempts = run.step.process("node-0", "process000").attempts
    attempts.parent.mkdir(parents=True)
    with attempts.open("w") as file:
        file.write(ATTEMPTS_HEADER)
        for index in range(count):
            result = "Error: bad" if index % 3 == 0 else "succeeded"
            start = format_timestamp(START + index * 0.001, "microseconds")
            file.write(f"{start}\t{index}\t1\t10\t10\t0.000900\t\t\t{result}\n")


def none_overlap(bars: dict[str, list[float]]) -> bool:
    """Whether no two bars of a lane share both time and height."""
    columns = ("lane", "start", "end", "top", "bottom")
    found = sorted(zip(*(bars[name] for name in columns), strict=True))
    for (lane, _, end, _, bottom), (lane2, start2, end2, top2, _) in pairwise(found):
        if lane == lane2 and start2 < end and not (end2 == end and top2 >= bottom - 0.001):
            return False
    return True


def test_a_report_of_200_attempts_takes_tenths_of_a_second(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    for index in range(200):
        run.attempt(index, "Error: bad" if index % 10 == 0 else None, traceback="Traceback")
    run.end()
    Page(run)

    def seconds() -> float:
        before = process_time()
        write_report(run.directory)
        return process_time() - before

    # It takes 0.03; the garbage collector and other threads of the process may take more.
    assert min(seconds() for _ in range(3)) < 0.3


def test_a_run_that_still_goes_on(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    assert "no result yet" in Page(run).text
    run.attempt(0)
    text = Page(run).text
    assert "no result yet" in text
    assert "attempts so far" in text


def test_the_page_is_complete_in_itself_and_not_too_large(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    for index in range(200):
        run.attempt(index)
    run.end()
    page = Page(run)
    loaded = [attributes.get(key) for _, attributes in page.elements for key in ("src", "href")]
    assert [each for each in loaded if each not in (None, "data:,")] == []
    assert page.file == tmp_path / "run" / "logs" / "report.html"
    assert page.file.stat().st_size < 400_000
    assert "Copyright (c) 2022 Leon Sorokin" in page.file.read_text()
    assert [path.name for path in page.file.parent.iterdir()] == ["report.html"]


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
one_line = anything.map(lambda text: " ".join(text.splitlines()) or "Error")


@pytest.fixture(scope="module")
def elements_of_plain_page(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    run = WrittenRun(tmp_path_factory.mktemp("runs") / "run")
    run.attempt(0, "Error", traceback="inside")
    run.script_error("Error", "inside")
    run.end()
    return [tag for tag, _ in Page(run).elements]


@settings(max_examples=15, deadline=None)
@given(error=one_line, traceback=anything, reason=anything)
@example(
    error="</script><script>alert(1)</script>",
    traceback="</pre><img src=x onerror=alert(1)>\n<!-- <script>",
    reason="{{ 7 * 7 }} <b>&amp;",
)
@example(error="a\tb\tsucceeded", traceback="2026-01-01T00:00:00Z n p: mini-batch 1", reason="\0")
def test_nothing_from_a_script_becomes_part_of_the_page(
    tmp_path_factory: pytest.TempPathFactory,
    elements_of_plain_page: list[str],
    error: str,
    traceback: str,
    reason: str,
) -> None:
    run = WrittenRun(tmp_path_factory.mktemp("runs") / "run")
    run.attempt(0, error, traceback=traceback)
    run.script_error(error, traceback)
    run.end(reason)
    assert [tag for tag, _ in Page(run).elements] == elements_of_plain_page


@settings(max_examples=60, deadline=None)
@given(errors=st.lists(st.none() | one_line.filter(lambda text: text != "succeeded"), max_size=6))
def test_attempts_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, errors: list[str | None]
) -> None:
    run = WrittenRun(tmp_path_factory.mktemp("runs") / "run")
    for index, error in enumerate(errors):
        run.attempt(index, error)
    assert list(read_run(run.directory).steps[0].attempts) == [
        Attempt(
            node="node-0",
            process="process000",
            started_at=START + index,
            mini_batch=index,
            attempt=1,
            items=ITEMS,
            succeeded=0 if error else ITEMS,
            seconds=1.0,
            run_seconds=None if error else 0.5,
            process_seconds=None if error else 0.25,
            error=error,
        )
        for index, error in enumerate(errors)
    ]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_torn_files_are_read_as_far_as_they_go(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run = WrittenRun(tmp_path_factory.mktemp("runs") / "run")
    run.attempt(0, "ValueError: bad", traceback="Traceback")
    run.attempt(1)
    run.startup(1.0)
    run.end()
    # job_result.txt is left out: it is there whole, or not at all.
    files = [
        run.step.failed_mini_batches,
        run.step.startup("node-0"),
        run.step.process("node-0", "process000").attempts,
        run.step.process("node-0", "process000").errors,
    ]
    torn = data.draw(st.sampled_from(files))
    text = torn.read_bytes()
    garbage = data.draw(st.binary(max_size=20))
    torn.write_bytes(text[: data.draw(st.integers(0, len(text)))] + garbage)
    log = read_run(run.directory)
    assert len(log.steps[0].attempts) <= 2 + garbage.count(b"\n")
    assert len(causes(log, log.steps[0])) <= 2
    assert lanes(lives(log.steps[0].attempts)).keys() <= {("node-0", "process000")}


def test_there_is_no_such_run(tmp_path: Path) -> None:
    WrittenRun(tmp_path / "monday")
    with pytest.raises(NoSuchRun, match=r"there is no run .*tuesday"):
        write_report(RunDirectory(tmp_path / "tuesday"))
    (tmp_path / "tuesday").mkdir()
    with pytest.raises(NoSuchRun, match="is not a run directory"):
        write_report(RunDirectory(tmp_path / "tuesday"))


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("ValueError: row 17 of '/data/a b.csv' is bad", "ValueError: row … of … is bad"),
        ("OSError: [Errno 2] No such file: 'C:\\x'", "OSError: [Errno 2] No such file: …"),
        ("SystemExit: 2; stderr: line 7: no", "SystemExit: 2; stderr: line …: no"),
        ("ValueError: [7, 8] (row 3), nothing", "ValueError: […, …] (row …), nothing"),
        ("KeyError: 'store'", "KeyError: 'store'"),
        ("ModuleNotFoundError: No module named 'x'", "ModuleNotFoundError: No module named 'x'"),
        ("run() returned 3 of 10 items", "run() returned … of … items"),
        (
            "run() took longer than retry_settings.timeout: 60 s",
            "run() took longer than retry_settings.timeout: 60 s",
        ),
        (
            "the process ended during run(): signal SIGSEGV",
            "the process ended during run(): signal SIGSEGV",
        ),
        (
            "the process ended during run(): exit code 3",
            "the process ended during run(): exit code 3",
        ),
    ],
)
def test_root_causes(error: str, cause: str) -> None:
    assert root_cause(error) == cause


def test_a_process_takes_over_the_lane_of_one_that_died() -> None:
    spans = {
        ("node-10", "process000"): (0.0, 5.0),
        ("node-9", "process000"): (0.0, 1.0),
        ("node-9", "process001"): (0.0, 4.0),
        ("node-9", "process002"): (1.5, 9.0),
        ("node-9", "process003"): (4.5, 2.0),
    }
    attempts = [
        Span(node, process, start, seconds, None)
        for (node, process), (start, seconds) in spans.items()
    ]
    assert list(lanes(lives(attempts)).items()) == [
        (("node-9", "process000"), "node-9 slot 0"),
        (("node-9", "process002"), "node-9 slot 0"),
        (("node-9", "process001"), "node-9 slot 1"),
        (("node-9", "process003"), "node-9 slot 1"),
        (("node-10", "process000"), "node-10 slot 0"),
    ]


def test_the_job_report_has_all_attempts_and_their_sums(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    run.attempt(1, "Error: row 7, bad", process="process001", seconds=2.0)
    run.attempt(0, process="process000")
    run.attempt(1, attempt=2, process="process000", seconds=3.0)
    plan = [f'{{"fingerprint": "", "mini_batch": {{"index": {index}}}}}\n' for index in range(3)]
    run.step.plan.write_text("".join(plan))
    write_job_report(run.step)

    def table(name: str) -> list[dict[str, str]]:
        with (run.step.job_report / name).open(newline="") as file:
            return list(csv.DictReader(file))

    attempts = table("processed_mini-batches.csv")
    columns = ("Mini-batch Id", "Picked Count", "Process", "Succeeded", "Failed", "Elapsed Seconds")
    assert [tuple(row[column] for column in columns) for row in attempts] == [
        ("0", "1", "process000", str(ITEMS), "0", "1.0"),
        ("1", "1", "process001", "0", str(ITEMS), "2.0"),
        ("1", "2", "process000", str(ITEMS), "0", "3.0"),
    ]
    assert [row["Run Method Seconds"] for row in attempts] == ["0.5", "", "0.5"]
    assert [row["Mini-batch Detail"] for row in attempts] == ['{"index": 0}', *['{"index": 1}'] * 2]
    assert attempts[1]["Error Message"] == "Error: row 7, bad"
    sums = ("Node", "Process", "Mini-batches", "Total", "Succeeded", "Run Method Seconds")
    assert [tuple(row.get(name) for name in sums) for row in table("process_summary.csv")] == [
        ("node-0", "process000", "2", str(2 * ITEMS), str(2 * ITEMS), "1.0"),
        ("node-0", "process001", "1", str(ITEMS), "0", "0"),
    ]
    assert [row["Elapsed Seconds"] for row in table("node_summary.csv")] == ["6.0"]
