"""Inputs, outputs, environments and tasks of a pipeline in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True)
class Input:
    """An input: data with a path, or a declaration whose value a later call gives.

    Attributes:
        type: A data type, or "string", "integer", "number", "boolean".
        path: The location of the data.
        mode: How a step gets it.
        default: The value of a literal that is not given.
        optional: Whether it may be omitted.
        min: The smallest number allowed.
        max: The largest number allowed.
        enum: All values allowed.
        description: Informational.
        datastore: No effect here.
    """

    type: str = "uri_folder"
    path: str | os.PathLike[str] | None = None
    mode: str | None = None
    default: str | int | float | bool | None = None
    optional: bool | None = None
    min: int | float | None = None
    max: int | float | None = None
    enum: Sequence[str] | None = None
    description: str | None = None
    datastore: str | None = None


@dataclass(kw_only=True)
class Output:
    """An output of a step or of the pipeline.

    Attributes:
        type: A data type.
        path: Where it is copied when the step has succeeded; it is also in the run directory.
        mode: How Azure ML writes it; no effect here.
        name: The name of the `DataAsset` block that is saved of it.
        version: The version of that block; by default the number after the highest.
        description: Informational.
    """

    type: str = "uri_folder"
    path: str | os.PathLike[str] | None = None
    mode: str | None = None
    name: str | None = None
    version: str | None = None
    description: str | None = None


@dataclass(kw_only=True)
class Environment:
    """An inline environment. Unless it is built, steps run in the pipeline's Python.

    Attributes:
        name: Informational.
        version: The version of that name.
        description: Informational.
        image: The image in which `--environment container` runs the step.
        build: The Docker context from which that builds the image.
        conda_file: The required packages: the path of a conda file, or its content.
        tags: Informational.
        properties: No effect here.
        datastore: No effect here.
    """

    name: str | None = None
    version: str | None = None
    description: str | None = None
    image: str | None = None
    build: Mapping[str, str] | None = None
    conda_file: str | os.PathLike[str] | Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None
    properties: Mapping[str, str] | None = None
    datastore: str | None = None


@dataclass(kw_only=True)
class RunFunction:
    """What a parallel step runs over each mini-batch.

    Attributes:
        code: The folder of the entry script, or the script itself.
        entry_script: Its path below that folder.
        program_arguments: Its `sys.argv`; predefined arguments are settings of the step.
        model: No effect here.
        append_row_to: Where the results of `run` are joined, e.g. `${{outputs.scores}}`.
        environment: An `Environment`, or the name of one: `azureml:NAME`.
    """

    code: str | os.PathLike[str] | None = None
    entry_script: str | None = None
    program_arguments: str | None = None
    model: str | None = None
    append_row_to: str | None = None
    environment: Environment | str | Mapping[str, Any] | None = None
