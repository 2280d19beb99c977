"""Every path of a run directory. No other module builds such paths."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.errors import PrefectParallelError


class UnusableRunDirectory(PrefectParallelError):
    """A run directory exists already, or cannot be created."""


FROM_NODES = "from_nodes"
"""The folder of `StepDirectory.from_nodes`."""

FUNCTION_SUFFIX = ".function"
"""The suffix of a pickled function, which is run in place of an entry script."""


def cache_folder(kind: str) -> Path:
    """Folder on this machine for files that can be downloaded or built again."""
    return Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "prefect-parallel", kind
    )


@dataclass(frozen=True)
class ProcessLogs:
    """The files of one entry process.

    Attributes:
        stdout: What the script printed.
        stderr: What it wrote to standard error, crash dumps included.
        entry_script_log: What it logged through `logging`. Its folder is the node's own.
        errors: Full tracebacks of its failed attempts.
        attempts: One line for each attempt.
        profile: Where its time went, if it was profiled.
    """

    stdout: Path
    stderr: Path
    entry_script_log: Path
    errors: Path
    attempts: Path
    profile: Path


@dataclass(frozen=True)
class PerfLogs:
    """CPU and memory of a node and its entry processes, as CSV files."""

    node: Path
    processes: Path


class _Below:
    """A path in a directory, kept there, and what the reference says about it."""

    def __init__(self, path: str, about: str | None = None) -> None:
        self._path = path
        self.__doc__ = about

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, directory: StepDirectory | RunDirectory, _: type) -> Path:
        path = directory.__dict__[self._name] = directory.root / self._path
        return path


@dataclass(frozen=True)
class StepDirectory:
    """`steps/<step>/` of a run directory; in a nested pipeline, of the folder of that."""

    root: Path

    outputs = _Below("outputs", "Outputs, each a file or a folder with the name of the output.")
    artifacts = _Below(
        "outputs/artifacts", "What a command wrote to `outputs` in its working directory."
    )
    code = _Below("code", "Snapshot of the code folder: the entry script's working directory.")
    code_archive = _Below("code.tar.gz", "`code`, for nodes that do not see the run directory.")
    completed = _Below("completed.txt", "Fingerprints of a completed command step, for later runs.")
    fingerprints = _Below(
        "fingerprints.json", "What decides the results besides the data, for later runs."
    )
    plan = _Below("plan.jsonl", "Mini-batches, one per line, as planned at the last start.")
    work = _Below(
        "work.jsonl", "Settings and mini-batches for workers, until the step is finished."
    )
    grouped = _Below("grouped", "The table sorted by partition keys that are ordinary columns.")
    fetched = _Below("fetched", "Copies of remote files, while the step runs.")
    isolated = _Below("isolated", "Results of isolated items, while their mini-batch runs.")
    output_dirs = _Below(
        "output_dirs", "What attempts wrote to `output_dir`, until the step has completed."
    )
    output_files = _Below(
        "output_files.jsonl", "The files that were moved from there to `outputs`."
    )
    parts = _Below(
        "parts",
        "What `run` returned, one file per mini-batch, but for what is in `packs`; reused by later"
        " runs.",
    )
    packs = _Below(
        "packs",
        "What `run` returned and is small, one file per task run and entry process; reused by"
        " later runs.",
    )
    unpacked = _Below("packs.old", "Packs of an earlier start, until their parts are in `parts`.")
    from_nodes = _Below(
        FROM_NODES, "Shared logs of nodes on other machines, until they are joined."
    )
    logs = _Below("logs")
    job_result = _Below("logs/job_result.txt")
    readme = _Below("logs/readme.txt", "List of the other files.")
    job_error = _Below("logs/job_error.txt", "Why the step failed; only of a failed step.")
    failed_mini_batches = _Below("logs/failed_mini_batches.jsonl")
    failed_items = _Below("logs/failed_items.jsonl")
    command_log = _Below("logs/std_log.txt", "Standard output and error of a command step.")
    job_log = _Below("logs/sys/job.txt", "Planning, progress and decisions.")
    user = _Below("logs/user")
    error_summary = _Below("logs/user/error.txt")
    job_report = _Below("logs/sys/job_report")
    _nodes = _Below("logs/sys/node")
    _perf = _Below("logs/sys/perf")

    def output(self, name: str) -> Path:
        return self.outputs / name

    def part(self, index: int) -> Path:
        return self.parts / f"{index:06d}.part"

    def new_packs(self) -> Path:
        """A new folder for packs, one for each start: an earlier one may still be writing."""
        return self.packs / os.urandom(4).hex()

    def pack(self, start: str, group: str, process: str) -> Path:
        """The pack of a group of mini-batches and an entry process, in the folder of a start."""
        return self.packs / start / f"{group}.{process}.pack"

    def packs_of(self, start: str, group: str) -> list[Path]:
        """The packs of a group of mini-batches."""
        return sorted((self.packs / start).glob(f"{group}.*.pack"))

    def lease(self, index: int) -> Path:
        """The claim of a worker, beside the part: creating it makes NFS look for parts anew."""
        return self.parts / f"{index:06d}.lease"

    def output_dir(self, index: int) -> Path:
        """A new folder for what one attempt at a mini-batch writes."""
        return self.output_dirs / f"{index:06d}-{os.urandom(4).hex()}"

    def piece(self, node: str, index: int, items: range) -> Path:
        """The part of some items of a mini-batch, as a node has run them."""
        return self.isolated / node / f"{index:06d}.{items.start}-{items.stop}.part"

    def progress_overview(self, day: str) -> Path:
        """The progress lines of a day, given as `yyyymmdd`."""
        return self.logs / f"job_progress_overview.{day}.txt"

    def startup(self, node: str) -> Path:
        """When each entry process of a node was started, and how long its `init` took."""
        return self._nodes / node / "startup.csv"

    def process_ends(self, node: str) -> Path:
        """When each entry process of a node ended, the most memory that it used, and why."""
        return self._nodes / node / "ends.csv"

    def nodes(self) -> list[str]:
        """The nodes that have logs of processes or resources, sorted."""
        folders = (*self._nodes.glob("*"), *self._perf.glob("*"))
        return sorted({folder.name for folder in folders})

    def log_of_node(self, log: Path, node: str) -> Path:
        """One node's share of a log that all nodes write to."""
        return self.from_nodes / node / log.relative_to(self.root)

    def joined_log(self, path: str) -> Path | None:
        """The log that a file of `from_nodes` belongs to; None if it is not such a file."""
        folder, _, share = path.partition("/")
        return self.root / share.partition("/")[2] if folder == FROM_NODES else None

    def process(self, node: str, process: str) -> ProcessLogs:
        return ProcessLogs(
            stdout=self.user / "stdout" / node / f"{process}.stdout.txt",
            stderr=self.user / "stderr" / node / f"{process}.stderr.txt",
            entry_script_log=self.user / "entry_script_log" / node / f"{process}.log.txt",
            errors=self.user / "error" / node / f"{process}.txt",
            attempts=self._nodes / node / f"{process}.txt",
            profile=self._perf / node / f"{process}.prof",
        )

    def processes(self) -> list[tuple[str, str]]:
        """Node and name of each entry process that has logs, sorted."""
        kinds = (self.user / "stdout", self.user / "error", self._nodes)
        files = [path for kind in kinds for path in kind.glob("*/*.txt")]
        return sorted({(path.parent.name, path.name.split(".")[0]) for path in files})

    def perf(self, node: str) -> PerfLogs:
        folder = self._perf / node
        return PerfLogs(
            node=folder / "node_resource_usage.csv",
            processes=folder / "processes_resource_usage.csv",
        )


@dataclass(frozen=True)
class RunDirectory:
    """The directory of one run of a pipeline."""

    root: Path

    lock_file = _Below(".lock", "Lock file of the process that drives the run, with its id.")
    token_file = _Below(
        ".token",
        "Its content tells a node that it sees this very directory, and a driver whether another"
        " machine has continued the run.",
    )
    flow_run_file = _Below(".flow_run", "The id of the flow run that writes to this directory.")
    job_file = _Below(
        "job.yml", "The pipeline as it ran, with what overrides and parameters put into it."
    )
    workers = _Below("workers", "A file for each running worker, which touches it regularly.")
    inputs = _Below(
        "inputs", "Of a run from Python: its pickled function, and data that was in memory."
    )
    result = _Below("result.yml", "How the run ended: status, reason, time, counts of each step.")
    logs = _Below("logs", "Copies of the logs of steps with `--copy_logs_to_parent True`.")
    report = _Below("logs/report.html", "Report of the run, for a browser.")
    _steps = _Below("steps")

    @property
    def all_runs(self) -> tuple[Path, Path]:
        """This run's directory, and the folder that contains it and the other runs."""
        return self.root, self.root.parent

    def similar(self) -> str | None:
        """What to do if this is not a run: the names of runs beside it, the most similar first."""
        names = [path.parent.name for path in self.root.parent.glob("[!.]*/job.yml")]
        near = difflib.get_close_matches(self.root.name, names, n=3, cutoff=0.5)
        if near:
            return f"did you mean {' or '.join(near)}?"
        return "`prefect-parallel runs` lists the runs" if names else None

    def refuse_unusable(self, *, resumes: bool = False) -> None:
        """Check, without creating anything, that the directory can be used.

        Args:
            resumes: Whether it must be there already, or must not.

        Raises:
            UnusableRunDirectory: The directory exists, or with `resumes` does not, or its folder
                cannot be written to.
        """
        try:
            exists = self.job_file.exists() if resumes else self._has_files()
        except OSError as error:  # E.g. the name is too long.
            raise UnusableRunDirectory(
                f"cannot use {self.root}: {error.strerror}; choose another name"
            ) from error
        if exists and not resumes:
            raise UnusableRunDirectory(
                f"{self.root} exists already; choose another name, or resume {self.root.name}"
            )
        if resumes and not exists:
            raise UnusableRunDirectory(
                f"cannot resume {self.root}: it is not a run directory", hint=self.similar()
            )
        place = next(parent for parent in self.root.absolute().parents if parent.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise UnusableRunDirectory(
                f"cannot make {self.root}: {place} is not a folder that you may write to;"
                " choose another output directory"
            )

    def _has_files(self) -> bool:
        if not self.root.is_dir():
            return self.root.exists()
        return any(path != self.inputs for path in self.root.iterdir())

    def make(self) -> None:
        """Make the directory; it may exist if it holds nothing but `inputs`.

        Raises:
            UnusableRunDirectory: The directory has files, or cannot be made.
        """
        self.refuse_unusable()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnusableRunDirectory(f"cannot make {self.root}: {error.strerror}") from error

    def function(self, step: str) -> Path:
        """The pickled function of a step, which has it instead of an entry script."""
        return self.inputs / f"{step}{FUNCTION_SUFFIX}"

    def step(self, name: str) -> StepDirectory:
        """The directory of a step: of `a.b`, in a nested pipeline, `steps/a/steps/b/`."""
        return StepDirectory(self._steps / name.replace(".", "/steps/"))

    def step_names(self) -> list[str]:
        """The steps that have a folder, without nested pipelines themselves."""
        return sorted(_step_names(self._steps))


def _step_names(folder: Path, prefix: str = "") -> Iterator[str]:
    for path in folder.glob("*/"):
        nested = path / folder.name
        if nested.is_dir():
            yield from _step_names(nested, f"{prefix}{path.name}.")
        elif path.is_dir():
            yield prefix + path.name
