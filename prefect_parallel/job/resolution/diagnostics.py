"""Problems found in a pipeline as a whole, each with its file and line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from prefect_parallel.document import Document, KeyPath
from prefect_parallel.errors import Problem
from prefect_parallel.job.files.script_check import check_script
from prefect_parallel.job.files.shadowed_modules import shadowed_modules
from prefect_parallel.yaml_schema import Diagnostics


class JobDiagnostics(Diagnostics):
    """Collects the problems and warnings of a pipeline, in its own file and in its components.

    Problems that may follow from values at broken paths are left out.
    """

    def __init__(self, document: Document, broken: Collection[KeyPath] = ()) -> None:
        super().__init__(document)
        self.warnings: list[Problem] = []
        # If an input or output is broken, nothing is known about any part of it.
        self._broken = [
            path[:4] if path[2:3] in (("inputs",), ("outputs",)) else path for path in broken
        ]

    def hides(self, path: KeyPath) -> bool:
        return any(path[: len(each)] == each[: len(path)] for each in self._broken)

    def add_in(
        self,
        document: Document,
        path: KeyPath,
        message: str,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        """A problem in the pipeline's file, or in that of a component."""
        if document is self.document:
            self.add(path, message, allowed, hint)
        else:
            self.problems.append(document.problem(path, message, allowed=allowed, hint=hint))

    def check_script(self, file: Path) -> None:
        """Add the problems and warnings of an entry script, with their places in the script."""
        errors, warnings = check_script(file, self.shown(file))
        self.problems += errors
        self.warnings += warnings

    def check_modules(self, code: Path) -> None:
        """Add a problem for each module of a code folder that hides one of Python or a package."""
        for path, module in shadowed_modules(code).items():
            message = f"hides {module}, which entry processes import"
            self.problems.append(Problem(message, self.shown(path), hint="give it another name"))

    def shown(self, file: Path) -> str:
        """A file as the user would type it."""
        typed = self.document.file
        if typed is not None and file.is_relative_to(self.document.folder):
            return str(Path(typed).parent / file.relative_to(self.document.folder))
        return str(file)
