"""The command, with a driver that notices the end of the first task run only when that is lost.

    python paused_driver.py FOLDER run pipeline.yml

`FOLDER/ended`, which then has the task run's key, tells a test that it may kill the node.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distributed import Future

from prefect_parallel.cli import main

folder = Path(sys.argv[1])
note_end = Future.add_done_callback


def note_end_late(self: Future[Any], callback: Callable[[Future[Any]], None]) -> None:
    """Replaces `Future.add_done_callback`: the first callback waits until the result is lost."""

    def call_back(future: Future[Any]) -> None:
        ended = folder / "ended"
        if not ended.exists():
            ended.write_text(str(future.key))
            while future.status != "lost":
                time.sleep(0.01)
        callback(future)

    note_end(self, call_back)


if __name__ == "__main__":
    Future.add_done_callback = note_end_late  # type: ignore[method-assign]
    del sys.argv[1]
    main()
