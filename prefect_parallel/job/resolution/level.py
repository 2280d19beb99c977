"""One level of a job: the steps of the pipeline, or those of a pipeline nested in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from prefect_parallel.document import Document
from prefect_parallel.job.models.components import Component, Steps
from prefect_parallel.job.models.io_models import Output
from prefect_parallel.job.models.steps import StepModel
from prefect_parallel.job.resolution.resolved import Input, OutputSpec
from prefect_parallel.job.syntax.expressions import Expression, whole


@dataclass(frozen=True)
class Level:
    """The steps of a pipeline, and what they get from it.

    Attributes:
        prefix: What the full names of its steps begin with: empty, or `a.b.`
        inputs: The inputs of the pipeline.
        outputs: Its outputs.
        compute: The compute of steps that name none.
        run: The name of the run; None: there is no run.
        default_datastore: The value of `${{default_datastore}}`.
    """

    steps: Steps
    prefix: str
    inputs: Mapping[str, Input]
    outputs: Mapping[str, OutputSpec]
    compute: str | None
    default_datastore: str
    run: str | None

    @property
    def jobs(self) -> Mapping[str, StepModel]:
        return self.steps.jobs

    @property
    def components(self) -> Mapping[str, Component]:
        return self.steps.components

    @property
    def document(self) -> Document:
        return self.steps.document

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.document.folder

    def below(
        self,
        step: str,
        inputs: Mapping[str, Input],
        outputs: Mapping[str, OutputSpec],
        compute: str | None,
    ) -> Level:
        """The level of a nested pipeline, given the inputs, outputs and compute of the step."""
        return replace(
            self,
            steps=self.steps.nested[step],
            prefix=f"{self.prefix}{step}.",
            inputs=inputs,
            outputs=outputs,
            compute=compute or self.compute,
        )

    def source(self, step: str, output: str) -> tuple[str, str] | None:
        """The step that writes an output of a step of this level, and what it is called there.

        None: it is an output of a nested pipeline to which none of its steps is bound.
        """
        return _source(self.steps, self.prefix, step, output)


def binding_of(value: Output | str | None) -> Expression | None:
    """The expression that a step's output is, as text or as its path."""
    return whole(value.path if isinstance(value, Output) else value)


def _source(steps: Steps, prefix: str, step: str, output: str) -> tuple[str, str] | None:
    nested = steps.nested.get(step)
    if nested is None:
        return prefix + step, output
    for inner, model in nested.jobs.items():
        for name, value in model.outputs.items():
            bound = binding_of(value)
            if bound is not None and bound.words == ("parent", "outputs", output):
                return _source(nested, f"{prefix}{step}.", inner, name)
    return None
