"""A real Dask cluster: a scheduler and workers, each a process that has nothing from the driver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import yaml
from distributed import Client
from distributed.security import Security

from prefect_parallel.blocks import Compute, Datastore
from tests.conftest import MEASURING
from tests.e2e.conftest import COMMAND, Pipeline, write_pipeline
from tests.entry.conftest import two_gpus  # noqa: F401 - a fixture
from tests.remote.conftest import (  # noqa: F401 - fixtures
    Store,
    free_port,
    s3,
    s3_endpoint,
    wait_for_port,
)
from tests.waiting import wait_until

SECRET = "a-secret-that-nobody-may-see"

HIDE = 'mount -t tmpfs none "$0" && exec "$@"'
"""A shell's command: an empty folder in place of one, for this process and its children only."""


@dataclass
class Cluster:
    """A scheduler, and workers by name.

    Attributes:
        folder: Working directory and home of all of them.
        hidden: A folder that workers do not see.
        host: Of the scheduler.
        prefix: Of the workers' commands.
        tls: Paths of certificate and key of all of them, who is its own authority.
    """

    folder: Path
    hidden: Path | None = None
    host: str = "127.0.0.1"
    prefix: Sequence[str] = ()
    tls: tuple[Path, Path] | None = None
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{'tls' if self.tls else 'tcp'}://{self.host}:{self.port}"

    def start_scheduler(self) -> None:
        arguments = ["scheduler", "--host", self.host, "--port", str(self.port), "--no-dashboard"]
        self._start("scheduler", [*self._dask(*arguments)])
        # Which waits for it.
        self.client().close()

    def start_workers(self, *names: str, threads: int = 2) -> None:
        """Start workers and wait for them; one whose name begins with `tcp` has none."""
        before = len(self.addresses())
        for name in names:
            arguments = ["worker", self.address, "--nthreads", str(threads), "--no-dashboard"]
            if not name.startswith("tcp"):
                arguments += ["--name", name]
            hide = [] if self.hidden is None else ["unshare", "-m", "sh", "-c", HIDE]
            at = [] if self.hidden is None else [str(self.hidden)]
            self._start(name, [*self.prefix, *hide, *at, *self._dask(*arguments)])
        with self.client() as client:
            client.wait_for_workers(before + len(names), timeout=240)

    def addresses(self) -> dict[str, str]:
        """Worker's name to address."""
        with self.client() as client:
            workers = client.scheduler_info()["workers"]
            return {str(worker["name"]): address for address, worker in workers.items()}

    def plugins(self) -> dict[str, list[str]]:
        """What of this project each worker still has: plugins, and slots that are offered."""

        def look(dask_worker: Any) -> list[str]:
            offered = dask_worker.state.total_resources.items()
            found = [*dask_worker.plugins, *(name for name, count in offered if count)]
            return [name for name in found if name.startswith(("prefect-parallel", "shared-"))]

        with self.client() as client:
            found = client.run(look)
            return {name: found[address] for name, address in self.addresses().items()}

    def entry_processes(self, *names: str) -> list[psutil.Process]:
        """Those of some workers, or of all."""
        return [
            child
            for process in (self.processes[name] for name in names or self.processes)
            for child in psutil.Process(process.pid).children(recursive=True)
            if is_entry_process(child)
        ]

    def refuse_leftovers(self, patience: float = 0) -> None:
        """Fail if workers have anything of this project, after so many seconds.

        At the end of a step, nodes leave at once; those that the driver cannot reach take seconds.
        """
        until = time.monotonic() + patience
        while any(self.plugins().values()) or self.entry_processes():
            assert time.monotonic() < until, (self.plugins(), self.entry_processes())
            time.sleep(0.2)

    def client(self) -> Client:
        security = None
        if self.tls:
            certificate, key = map(str, self.tls)
            security = Security(
                require_encryption=True,
                tls_ca_file=certificate,
                tls_client_cert=certificate,
                tls_client_key=key,
            )
        return Client(self.address, security=security, timeout=240, set_as_default=False)

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=240)
            except subprocess.TimeoutExpired:
                process.kill()

    def _dask(self, *arguments: str) -> list[str]:
        tls = []
        if self.tls:
            certificate, key = map(str, self.tls)
            tls = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
        return [sys.executable, "-m", "dask", *arguments, *tls]

    def _start(self, name: str, command: list[str]) -> None:
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        names = ("PATH", "PYTHONPATH", "SSL_CERT_FILE", *MEASURING)
        kept = {name: os.environ[name] for name in names if name in os.environ}
        self.processes[name] = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**kept, "HOME": str(self.folder), "LANG": "C.UTF-8"},
            stdout=log,
            stderr=log,
        )


def is_entry_process(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "prefect_parallel.entry.process_main" in process.cmdline()
    return False


def can(*command: str) -> bool:
    """Whether the machine allows something."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what only the driver sees."""
    folder = tmp_path_factory.mktemp("driver")
    if not can("unshare", "-m", "mount", "-t", "tmpfs", "none", str(folder)):
        pytest.skip("mount namespaces are not allowed here, so that workers would see all files")
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, hidden: Path) -> Iterator[Cluster]:
    """Two workers that do not see what is in `hidden`: one with a name, one without."""
    it = Cluster(tmp_path_factory.mktemp("cluster"), hidden)
    try:
        it.start_scheduler()
        it.start_workers("al ice", "tcp", threads=2)
        yield it
    finally:
        it.close()


@dataclass
class Job:
    """A pipeline whose data and runs are in a store, and whose step is on a cluster."""

    pipeline: Pipeline
    store: Store
    datastore: str

    @property
    def runs(self) -> str:
        return f"azureml://datastores/{self.datastore}/paths/runs"

    @property
    def environment(self) -> dict[str, str]:
        cache = str(self.pipeline.folder / "cache")
        return {**self.pipeline.environment, "XDG_CACHE_HOME": cache}

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        job = yaml.safe_load(self.pipeline.file.read_text())
        change(job)
        self.pipeline.file.write_text(yaml.safe_dump(job, sort_keys=False))

    def start(self, *arguments: str, resumes: bool = False) -> subprocess.Popen[str]:
        where = ["--output-dir", self.runs, "--resume" if resumes else "--name", "run"]
        return subprocess.Popen(
            [*COMMAND, "run", str(self.pipeline.file), *where, *arguments],
            cwd=self.pipeline.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, resumes: bool = False, expect: int = 0) -> str:
        process = self.start(*arguments, resumes=resumes)
        said, _ = process.communicate(timeout=480)
        assert process.returncode == expect, said
        assert SECRET not in said
        return said

    @property
    def directory(self) -> Path:
        """The run directory, where the driver has it."""
        return next((self.pipeline.folder / "cache").rglob("run/job.yml")).parent

    @property
    def step(self) -> Path:
        return self.directory / "steps" / "step"

    @property
    def output(self) -> str:
        return (self.step / "outputs" / "out").read_text()

    @property
    def result(self) -> dict[str, Any]:
        return yaml.safe_load((self.step / "logs" / "job_result.txt").read_text())  # type: ignore[no-any-return]

    @property
    def traceback_file(self) -> str:
        """Of the first failed mini-batch."""
        lines = (self.step / "logs" / "failed_mini_batches.jsonl").read_text().splitlines()
        return str(json.loads(lines[0])["traceback_file"])

    def stored(self) -> dict[str, bytes]:
        """What the store has of the run's step."""
        start = "runs/run/steps/step/"
        return {
            name.removeprefix(start): content
            for name, content in self.store.files().items()
            if name.startswith(start)
        }

    def wait_for_parts(self, count: int) -> None:
        wait_until(lambda: sum("/steps/step/parts/" in n for n in self.store.names()) >= count)


def write_job(
    root: Path, server: str, store: Store, compute: Compute, script: str, files: int, **keys: Any
) -> Job:
    """A pipeline in a folder below `root`, and the blocks that it names."""
    unique = f"it-{uuid4().hex}"
    compute.save(unique)
    options = {**store.options, "secret": SECRET}
    Datastore(url=store.url, storage_options=options).save(unique)
    settings = {"compute": f"azureml:{unique}", "resources": {"instance_count": 2}, **keys}
    it = write_pipeline(root / unique, server, script, files=0, **settings)
    job = Job(it, store, unique)
    for number in range(files):
        store.write(f"data/{number:03d}.txt", str(number).encode())

    def read_from_store(written: dict[str, Any]) -> None:
        path = f"azureml://datastores/{unique}/paths/data"
        written["jobs"]["step"]["inputs"]["files"]["path"] = path

    job.change(read_from_store)
    return job
