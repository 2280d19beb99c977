"""The report of a run in a browser (Debian's chromium, driven by playwright)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.report import write_report
from prefect_parallel.output.run_log import read_run
from tests.browser import SCHEMES, Shown
from tests.e2e.conftest import COMMAND, Pipeline, write_pipeline
from tests.output.written_run import WrittenRun

FAILS_IN_THREE_WAYS = """
    import os
    def init(): print("hello")
    def run(mini_batch):
        number = int(os.path.basename(mini_batch[0])[:3])
        if number % 8 == 1: raise ValueError(f"row {number} is <script>bad")
        if number % 8 == 3: return []
        if number % 8 == 5: os._exit(3)
        return mini_batch
"""

PAINTED = """() => reportCharts.map(({ctx}) => {
    const pixels = ctx.getImageData(0, 0, ctx.canvas.width, ctx.canvas.height).data;
    return new Set(new Uint32Array(pixels.buffer)).size;
})"""
"""The number of colors in each chart."""

INK = """() => {
    const {canvas} = reportCharts[0].ctx;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    const pixels = copy.getImageData(0, canvas.height - 40, canvas.width, 40).data;
    return Math.max(...new Uint32Array(pixels.buffer).map((pixel) => pixel & 0xff));
}"""
"""The brightest red of the labels below the first chart."""


def show(browser: Any, report: Path, **context: Any) -> Shown:
    shown = Shown(browser, report.as_uri(), **context)
    shown.page.wait_for_selector("html[data-drawn]")
    return shown


def middle_of_a_bar(shown: Shown) -> float:
    """Where the longest bar of the first lane is on the timeline, in pixels."""
    bars = json.loads(shown.page.locator("script[data-charts]").text_content())["bars"]
    spans = zip(bars["lane"], bars["start"], bars["end"], strict=True)
    start, end = max(
        (each[1:] for each in spans if each[0] == 0), key=lambda each: each[1] - each[0]
    )
    return float(shown.page.evaluate(f"reportCharts[0].valToPos({(start + end) / 2}, 'x')"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, server: str) -> Pipeline:
    it = write_pipeline(
        tmp_path_factory.mktemp("report"),
        server,
        FAILS_IN_THREE_WAYS,
        files=40,
        arguments="--resource_monitor_interval 1",
        retry_settings={"max_retries": 1, "timeout": 300},
    )
    said = it.run()
    assert "runs/run/logs/report.html" in said
    return it


def test_a_run_ends_with_a_report_that_says_what_to_do(run: Pipeline, browser: Any) -> None:
    directory = RunDirectory(run.folder / "runs" / "run")
    attempts = read_run(directory).steps[0].attempts
    assert len(attempts) == 40 + 15

    shown = show(browser, directory.report)
    data = json.loads(shown.page.locator("script[data-charts]").text_content())
    assert sum("mini-batch" in text for text in data["bars"]["text"]) == len(attempts)
    assert sum("start of the process" in text for text in data["bars"]["text"]) >= 5
    # Timeline, items per second, CPU, memory, durations; none is empty.
    colours = shown.page.evaluate(PAINTED)
    assert len(colours) == 5
    assert min(colours) > 5
    assert shown.requests == [directory.report.as_uri()]
    assert shown.complaints == []

    causes = [each.inner_text() for each in shown.page.locator("summary").all()]
    assert sorted(causes) == [
        "ValueError: row … is <script>bad",
        "run() returned 0 of 1 items",
        "the process ended during run(): exit code 3",
    ]
    numbers = shown.page.locator(".causes tbody tr td.number").all_inner_texts()
    assert numbers == ["10", "5", "0"] * 3

    row = shown.page.locator(".causes tbody tr", has_text="ValueError").first
    assert 'raise ValueError(f"row {number}' in row.locator("pre").inner_text()
    command = row.locator(".repeat code").inner_text()
    repeated = subprocess.run(
        f"{' '.join(COMMAND)} {command.removeprefix('prefect-parallel')} --no-pdb",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert repeated.returncode == 1
    assert "ValueError: row 1 is <script>bad" in repeated.stdout + repeated.stderr


def test_durations_from_a_little_below_a_power_of_ten_are_drawn(
    tmp_path: Path, browser: Any
) -> None:
    written = WrittenRun(tmp_path / "run")
    for index, seconds in enumerate([0.000098, *[0.0005] * 20, 0.2]):
        written.attempt(index, seconds=seconds)
    written.end()
    shown = show(browser, write_report(written.directory))
    assert shown.page.evaluate(PAINTED)[-1] > 5
    assert shown.complaints == []


def test_the_timeline_can_be_zoomed_and_all_charts_follow(run: Pipeline, browser: Any) -> None:
    shown = show(browser, run.folder / "runs" / "run" / "logs" / "report.html")
    width = "() => reportCharts.map(({scales}) => scales.x.max - scales.x.min)"
    before = shown.page.evaluate(width)
    chart = shown.page.locator(".u-over").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    shown.page.mouse.move(box["x"] + middle_of_a_bar(shown), box["y"] + 10)
    assert "process0" in shown.page.locator(".tooltip").inner_text()
    shown.page.mouse.move(box["x"] + 400, box["y"] + 10)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + 500, box["y"] + 10, steps=5)
    shown.page.mouse.up()
    shown.page.wait_for_function(f"({width})()[0] < {before[0] / 2}")
    after = shown.page.evaluate(width)
    assert [new < old / 2 for new, old in zip(after, before, strict=True)] == [True] * 4 + [False]
    chart.dblclick()
    shown.page.wait_for_function(f"({width})()[3] === {before[3]}")
    assert shown.complaints == []


@pytest.mark.parametrize("width", [1280, 480])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_of_the_report_can_be_read(
    run: Pipeline, browser: Any, tmp_path: Path, scheme: str, width: int
) -> None:
    report = run.folder / "runs" / "run" / "logs" / "report.html"
    shown = show(browser, report, width=width, color_scheme=scheme)
    shown.take_picture(tmp_path / f"report-{scheme}-{width}.png")


def test_light_dark_and_on_paper(run: Pipeline, browser: Any) -> None:
    report = run.folder / "runs" / "run" / "logs" / "report.html"
    light = show(browser, report, color_scheme="light")
    dark = show(browser, report, color_scheme="dark")
    ink = light.page.evaluate(INK)
    assert dark.page.evaluate(INK) != ink
    dark.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert dark.page.evaluate(INK) == ink
    dark.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert dark.page.evaluate(INK) != ink
    light.page.emulate_media(color_scheme="dark")
    light.page.wait_for_function(f"({INK})() !== {ink}")
    assert light.complaints + dark.complaints == []
    assert dark.page.pdf(print_background=True).startswith(b"%PDF")


def test_the_command_writes_the_report_anew(run: Pipeline) -> None:
    report = run.folder / "runs" / "run" / "logs" / "report.html"
    report.unlink()
    done = subprocess.run(
        [*COMMAND, "report", "run"], cwd=run.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "runs/run/logs/report.html\n")
    assert report.exists()
    missing = subprocess.run(
        [*COMMAND, "report", "ran"], cwd=run.folder, capture_output=True, text=True, check=False
    )
    assert missing.returncode == 1
    assert "there is no run runs/ran\n    hint: did you mean run?" in missing.stderr
