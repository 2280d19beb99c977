"""The page around the charts. Text from the run is escaped, because scripts wrote some of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prefect_parallel.errors import counted
from prefect_parallel.output.duration import duration
from prefect_parallel.output.report.charts import (
    FAILED,
    OTHER,
    STARTING,
    SUCCEEDED,
    charts,
    colors_of,
)
from prefect_parallel.output.report.failures import Cause, ItemCause, causes, item_causes
from prefect_parallel.output.run_log import ProcessEnd, RunLog, StepLog

PROCESSES_SHOWN = 10
"""Number of processes shown by memory."""

CAUSES_SHOWN = 25
"""Maximum number of root causes shown; the rarest others are only counted."""


@dataclass(frozen=True)
class _StepView:
    """A step as the template shows it."""

    log: StepLog
    causes: list[Cause]
    item_causes: list[ItemCause]
    more_causes: int
    colors: dict[str, str]
    facts: list[tuple[str, str]]
    charts: dict[str, Any] | None

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Title and color of each kind of attempt."""
        titles = [(each.title, self.colors[each.name]) for each in self.causes if each.debug]
        others = [("other causes", OTHER)] if len(self.colors) > len(FAILED) else []
        starts = [("start of a process", STARTING)] if self.log.startups else []
        return [("succeeded", SUCCEEDED), *titles[: len(FAILED)], *others, *starts]

    @property
    def largest_processes(self) -> list[ProcessEnd]:
        """The processes that used the most memory."""
        return sorted(self.log.ends, key=lambda end: -end.peak_memory)[:PROCESSES_SHOWN]

    @property
    def shared_bars(self) -> str:
        """Maximum length of a shared bar; empty if no bar is shared."""
        seconds = self.charts["joined"] if self.charts else 0
        return duration(seconds) if seconds else ""

    @property
    def status(self) -> str:
        if self.log.result:
            return str(self.log.result.get("status", ""))
        return "command" if self.log.is_command else "no result yet"


def page_of(run: RunLog) -> str:
    """The HTML of the report."""
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    # For the `tojson` filter, whose output is safe inside a `<script>` element.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}

    def ours(*names: str) -> str:
        """Files of this package."""
        return "\n".join((here / name).read_text(encoding="utf-8") for name in names)

    steps = [_view(run, step) for step in run.steps]
    jobs = run.job.get("jobs")
    # A nested pipeline has run if a step of it has.
    ran = {step.name.partition(".")[0] for step in run.steps}
    return environment.get_template("report.html").render(
        run=run,
        steps=steps,
        not_run=[name for name in jobs if name not in ran] if isinstance(jobs, dict) else [],
        status=_status(steps),
        made_at=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
        style=ours("uplot/uPlot.min.css", "report.css"),
        script=ours("uplot/uPlot.iife.min.js", "report.js"),
        uplot_license=ours("uplot/LICENSE"),
    )


def _view(run: RunLog, step: StepLog) -> _StepView:
    found = causes(run, step)
    colors = colors_of([cause.name for cause in found if cause.debug is not None])
    return _StepView(
        log=step,
        causes=found[:CAUSES_SHOWN],
        item_causes=item_causes(step)[:CAUSES_SHOWN],
        more_causes=len(found) - CAUSES_SHOWN,
        colors=colors,
        facts=_facts(step),
        charts=charts(step, colors),
    )


def _status(steps: list[_StepView]) -> str:
    found = {step.status for step in steps}
    order = ("no result yet", "Failed", "Canceled", "Prepared", "Completed")
    return next((status for status in order if status in found), "")


def _facts(step: StepLog) -> list[tuple[str, str]]:
    """Names and values of the facts about a step."""
    result = step.result
    if not result:
        return [("attempts so far", f"{len(step.attempts):,}")] if step.attempts else []
    mini_batches, items = result.get("mini_batches") or {}, result.get("items") or {}
    seconds = float(result.get("duration_seconds") or 0)
    facts = [
        (
            "mini-batches",
            f"{mini_batches.get('succeeded', 0):,} of {mini_batches.get('total', 0):,} succeeded",
        ),
        (
            "failed",
            f"{counted(mini_batches.get('failed', 0), 'mini-batch')},"
            f" {counted(items.get('failed', 0), 'item')}",
        ),
        ("retried", counted(mini_batches.get("retried", 0), "mini-batch")),
        ("attempts", f"{len(step.attempts):,}"),
        ("reused", str(result.get("reuse") or "none")),
        ("items", f"{items.get('succeeded', 0):,} of {items.get('total', 0):,} succeeded"),
        ("took", duration(seconds)),
        ("speed", f"{items.get('succeeded', 0) / max(seconds, 0.001):,.1f} items/s"),
        (
            "ran on",
            f"{counted(result.get('nodes', 0), 'node')},"
            f" {counted(result.get('processes', 0), 'process')}",
        ),
        ("started", _readable(str(result.get("started_at", "")))),
        ("thresholds", _thresholds(result.get("thresholds") or {})),
    ]
    if result.get("values_set_to_null"):
        facts.append(("set to null", counted(result["values_set_to_null"], "value")))
    facts += [("warning", str(each)) for each in result.get("warnings") or ()]
    if result.get("output"):
        facts.append(("output", str(result["output"])))
    facts.append(("logs", str(result.get("logs", ""))))
    return facts


def _thresholds(thresholds: dict[str, Any]) -> str:
    allowed = {
        "mini_batch_error_threshold": -1,
        "error_threshold": -1,
        "allowed_failed_percent": 100,
    }
    bounding = [
        f"{key}: {value:g}" for key, value in thresholds.items() if value != allowed.get(key)
    ]
    return ", ".join(bounding) or "none: failures are ignored"


def _readable(text: str) -> str:
    """`2026-11-24T06:26:12+00:00` as `2026-11-24 06:26:12 UTC`."""
    return text.replace("T", " ").replace("+00:00", " UTC")
