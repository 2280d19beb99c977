"""The charts of a step. The page's script adapts their colors to light or dark mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    Column,
    ColumnDataSource,
    CrosshairTool,
    DataRange1d,
    DatetimeTickFormatter,
    FactorRange,
    HoverTool,
    NoOverlap,
    NumeralTickFormatter,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure

from prefect_parallel.output.report.lanes import lanes
from prefect_parallel.output.root_cause import root_cause
from prefect_parallel.output.run_log import Attempt, Sample, StepLog

SUCCEEDED = "#4a8fd4"
FAILED = ("#e4572e", "#f2a93b", "#a95aa1", "#8c6d31", "#d77a9a", "#5e8c61")
"""Colors of the most frequent root causes, which the color-blind can tell apart."""
OTHER = "#8a8f98"
"""Color of all other root causes."""
NODES = ("#3d8f86", "#9a7bd0", "#c08a3e", "#5b7fb8", "#b0627e", "#7a9a4a", "#7d7f86", "#4aa3c7")
"""Colors of nodes. If there are more nodes, colors repeat, and hovering shows the node."""

MAX_BARS = 50_000
"""Maximum number of attempts drawn: the failed and the longest ones."""

TEXT_CHARACTERS = 200
"""Maximum length of an error in a chart."""

BINS = 150
"""Number of bins of the rate over time."""

_LANE_PIXELS = 22
_THIN_LANE_PIXELS = 6
_SMALL_HEIGHT = 170
_LEFT_PIXELS = 110
"""Space for the names of lanes, equal in all charts so that their time axes are aligned."""


def colors_of(causes: Sequence[str]) -> dict[str, str]:
    """Root cause -> color; the causes are in descending order of importance."""
    return {
        cause: FAILED[number] if number < len(FAILED) else OTHER
        for number, cause in enumerate(causes)
    }


def charts(step: StepLog, colors: Mapping[str, str]) -> Column | None:
    """The charts of a step in a column with one time axis; None if there are no attempts."""
    if not step.attempts:
        return None
    starts = min(attempt.started_at for attempt in step.attempts)
    ends = max(attempt.started_at + attempt.seconds for attempt in step.attempts)
    margin = max(ends - starts, 0.001) * 0.02
    low, high = starts - margin, ends + margin
    time = Range1d(
        start=low * 1000, end=high * 1000, bounds=(low * 1000, high * 1000), min_interval=1
    )
    shown = [
        _timeline(step, colors, time),
        _rate(step.attempts, time, np.linspace(low, high, BINS + 1)),
        *_usage(step.usage, time),
        _durations(step.attempts, colors),
    ]
    return Column(children=shown, sizing_mode="stretch_width", spacing=14)


def _timeline(step: StepLog, colors: Mapping[str, str], time: Range1d) -> Any:
    lane_of = lanes(step.attempts)
    names = list(dict.fromkeys(lane_of.values()))
    # Failures are drawn last, on top of the bars that they are too short to be seen beside.
    drawn = sorted(step.attempts, key=lambda each: (each.error is not None, each.seconds))
    drawn = drawn[-MAX_BARS:]
    # The first lane is on top; the middle of the lowest is at 0.5.
    height_of = {name: len(names) - index - 0.5 for index, name in enumerate(names)}
    bars = ColumnDataSource(
        {
            "lane": np.array([height_of[lane_of[each.node, each.process]] for each in drawn]),
            "start": np.array([each.started_at for each in drawn]) * 1000,
            "end": np.array([each.started_at + each.seconds for each in drawn]) * 1000,
            "mini_batch": np.array([each.mini_batch for each in drawn], dtype=np.int32),
            "attempt": np.array([each.attempt for each in drawn], dtype=np.int32),
            "seconds": np.array([each.seconds for each in drawn]),
            "color": [_color(each, colors) for each in drawn],
            "alpha": _alternating(drawn),
            "process": [f"{each.node} {each.process}" for each in drawn],
            "items": [
                f"{each.succeeded} of {'?' if each.items is None else each.items}" for each in drawn
            ],
            "result": [(each.error or "succeeded")[:TEXT_CHARACTERS] for each in drawn],
        }
    )
    height = max(len(names) * (_LANE_PIXELS if len(names) <= 40 else _THIN_LANE_PIXELS), 40)
    plot = _figure(
        "Attempts", time, height=height + 90, y_range=FactorRange(factors=names[::-1]), toolbar=True
    )
    plot.yaxis.major_label_policy = NoOverlap()
    plot.hbar(
        y="lane",
        left="start",
        right="end",
        height=0.8,
        fill_color="color",
        fill_alpha="alpha",
        line_color="color",
        line_alpha="alpha",
        source=bars,
        name="attempts",
    )
    plot.ygrid.visible = False
    plot.add_tools(
        HoverTool(
            tooltips=[
                ("mini-batch", "@mini_batch, attempt @attempt"),
                ("process", "@process"),
                ("items", "@items"),
                ("started", "@start{%H:%M:%S.%3N}"),
                ("took", "@seconds{0,0.000} s"),
                ("result", "@result"),
            ],
            formatters={"@start": "datetime"},
        ),
    )
    return plot


def _alternating(attempts: Sequence[Attempt]) -> np.ndarray:
    """Alternating opacities of the attempts of a process, whose bars often touch."""
    ordered = sorted(
        range(len(attempts)),
        key=lambda index: (
            attempts[index].node,
            attempts[index].process,
            attempts[index].started_at,
        ),
    )
    opacities = np.empty(len(attempts))
    opacities[ordered] = np.where(np.arange(len(attempts)) % 2, 0.75, 1.0)
    return opacities


def _rate(attempts: Sequence[Attempt], time: Range1d, edges: np.ndarray) -> Any:
    """Items per second, with the items of each last attempt spread over its duration."""
    last = {attempt.mini_batch: attempt for attempt in attempts}
    counted = [attempt for attempt in last.values() if attempt.succeeded]
    starts = np.array([each.started_at for each in counted])
    seconds = np.maximum([each.seconds for each in counted], 0.001)
    items = np.array([each.succeeded for each in counted])
    done = [float(np.sum(items * np.clip((edge - starts) / seconds, 0, 1))) for edge in edges]
    rates = np.diff(done) / np.diff(edges)
    plot = _figure("Items per second", time)
    source = ColumnDataSource({"time": edges[:-1] * 1000, "rate": rates})
    plot.varea_step(
        "time",
        y1=0,
        y2="rate",
        step_mode="after",
        source=source,
        fill_color=SUCCEEDED,
        fill_alpha=0.35,
    )
    line = plot.step("time", "rate", mode="after", source=source, line_color=SUCCEEDED)
    _hover_time(plot, line, ("items/s", "@rate{0,0.0}"))
    plot.y_range = DataRange1d(start=0)
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[0]")
    return plot


def _usage(usage: Mapping[str, Sequence[Sample]], time: Range1d) -> list[Any]:
    """Charts of CPU and memory of each node in percent; none if no node was monitored."""
    sampled = {node: samples for node, samples in usage.items() if samples}
    if not sampled:
        return []
    plots = []
    for title, percent_of in (
        ("CPU, % of a node", _cpu_percent),
        ("Memory, % of a node", _memory_percent),
    ):
        plot = _figure(title, time, y_range=Range1d(start=0, end=104))
        for number, (node, samples) in enumerate(sampled.items()):
            color = NODES[number % len(NODES)]
            source = ColumnDataSource(
                {
                    "time": np.array([each.seconds for each in samples]) * 1000,
                    "percent": np.array([percent_of(each) for each in samples]),
                    "node": [node] * len(samples),
                }
            )
            named = {"legend_label": node} if 1 < len(sampled) <= len(NODES) else {}
            plot.line("time", "percent", source=source, line_color=color, line_width=1.5, **named)
            # A short run has two samples: the dots show that the line is interpolated.
            dots = plot.scatter(
                "time", "percent", source=source, size=5, color=color, line_color=None
            )
            _hover_time(plot, dots, ("node", "@node"), ("used", "@percent{0.0} %"))
        if plot.legend:
            plot.legend.update(
                orientation="horizontal",
                padding=0,
                margin=0,
                spacing=12,
                glyph_height=8,
                label_height=12,
                label_text_font_size="11px",
            )
            plot.add_layout(plot.legend[0], "above")
        plots.append(plot)
    return plots


def _cpu_percent(sample: Sample) -> float:
    return sample.cpu_percent


def _memory_percent(sample: Sample) -> float:
    return 100 * sample.memory_used / max(sample.memory_total, 1)


def _durations(attempts: Sequence[Attempt], colors: Mapping[str, str]) -> Any:
    """Histogram of durations, stacked by result, with a logarithmic axis for a wide range."""
    seconds = np.maximum([each.seconds for each in attempts], 0.001)
    wide = float(seconds.max() / np.median(seconds)) > 20
    low, high = float(seconds.min()), float(seconds.max()) * 1.0001
    edges = np.geomspace(low, high, 41) if wide else np.linspace(0, high, 41)
    plot = figure(
        title="Durations of the attempts, seconds",
        height=_SMALL_HEIGHT + 30,
        sizing_mode="stretch_width",
        x_axis_type="log" if wide else "linear",
        toolbar_location=None,
        tools="",
    )
    below = np.zeros(len(edges) - 1)
    shades = list(dict.fromkeys(_color(each, colors) for each in attempts))
    for shade in sorted(shades, key=lambda each: (each != SUCCEEDED, each)):
        chosen = [
            taken
            for taken, each in zip(seconds, attempts, strict=True)
            if _color(each, colors) == shade
        ]
        counts, _ = np.histogram(chosen, edges)
        source = ColumnDataSource(
            {
                "left": edges[:-1],
                "right": edges[1:],
                "bottom": below,
                "top": below + counts,
                "count": counts,
            }
        )
        bars = plot.quad(
            "left", "right", "top", "bottom", source=source, color=shade, line_color=None
        )
        plot.add_tools(
            HoverTool(
                renderers=[bars],
                tooltips=[("seconds", "@left{0.000} - @right{0.000}"), ("attempts", "@count")],
            )
        )
        below = below + counts
    plot.xaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
    plot.y_range = DataRange1d(start=0)
    plot.min_border_left = _LEFT_PIXELS
    return plot


def _figure(
    title: str,
    time: Range1d,
    *,
    height: int = _SMALL_HEIGHT,
    y_range: Any = None,
    toolbar: bool = False,
) -> Any:
    plot = figure(
        title=title,
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        x_range=time,
        y_range=y_range or DataRange1d(),
        tools="xbox_zoom,xpan,reset",
        active_drag="xbox_zoom",
        toolbar_location="above" if toolbar else None,
    )
    plot.toolbar.logo = None
    # Without Ctrl, the wheel scrolls the page.
    plot.add_tools(
        WheelZoomTool(dimensions="width", modifiers="ctrl"),
        CrosshairTool(dimensions="height", line_alpha=0.4),
    )
    plot.min_border_left = _LEFT_PIXELS
    plot.xaxis.formatter = DatetimeTickFormatter(
        milliseconds="%H:%M:%S.%3N", seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M"
    )
    return plot


def _hover_time(plot: Any, renderer: Any, *tooltips: tuple[str, str]) -> None:
    plot.add_tools(
        HoverTool(
            renderers=[renderer],
            tooltips=[("time", "@time{%H:%M:%S}"), *tooltips],
            formatters={"@time": "datetime"},
            mode="vline",
        )
    )


def _color(attempt: Attempt, colors: Mapping[str, str]) -> str:
    if attempt.error is None:
        return SUCCEEDED
    return colors.get(root_cause(attempt.error), OTHER)
