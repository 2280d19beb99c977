"""What is left of a document without the values that no model takes.

A pipeline with one value of a wrong type can still name a step that does not exist. To tell of
both at once, the wrong values are taken out, or replaced by harmless ones where something must
stand, and what is left is checked as a whole. Nothing of it ever runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from prefect_parallel.document import Document, KeyPath, document_of, plain
from prefect_parallel.job.format.model import Reading, path_of
from prefect_parallel.job.models.pipeline import PipelineJob

# Taking values out can leave a required key missing, and filling that in is a round of its own.
_ROUNDS = 4

_STAND_INS: dict[str, Any] = {"command": ":", "environment": "azureml:unknown", "path": "."}


@dataclass
class Salvaged:
    """A job that holds what could be read.

    Attributes:
        job: The job.
        unread: Steps that could not be read at all.
        broken: Paths of what was taken out.
    """

    job: PipelineJob
    unread: set[str] = field(default_factory=set)
    broken: set[KeyPath] = field(default_factory=set)

    def is_touched(self, key: str) -> bool:
        """Whether a finding at a key may come of what was taken out."""
        for path in self.broken:
            # Of an input or output that is broken, nothing else is known for sure.
            about = path[:4] if path[2:3] in (("inputs",), ("outputs",)) else path
            dotted = ".".join(map(str, about))
            if key == dotted or key.startswith(f"{dotted}.") or dotted.startswith(f"{key}."):
                return True
        return False


def salvage(document: Document, error: ValidationError) -> Salvaged | None:
    """Read what can be read; None if too little is left."""
    data = plain(document.data)
    unread: set[str] = set()
    broken: set[KeyPath] = set()
    for _ in range(_ROUNDS):
        for line in error.errors(include_url=False, include_input=False, include_context=False):
            path = path_of(line["loc"])
            broken.add(path)
            if not _mend(data, path, missing=line["type"] == "missing"):
                if len(path) < 2 or path[0] != "jobs":
                    return None
                data["jobs"].pop(path[1], None)
                unread.add(str(path[1]))
        copy = document_of(data, document.folder)
        try:
            job = PipelineJob.model_validate(copy.data, context=Reading(copy))
        except ValidationError as next_error:
            error = next_error
        else:
            return Salvaged(job, unread, broken)
    return None


def _mend(data: dict[str, Any], path: KeyPath, *, missing: bool) -> bool:
    """Take out or replace what stands at the path; False if that cannot be done."""
    if path[0] == "jobs" and len(path) < 3:
        return False
    if path == ("type",):
        data["type"] = "pipeline"
        return True
    parent: Any = data
    for key in path[:-1]:
        parent = parent[key] if not isinstance(parent, dict) else parent.get(key)
        if not isinstance(parent, (dict, list)):
            return False
    last = path[-1]
    if path[-2:-1] in (("inputs",), ("outputs",)) and isinstance(parent, dict):
        parent[last] = {} if path[-2] == "outputs" else {"type": "uri_folder", "path": "."}
    elif missing or last in _STAND_INS or path[2:] == ("task", "type"):
        stand_in = "run_function" if path[2:] == ("task", "type") else _STAND_INS.get(str(last))
        if stand_in is None:
            return False
        parent[last] = stand_in
    elif isinstance(parent, dict):
        parent.pop(last, None)
    else:
        parent.clear()
    return True
