"""What tests of deployments share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.command_here import command_here
from tests.e2e.conftest import COMMAND


@dataclass
class Api:
    """A Prefect server, as the command line and other programs use it."""

    url: str
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        # Where the programs of this interpreter are, even if its environment is not activated.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, **self.variables, "PREFECT_API_URL": self.url}

    def command(self, *words: object, expect: int = 0) -> str:
        """Run `prefect-parallel` to its end; gives what it said."""
        return self.program(*COMMAND, *words, expect=expect)

    def here(self, *words: object, expect: int = 0) -> str:
        """As `command`, in this process."""
        said = command_here(self.url, self.folder, *words, expect=expect, **self.variables)
        assert "Traceback" not in said, said
        return said

    def program(self, *words: object, expect: int = 0) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=480,
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
        answer = self._request(method, path, body)
        assert answer.is_success, answer.text
        return answer.json()

    def _request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """As Prefect's client does: a server that waits too long for its database says 503."""
        until = time.monotonic() + 240
        while True:
            answer = httpx.request(method, f"{self.url}/{path}", json=body, timeout=240)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > until:
                return answer
            time.sleep(0.5)

    def delete(self, path: str) -> None:
        """Delete what may be gone already."""
        answer = self._request("DELETE", path)
        assert answer.is_success or answer.status_code == httpx.codes.NOT_FOUND, answer.text

    def deployment(self, flow: str, name: str) -> Any:
        return self.get(f"deployments/name/{flow}/{name}")

    def find_deployment(self, flow: str, name: str) -> Any:
        """The deployment; None if there is none."""
        answer = self._request("GET", f"deployments/name/{flow}/{name}")
        return answer.json() if answer.is_success else None

    def deployments(self) -> set[str]:
        """The IDs of all deployments."""
        return {deployment["id"] for deployment in self.post("deployments/filter")}

    def make_pool(self, name: str) -> None:
        self.post("work_pools/", name=name, type="process")


@contextmanager
def started(
    api: Api, command: list[str], variables: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs in the background, and is ended with Ctrl-C."""
    with (api.folder / f"{command[1]}.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=api.folder,
            env={**api.environment, **variables},
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=240)


@pytest.fixture(scope="session")
def pool(server: str) -> str:
    """A work pool that no worker polls."""
    name = "unpolled"
    Api(server, Path()).make_pool(name)
    return name


@pytest.fixture
def api(server: str, pool: str, tmp_path: Path) -> Iterator[Api]:
    """The server of the session, without workers."""
    api = Api(server, tmp_path, {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    before = api.deployments()
    yield api
    # Runs that are scheduled would be taken for new ones by other tests.
    for deployment in api.deployments() - before:
        api.delete(f"deployments/{deployment}")
