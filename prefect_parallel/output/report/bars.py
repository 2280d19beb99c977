"""The bars of a timeline: one for each start of a process and each attempt, or for several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prefect_parallel.output.attempts import Span
from prefect_parallel.output.duration import duration

MAX_BARS = 20_000
"""Maximum number of bars, approximately. With more, short neighbors share one."""


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


def apart(bars: Iterable[Bar]) -> Iterator[Bar]:
    """Bars in the order in which they start, each cut where the one before it in its lane ends."""
    ends: dict[int, float] = {}
    for bar in bars:
        start = max(bar.start, ends.get(bar.lane, bar.start))
        end = max(bar.end, start)
        ends[bar.lane] = end
        yield Bar(bar.lane, start, end, bar.kind, bar.span)


def share(bars: Iterable[Bar], seconds: float, names: Mapping[int, str]) -> Iterator[Bar]:
    """One bar for neighbors that together take less than `seconds`, divided by their kinds.

    Args:
        bars: As `apart` returns them.
        seconds: Maximum length of a shared bar.
        names: The name of each kind.
    """
    return (part for run in _runs(bars, seconds) for part in _one_bar(run, names))


def _runs(bars: Iterable[Bar], seconds: float) -> Iterator[list[Bar]]:
    runs: dict[int, list[Bar]] = {}
    for bar in bars:
        run = runs.setdefault(bar.lane, [])
        if run and bar.end - run[0].start > seconds:
            yield run
            run = runs[bar.lane] = []
        run.append(bar)
    yield from runs.values()


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
