"""The golden cases: files in Azure's formats, and what Azure's own packages make of them.

Each YAML file in `tests/golden` has cases by name, and the README beside it says what they mean:
the file itself (`pipeline` or `table`), the files around it (`files`, `folder`), and the outcome.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

GOLDEN = Path(__file__).parent / "golden"

# What the outcome of a step has where it says nothing.
_OF_ANY_STEP = {"compute": None, "instance_count": None, "environment_variables": {}, "outputs": {}}
_OF_STEPS: dict[str, dict[str, Any]] = {
    "command": {**_OF_ANY_STEP, "code": None},
    "parallel": {
        **_OF_ANY_STEP,
        "partition_keys": None,
        "max_concurrency_per_instance": None,
        "mini_batch_error_threshold": None,
        "error_threshold": None,
        "retry_settings": None,
        "logging_level": None,
        "program_arguments": None,
        "append_row_to": None,
    },
}

# Where all that is written in this process goes.
_WRITTEN = tempfile.TemporaryDirectory(prefix="golden-")


@dataclass(frozen=True)
class GoldenCase:
    """A case.

    Attributes:
        name: Its name, which is that of its folder, too.
        valid: Whether Azure's package accepts the file.
        expected: The outcome; see the README of its kind.
        text: Of the file itself.
        folder: The case's files, written on first use.
    """

    name: str
    valid: bool
    expected: dict[str, Any]
    text: str
    _file: str
    _files: dict[str, Any]
    _copied: Path | None

    @functools.cached_property
    def folder(self) -> Path:
        folder = Path(_WRITTEN.name) / self.name
        if self._copied:
            shutil.copytree(self._copied, folder)
        for path, content in {self._file: self.text, **self._files}.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                file.unlink()
                if not any(file.parent.iterdir()):
                    file.parent.rmdir()
            else:
                file.write_bytes(_bytes(content))
        return folder


def _bytes(content: str | bytes | dict[str, str]) -> bytes:
    if isinstance(content, dict):
        return content["text"].encode(content["encoding"])
    return content.encode() if isinstance(content, str) else content


@functools.cache
def pipelines() -> dict[str, GoldenCase]:
    """Cases of pipelines by name; their `folder` has a `pipeline.yml`."""
    cases = {}
    for name, written in _read("pipelines"):
        expected = written.get("refused") or written["accepted"]
        for step in expected.get("steps", {}).values():
            step |= {**_OF_STEPS[step["type"]], **step}
        cases[name] = GoldenCase(
            name,
            "accepted" in written,
            expected,
            written["pipeline"],
            "pipeline.yml",
            written.get("files", {}),
            GOLDEN / "pipelines" / "files",
        )
    return cases


@functools.cache
def tables() -> dict[str, GoldenCase]:
    """Cases of tables by name; their `folder` has an `MLTable`."""
    cases = {}
    for name, written in _read("mltable"):
        copied = GOLDEN / "mltable" / written["folder"] if "folder" in written else None
        cases[name] = GoldenCase(
            name,
            "loads" in written,
            written.get("refused") or written["loads"],
            written["table"],
            "MLTable",
            written.get("files", {}),
            copied,
        )
    return cases


def _read(kind: str) -> list[tuple[str, dict[str, Any]]]:
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((GOLDEN / kind).glob("*.yml")):
        cases = yaml.load(file.read_text(), yaml.CSafeLoader)
        assert not cases.keys() & found.keys(), file
        found |= cases
    return sorted(found.items())
