"""`logs/report.html`: what it says, and what scripts cannot make it do."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.report import write_report
from prefect_parallel.output.report.failures import causes
from prefect_parallel.output.report.lanes import lanes
from prefect_parallel.output.root_cause import root_cause
from prefect_parallel.output.run_log import Attempt, NoSuchRun, read_run
from tests.output.written_run import ITEMS, START, WrittenRun


class Page(HTMLParser):
    """The elements of a page, and its text without scripts and styles."""

    def __init__(self, run: WrittenRun) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
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
    assert bad.debug == (
        f"prefect-parallel debug '{tmp_path}/a run/job.yml' --step score --mini-batch 0"
        f" --run 'a run' --output-dir {tmp_path}"
    )
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
    assert page.file.stat().st_size < 1_500_000
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
    assert read_run(run.directory).steps[0].attempts == [
        Attempt(
            node="node-0",
            process="process000",
            started_at=START + index,
            mini_batch=index,
            attempt=1,
            items=ITEMS,
            succeeded=0 if error else ITEMS,
            seconds=1.0,
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
    run.end()
    # job_result.txt is left out: it is there whole, or not at all.
    files = [
        run.step.failed_mini_batches,
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
    assert lanes(log.steps[0].attempts).keys() <= {("node-0", "process000")}


def test_there_is_no_such_run(tmp_path: Path) -> None:
    WrittenRun(tmp_path / "monday")
    with pytest.raises(NoSuchRun, match="there are: monday"):
        write_report(RunDirectory(tmp_path / "tuesday"))
    (tmp_path / "tuesday").mkdir()
    with pytest.raises(NoSuchRun, match="is not a run directory"):
        write_report(RunDirectory(tmp_path / "tuesday"))


def test_without_the_extra_the_error_names_it(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run")
    hide_bokeh = "import sys; sys.modules['bokeh'] = None; from prefect_parallel.cli import main"
    done = subprocess.run(
        [sys.executable, "-c", f"{hide_bokeh}; main()", "report", "run", "--output-dir", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'prefect-parallel[report]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not run.directory.report.exists()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("ValueError: row 17 of '/data/a b.csv' is bad", "ValueError: row … of … is bad"),
        ("OSError: [Errno 2] No such file: 'C:\\x'", "OSError: [Errno … No such file: …"),
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
        Attempt(node, process, start, 0, 1, 1, 1, seconds, None)
        for (node, process), (start, seconds) in spans.items()
    ]
    assert list(lanes(attempts).items()) == [
        (("node-9", "process000"), "node-9 slot 0"),
        (("node-9", "process002"), "node-9 slot 0"),
        (("node-9", "process001"), "node-9 slot 1"),
        (("node-9", "process003"), "node-9 slot 1"),
        (("node-10", "process000"), "node-10 slot 0"),
    ]
