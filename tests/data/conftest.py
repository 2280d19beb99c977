from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

MakeTable = Callable[..., Path]


@pytest.fixture
def make_table(tmp_path: Path) -> MakeTable:
    """Writes files and the MLTable that lists them; each call in a folder of its own."""
    made = iter(range(10**6))

    def make(files: list[bytes] | Mapping[str, bytes], *transformations: Any) -> Path:
        folder = tmp_path / str(next(made))
        folder.mkdir()
        named = (
            files
            if isinstance(files, Mapping)
            else {f"{number}.data": content for number, content in enumerate(files)}
        )
        for name, content in named.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        paths = [{"file": name} for name in named]
        mltable = {"paths": paths, "transformations": list(transformations)}
        (folder / "MLTable").write_text(yaml.safe_dump(mltable))
        return folder

    return make
