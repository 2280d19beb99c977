"""The command, whose driver learns of the first task run's end only when that has a given status.

    python paused_driver.py FOLDER STATUS run pipeline.yml

What runs between the end of a task run and the driver's notice of it is thereby certain to. The
task run's key is written to `FOLDER/ended`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distributed import Future

from prefect_parallel.cli import main

folder, status = Path(sys.argv[1]), sys.argv[2]
note_end = Future.add_done_callback


def note_end_late(self: Future[Any], callback: Callable[[Future[Any]], None]) -> None:
    def call_back(future: Future[Any]) -> None:
        ended = folder / "ended"
        if not ended.exists():
            ended.write_text(str(future.key))
            while future.status != status:
                time.sleep(0.01)
        callback(future)

    note_end(self, call_back)


if __name__ == "__main__":
    Future.add_done_callback = note_end_late  # type: ignore[method-assign]
    del sys.argv[1:3]
    main()
