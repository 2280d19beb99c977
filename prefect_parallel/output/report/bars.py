"""The bars of a timeline: one for each start of a process and each attempt, or for several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prefect_parallel.output.duration import duration
from prefect_parallel.output.run_log import Span

MAX_BARS = 20_000
"""Maximum number of bars, approximately. With more, short neighbours share one."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What happened in a lane for a while.

    Attributes:
        lane: Index of the lane.
        start: In seconds.
        end: In seconds.
        kind: Index of its color.
        span: The startup or attempt that the bar shows; the first one if it shows several.
        shared: Tooltip of a bar that shows several: the count of each kind, and their total time.
        top: Where the bar begins in the height of the lane, from 0 to 1.
        bottom: Where it ends.
    """

    lane: int
    start: float
    end: float
    kind: int
    span: Span
    shared: str = ""
    top: float = 0.0
    bottom: float = 1.0


def apart(bars: Sequence[Bar]) -> list[Bar]:
    """The bars by lane and time, each cut where the one before it ends."""
    found = []
    ends: dict[int, float] = {}
    for bar in sorted(bars, key=lambda each: (each.lane, each.start, each.end)):
        start = max(bar.start, ends.get(bar.lane, bar.start))
        end = max(bar.end, start)
        ends[bar.lane] = end
        found.append(Bar(bar.lane, start, end, bar.kind, bar.span))
    return found


def share(bars: Sequence[Bar], seconds: float, names: Mapping[int, str]) -> list[Bar]:
    """One bar for neighbours that together take less than `seconds`, divided by their kinds.

    Args:
        bars: As `apart` returns them.
        seconds: Maximum length of a shared bar.
        names: The name of each kind.
    """
    return [part for run in _runs(bars, seconds) for part in _one_bar(run, names)]


def _runs(bars: Sequence[Bar], seconds: float) -> Iterator[list[Bar]]:
    run: list[Bar] = []
    for bar in bars:
        if run and (bar.lane != run[0].lane or bar.end - run[0].start > seconds):
            yield run
            run = []
        run.append(bar)
    if run:
        yield run


def _one_bar(run: Sequence[Bar], names: Mapping[int, str]) -> Iterator[Bar]:
    if len(run) == 1:
        yield run[0]
        return
    busy = sum(bar.end - bar.start for bar in run)
    lane, start, end = run[0].lane, run[0].start, run[-1].end
    top = 0.0
    counts = sorted(Counter(bar.kind for bar in run).items())
    text = "\n".join(f"{count:,} x {names[kind]}" for kind, count in counts)
    text += f"\nbusy for {duration(busy)}"
    for kind, count in counts:
        bottom = top + count / len(run)
        yield Bar(lane, start, end, kind, run[0].span, text, top, bottom)
        top = bottom
