"""What tests of deployments share."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import COMMAND


@dataclass
class Api:
    """A Prefect server, as the command line and other programs use it."""

    url: str
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables, "PREFECT_API_URL": self.url}

    def command(self, *words: object, expect: int = 0) -> str:
        """Run `prefect-parallel` to its end; gives what it said."""
        return self.program(*COMMAND, *words, expect=expect)

    def program(self, *words: object, expect: int = 0) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expect, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def get(self, path: str) -> Any:
        return self._json("GET", path, None)

    def post(self, path: str, **body: Any) -> Any:
        return self._json("POST", path, body)

    def _json(self, method: str, path: str, body: Any) -> Any:
        answer = httpx.request(method, f"{self.url}/{path}", json=body, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def deployment(self, flow: str, name: str) -> Any:
        return self.get(f"deployments/name/{flow}/{name}")

    def make_pool(self, name: str) -> None:
        self.post("work_pools/", name=name, type="process")


@pytest.fixture(scope="session")
def pool(server: str) -> str:
    """A work pool that no worker polls."""
    name = "unpolled"
    httpx.post(f"{server}/work_pools/", json={"name": name, "type": "process"}).raise_for_status()
    return name


@pytest.fixture
def api(server: str, pool: str, tmp_path: Path) -> Api:
    """The server of the session, without workers."""
    return Api(server, tmp_path, {"XDG_CACHE_HOME": str(tmp_path / "cache")})
