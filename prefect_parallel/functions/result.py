"""The result of a parallel function."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run.step_result import Place
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.job_result import JobResult, Status, succeeded

if TYPE_CHECKING:
    import pandas as pd

    from prefect_parallel.functions.returned import Returned


@dataclass(frozen=True, repr=False)
class ParallelResult:
    """The result of a parallel function.

    Iterating over it yields what the function returned, in the order of the input: elements of
    lists, or rows of DataFrames as dicts. They are read one after another, not all at once.

    Attributes:
        name: Name of the function.
        status: `Completed`, `Failed` or `Canceled`.
        reason: Why, in one sentence.
        output: Path or URL of the output; None if the run did not complete.
        run_directory: The directory of the run, with logs and what a resumed run needs.
        mini_batches: Number of mini-batches: `total`, `succeeded`, `failed`, `retried`.
        items: Number of items: `total`, `succeeded`, `failed`.

    Example:
        ```python
        result = score("sales/*.parquet", output="scores.parquet")
        print(result.status, result.items["succeeded"])
        frame = result.to_pandas()
        ```
    """

    name: str
    status: Status
    reason: str
    output: Place | None
    run_directory: Path
    mini_batches: Mapping[str, int]
    items: Mapping[str, int]

    @classmethod
    def of(cls, run: Path, step: str, output: Place) -> ParallelResult:
        """The result that a run directory has.

        Args:
            run: The run directory.
            step: Name of the step.
            output: Where the output is, if there is one.
        """
        found = JobResult.read(RunDirectory(run).step(step).job_result)
        return cls(
            name=step,
            status=found.status,
            reason=found.reason,
            output=output if found.output else None,
            run_directory=run,
            mini_batches=found.mini_batches,
            items=found.items,
        )

    @property
    def report(self) -> Path:
        """The report of the run, for a browser."""
        return RunDirectory(self.run_directory).report

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The failed mini-batches: index, inputs, error, traceback, and how to run it again."""
        step = RunDirectory(self.run_directory).step(self.name)
        with step.failed_mini_batches.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    @property
    def failed_items(self) -> list[dict[str, Any]]:
        """The items that failed alone, if `isolate_failed_items` is set: file, item, error."""
        path = RunDirectory(self.run_directory).step(self.name).failed_items
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def to_pandas(self) -> pd.DataFrame:
        """All that the function returned, as one DataFrame.

        Raises:
            NoOutput: The run did not complete.
        """
        return self._returned().to_pandas()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._returned())

    def _returned(self) -> Returned:
        if self.output is None:
            raise NoOutput(f"{self.name} has no output: {self.reason}")
        from prefect_parallel.functions.returned import Returned

        return Returned.by(self.name, RunDirectory(self.run_directory))

    def __repr__(self) -> str:
        return f"<ParallelResult {self.name}: {self.status}, {self.reason}>"

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        is_plain = self.status == "Completed" and not self.mini_batches["failed"]
        rows = {
            **({} if is_plain else {"reason": self.reason}),
            "mini-batches": f"{succeeded(self.mini_batches)} succeeded",
            "items": f"{succeeded(self.items)} succeeded",
            "output": self.output or "none",
            "run": self.run_directory,
            "report": self.report,
        }
        th, td = '<th style="text-align:left;white-space:nowrap">', '<td style="text-align:left">'
        cells = "".join(
            f"<tr>{th}{name}</th>{td}{escape(str(value))}</td></tr>" for name, value in rows.items()
        )
        return f"<b>{escape(self.name)}: {self.status}</b><table><tbody>{cells}</tbody></table>"


class NoOutput(PrefectParallelError):
    """A run that did not complete has no output."""


class ParallelFailed(PrefectParallelError):
    """A parallel function has failed, or was canceled.

    Attributes:
        result: Its result: what failed and why, and where the logs are.
    """

    def __init__(self, result: ParallelResult) -> None:
        super().__init__(
            f"{result.name} {'was canceled' if result.status == 'Canceled' else 'failed'}:"
            f" {result.reason}",
            hint=f'call it again with resume="{result.run_directory.name}": it runs only what is'
            " missing",
        )
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result,)
