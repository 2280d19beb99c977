"""Environment variables that Azure ML sets, and that scripts written for it read."""

from __future__ import annotations

from pathlib import Path

GPU_COUNT = "AZ_BATCHAI_GPU_COUNT_FOUND"
"""Number of GPUs of a node, which sets it itself."""

OUTPUT_PATH = "AZUREML_BI_OUTPUT_PATH"
"""Folder for what a script writes, which is `EntryScript.output_dir`."""


def azure_variables(run: str, step: str, *, nodes: int, output: Path) -> dict[str, str]:
    """The variables of a step of a run, which has a number of nodes and a folder of outputs."""
    return {
        "AZUREML_ROOT_RUN_ID": run,
        "AZUREML_RUN_ID": f"{run}_{step}",
        "AZUREML_NODE_COUNT": str(nodes),
        OUTPUT_PATH: str(output),
    }
