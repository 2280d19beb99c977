"""Component files, as steps name them."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.document import Document, KeyPath, shown
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job.files.locations import kind_of
from prefect_parallel.job.models.components import COMPONENT_MODELS, Component
from prefect_parallel.job.models.steps import STEP_TYPES
from prefect_parallel.job.settings.parallel_settings import SETTINGS
from prefect_parallel.job.syntax.expressions import whole
from prefect_parallel.yaml_file import read_document
from prefect_parallel.yaml_schema import Diagnostics


def open_component(named: str, pipeline: Document, step_path: KeyPath) -> Document:
    """The component file that a step names: the value of `component` of the step at the path.

    Raises:
        InvalidPipeline: There is no such file, or it is not the YAML file of a component.
    """
    path = (*step_path, "component")
    name = named.removeprefix("file:")
    file = pipeline.folder / name
    if kind_of(file) != "file":
        raise InvalidPipeline([pipeline.problem(path, f"there is no file {file}")])
    shown_as = str(Path(pipeline.file).parent / name) if pipeline.file else str(file)
    document = read_document(file, InvalidPipeline, shown_as, (*pipeline.prefix, *path))
    of_type = document.data.get("type")
    if not isinstance(of_type, str) or of_type.lower() not in STEP_TYPES:
        found = "the key is missing" if of_type is None else f"found {shown(of_type)}"
        problem = document.problem(("type",), found, allowed=", ".join(STEP_TYPES))
        raise InvalidPipeline([problem])
    return document


def read_component(
    document: Document, wanted_type: str | None, own: Diagnostics, ignored: list[KeyPath]
) -> Component:
    """The component in a document, if it is of the type that the step gives itself.

    `own` are diagnostics of the document. The full paths of keys that have no effect are added to
    `ignored`.

    Raises:
        InvalidPipeline: The component has errors, or is of another type.
    """
    of_type = document.data["type"].lower()
    if wanted_type is not None and wanted_type != of_type:
        message = f"a {of_type} component, but the step says {wanted_type}"
        raise InvalidPipeline([document.problem(("type",), message)])
    model = COMPONENT_MODELS[of_type].read(document.data, (), own)
    if of_type == "parallel":
        _check_settings(document, own)
    if own.problems:
        raise InvalidPipeline(own.problems)
    ignored += [(*document.prefix, *path) for path in own.ignored]
    return Component(document, model)


def _check_settings(document: Document, diagnostics: Diagnostics) -> None:
    """Refuse expressions, for a component cannot know the pipeline's inputs, and a key twice."""
    for setting in SETTINGS.values():
        at_top = setting.at_top and setting.name in document.data
        if at_top and setting.path[0] in document.data:
            message = f"found both {setting.name} and {setting.path[0]}"
            hint = f"move it to {'.'.join(setting.path)}"
            diagnostics.add((setting.name,), message, hint=hint)
        value: object = document.data
        for key in setting.path:
            value = value.get(key) if isinstance(value, dict) else None
        items = value if isinstance(value, list) else [value]
        if setting.group != "retry_settings" and any(map(whole, items)):
            message = f"{value} is not allowed in a component"
            diagnostics.add(setting.path, message, hint="set it on the step")
