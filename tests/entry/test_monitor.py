"""Samples of the resources that a node and its entry processes use."""

from __future__ import annotations

import csv
import os
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from prefect_parallel.entry.monitor import ResourceMonitor
from prefect_parallel.layout import PerfLogs
from tests.entry.conftest import NodeFactory
from tests.waiting import wait_until

IDLE = """
    def init(): pass
    def run(mini_batch): return mini_batch
"""

SAMPLES = {
    "samples.py": """
    import os, time
    from pathlib import Path
    FILE = Path("../step/logs/sys/perf/node-0/processes_resource_usage.csv")
    def of_this_process():
        return FILE.read_text().count(f",{os.getpid()},") if FILE.exists() else 0
    def wait_for(number):
        until = of_this_process() + number
        while of_this_process() < until: time.sleep(0.05)
    """
}
"""A module of scripts that wait for samples."""

BUSY = """
    import samples, subprocess, sys, threading, time
    def init(): pass
    def run(mini_batch):
        block = bytearray(60_000_000)
        child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        threading.Thread(target=time.sleep, args=[600], daemon=True).start()
        # The first may have begun before, and the second has the time in between.
        samples.wait_for(3)
        child.kill()
        child.wait()
        return mini_batch
"""


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sample_at_once_one_now_and_then_and_a_last_one(tmp_path: Path) -> None:
    logs = PerfLogs(tmp_path / "perf" / "node.csv", tmp_path / "perf" / "processes.csv")
    monitor = ResourceMonitor(logs, 0.4)
    wait_until(lambda: logs.node.exists() and len(rows_of(logs.node)) == 2)
    monitor.close()
    rows = rows_of(logs.node)
    assert len(rows) >= 3
    assert list(rows[0]) == [
        "time",
        "cpu_percent",
        "memory_used_bytes",
        "memory_total_bytes",
        "disk_read_bytes_per_s",
        "disk_written_bytes_per_s",
        "network_received_bytes_per_s",
        "network_sent_bytes_per_s",
    ]
    times = [datetime.fromisoformat(row["time"].replace("Z", "+00:00")) for row in rows]
    # The last one may follow at once; the others are as far apart as wanted, but for rounding.
    assert all(later - earlier > timedelta(seconds=0.35) for earlier, later in pairwise(times[:-1]))
    for row in rows:
        assert 0 <= float(row["cpu_percent"]) <= 100
        assert int(row["memory_total_bytes"]) == psutil.virtual_memory().total
        assert 0 < int(row["memory_used_bytes"]) < int(row["memory_total_bytes"])


def test_what_is_written_to_disk_and_sent_is_counted_by_the_second(tmp_path: Path) -> None:
    logs = PerfLogs(tmp_path / "node.csv", tmp_path / "processes.csv")
    monitor = ResourceMonitor(logs, 3600)
    wait_until(lambda: logs.node.exists() and rows_of(logs.node))
    with (tmp_path / "data").open("wb") as file:
        file.write(os.urandom(30_000_000))
        file.flush()
        os.fsync(file.fileno())
    monitor.close()
    first, last = rows_of(logs.node)
    seconds = (
        datetime.fromisoformat(last["time"][:-1]) - datetime.fromisoformat(first["time"][:-1])
    ).total_seconds()
    assert float(last["disk_written_bytes_per_s"]) * seconds > 25_000_000


def test_processes_are_sampled_with_their_children(node: NodeFactory) -> None:
    started = node(BUSY, files=SAMPLES, mini_batches=1, resource_monitor_interval=0.3)
    started.pool.run(started.mini_batches[0], 1)
    started.pool.close()
    rows = rows_of(started.directory.perf("node-0").processes)
    assert {row["process"] for row in rows} == {"process000"}
    assert len({row["pid"] for row in rows}) == 1
    assert max(int(row["resident_bytes"]) for row in rows) > 70_000_000
    assert max(int(row["threads"]) for row in rows) >= 3
    # The child alone keeps a core busy, as far as the machine lets it; its parent sleeps.
    assert max(float(row["cpu_percent"]) for row in rows[1:]) > 5
    assert rows_of(started.directory.perf("node-0").node)


def test_a_process_that_has_ended_is_not_sampled_any_more(node: NodeFactory) -> None:
    started = node(
        """
        import os, samples
        def run(mini_batch):
            samples.wait_for(2)
            if "000" in mini_batch[0]:
                os._exit(1)
            return mini_batch
        """,
        files=SAMPLES,
        mini_batches=2,
        resource_monitor_interval=0.2,
    )
    for mini_batch in started.mini_batches:
        started.pool.run(mini_batch, 1)
    started.pool.close()
    rows = rows_of(started.directory.perf("node-0").processes)
    assert [row["process"] for row in rows] == sorted(row["process"] for row in rows)
    assert {row["process"] for row in rows} == {"process000", "process001"}


def test_an_interval_of_0_turns_it_off(node: NodeFactory) -> None:
    started = node(IDLE, mini_batches=1, resource_monitor_interval=0)
    started.pool.run(started.mini_batches[0], 1)
    started.pool.close()
    assert started.directory.perf("node-0").node.exists() is False


@pytest.mark.usefixtures("two_gpus")
def test_gpus_have_columns_of_their_own(node: NodeFactory) -> None:
    started = node(IDLE, mini_batches=1, resource_monitor_interval=3600)
    started.pool.run(started.mini_batches[0], 1)
    started.pool.close()
    row = rows_of(started.directory.perf("node-0").node)[-1]
    assert {name: row[name] for name in row if name.startswith("gpu")} == {
        "gpu0_percent": "37",
        "gpu0_memory_used_bytes": str(1024 * 1024 * 1024),
        "gpu0_memory_total_bytes": str(80 * 1024 * 1024 * 1024),
        "gpu1_percent": "",
        "gpu1_memory_used_bytes": "0",
        "gpu1_memory_total_bytes": str(80 * 1024 * 1024 * 1024),
    }
