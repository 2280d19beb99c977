"""The outputs of the pipeline and its steps, with their bindings and paths resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from prefect_parallel.data.locations.datastores import is_datastore_path
from prefect_parallel.document import KeyPath, dotted
from prefect_parallel.errors import advice_for
from prefect_parallel.job.files.locations import location_of
from prefect_parallel.job.models.io_models import (
    DEFAULT_DATA_TYPE,
    DeclaredOutput,
    Output,
)
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.models.steps import CommandKeys
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.level import Level, binding_of
from prefect_parallel.job.resolution.resolved import (
    Data,
    Graph,
    Input,
    Literal,
    Missing,
    OutputAsset,
    OutputSpec,
    PipelineStep,
    ResolvedStep,
    literal_values,
    path_of,
)
from prefect_parallel.job.syntax.expressions import Expression, fill, find, malformed

ARTIFACTS = "artifacts"
"""The output of a command step that need not be declared: `outputs` in its working directory."""

DEFAULT_DATASTORE = "workspaceblobstore"
"""Azure ML's name for a workspace's default datastore."""


def job_outputs(
    job: PipelineJob, inputs: Mapping[str, Input], diagnostics: JobDiagnostics
) -> dict[str, OutputSpec]:
    """The outputs of a job with these inputs: its own, or those that its component declares."""
    resolver = _OutputResolver(job.document.folder, default_datastore(job), inputs, {}, diagnostics)
    declared = None if job.declared is None else job.declared.outputs
    return resolver.all(("outputs",), job.outputs, declared)


def step_outputs(
    level: Level, step: str, inputs: Mapping[str, Input], diagnostics: JobDiagnostics
) -> dict[str, OutputSpec]:
    """The outputs of a step with these inputs: its own, or those that its component declares."""
    resolver = _OutputResolver(
        level.folder, level.default_datastore, inputs, level.outputs, diagnostics
    )
    component = level.components.get(step)
    declared = None if component is None else component.model.outputs
    return resolver.all(("jobs", step, "outputs"), level.jobs[step].outputs, declared)


def default_datastore(job: PipelineJob) -> str:
    return (job.settings.default_datastore or DEFAULT_DATASTORE).removeprefix("azureml:")


def output_names(level: Level, step: str) -> dict[str, str]:
    """The outputs of a step and their types."""
    component = level.components.get(step)
    is_command = isinstance(level.jobs[step], CommandKeys)
    types = {ARTIFACTS: DEFAULT_DATA_TYPE} if is_command else {}
    if component is not None:
        declared = component.model.outputs
        return types | {name: each.type for name, each in declared.items()}
    for name, value in level.jobs[step].outputs.items():
        bound = binding_of(value)
        target = level.outputs.get(bound.name) if bound else None
        own = value.type if isinstance(value, Output) else None
        types[name] = own or (target.type if target else DEFAULT_DATA_TYPE)
    return types


class _OutputResolver:
    def __init__(
        self,
        folder: Path,
        datastore: str,
        inputs: Mapping[str, Input],
        of_pipeline: Mapping[str, OutputSpec],
        diagnostics: JobDiagnostics,
    ) -> None:
        self._folder = folder
        self._datastore = datastore
        self._inputs = inputs
        self._of_pipeline = of_pipeline
        self._add = diagnostics.add

    def all(
        self,
        path: KeyPath,
        given: Mapping[str, Output | str | None],
        declared: Mapping[str, DeclaredOutput] | None,
    ) -> dict[str, OutputSpec]:
        """All outputs at a path, with the types that a component declares, if any."""
        if declared is None:
            return {name: self._resolve((*path, name), each, None) for name, each in given.items()}
        for name in given:
            if name not in declared:
                message = "the component declares no such output"
                self._add((*path, name), message, **advice_for(name, declared), of_key=True)
        return {
            name: self._resolve((*path, name), given.get(name), each.type)
            for name, each in declared.items()
        }

    def _resolve(
        self, path: KeyPath, value: Output | str | None, of_type: str | None
    ) -> OutputSpec:
        """An output, with the type that its component declares."""
        own = value if isinstance(value, Output) else Output(path=value)
        at = path if isinstance(value, str) else (*path, "path")
        expression = binding_of(own)
        if expression is not None and expression.words[0] == "parent":
            target = self._target(at, expression)
            type_ = of_type or own.type or target.type
            asset = _asset(own) or target.asset
            return OutputSpec(type_, target.location, expression.name, asset)
        location = None if own.path is None else self._checked(at, own.path, str(path[-1]))
        type_ = of_type or own.type or DEFAULT_DATA_TYPE
        return OutputSpec(type_, location, asset=_asset(own))

    def _target(self, at: KeyPath, expression: Expression) -> OutputSpec:
        """The output of the pipeline to which one of a step is bound."""
        name = expression.name
        if expression.form != "${{parent.outputs.NAME}}":
            self._add(at, f"{expression} is not allowed here", allowed="${{parent.outputs.NAME}}")
        elif name not in self._of_pipeline:
            message = f"{expression}: the pipeline has no output {name}"
            self._add(at, message, **advice_for(name, self._of_pipeline))
        return self._of_pipeline.get(name) or OutputSpec(DEFAULT_DATA_TYPE)

    def _checked(self, at: KeyPath, text: str, name: str) -> str | None:
        """The location that a path means; None if it is an input without a value."""
        literals = literal_values(self._inputs)
        if broken := malformed(text):
            self._add(at, f"unclosed expression: {broken}")
        for expression in find(text):
            if expression.form == "${{inputs.NAME}}":
                self._check_input(at, expression)
            elif len(expression.words) > 1 or expression.form is None:
                allowed = "${{name}}, ${{output_name}}, ${{default_datastore}}, ${{inputs.NAME}}"
                self._add(at, f"{expression} is not allowed here", allowed=allowed)
        values = {"default_datastore": self._datastore, "output_name": name, **literals}
        filled = fill(text, values)
        if not filled:
            return None
        location = location_of(filled, self._folder)
        if location.startswith("azureml:") and not is_datastore_path(location):
            allowed = "a local path, a URL or azureml://datastores/<name>/paths/<path>"
            self._add(at, f"found {text!r}", allowed=allowed)
        return location

    def _check_input(self, at: KeyPath, expression: Expression) -> None:
        value = self._inputs.get(expression.name)
        if isinstance(value, Missing):
            if value.left_out:
                self._add(at, f"{expression} is optional, and not given")
        elif not isinstance(value, Literal):
            message = f"{expression}: there is no literal input {expression.name}"
            known = [name for name, each in self._inputs.items() if isinstance(each, Literal)]
            self._add(at, message, **advice_for(expression.name, known))


def check_bindings(
    level: Level,
    steps: Mapping[str, ResolvedStep | PipelineStep],
    diagnostics: JobDiagnostics,
) -> None:
    """Check that one step is bound to each output of a pipeline."""
    bound: dict[str, str] = {}
    for own, step in ((name, steps.get(level.prefix + name)) for name in level.jobs):
        for name, output in step.outputs.items() if step else ():
            at = ("jobs", own, "outputs", name)
            if output.bound_to in bound:
                diagnostics.add(
                    at,
                    f"{bound[output.bound_to]} is bound to the same output: {output.bound_to}",
                    hint="declare another output of the pipeline",
                )
            elif output.bound_to is not None:
                bound[output.bound_to] = dotted(at)
    for name in level.outputs.keys() - bound.keys() if len(steps) == len(level.jobs) else ():
        message = "no step is bound to this output, so nothing is written to it"
        hint = f"in the outputs of a step, write NAME: ${{{{parent.outputs.{name}}}}}"
        warning = level.document.problem(("outputs", name), message, hint=hint, of_key=True)
        diagnostics.warnings.append(warning)


def check_output_locations(job: PipelineJob, graph: Graph, diagnostics: JobDiagnostics) -> None:
    """Check that no two outputs are published to one place, or read before they are."""
    after = dict(_all_after(graph))
    steps = {step.name: step for step in graph.leaves()}
    written: dict[str, tuple[str, str]] = {}
    for step, name, location in _locations(steps):
        for other, (other_step, other_name) in written.items():
            both = _binding(steps, step, name), _binding(steps, other_step, other_name)
            if _overlap(location, other) and (both[0] is None or both[0] != both[1]):
                where = dotted((*path_of(other_step), "outputs", other_name))
                diagnostics.add(
                    (*path_of(step), "outputs", name),
                    f"{where} is written to the same place: {other}",
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
                    and not any(f"{writer}.".startswith(f"{each}.") for each in after[step])
                ):
                    diagnostics.warnings.append(
                        job.document.problem(
                            (*path_of(step), "inputs", name),
                            f"the step may read {location} before {writer} has written it",
                            hint=f"write ${{{{parent.jobs.{writer}.outputs.{output}}}}}",
                        )
                    )


def _binding(steps: Mapping[str, ResolvedStep], step: str, output: str) -> tuple[str, str] | None:
    """The pipeline of a step, and the output of the pipeline to which one of the step is bound."""
    bound_to = steps[step].outputs[output].bound_to
    return None if bound_to is None else (step.rpartition(".")[0], bound_to)


def _locations(steps: Mapping[str, ResolvedStep]) -> Iterator[tuple[str, str, str]]:
    for step, resolved in steps.items():
        for name, output in resolved.outputs.items():
            if output.location is not None:
                yield step, name, output.location


def _overlap(one: str, other: str) -> bool:
    """Whether two locations are the same, or one is below the other."""
    one, other = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return one.startswith(other) or other.startswith(one)


def _all_after(
    graph: Graph, earlier: AbstractSet[str] = frozenset()
) -> Iterator[tuple[str, set[str]]]:
    """Each step of all levels, and the steps that have ended when it starts."""
    found: dict[str, set[str]] = {}
    for name, step in graph.steps.items():
        direct = graph.after[name]
        found[name] = set(earlier).union(direct, *(found.get(each, ()) for each in direct))
        yield name, found[name]
        if isinstance(step, PipelineStep):
            yield from _all_after(step.graph, found[name])


def _asset(output: Output) -> OutputAsset | None:
    if output.name is None:
        return None
    return OutputAsset(output.name, None if output.version is None else str(output.version))
