"""Errors cross process boundaries: what is pickled reads the same afterwards."""

from __future__ import annotations

import errno
import importlib
import pickle
import pkgutil
from pathlib import Path

import pytest
from distributed.comm import CommClosedError

import prefect_parallel
from prefect_parallel.entry.node_faults import UnusableNode
from prefect_parallel.entry.retry_after import RetryAfter
from prefect_parallel.errors import InvalidFile, PrefectParallelError, Problem, os_error_text
from prefect_parallel.flow.server.placeholders import UnknownPlaceholder


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "the run directory cannot be written to: No space left on device: /runs/a",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/runs/a/steps/x"),
            "the run directory cannot be written to: Permission denied: /runs/a/steps/x",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/tmp/dask/x"),
            "OSError: [Errno 28] No space left on device: '/tmp/dask/x'",
        ),
        (CommClosedError("in <TCP>: closed"), "CommClosedError: in <TCP>: closed"),
        (
            ConnectionResetError(104, "reset by peer"),
            "ConnectionResetError: [Errno 104] reset by peer",
        ),
    ],
)
def test_what_an_os_error_is_about(error: OSError, said: str) -> None:
    assert os_error_text(error, Path("/runs/a")) == said


PROBLEMS = [Problem("unknown key", "a.yml", 3, hint="did you mean b?"), Problem("empty", "b.yml")]


def subclasses(of: type[PrefectParallelError]) -> list[type[PrefectParallelError]]:
    for module in pkgutil.walk_packages(prefect_parallel.__path__, "prefect_parallel."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [of]
    for kind in found:
        found += kind.__subclasses__()
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("kind", subclasses(InvalidFile))
def test_invalid_files_keep_their_problems(kind: type[InvalidFile]) -> None:
    error = kind(PROBLEMS)
    read = pickle.loads(pickle.dumps(error))
    assert type(read) is kind
    assert str(read) == str(error)
    assert len(str(read).splitlines()) == 3
    assert read.problems == PROBLEMS


MADE_OF_TEXT = [
    kind
    for kind in subclasses(PrefectParallelError)
    if kind.__init__ is PrefectParallelError.__init__
]


@pytest.mark.parametrize("kind", MADE_OF_TEXT)
def test_other_errors_keep_their_text(kind: type[PrefectParallelError]) -> None:
    error = kind("found", allowed="this", hint="do that")
    assert str(pickle.loads(pickle.dumps(error))) == "found\n    allowed: this\n    hint: do that"


@pytest.mark.parametrize(
    "error",
    [
        RetryAfter(5),
        RetryAfter(5, "the API is busy"),
        UnknownPlaceholder("found", hint="do that"),
        UnusableNode("found", "node-0", "Traceback", "error.txt"),
    ],
)
def test_errors_with_more_than_a_text_keep_it(error: PrefectParallelError) -> None:
    read = pickle.loads(pickle.dumps(error))
    assert type(read) is type(error)
    assert str(read) == str(error)
    assert vars(read) == vars(error)
