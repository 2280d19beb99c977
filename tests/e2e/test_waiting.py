"""Retries that wait."""

from __future__ import annotations

import signal
from typing import Any

from tests.e2e.conftest import Pipeline

SCRIPT = """
    import os, time
    from prefect_parallel import RetryAfter

    def run(mini_batch):
        name = os.path.basename(mini_batch[0])
        print(name, time.time())
        first = not os.path.exists(mini_batch[0] + ".tried")
        open(mini_batch[0] + ".tried", "w").close()
        if first and name == "000.txt":
            raise ValueError("not yet")
        if first and name == "001.txt":
            raise RetryAfter(16)
        return [name]
"""


def test_others_run_in_the_slot_while_a_retry_waits(pipeline: Any) -> None:
    it: Pipeline = pipeline(
        SCRIPT,
        arguments="--retry_delay_seconds 10,600",
        max_concurrency_per_instance=1,
        retry_settings={"max_retries": 2, "timeout": 300},
    )
    it.call()
    assert it.output.read_text() == "000.txt\n001.txt\n002.txt\n003.txt\n"
    said = [line.split() for line in it.said().splitlines()]
    assert [name[:3] for name, _ in said[:4]] == ["000", "001", "002", "003"]
    for failed, seconds in (("000.txt", 10), ("001.txt", 16)):
        first, again = [float(moment) for name, moment in said if name == failed]
        assert again - first >= seconds
    # The slot that was left is taken again, and no other.
    assert it.result["processes"] == 1
    assert it.result["mini_batches"]["retried"] == 2


def test_a_run_is_canceled_while_a_retry_waits(pipeline: Any) -> None:
    it: Pipeline = pipeline(
        SCRIPT,
        arguments="--retry_delay_seconds 600 --retry_jitter_factor 0.1",
        retry_settings={"max_retries": 1, "timeout": 300},
    )
    process = it.start()
    it.wait_for("003.txt", 1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 1, said
    assert it.result["status"] == "Canceled"
    assert it.left_over() == []
