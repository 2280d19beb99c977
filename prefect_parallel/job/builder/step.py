"""A step in the making."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class StepOutput:
    """The output of a step, to be given to another or returned from a pipeline."""

    step: Step
    name: str


@dataclass(frozen=True)
class PipelineInput:
    """An input of the pipeline, as its function gets it."""

    name: str


class _Ports:
    """`step.outputs.scores`, and `step.outputs["scores"]`."""

    def __init__(self, step: Step, values: dict[str, Any], *, outputs: bool) -> None:
        self.__dict__.update(_step=step, _values=values, _outputs=outputs)

    def __getattr__(self, name: str) -> Any:
        if name not in self._values:
            raise AttributeError(f"the step has no {name!r}; it has: {', '.join(self._values)}")
        return StepOutput(self._step, name) if self._outputs else self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._values[name] = value

    __getitem__ = __getattr__
    __setitem__ = __setattr__


class Step:
    """A step, or the template of one: called with inputs it makes a step of a pipeline.

    Settings are attributes with the names of the keys in YAML, and may be changed.
    """

    def __init__(
        self, inputs: Mapping[str, Any] | None, outputs: Mapping[str, Any] | None, **settings: Any
    ) -> None:
        self.settings = {key: value for key, value in settings.items() if value is not None}
        self.given = dict(inputs or {})
        self.made = dict(outputs or {})
        self.inputs = _Ports(self, self.given, outputs=False)
        self.outputs = _Ports(self, self.made, outputs=True)
        if (steps := steps_so_far.get()) is not None:
            steps.append(self)

    def __call__(self, **inputs: Any) -> Step:
        """A step with these inputs.

        Raises:
            TypeError: It has no such input.
        """
        for name in inputs:
            if name not in self.given:
                raise TypeError(f"no input {name!r}; there are: {', '.join(self.given)}")
        steps = steps_so_far.get()
        if steps is not None and self in steps:
            steps.remove(self)  # It was only the template.
        return Step({**self.given, **inputs}, self.made, **self.settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "settings" not in self.__dict__:
            raise AttributeError(name)
        return self.settings.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("settings", "given", "made", "inputs", "outputs"):
            self.__dict__[name] = value
        else:
            self.settings[name] = value

    def set_resources(self, **resources: Any) -> None:
        """Set `instance_count` and the like."""
        given = {key: value for key, value in resources.items() if value is not None}
        self.settings["resources"] = {**self.settings.get("resources", {}), **given}

    def set_limits(self, *, timeout: int) -> None:
        """Set the seconds after which a command is ended."""
        self.settings["limits"] = {"timeout": timeout}


steps_so_far: ContextVar[list[Step] | None] = ContextVar("steps", default=None)
"""The steps made so far in the pipeline function that runs now."""
