"""The page of the files that a run leaves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect_parallel.data import MiniBatch
from prefect_parallel.layout import RunDirectory, StepDirectory
from prefect_parallel.output.failed_mini_batch import FailedMiniBatch
from prefect_parallel.output.job_result import JobResult
from prefect_parallel.output.step_logs import FILES
from tools.reference.markdown import code, docstring, document, table

_RUN = RunDirectory(Path())
_STEP = _RUN.step("<step>")

_OF_RESULT = "It is YAML, with these keys."

_OF_PLAN = """\
A JSON object a line, for each mini-batch in the input's order, written before any of them runs:
`mini_batch`, its descriptor, and `fingerprint`, the descriptor's hash. A resumed run compares it
with the fingerprint in the mini-batch's part. A descriptor has these keys; each of its `pieces` is
a list: the file's path, its size in bytes and its version, then the piece's start and stop."""

_OF_FAILED = """\
A JSON object a line, for each mini-batch that has failed, in the input's order. The file is there
when the step has ended; it is empty if none failed."""

_INTRO = """\
A run leaves `runs/<name>/`, or what `--output-dir` and `--name` say. Look into a step's
`job_result.txt` first; [`prefect-parallel logs`](commands.md#prefect-parallel-logs) prints what its
script said, and [failures](../failures.md) tells what counts as one."""

_OF_STEP = f"Of each step, in `{_STEP.root}/`."

_OF_LOGS = f"""\
In `{_STEP.logs}/`; a process has a name as `process003`, a node one as `node-0`. What a step does
not need is not there. With `--copy_logs_to_parent True` a copy is in `{_RUN.logs}/<step>/`."""


def page() -> str:
    return document(
        "Files of a run",
        _INTRO,
        _table(run_files()),
        f"## A step\n\n{_OF_STEP}",
        _table(step_files()),
        f"## plan.jsonl\n\n{_OF_PLAN}",
        _keys(MiniBatch),
        f"## Logs of a step\n\n{_OF_LOGS}",
        _table(log_files()),
        f"## job_result.txt\n\n{_OF_RESULT}",
        _keys(JobResult),
        f"## failed_mini_batches.jsonl\n\n{_OF_FAILED}",
        _keys(FailedMiniBatch),
    )


def run_files() -> dict[str, str]:
    """What stands beside the steps."""
    return _told_of(_RUN, _RUN.root)


def step_files() -> dict[str, str]:
    """What a step has, but its logs."""
    logs = _STEP.logs.relative_to(_STEP.root)
    files = _told_of(_STEP, _STEP.root)
    return {name: about for name, about in files.items() if logs not in Path(name).parents}


def log_files() -> dict[str, str]:
    """What the logs of a step have, those of a command step included."""
    others = _told_of(_STEP, _STEP.logs)
    return {**FILES, **{name: about for name, about in others.items() if name not in FILES}}


def _told_of(directory: RunDirectory | StepDirectory, below: Path) -> dict[str, str]:
    """Path to text, of the paths of a directory that have one."""
    found: dict[str, str] = {}
    for name, member in vars(type(directory)).items():
        path = getattr(directory, name) if isinstance(member, property) else None
        about = docstring(member).short_description
        if isinstance(path, Path) and about and below in path.parents:
            is_file = path.suffix or path.name.startswith(".")
            found[f"{path.relative_to(below)}{'' if is_file else '/'}"] = about
    return found


def _keys(of: type) -> str:
    """What its docstring says of each of its attributes."""
    return table(
        ("key", ""), ((code(key.arg_name), str(key.description)) for key in docstring(of).params)
    )


def _table(files: Mapping[str, str]) -> str:
    return table(("file", ""), ((code(name), about) for name, about in files.items()))
