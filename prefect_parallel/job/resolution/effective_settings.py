"""The value of each setting that applies to a step, and where it comes from.

A step's own value, its component's, its program argument's or the default: which one wins follows
azure-ai-ml, as declared by each setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from prefect_parallel.document import Document, KeyPath
from prefect_parallel.job.format.model import Model
from prefect_parallel.job.models.components import Steps
from prefect_parallel.job.settings.parallel_settings import GROUPS, SETTINGS, Inherit


@dataclass(frozen=True)
class Effective:
    """The value that applies.

    Attributes:
        value: As it was read, without expressions replaced; None if there is none.
        origin: `YAML`, `component`, `program argument`, `override` or `default`.
        document: The file in which it is given, or should be.
        path: Its path in that file.
    """

    value: Any
    origin: str
    document: Document
    path: KeyPath

    def below(self, *keys: str) -> Effective:
        """The same for a part of the value."""
        value = self.value
        for key in keys:
            value = getattr(value, key, None)
        origin = "default" if value is None else self.origin
        return Effective(value, origin, self.document, (*self.path, *keys))


@dataclass(frozen=True)
class _Source:
    """A step's own keys, or those of its component."""

    model: Model
    document: Document
    prefix: KeyPath
    is_component: bool = False

    def value(self, *path: Any) -> Any:
        value: Any = self.model
        for key in path:
            value = getattr(value, key, None)
        return value

    def effective(self, path: KeyPath) -> Effective:
        value, full = self.value(*path), (*self.prefix, *path)
        origin = "component" if self.is_component else "YAML"
        if value is None:
            origin = "default"
        elif not self.is_component and self.document.is_overridden(full):
            origin = "override"
        return Effective(value, origin, self.document, full)


class StepKeys:
    """The keys of a step, those of its component included."""

    def __init__(self, step: _Source, component: _Source | None) -> None:
        self._step = step
        self._component = component

    @classmethod
    def of(cls, steps: Steps, step: str) -> StepKeys:
        own = _Source(steps.jobs[step], steps.document, ("jobs", step))
        component = steps.components.get(step)
        if component is None:
            return cls(own, None)
        return cls(own, _Source(component.model, component.document, (), is_component=True))

    @property
    def of_component(self) -> StepKeys | None:
        """The keys of its component alone; None if it has none."""
        return StepKeys(self._component, None) if self._component else None

    def effective(
        self, *path: str, inherit: Inherit = Inherit.IF_NOT_GIVEN, at_top: bool = False
    ) -> Effective:
        """The value of a key that applies.

        Args:
            path: The key below the step. A mapping is inherited as a whole.
            inherit: When the component's value applies.
            at_top: Whether the last key may also be given outside its mapping, where it wins.
        """
        top, own, component = path[:1], self._step, self._component
        if at_top and own.value(path[-1]) is not None:
            return own.effective(path[-1:])
        if component is None:
            return own.effective(path)
        component_top = at_top and component.value(path[-1]) is not None
        inherits = component_top or component.value(*top) is not None
        is_own = own.value(*top) is not None
        if inherit is Inherit.IF_EMPTY and inherits:
            is_own = not _is_empty(own.value(*top))
        if is_own or not inherits:
            return own.effective(path)
        return component.effective(path[-1:] if component_top else path)


def effective_settings(
    keys: StepKeys, arguments: Mapping[str, Any] | None = None
) -> dict[str, Effective]:
    """The settings of a parallel step that apply, given its predefined program arguments."""
    found: dict[str, Effective] = {}
    for setting in SETTINGS.values():
        inherit = GROUPS[setting.group] if setting.group else setting.inherit
        found[setting.name] = effective = keys.effective(
            *setting.path, inherit=inherit, at_top=setting.at_top
        )
        if setting.name in (arguments or {}):
            value = (arguments or {})[setting.name]
            found[setting.name] = replace(effective, value=value, origin="program argument")
    return found


def _is_empty(value: Any) -> bool:
    if isinstance(value, Model):
        return all(getattr(value, name) is None for name in value.all_keys())
    return not value
