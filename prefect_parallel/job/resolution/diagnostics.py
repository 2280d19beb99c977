"""Mistakes found in a pipeline job as a whole, each with the place it stands at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect_parallel.document import KeyPath
from prefect_parallel.errors import Problem
from prefect_parallel.job.files.script_check import check_script

if TYPE_CHECKING:
    from prefect_parallel.job.models.pipeline import PipelineJob


class Diagnostics:
    """Collects mistakes, and knows which file each stands in: the pipeline's or a component's."""

    def __init__(self, job: PipelineJob) -> None:
        self.job = job
        self.problems: list[Problem] = []

    def at(
        self,
        path: KeyPath,
        message: str,
        *,
        allowed: str | None = None,
        hint: str | None = None,
        of_key: bool = False,
    ) -> None:
        """A mistake in the pipeline's own file."""
        self.problems.append(
            self.job.document.problem(path, message, allowed=allowed, hint=hint, of_key=of_key)
        )

    def in_step(
        self,
        step: str,
        keys: KeyPath,
        message: str,
        *,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        """A mistake in a setting of a step, or in its component if that is where it stands."""
        component = self.job.components.get(step)
        if component and not self.is_own(step, keys) and keys[0] in component.document.data:
            self.problems.append(
                component.document.problem(keys, message, allowed=allowed, hint=hint)
            )
        else:
            self.at(("jobs", step, *keys), message, allowed=allowed, hint=hint)

    def is_own(self, step: str, keys: KeyPath) -> bool:
        """Whether the step sets that itself."""
        return keys[0] in self.job.document.data["jobs"][step]

    def script(self, file: Path) -> None:
        """Mistakes in an entry script, which stand in the script itself."""
        self.problems += check_script(file, self.shown(file))

    def shown(self, file: Path) -> str:
        """A file as the user would type it."""
        typed = self.job.document.file
        if typed is not None and file.is_relative_to(self.job.folder):
            return str(Path(typed).parent / file.relative_to(self.job.folder))
        return str(file)
