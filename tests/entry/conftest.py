"""A node that runs a script of the test, without Prefect and Dask."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from prefect_parallel.data import BySize, MiniBatch, plan
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.entry.pool import EntryPool
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.fingerprint import of_text


@dataclass
class Node:
    pool: EntryPool
    mini_batches: list[MiniBatch]
    directory: StepDirectory


NodeFactory = Callable[..., Node]


def written_step(
    folder: Path,
    script: str,
    *,
    mini_batches: int = 3,
    size: int = 2,
    files: Mapping[str, str] = MappingProxyType({}),
    step: str = "step",
    **settings: Any,
) -> tuple[EntryConfig, list[MiniBatch]]:
    """A step with a script and some files per mini-batch, below a folder."""
    code = folder / "code"
    for name, text in {settings.get("entry_script", "script.py"): script, **files}.items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(textwrap.dedent(text))
    data = folder / "data"
    data.mkdir()
    for number in range(mini_batches * size):
        (data / f"item {number:03d}.txt").write_text("")
    planned = plan(str(data), type="uri_folder", mode="ro_mount", split=BySize(size))
    directory = StepDirectory(folder / step)
    directory.parts.mkdir(parents=True)
    defaults: dict[str, Any] = {
        "step_directory": str(directory.root),
        "code": str(code),
        "entry_script": "script.py",
        "arguments": (),
        "environment_variables": {},
        "environment_templates": {},
        "environment": None,
        "image": None,
        "logging_level": "INFO",
        "input_name": "items",
        "reader": planned.reader,
        "datastores": {},
        "fetch": (),
        "folder_outputs": (),
        "output_file": "out.txt",
        "delimiter": ",",
        "checks_item_count": True,
        "slots": 1,
        "gpus": None,
        "timeout": 240,
        "task_overhead_timeout": 240,
        "first_task_creation_timeout": 240,
        "resource_monitor_interval": 0,
        "fingerprint": "",
        "packages": "",
        "profiles": False,
        "prefetch": False,
        "max_mini_batches_per_process": None,
        "max_process_memory": None,
        "isolates_failed_items": False,
        "error_threshold": -1,
    }
    made = [replace(each, fingerprint=of_text(each.to_text())) for each in planned.mini_batches]
    return EntryConfig(**{**defaults, **settings}), made


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeFactory]:
    """Factory of nodes: `node(script, mini_batches=3, timeout=1)`."""
    pools: list[EntryPool] = []

    def start(script: str, **settings: Any) -> Node:
        config, mini_batches = written_step(tmp_path, script, **settings)
        pool = EntryPool(config, "node-0")
        pools.append(pool)
        return Node(pool, mini_batches, config.directory)

    yield start
    for pool in pools:
        pool.close()


NVIDIA_SMI = """#!/bin/sh
if [ "$1" = -L ]; then
    echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)"
    echo "  MIG 1g.10gb     Device  0: (UUID: MIG-0)"
    echo "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"
else
    echo "0, 37, 1024, 81920"
    echo "1, [N/A], 0, 81920"
fi
"""


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on PATH, with an `nvidia-smi` that reports two GPUs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return folder
