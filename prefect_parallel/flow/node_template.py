"""A process that has imported all that a node needs, and that nodes on this machine are forked from.

Importing Prefect and Dask takes a second or two of CPU, which each node would spend again.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, util

import dask.config

import prefect_parallel.flow.node


def start_node_template() -> None:
    """Fork the template off this process, and have Dask start its local workers from it.

    To be called once, and before this process has any thread but its first. The template ends
    when this process has, and all nodes.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        [prefect_parallel.flow.node.__name__]
    )
    # What is there now stays for ever: the collector need not touch it, and so copy it, in nodes.
    gc.collect()
    gc.freeze()
    with _forked():
        forkserver.ensure_running()
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})


@contextmanager
def _forked() -> Iterator[None]:
    """Have the fork server be a fork of this process instead of a new interpreter.

    Its way to start one is replaced meanwhile. Were that not used any more, then a new interpreter
    would import all again, aside, and nothing else would be different.
    """
    original = util.spawnv_passfds
    util.spawnv_passfds = _fork_server
    try:
        yield
    finally:
        util.spawnv_passfds = original


def _fork_server(path: bytes, args: Sequence[str], passfds: Sequence[int]) -> int:
    """Run `python -c <program>` in a fork of this process; gives the process id."""
    program = args[-1]
    pid = os.fork()
    if pid == 0:
        try:
            exec(program, {})  # noqa: S102 - the fork server's own, from the standard library
        except SystemExit:
            pass
        finally:
            sys.stdout.flush()
            os._exit(0)
    return pid
