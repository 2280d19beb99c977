"""The page about the files of a run."""

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

_OF_RESULT = "A YAML file with these keys:"

_OF_PLAN = """\
One JSON object per line and mini-batch, in the order of the input, written before any of them
runs: `mini_batch` is its descriptor, `fingerprint` the hash of the descriptor, which a resumed run
compares with the one in the part. A descriptor has the keys below. Each of its `pieces` is a list:
path, size in bytes and version of the file, then start and stop of the piece."""

_OF_FAILED = """\
One JSON object per line and failed mini-batch, in the order of the input. The file is written when
the step ends, and is empty if none failed."""

_INTRO = """\
A run writes `runs/<name>/`; change it with `--output-dir` and `--name`. Read `job_result.txt` of
a step first. [`prefect-parallel logs`](commands.md#prefect-parallel-logs) prints what the script of
a step printed. [Failures and exactness](../failures.md) explains what counts as a failure."""

_OF_STEP = f"Each step has a folder `{_STEP.root}/`:"

_OF_LOGS = f"""\
The logs are in `{_STEP.logs}/`, with a copy in `{_RUN.logs}/<step>/` if `--copy_logs_to_parent` is
True. Processes have names such as `process003`, nodes such as `node-0`. Files that a step does not
need are missing."""


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
    """The files next to the folders of the steps."""
    return _described(_RUN, _RUN.root)


def step_files() -> dict[str, str]:
    """The files of a step, without its logs."""
    logs = _STEP.logs.relative_to(_STEP.root)
    files = _described(_STEP, _STEP.root)
    return {name: about for name, about in files.items() if logs not in Path(name).parents}


def log_files() -> dict[str, str]:
    """The logs of a step, including those of command steps."""
    others = _described(_STEP, _STEP.logs)
    return {**FILES, **{name: about for name, about in others.items() if name not in FILES}}


def _described(directory: RunDirectory | StepDirectory, below: Path) -> dict[str, str]:
    """Path to description, for the paths of a directory that have one."""
    found: dict[str, str] = {}
    for name, member in vars(type(directory)).items():
        path = getattr(directory, name)
        about = docstring(member).short_description if isinstance(path, Path) else None
        if about and below in path.parents:
            is_file = path.suffix or path.name.startswith(".")
            found[f"{path.relative_to(below)}{'' if is_file else '/'}"] = about
    return found


def _keys(of: type) -> str:
    """The attributes of a class, with their descriptions."""
    return table(
        ("key", ""), ((code(key.arg_name), str(key.description)) for key in docstring(of).params)
    )


def _table(files: Mapping[str, str]) -> str:
    return table(("file", ""), ((code(name), about) for name, about in files.items()))
