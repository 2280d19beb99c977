"""The outputs of the pipeline and its steps, with their bindings and paths resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prefect_parallel.data.locations.datastores import is_datastore_path
from prefect_parallel.document import KeyPath
from prefect_parallel.errors import advice_for
from prefect_parallel.job.files.locations import location_of
from prefect_parallel.job.models.io_models import (
    DEFAULT_DATA_TYPE,
    DEFAULT_OUTPUT_MODE,
    Output,
)
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.resolved import Data, OutputAsset, OutputSpec, ResolvedStep
from prefect_parallel.job.syntax.expressions import Expression, fill, find, malformed, whole

DEFAULT_DATASTORE = "workspaceblobstore"
"""Azure ML's name for a workspace's default datastore."""


def pipeline_output(job: PipelineJob, name: str) -> OutputSpec:
    """An output of the pipeline, without checks, which the steps' outputs get."""
    output = job.outputs[name] or Output()
    return OutputSpec(
        output.type or DEFAULT_DATA_TYPE,
        _mode(output.mode),
        None if output.path is None else _location(job, output.path, name),
    )


def resolve_outputs(
    job: PipelineJob, step: str, diagnostics: JobDiagnostics
) -> dict[str, OutputSpec]:
    """The outputs of a step: its own, and those that its component declares."""
    given = job.jobs[step].outputs
    resolver = _OutputResolver(job, diagnostics)
    component = job.components.get(step)
    if component is None:
        return {
            name: resolver.resolve(("jobs", step, "outputs", name), value, None, None)
            for name, value in given.items()
        }
    declared = component.model.outputs
    for name in given:
        if name not in declared:
            diagnostics.add(
                ("jobs", step, "outputs", name),
                "the component declares no such output",
                **advice_for(name, declared),
                of_key=True,
            )
    return {
        name: resolver.resolve(
            ("jobs", step, "outputs", name), given.get(name), declaration.type, declaration.mode
        )
        for name, declaration in declared.items()
    }


def output_names(job: PipelineJob, step: str) -> dict[str, str]:
    """The outputs of a step and their types."""
    component = job.components.get(step)
    if component is not None:
        return {name: declared.type for name, declared in component.model.outputs.items()}
    types: dict[str, str] = {}
    for name, value in job.jobs[step].outputs.items():
        bound = binding_of(value)
        outputs = value, job.outputs.get(bound.name) if bound else None
        given = [output.type for output in outputs if isinstance(output, Output) and output.type]
        types[name] = next(iter(given), DEFAULT_DATA_TYPE)
    return types


def binding_of(value: Output | str | None) -> Expression | None:
    """The expression that a step's output is, as text or as its path."""
    return whole(value.path if isinstance(value, Output) else value)


class _OutputResolver:
    def __init__(self, job: PipelineJob, diagnostics: JobDiagnostics) -> None:
        self._job = job
        self._add = diagnostics.add

    def resolve(
        self, path: KeyPath, value: Output | str | None, of_type: str | None, mode: str | None
    ) -> OutputSpec:
        """An output, with the type and mode that its component declares."""
        own = value if isinstance(value, Output) else Output(path=value)
        name, at = str(path[-1]), path if isinstance(value, str) else (*path, "path")
        expression, bound = binding_of(own), None
        if expression is not None and len(expression.words) > 1:
            bound, target = expression.name, self._pipeline_output(at, expression)
            at, name = ("outputs", bound, "path"), bound
        else:
            target = own
        return OutputSpec(
            of_type or own.type or target.type or DEFAULT_DATA_TYPE,
            _mode(own.mode or target.mode or mode),
            None if target.path is None else self._checked(at, target.path, name),
            bound,
            _asset(own) or _asset(target),
        )

    def _pipeline_output(self, at: KeyPath, expression: Expression) -> Output:
        outputs = self._job.outputs
        if expression.form != "${{parent.outputs.NAME}}":
            self._add(at, f"{expression} is not allowed here", allowed="${{parent.outputs.NAME}}")
        elif expression.name not in outputs:
            self._add(
                at,
                f"{expression}: the pipeline has no output {expression.name}",
                **advice_for(expression.name, outputs),
            )
        return outputs.get(expression.name) or Output()

    def _checked(self, at: KeyPath, text: str, name: str) -> str:
        if broken := malformed(text):
            self._add(at, f"unclosed expression: {broken}")
        for expression in find(text):
            if len(expression.words) > 1 or expression.form is None:
                allowed = "${{name}}, ${{output_name}} and ${{default_datastore}}"
                self._add(at, f"{expression} is not allowed here", allowed=allowed)
        location = _location(self._job, text, name)
        if location.startswith("azureml:") and not is_datastore_path(location):
            allowed = "a local path, a URL or azureml://datastores/<name>/paths/<path>"
            self._add(at, f"found {text!r}", allowed=allowed)
        return location


def check_output_locations(
    job: PipelineJob,
    steps: Mapping[str, ResolvedStep],
    graph: Mapping[str, set[str]],
    diagnostics: JobDiagnostics,
) -> None:
    """Check that no two outputs are published to one place, or read before they are."""
    written: dict[str, tuple[str, str]] = {}
    for step, name, location in _locations(steps):
        for other, (other_step, other_name) in written.items():
            if _overlap(location, other):
                diagnostics.add(
                    ("jobs", step, "outputs", name),
                    f"jobs.{other_step}.outputs.{other_name} is written to the same place: {other}",
                    hint="give each output a path of its own, e.g. with ${{output_name}}",
                )
        written[location] = step, name
    for step, resolved in steps.items():
        for name, source in resolved.inputs.items():
            for location, (writer, output) in written.items():
                if (
                    isinstance(source, Data)
                    and writer != step
                    and _overlap(source.location, location)
                    and writer not in _before(step, graph)
                ):
                    diagnostics.warnings.append(
                        job.document.problem(
                            ("jobs", step, "inputs", name),
                            f"the step may read {location} before {writer} has written it",
                            hint=f"write ${{{{parent.jobs.{writer}.outputs.{output}}}}}",
                        )
                    )


def _locations(steps: Mapping[str, ResolvedStep]) -> Iterator[tuple[str, str, str]]:
    for step, resolved in steps.items():
        for name, output in resolved.outputs.items():
            if output.location is not None:
                yield step, name, output.location


def _overlap(one: str, other: str) -> bool:
    """Whether two locations are the same, or one is below the other."""
    one, other = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return one.startswith(other) or other.startswith(one)


def _before(step: str, graph: Mapping[str, set[str]]) -> set[str]:
    """The steps that have ended when a step starts."""
    found: set[str] = set()
    waiting = [*graph.get(step, ())]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += graph.get(each, ())
    return found


def _asset(output: Output) -> OutputAsset | None:
    if output.name is None:
        return None
    return OutputAsset(output.name, None if output.version is None else str(output.version))


def _mode(written: str | None) -> str:
    """The mode of an output; `mount` is an old name of the default."""
    return DEFAULT_OUTPUT_MODE if written in (None, "mount") else str(written)


def _location(job: PipelineJob, path: str, name: str) -> str:
    store = (job.settings.default_datastore or DEFAULT_DATASTORE).removeprefix("azureml:")
    return location_of(fill(path, {"default_datastore": store, "output_name": name}), job.folder)
