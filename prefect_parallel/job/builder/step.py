"""A step while its pipeline is made."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from prefect_parallel.errors import did_you_mean
from prefect_parallel.job.builder.entities import Input, Output
from prefect_parallel.job.format.model import Model
from prefect_parallel.job.models.steps import CommandStepModel, ParallelStepModel, PipelineStepModel

_OWN = (
    "component_name",
    "settings",
    "declared",
    "given",
    "made",
    "template",
    "inputs",
    "outputs",
)
"""Attributes of a step that are not keys in YAML."""

_MAPPINGS = ("environment_variables", "limits", "resources", "retry_settings")
"""Keys whose values are mappings, which each step has."""


_MODELS: Mapping[str, type[Model]] = {
    "parallel": ParallelStepModel,
    "command": CommandStepModel,
    "pipeline": PipelineStepModel,
}
"""The models of steps, by type; their keys are the attributes of a step."""


@dataclass(frozen=True)
class PipelineInput:
    """An input of the pipeline, as its function receives it."""

    name: str


class StepInput:
    """An input of a step. Its attributes can be set for this step: `step.inputs.x.mode = ...`."""

    def __init__(self, step: Step, port: str) -> None:
        self.__dict__.update(step=step, port=port)

    @property
    def value(self) -> Any:
        """What the step is given."""
        return self.step.given[self.port]

    def __getattr__(self, key: str) -> Any:
        return getattr(self._input(), key)

    def __setattr__(self, key: str, value: Any) -> None:
        self.step.given[self.port] = given = self._input()
        setattr(given, key, value)

    def _input(self) -> Input:
        """Its value as an `Input`; a binding has the type and mode of the declaration."""
        if isinstance(self.value, Input):
            return self.value
        declared = self.step.declared.get(self.port)
        template = declared if isinstance(declared, Input) else Input()
        return replace(template, path=self.value)


class StepOutput:
    """The output of a step, to be given to another one or returned from a pipeline.

    Its attributes can be set for this step: `step.outputs.x.mode = ...`.
    """

    def __init__(self, step: Step, port: str) -> None:
        self.__dict__.update(step=step, port=port)

    def __getattr__(self, key: str) -> Any:
        return getattr(self._output(), key)

    def __setattr__(self, key: str, value: Any) -> None:
        setattr(self._output(), key, value)

    def _output(self) -> Output:
        output = self.step.made[self.port]
        if not isinstance(output, Output):
            output = self.step.made[self.port] = Output(**(output or {}))
        return output


class Ports:
    """`step.outputs.scores`, and `step.outputs["scores"]`."""

    def __init__(
        self, step: Step, values: dict[str, Any], port: type[StepInput] | type[StepOutput]
    ) -> None:
        self.__dict__.update(_step=step, _values=values, _port=port)

    def __getattr__(self, name: str) -> Any:
        if name not in self._values:
            raise AttributeError(f"the step has no {name!r}; it has: {', '.join(self._values)}")
        return self._port(self._step, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._values[name] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    __getitem__ = __getattr__
    __setitem__ = __setattr__


class Attributes(dict[str, Any]):
    """A mapping whose keys are also attributes: `step.resources.instance_count = 2`."""

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        return self.get(key)

    __setattr__ = dict.__setitem__


class Step:
    """A step, or the template of one: called with inputs, it makes a step of a pipeline.

    The keys of the step in YAML are attributes, which may be changed.

    Attributes:
        settings: The values of the keys.
        component_name: The name of the template, used if the step has none.
        declared: The inputs of its template.
        given: The values of its inputs.
        made: Its outputs.
        template: The step that was called to make it, or itself.
    """

    def __init__(
        self,
        inputs: Mapping[str, Any] | None,
        outputs: Mapping[str, Any] | None,
        **settings: Any,
    ) -> None:
        self.component_name: str | None = None
        self.settings = {key: value for key, value in settings.items() if value is not None}
        for key in _MAPPINGS:
            self.settings[key] = Attributes(self.settings.get(key, {}))
        self.declared = dict(inputs or {})
        self.given = {name: copy.copy(value) for name, value in self.declared.items()}
        self.made = {name: copy.copy(value) for name, value in (outputs or {}).items()}
        self.template = self
        self.inputs = Ports(self, self.given, StepInput)
        self.outputs = Ports(self, self.made, StepOutput)
        if (steps := steps_so_far.get()) is not None:
            steps.append(self)

    def __call__(self, **inputs: Any) -> Step:
        """A step with these inputs; an input that is None is not given.

        Raises:
            TypeError: The template has no such input.
        """
        for wrong in inputs.keys() - self.given.keys():
            raise TypeError(f"no input {wrong!r}; there are: {', '.join(self.given)}")
        steps = steps_so_far.get()
        if steps is not None and self in steps:
            steps.remove(self)  # It was only the template.
        settings = copy.deepcopy(self.settings)
        # As in azure-ai-ml: of a command this is the name of the component, not of its steps.
        name = settings.pop("name", None) if settings["type"] == "command" else None
        step = Step(self.given, self.made, **settings)
        step.component_name = name or self.component_name
        step.template = self.template
        step.given.update({name: value for name, value in inputs.items() if value is not None})
        return step

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "settings" not in self.__dict__:
            raise AttributeError(name)
        return self.settings.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            self.__dict__[name] = value
        elif name in _MAPPINGS and isinstance(value, Mapping):
            self.settings[name] = Attributes(value)
        else:
            known = _MODELS[self.settings["type"]].all_keys()
            if name not in known:
                hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
                raise AttributeError(f"a {self.settings['type']} step has no {name!r}; {hint}")
            self.settings[name] = value

    def set_resources(self, **resources: Any) -> None:
        """Set `instance_count` and the like."""
        given = {key: value for key, value in resources.items() if value is not None}
        self.settings["resources"].update(given)

    def set_limits(self, *, timeout: int) -> None:
        """Set the seconds after which a command is ended."""
        self.settings["limits"].timeout = timeout


steps_so_far: ContextVar[list[Step] | None] = ContextVar("steps", default=None)
"""The steps made so far by the pipeline function that is running."""
