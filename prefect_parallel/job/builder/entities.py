"""What a pipeline in Python is made of, besides its steps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True)
class Input:
    """An input: data with a path, or a declaration that a later call fills.

    Attributes:
        type: A data type, or "string", "integer", "number", "boolean".
        path: Where the data is.
        mode: How a step gets it.
        default: Of a literal.
        optional: Whether it may be left out.
        min: The smallest number it may be.
        max: The largest number it may be.
        enum: All that it may be.
        description: For people.
        datastore: Where the path leads to.
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
        path: Where the author wants it; here it is in the run directory all the same.
        mode: How a step writes it.
        name: What it would be registered as in Azure; no meaning here, as its version has none.
        version: Beside a name.
        description: For people.
    """

    type: str = "uri_folder"
    path: str | os.PathLike[str] | None = None
    mode: str | None = None
    name: str | None = None
    version: str | None = None
    description: str | None = None


@dataclass(kw_only=True)
class Environment:
    """An environment in place; steps run in the one that runs the pipeline, if it is not built.

    Attributes:
        name: For people.
        version: Beside a name.
        description: For people.
        image: Of a container; changes nothing here.
        build: The context of a container; changes nothing here.
        conda_file: What it has to have: the path of a conda file, or its content.
        tags: For people.
        properties: No meaning here.
        datastore: No meaning here.
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
        program_arguments: What it finds in `sys.argv`; some of it sets the run itself.
        model: No meaning here.
        append_row_to: Where what `run` returns goes, e.g. `${{outputs.scores}}`.
        environment: An `Environment`, or the name of one: `azureml:NAME`.
    """

    code: str | os.PathLike[str] | None = None
    entry_script: str | None = None
    program_arguments: str | None = None
    model: str | None = None
    append_row_to: str | None = None
    environment: Environment | str | Mapping[str, Any] | None = None
