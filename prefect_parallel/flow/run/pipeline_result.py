"""The result of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run.step_result import Place, StepResult
from prefect_parallel.output.job_result import Status, succeeded


class PipelineResult:
    """The result of a pipeline, which a flow of `compile_pipeline` returns.

    Attributes:
        name: The title of the pipeline.
        status: Completed, Failed or Canceled.
        outputs: The path or URL of each output of the pipeline whose step completed, by name.
        steps: The result of each step that has started, by name.
        run_directory: The path or URL of the run directory.
        report: The path or URL of the run's HTML report.

    Example:
        ```python
        result = compile_pipeline("pipeline.yml")()
        pandas.read_csv(result.outputs["scores"])
        result.steps["score"].mini_batches["failed"]
        ```
    """

    # Not a dataclass: Prefect finds what a task depends on by the identity of objects, also of the
    # fields of dataclasses, and two results may have the same object as name or status.
    def __init__(
        self,
        *,
        name: str,
        status: Status,
        outputs: Mapping[str, Place],
        steps: Mapping[str, StepResult],
        run_directory: Place,
        report: Place,
    ) -> None:
        self.name = name
        self.status = status
        self.outputs = outputs
        self.steps = steps
        self.run_directory = run_directory
        self.report = report

    def __repr__(self) -> str:
        steps = ", ".join(f"{name}: {step.status}" for name, step in self.steps.items())
        return f"<PipelineResult {self.name}: {self.status} ({steps}) in {self.run_directory}>"

    def _repr_html_(self) -> str:
        """A table of the steps, for notebooks."""
        rows = "".join(_row(name, step) for name, step in self.steps.items())
        return (
            f"<b>{escape(self.name)}: {self.status}</b> in {escape(str(self.run_directory))}"
            "<table><thead><tr><th>step</th><th>status</th><th>mini-batches</th><th>items</th>"
            f"<th>result</th><th>output</th></tr></thead><tbody>{rows}</tbody></table>"
            f"report: {escape(str(self.report))}"
        )


class PipelineFailed(PrefectParallelError):
    """At least one step has failed; the message says which, and why.

    Attributes:
        result: The result of the pipeline.
    """

    def __init__(self, message: str, result: PipelineResult) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.result)


def _row(name: str, step: StepResult) -> str:
    cells = (
        name,
        step.status,
        succeeded(step.mini_batches),
        succeeded(step.items),
        step.reason,
        "" if step.output is None else str(step.output),
    )
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
