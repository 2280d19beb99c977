"""The data of a step's charts. The page's script draws them, with times in seconds from `zero`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from heapq import merge
from math import ceil, log
from typing import Any

from prefect_parallel.output.attempts import Attempt, Attempts, Span
from prefect_parallel.output.duration import duration
from prefect_parallel.output.report.bars import MAX_BARS, Bar, apart, share
from prefect_parallel.output.report.lanes import Process, lanes, lives
from prefect_parallel.output.root_cause import root_cause
from prefect_parallel.output.run_log import Sample, StepLog

SUCCEEDED = "#4a8fd4"
STARTING = "#a9b1bc"
"""Color of the time in which an entry process imports the script and calls `init`."""
FAILED = ("#e4572e", "#f2a93b", "#a95aa1", "#8c6d31", "#d77a9a", "#5e8c61")
"""Colors of the most frequent root causes, which the color-blind can tell apart."""
OTHER = "#8a8f98"
"""Color of all other root causes."""

RATE_BINS = 150
DURATION_BINS = 40

MAX_SAMPLES = 1_000
"""Maximum number of samples of a node that are drawn; of neighbors, the highest is."""

TEXT_CHARACTERS = 200
"""Maximum length of an error in a chart."""

SHORTEST = 1e-6
"""Shortest duration in seconds, as logs have it."""


def colors_of(causes: Sequence[str]) -> dict[str, str]:
    """Root cause -> color; the causes are in descending order of importance."""
    return {
        cause: FAILED[number] if number < len(FAILED) else OTHER
        for number, cause in enumerate(causes)
    }


def charts(step: StepLog, colors: Mapping[str, str]) -> dict[str, Any] | None:
    """The data of the charts of a step; None if no process was started.

    Args:
        step: The step.
        colors: See `colors_of`.
    """
    times = lives(_spans(step))
    if not times:
        return None
    zero = min(start for start, _ in times.values())
    length = max(max(end for _, end in times.values()) - zero, 10 * SHORTEST)
    palette = list(dict.fromkeys((SUCCEEDED, STARTING, *colors.values(), OTHER)))
    kinds = _Kinds(colors, palette)
    names, bars, joined = _timeline(step, kinds, lanes(times), zero, length)
    return {
        "length": length,
        "colors": palette,
        "lanes": names,
        "bars": _columns(bars),
        "joined": joined,
        "rate": _rate(step.attempts, zero, length),
        "usage": {node: _usage(samples, zero) for node, samples in step.usage.items() if samples},
        "durations": _durations(step.attempts, kinds),
    }


class _Kinds:
    """The index in the palette, and the name, of each kind of bar."""

    def __init__(self, colors: Mapping[str, str], palette: Sequence[str]) -> None:
        self._of_color = {color: index for index, color in enumerate(palette)}
        self._colors = colors
        succeeded, self.starting = self._of_color[SUCCEEDED], self._of_color[STARTING]
        self._of_error: dict[str | None, int] = {None: succeeded}
        self.names = {
            succeeded: "succeeded",
            self.starting: "starting",
            self._of_color[OTHER]: "other causes",
        }
        self.names |= {
            self._of_color[color]: cause for cause, color in colors.items() if color != OTHER
        }

    def of(self, span: Span) -> int:
        if not isinstance(span, Attempt):
            return self.starting
        error = span.error
        if error not in self._of_error:
            color = self._colors.get(root_cause(error or ""), OTHER)
            self._of_error[error] = self._of_color[color]
        return self._of_error[error]


def _timeline(
    step: StepLog, kinds: _Kinds, lane_of: Mapping[Process, str], zero: float, length: float
) -> tuple[list[str], list[Bar], float]:
    """The lanes' names, the bars, and the maximum seconds of a shared bar; 0 if none is shared."""
    names = list(dict.fromkeys(lane_of.values()))
    index_of = {name: index for index, name in enumerate(names)}

    def bar(each: Span) -> Bar:
        lane = index_of[lane_of[each.node, each.process]]
        start = each.started_at - zero
        return Bar(lane, start, start + each.seconds, kinds.of(each), each)

    bars, seconds = apart(map(bar, _spans(step))), 0.0
    if len(step.startups) + len(step.attempts) > MAX_BARS:
        seconds = length * len(names) / MAX_BARS
        bars = share(bars, seconds, kinds.names)
    return names, sorted(bars, key=lambda each: (each.lane, each.start)), seconds


def _spans(step: StepLog) -> Iterator[Span]:
    """The starts of processes and the attempts, in the order in which they began."""
    startups = sorted(step.startups, key=lambda each: each.started_at)
    return merge(startups, step.attempts, key=lambda each: each.started_at)


def _text(span: Span) -> str:
    """What hovering over the bar of a span shows."""
    time = datetime.fromtimestamp(span.started_at, timezone.utc)
    where = f"{span.node} {span.process}\n{time:%H:%M:%S.%f} UTC, {duration(span.seconds)}"
    error = (span.error or "succeeded")[:TEXT_CHARACTERS]
    if not isinstance(span, Attempt):
        return f"start of the process, with init()\n{where}\n{error}"
    items = "?" if span.items is None else f"{span.items:,}"
    return (
        f"mini-batch {span.mini_batch}, attempt {span.attempt}\n{where}\n"
        f"{span.succeeded:,} of {items} items\n{error}"
    )


def _columns(bars: Sequence[Bar]) -> dict[str, list[Any]]:
    return {
        "lane": [bar.lane for bar in bars],
        "start": [round(bar.start, 6) for bar in bars],
        "end": [round(bar.end, 6) for bar in bars],
        "kind": [bar.kind for bar in bars],
        "text": [bar.shared or _text(bar.span) for bar in bars],
        "top": [round(bar.top, 3) for bar in bars],
        "bottom": [round(bar.bottom, 3) for bar in bars],
    }


def _rate(attempts: Attempts, zero: float, length: float) -> list[float]:
    """Items per second in each bin, with those of a last attempt spread over its duration."""
    width = length / RATE_BINS
    partial = [0.0] * RATE_BINS
    begun = [0.0] * (RATE_BINS + 1)
    for each in attempts.last():
        seconds = max(each.seconds, SHORTEST)
        speed = each.succeeded / seconds
        start = each.started_at - zero
        first = min(int(start / width), RATE_BINS - 1)
        last = min(int((start + seconds) / width), RATE_BINS - 1)
        if first == last:
            partial[first] += each.succeeded
            continue
        partial[first] += speed * ((first + 1) * width - start)
        partial[last] += speed * (start + seconds - last * width)
        begun[first + 1] += speed * width
        begun[last] -= speed * width
    rates, whole = [], 0.0
    for index in range(RATE_BINS):
        whole += begun[index]
        rates.append(float(f"{max(whole + partial[index], 0) / width:.4g}"))
    return rates


def _usage(samples: Sequence[Sample], zero: float) -> dict[str, list[float]]:
    """The samples of a node in percent: of all its cores, and of its memory."""
    size = ceil(len(samples) / MAX_SAMPLES)
    groups = [samples[index : index + size] for index in range(0, len(samples), size)]
    return {
        "time": [round(group[0].seconds - zero, 3) for group in groups],
        "cpu": [max(each.cpu_percent for each in group) for group in groups],
        "memory": [
            round(max(100 * each.memory_used / max(each.memory_total, 1) for each in group), 1)
            for group in groups
        ],
    }


def _durations(attempts: Attempts, kinds: _Kinds) -> dict[str, Any] | None:
    """Histogram of durations: number of attempts by bin and kind, logarithmic for a wide range."""
    if not attempts:
        return None

    import numpy as np

    seconds = np.maximum(attempts.seconds(), SHORTEST)
    low, high = float(seconds.min()), float(seconds.max()) * 1.0001
    wide = high / float(np.median(seconds)) > 20
    if wide:
        ratio = high / low
        edges = [low * ratio ** (index / DURATION_BINS) for index in range(DURATION_BINS + 1)]
    else:
        edges = [high * index / DURATION_BINS for index in range(DURATION_BINS + 1)]
    counts: dict[int, list[int]] = {}
    for attempt in attempts:
        taken = max(attempt.seconds, SHORTEST)
        position = log(taken / low) / log(ratio) if wide else taken / high
        index = min(max(int(position * DURATION_BINS), 0), DURATION_BINS - 1)
        counts.setdefault(kinds.of(attempt), [0] * DURATION_BINS)[index] += 1
    return {"logarithmic": wide, "edges": edges, "counts": dict(sorted(counts.items()))}
