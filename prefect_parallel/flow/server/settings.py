"""Prefect settings that hold for a part of a run."""

from __future__ import annotations

from typing import Any

from prefect.context import SettingsContext, get_settings_context


def with_settings(section: str, **values: Any) -> SettingsContext:
    """A context with other settings of a section, e.g. `with_settings("client", max_retries=0)`.

    Prefect's `temporary_settings` reads all variables and files of settings again: some 40 ms.
    """
    context = get_settings_context()
    changed = getattr(context.settings, section).model_copy(update=values)
    settings = context.settings.model_copy(update={section: changed})
    return SettingsContext(profile=context.profile, settings=settings)
