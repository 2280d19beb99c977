"""Every path of a run directory. No other module builds such paths."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.errors import PrefectParallelError


class UnusableRunDirectory(PrefectParallelError):
    """A run directory exists already, or cannot be created."""


FROM_NODES = "from_nodes"
"""The folder of `StepDirectory.from_nodes`."""


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
        entry_script_log: What it logged through `logging`.
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


@dataclass(frozen=True)
class StepDirectory:
    """`steps/<step>/` of a run directory."""

    root: Path

    @property
    def outputs(self) -> Path:
        """Outputs of the step, each a file or a folder with the name of the output."""
        return self.root / "outputs"

    def output(self, name: str) -> Path:
        return self.outputs / name

    @property
    def code(self) -> Path:
        """Snapshot of the step's code folder, the working directory of its entry script."""
        return self.root / "code"

    @property
    def code_archive(self) -> Path:
        """Archive of `code`, for nodes that do not see the run directory."""
        return self.root / "code.tar.gz"

    @property
    def completed(self) -> Path:
        """Fingerprint of a completed command step, for a resumed run."""
        return self.root / "completed.txt"

    @property
    def plan(self) -> Path:
        """Mini-batches, one per line, as planned when the step last started."""
        return self.root / "plan.jsonl"

    @property
    def grouped(self) -> Path:
        """The table sorted by partition keys that are ordinary columns."""
        return self.root / "grouped"

    @property
    def fetched(self) -> Path:
        """Copies of remote files, while the step runs."""
        return self.root / "fetched"

    @property
    def parts(self) -> Path:
        """Parts: what `run` returned, one file per mini-batch. A resumed run reuses them."""
        return self.root / "parts"

    def part(self, index: int) -> Path:
        return self.parts / f"{index:06d}.part"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def job_result(self) -> Path:
        return self.logs / "job_result.txt"

    @property
    def readme(self) -> Path:
        """List of the other files."""
        return self.logs / "readme.txt"

    @property
    def failed_mini_batches(self) -> Path:
        return self.logs / "failed_mini_batches.jsonl"

    @property
    def command_log(self) -> Path:
        """Standard output and standard error of a command step."""
        return self.logs / "std_log.txt"

    @property
    def job_log(self) -> Path:
        """Planning, progress and decisions."""
        return self.logs / "sys" / "job.txt"

    def progress_overview(self, day: str) -> Path:
        """The day's progress lines.

        Args:
            day: As `yyyymmdd`.
        """
        return self.logs / f"job_progress_overview.{day}.txt"

    @property
    def user(self) -> Path:
        return self.logs / "user"

    @property
    def from_nodes(self) -> Path:
        """Shared logs of nodes on other machines, before they are joined."""
        return self.root / FROM_NODES

    def log_of_node(self, log: Path, node: str) -> Path:
        """One node's share of a log that all nodes write to."""
        return self.from_nodes / node / log.relative_to(self.root)

    def joined_log(self, path: str) -> Path | None:
        """The log that a file of `from_nodes` belongs to; None if it is not such a file."""
        folder, _, share = path.partition("/")
        return self.root / share.partition("/")[2] if folder == FROM_NODES else None

    @property
    def error_summary(self) -> Path:
        return self.user / "error.txt"

    def process(self, node: str, process: str) -> ProcessLogs:
        return ProcessLogs(
            stdout=self.user / "stdout" / node / f"{process}.stdout.txt",
            stderr=self.user / "stderr" / node / f"{process}.stderr.txt",
            entry_script_log=self.user / "entry_script_log" / node / f"{process}.log.txt",
            errors=self.user / "error" / node / f"{process}.txt",
            attempts=self.logs / "sys" / "node" / node / f"{process}.txt",
            profile=self._perf / node / f"{process}.prof",
        )

    def processes(self) -> list[tuple[str, str]]:
        """Node and name of each entry process that has logs, sorted."""
        kinds = (self.user / "stdout", self.user / "error", self.logs / "sys" / "node")
        files = [path for kind in kinds for path in kind.glob("*/*.txt")]
        return sorted({(path.parent.name, path.name.split(".")[0]) for path in files})

    @property
    def _perf(self) -> Path:
        return self.logs / "sys" / "perf"

    def perf(self, node: str) -> PerfLogs:
        folder = self._perf / node
        return PerfLogs(
            node=folder / "node_resource_usage.csv",
            processes=folder / "processes_resource_usage.csv",
        )

    def perf_nodes(self) -> list[str]:
        """The nodes whose resources were monitored."""
        return sorted(path.name for path in self._perf.glob("*"))


@dataclass(frozen=True)
class RunDirectory:
    """The directory of one run of a pipeline."""

    root: Path

    def refuse_unusable(self, *, resumes: bool = False) -> None:
        """Find out, without making anything, that the directory cannot be used.

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
                f"cannot use {self.root}: {error.strerror}; choose another --name"
            ) from error
        if exists and not resumes:
            raise UnusableRunDirectory(
                f"{self.root} exists already; choose another --name, or continue it with --resume"
                f" {self.root.name}"
            )
        if resumes and not exists:
            raise UnusableRunDirectory(f"cannot resume {self.root}: it is not a run directory")
        place = next(parent for parent in self.root.absolute().parents if parent.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise UnusableRunDirectory(
                f"cannot make {self.root}: {place} is not a folder that you may write to;"
                " choose another --output-dir"
            )

    def _has_files(self) -> bool:
        return self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir()))

    def make(self) -> None:
        """Make the directory; an empty one may exist.

        Raises:
            UnusableRunDirectory: The directory has files, or cannot be made.
        """
        self.refuse_unusable()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnusableRunDirectory(f"cannot make {self.root}: {error.strerror}") from error

    @property
    def all_runs(self) -> tuple[Path, Path]:
        """This run's directory, and the folder that holds it and the other runs."""
        return self.root, self.root.parent

    @property
    def lock_file(self) -> Path:
        """Lock file of the process that drives the run, with its id."""
        return self.root / ".lock"

    @property
    def token_file(self) -> Path:
        """By what it holds, a node knows that it sees this directory, and not another one."""
        return self.root / ".token"

    @property
    def flow_run_file(self) -> Path:
        """The id of the flow run that writes to this directory."""
        return self.root / ".flow_run"

    @property
    def job_file(self) -> Path:
        """The pipeline as it ran, with what overrides and parameters put into it."""
        return self.root / "job.yml"

    @property
    def logs(self) -> Path:
        """Copies of the logs of steps with `--copy_logs_to_parent True`."""
        return self.root / "logs"

    @property
    def report(self) -> Path:
        """Report of the run, for a browser."""
        return self.logs / "report.html"

    def step(self, name: str) -> StepDirectory:
        return StepDirectory(self._steps / name)

    @property
    def _steps(self) -> Path:
        return self.root / "steps"

    def step_names(self) -> list[str]:
        """The steps that have a folder."""
        return sorted(path.name for path in self._steps.glob("*") if path.is_dir())
