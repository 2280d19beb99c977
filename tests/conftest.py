"""What all tests share: a Prefect home of their own, and one real server for the session."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.browser import open_browser

# How long an example takes says how busy the machine is, not how good the code. Examples are the
# same each time; `tests/fuzz --fuzz-minutes` looks for new ones.
settings.register_profile(
    "any machine",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any machine")

# Before Prefect is imported by anything: it reads its settings then.
_HOME = tempfile.TemporaryDirectory(prefix="prefect-parallel-tests-")
os.environ["PREFECT_HOME"] = _HOME.name
os.environ["PREFECT_PROFILES_PATH"] = f"{_HOME.name}/profiles.toml"
os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"
os.environ.pop("PREFECT_API_URL", None)
# What a process needs for its coverage to be measured, where it is; workers run the second.
MEASURING = ("COVERAGE_PROCESS_CONFIG", "DASK_DISTRIBUTED__WORKER__PRELOAD")
if MEASURING[0] in os.environ:
    os.environ[MEASURING[1]] = str(Path(__file__).with_name("measured_worker.py"))

# Folders of files whose tests start no servers and take seconds.
SHORT = {"data", "fuzz", "job", "output"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=20240229, help="of the chaos test's faults")
    parser.addoption(
        "--hours", type=float, default=0.0, help="how long the chaos test goes on, seed after seed"
    )
    parser.addoption("--fuzz-minutes", type=float, default=0.0, help="how long each fuzzer goes on")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of short tests last, so that all workers have some until the end."""
    items.sort(key=lambda item: item.path.parent.name in SHORT)


def copy_database(home: Path, other: Path) -> None:
    """Copy the database of a Prefect home; making one takes a server ten seconds of CPU."""
    with (
        contextlib.closing(sqlite3.connect(home / "prefect.db")) as source,
        contextlib.closing(sqlite3.connect(other / "prefect.db")) as target,
    ):
        source.backup(target)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """The URL of the API of a real Prefect server, which flows and commands of the test use."""
    from prefect_parallel.flow.server.server import prefect_server

    home, folder = Path(_HOME.name), tmp_path_factory.getbasetemp()
    shared = folder if worker_id == "master" else folder.parent
    with contextlib.ExitStack() as stack:
        with (shared / "prefect.lock").open("w") as lock:
            # The first worker of the session makes the database, and the others copy it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (shared / "prefect.db").exists():
                copy_database(shared, home)
            else:
                stack.enter_context(prefect_server())
                copy_database(home, shared)
        yield stack.enter_context(prefect_server())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser. Not for the session: see `open_browser`."""
    with open_browser() as browser:
        yield browser


@pytest.fixture(autouse=True)
def _process_left_as_found() -> Iterator[None]:
    """Tests share a process: what one changes in it makes another fail, which is innocent."""
    found = _shared_state()
    yield
    assert _shared_state() == found


def _shared_state() -> tuple[object, ...]:
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), Path.cwd()
