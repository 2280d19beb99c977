"""One bad file costs one file."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.conftest import COMMAND, Pipeline, artifacts_of
from tests.waiting import wait_until

# Where `PLACE/hold` is, the isolation stops at the first file that is run alone.
SCRIPT = """
    import os, time
    from pathlib import Path
    PLACE = Path(os.environ["PLACE"])

    def run(mini_batch):
        names = [os.path.basename(path) for path in mini_batch]
        if len(names) == 1 and (PLACE / "hold").exists():
            (PLACE / "alone").touch()
            time.sleep(600)
        for name in names:
            if name in ("003.txt", "013.txt") and not (PLACE / "mended").exists():
                raise ValueError("a bad file")
        return names
"""


def names(*without: int) -> list[str]:
    return [f"{number:03d}.txt" for number in range(16) if number not in without]


def test_failed_files_are_isolated_debugged_and_run_again(
    pipeline: Any, server: str, tmp_path: Path
) -> None:
    it: Pipeline = pipeline(
        SCRIPT,
        files=16,
        mini_batch_size="8",
        arguments="--isolate_failed_items True",
        environment_variables={"PLACE": str(tmp_path)},
    )
    (tmp_path / "hold").touch()
    process = it.start()
    wait_until(lambda: (tmp_path / "alone").exists())
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: it.left_over() == [])
    (tmp_path / "hold").unlink()

    said = it.run("--resume", "run")
    assert "Completed, 2 of 16 files are missing from the output" in said
    assert it.output.read_text().split() == names(3, 13)
    assert it.result["items"] == {"total": 16, "succeeded": 14, "failed": 2}
    assert not (it.step / "isolated").exists()

    lines = (it.step / "logs" / "failed_items.jsonl").read_text().splitlines()
    failed = [json.loads(line) for line in lines]
    assert [(each["mini_batch"], each["item"]) for each in failed] == [(0, 3), (1, 5)]
    assert failed[1]["file"] == str(it.folder / "data" / "013.txt")
    page = artifacts_of(server, it.flow_runs()[1].id)["a-test-step-result"]
    table = "| failed items | error of one |\n| --- | --- |\n| 2 | `ValueError: a bad file` |"
    assert table in page

    repeat = shlex.split(failed[1]["repeat"])[1:]
    debug = subprocess.run(
        [*COMMAND, *repeat, "--no-pdb"], capture_output=True, text=True, check=False
    )
    assert (debug.returncode, "run() on 1 item\n" in debug.stderr) == (1, True), debug.stderr
    assert "ValueError: a bad file" in debug.stderr

    (tmp_path / "mended").touch()
    it.run("--resume", "run")
    assert it.output.read_text().split() == names()
    assert (it.step / "logs" / "failed_items.jsonl").read_text() == ""
