"""Components, environments and code that are registered in Azure ML, from files of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect_parallel.data import Datastores, Registered
from prefect_parallel.data.locations.registered import file_to_fill_in
from prefect_parallel.document import Document, KeyPath, Section, plain, section_of
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.files.locations import location_of
from prefect_parallel.job.models.step_parts import Environment
from prefect_parallel.yaml_file import read_document

_KINDS = {"component": "components", "environment": "environments", "code": "code"}
"""The keys whose values may be registered -> keys of the file that defines them."""


class RegisteredThings:
    """Puts files in place of the names in pipelines and components.

    Environments that no file defines stay names, which are informational.

    Attributes:
        problems: What cannot be found.
    """

    def __init__(self, datastores: Datastores) -> None:
        self._datastores = datastores
        self._missing: list[tuple[Registered, str]] = []
        self._of_missing: list[Problem] = []
        self.problems: list[Problem] = []

    def put_into(self, document: Document) -> None:
        """Replace the names in a document."""
        self._put(document, document.data)

    def _put(self, document: Document, section: Section) -> None:
        for key, kind in _KINDS.items():
            value = section.get(key)
            if isinstance(value, str) and (wanted := Registered.parse(value)) is not None:
                self._replace(document, section, key, kind, wanted)
        jobs = section.get("jobs")
        steps = list(jobs.values()) if isinstance(jobs, Section) else []
        for below in (section.get("task"), *steps):
            if isinstance(below, Section):
                self._put(document, below)

    def _replace(
        self, document: Document, section: Section, key: str, kind: str, wanted: Registered
    ) -> None:
        path = self._datastores.path_of(kind, wanted)
        at = (*section.path, key)
        if path is None:
            if kind != "environments":
                self._missing.append((wanted, kind))
                message = f"{wanted.text} is registered in Azure ML, and no file is given for it"
                problem = document.problem(at, message)
                self._of_missing.append(problem)
                self.problems.append(problem)
        elif kind == "environments":
            self._put_environment(document, section, key, Path(path))
        else:
            # Without `put`: messages about it still point to the name.
            section[key] = path

    def _put_environment(self, document: Document, section: Section, key: str, file: Path) -> None:
        try:
            written = read_document(file, InvalidPipeline).data
        except InvalidPipeline as error:
            self.problems += error.problems
            return
        known = {each: plain(written[each]) for each in Environment.all_keys() if each in written}
        _make_absolute(known, "conda_file", file.parent)
        _make_absolute(known.get("build"), "path", file.parent)
        at: KeyPath = (*section.path, key)
        section[key] = section_of(known, at)
        document.origins[at] = str(file)

    def with_hint(self, problems: Sequence[Problem]) -> list[Problem]:
        """Problems, the last one about something missing with what a file must define."""
        hint = (
            "download what is registered, and run with --registry FILE; in FILE, give the paths:\n"
            + file_to_fill_in(self._missing)
        )
        last = max(
            (problems.index(each) for each in self._of_missing if each in problems), default=None
        )
        return [
            replace(problem, hint=hint) if number == last else problem
            for number, problem in enumerate(problems)
        ]


def _make_absolute(holder: Any, key: str, folder: Path) -> None:
    if isinstance(holder, dict) and isinstance(holder.get(key), str):
        holder[key] = location_of(holder[key], folder)
