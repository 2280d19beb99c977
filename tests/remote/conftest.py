"""Real servers on loopback, one of each for the session: S3, Azure's blobs, and a bad one."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest

from prefect_parallel.data.locations.datastores import Datastore, Datastores
from tests.remote.http_server import HttpServer

ROOT = Path(__file__).parents[2]

# Of every Azurite; public.
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


@dataclass(frozen=True)
class Store:
    """An empty place on a server.

    Attributes:
        url: Of the place.
        options: fsspec's, to open it.
    """

    url: str
    options: Mapping[str, Any]

    @property
    def datastores(self) -> Datastores:
        """The place as the datastore `store`, next to one that does not answer."""
        nowhere = Datastore("s3://nowhere", {"key": "wrong"})
        return Datastores({"store": Datastore(self.url, self.options), "other": nowhere})

    def upload(self, folder: Path) -> None:
        """Puts all files of a folder there, under their relative paths."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.write(str(path.relative_to(folder)), path.read_bytes())

    def write(self, path: str, content: bytes) -> None:
        filesystem, root = fsspec.core.url_to_fs(self.url, **self.options)
        filesystem.pipe_file(f"{root}/{path}", content)

    def remove(self, path: str) -> None:
        filesystem, root = fsspec.core.url_to_fs(self.url, **self.options)
        filesystem.rm(f"{root}/{path}", recursive=True)

    def names(self) -> list[str]:
        filesystem, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False, **self.options)
        return [name[len(root) + 1 :] for name in filesystem.find(root)]

    def files(self) -> dict[str, bytes]:
        filesystem, root = fsspec.core.url_to_fs(self.url, **self.options)
        return {name: filesystem.cat_file(f"{root}/{name}") for name in self.names()}


def free_port() -> int:
    """A port that nobody gets meanwhile: the system gives away those above, and chance the others.

    https://docs.kernel.org/networking/ip-sysctl.html: `ip_local_port_range`
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 240
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < until, "the server does not come up"
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a moto server, from `.ci/moto` or the PATH."""
    local = ROOT / ".ci" / "moto" / "bin"
    found = shutil.which("moto_server", path=f"{local}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("no moto_server: python3 -m venv .ci/moto, then pip install 'moto[s3,server]'")
    port = free_port()
    command = [found, "--host", "127.0.0.1", "--port", str(port)]
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    with subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture(scope="session")
def azurite_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an Azurite, from `.ci/node` or the PATH."""
    local = ROOT / ".ci" / "node" / "node_modules" / ".bin"
    found = shutil.which("azurite-blob", path=f"{local}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("no azurite: npm install --prefix .ci/node azurite")
    port = free_port()
    folder = tmp_path_factory.mktemp("azurite")
    command = [found, "--silent", "--skipApiVersionCheck", "--loose", "--inMemoryPersistence"]
    command += ["--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    log = (folder / "log").open("wb")
    with subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:
            wait_for_port(port, process)
            yield port
        finally:
            process.kill()


@pytest.fixture
def s3(s3_endpoint: str) -> Store:
    options = {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": s3_endpoint}}
    bucket = f"bucket-{uuid4().hex}"
    fsspec.filesystem("s3", **options).mkdir(bucket)
    return Store(f"s3://{bucket}/some data", options)


@pytest.fixture
def azure(azurite_port: int) -> Store:
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{azurite_port}/{AZURITE_ACCOUNT};"
    )
    options = {"connection_string": connection}
    container = f"container-{uuid4().hex}"
    fsspec.filesystem("abfs", **options).mkdir(container)
    return Store(f"abfs://{container}/some data", options)


@pytest.fixture(params=["s3", "azure"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty place on each kind of server."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Store)
    return found


@pytest.fixture
def http() -> Iterator[HttpServer]:
    server = HttpServer()
    yield server
    server.close()
