"""Parallel functions run in a folder of their own, on the server of the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings


@pytest.fixture
def folder(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, in which runs are."""
    monkeypatch.chdir(tmp_path)
    with temporary_settings({PREFECT_API_URL: server}):
        yield tmp_path
