"""A real Slurm on loopback: controller, two nodes and their authentication, without cgroups."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.remote.conftest import free_port
from tests.waiting import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

# Debian's programs for administrators are not on everybody's PATH.
PATH = f"{os.environ['PATH']}:/usr/sbin"

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=1,sched_interval=1
ReturnToService=2
KillWait=1
NodeName=n0 NodeHostname={host} NodeAddr=127.0.0.1 Port={port0} CPUs=4 RealMemory=64000
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={port1} CPUs=4 RealMemory=64000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class Slurm:
    """A running Slurm; its commands find it by their environment."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *command: str, cwd: Path | None = None) -> str:
        """What one of its commands prints."""
        found = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        return found.stdout.strip()

    def jobs(self, *states: str) -> list[str]:
        """The ids of the jobs in some states, by default those that have not ended."""
        chosen = [f"--states={','.join(states)}"] if states else []
        return self.ask("squeue", "--noheader", "--format=%A", *chosen).split()


def why_not() -> str | None:
    """Why there can be no Slurm here."""
    if missing := [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]:
        return f"not installed: {', '.join(missing)}: apt-get install slurmctld slurmd munge"
    # Found, not imported: dask_jobqueue replaces this process's handler of SIGINT.
    if importlib.util.find_spec("dask_jobqueue") is None:
        return "not installed: dask_jobqueue: pip install 'prefect-parallel[slurm]'"
    return None if os.getuid() == 0 else "Slurm's daemons need root"


@contextmanager
def running_slurm(folder: Path) -> Iterator[Slurm]:
    it = Slurm(folder)
    for name in ("munge", "state", "spool-n0", "spool-n1"):
        (folder / name).mkdir(mode=0o700)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    ports = {name: free_port() for name in ("port", "port0", "port1")}
    text = CONFIGURATION.format(folder=folder, host=host, **ports)
    (folder / "slurm.conf").write_text(text)
    munge = folder / "munge"
    files = [f"--{name}-file={munge / name}" for name in ("key", "pid", "log", "seed")]
    with ExitStack() as stack:
        start = _Starter(it, stack)
        start("munged", "--foreground", "--force", f"--socket={munge / 'socket'}", *files)
        wait_until((munge / "socket").exists)
        start("slurmctld", "-D")
        for node in ("n0", "n1"):
            start("slurmd", "-D", "-N", node)
        wait_until(lambda: it.ask("sinfo", "--noheader", "--format=%t %D") == "idle 2")
        yield it


class _Starter:
    def __init__(self, slurm: Slurm, stack: ExitStack) -> None:
        self._slurm = slurm
        self._stack = stack

    def __call__(self, program: str, *arguments: str) -> None:
        path = shutil.which(program, path=PATH)
        assert path is not None
        name = f"{program}-{arguments[-1]}" if program == "slurmd" else program
        log = self._stack.enter_context((self._slurm.folder / f"{name}.out").open("wb"))
        process = subprocess.Popen(
            [path, *arguments],
            env={**os.environ, **self._slurm.environment},
            stdout=log,
            stderr=log,
        )
        self._stack.callback(process.wait, 240)
        self._stack.callback(process.terminate)
