"""The results of a step and of a pipeline as Markdown pages for the Prefect UI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prefect_parallel.errors import counted
from prefect_parallel.flow.run.pipeline_result import PipelineResult
from prefect_parallel.flow.run.step_result import Failures
from prefect_parallel.output.job_result import JobResult, succeeded
from prefect_parallel.output.part import Record
from prefect_parallel.output.totals import Totals

CAUSES = 20
"""Maximum number of root causes on the page."""

SLOWEST = 5
"""Number of the slowest mini-batches on the page."""


def result_page(
    result: JobResult,
    totals: Totals,
    failures: Sequence[Failures],
    failed_items: Sequence[Failures],
    job_result: Path,
) -> str:
    """Counts, thresholds, speed, root causes, the slowest mini-batches, and `job_result.txt`."""
    sections = [
        f"**{result.status}**: {_text(result.reason)}",
        *(f"**Warning**: {_text(warning)}" for warning in result.warnings),
        _counts(result),
        _thresholds(result),
        f"{result.items['total'] / max(result.duration_seconds, 1e-3):,.1f} items a second:"
        f" {result.items['total']:,} in {result.duration_seconds:,.1f} s;"
        f" nodes: {result.nodes}, entry processes: {result.processes}",
    ]
    if failures:
        named = failures[:CAUSES]
        causes = _causes("failed mini-batches", named)
        sections += ["## Why mini-batches failed", causes, _commands(named)]
    if failed_items:
        named = failed_items[:CAUSES]
        sections += ["## Why items failed", _causes("failed items", named), _commands(named)]
    if failures:
        sections += ["## Failed mini-batches", _failed(totals)]
    if totals.slowest:
        sections += ["## Slowest mini-batches", _slowest(totals.slowest[:SLOWEST])]
    sections += ["## job_result.txt", f"```yaml\n{job_result.read_text(encoding='utf-8')}```"]
    return "\n\n".join(sections)


def pipeline_page(reason: str, result: PipelineResult, links: Mapping[str, str | None]) -> str:
    """Status, steps, outputs, run directory, report, and the pages of steps with failures.

    Args:
        reason: Why the pipeline ended.
        result: Its result.
        links: URL of the flow run of each step.
    """
    steps = _table(
        ("step", "status", "mini-batches", "items", "output"),
        [
            (
                f"[{_text(name)}]({links[name]})" if links.get(name) else _text(name),
                step.status,
                succeeded(step.mini_batches),
                succeeded(step.items),
                _code(str(step.output or "")),
            )
            for name, step in result.steps.items()
        ],
    )
    outputs = [(_text(name), _code(str(place))) for name, place in result.outputs.items()]
    places = [
        ("run directory", _code(str(result.run_directory))),
        ("report", _code(str(result.report))),
    ]
    sections = [f"**{result.status}**: {_text(reason)}", steps]
    if outputs:
        sections.append(_table(("output of the pipeline", "place"), outputs))
    sections.append(_table(("files", "place"), places))
    for name, step in result.steps.items():
        if step.failures:
            sections += [f"# {_text(name)}", step.page]
    return "\n\n".join(sections)


def _counts(result: JobResult) -> str:
    mini_batches, items = result.mini_batches, result.items
    return _table(
        ("", "total", "succeeded", "failed", "retried", "reused"),
        [
            ("mini-batches", *(f"{count:,}" for count in (*mini_batches.values(), result.reused))),
            ("items", *(f"{items[key]:,}" for key in items), "", ""),
        ],
    )


def _thresholds(result: JobResult) -> str:
    failed, total = result.mini_batches["failed"], result.mini_batches["total"]
    found = {
        "mini_batch_error_threshold": counted(failed, "mini-batch"),
        "error_threshold": counted(result.items["failed"], "item"),
        "allowed_failed_percent": f"{100 * failed / max(total, 1):.3g} % of mini-batches",
    }
    return _table(
        ("threshold", "allowed", "failed"),
        [
            (f"`{name}`", "any" if allowed < 0 else f"{allowed:g}", found[name])
            for name, allowed in result.thresholds.items()
        ],
    )


def _causes(what: str, failures: Sequence[Failures]) -> str:
    return _table(
        (what, "error of one"),
        [(f"{each.count:,}", _code(each.example)) for each in failures],
    )


def _commands(failures: Sequence[Failures]) -> str:
    lines = [f"# {_plain(each.example)}\n{_plain(each.repeat)}" for each in failures]
    return "To reproduce one of each:\n\n```bash\n" + "\n".join(lines) + "\n```"


def _failed(totals: Totals) -> str:
    rows = [(*_named(record), _code(record.error or "")) for record in totals.failures]
    if totals.failed > len(rows):
        rows.append(("…", f"{totals.failed - len(rows):,} more", "failed_mini_batches.jsonl"))
    return _table(("mini-batch", "inputs", "error"), rows)


def _slowest(slowest: Sequence[Record]) -> str:
    return _table(
        ("mini-batch", "inputs", "seconds", "attempt", "where"),
        [
            (*_named(each), f"{each.seconds:.2f}", f"{each.attempt}", f"{each.node} {each.process}")
            for each in slowest
        ],
    )


def _named(record: Record) -> tuple[str, str]:
    return f"{record.index}", _code(record.inputs)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    """Text from a script, or a file name, as code in a table cell."""
    plain = _plain(text).replace("|", " ")
    return f"`{plain}`" if plain else ""


def _plain(text: str) -> str:
    """Text in one line, without the backticks that would end the code."""
    return re.sub(r"`|\s+", " ", text)


def _text(text: str) -> str:
    """Text in one line, with the characters escaped that have a meaning in Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", " ".join(text.split()))
