"""Prefect settings that hold for a part of a run."""

from __future__ import annotations

from typing import Any

from prefect.context import SettingsContext, get_settings_context
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

_OF_SERVER = (PREFECT_API_URL, PREFECT_API_KEY, PREFECT_API_AUTH_STRING)


def server_variables() -> dict[str, str]:
    """The environment variables by which a process finds the Prefect server of this one."""
    values = ((setting.name, setting.value()) for setting in _OF_SERVER)
    return {name: str(value) for name, value in values if value is not None}


def with_settings(section: str, **values: Any) -> SettingsContext:
    """A context with other settings of a section, e.g. `with_settings("client", max_retries=0)`.

    Prefect's `temporary_settings` reads all variables and files of settings again: some 40 ms.
    """
    context = get_settings_context()
    changed = getattr(context.settings, section).model_copy(update=values)
    settings = context.settings.model_copy(update={section: changed})
    return SettingsContext(profile=context.profile, settings=settings)
