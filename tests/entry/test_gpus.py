"""Nodes with GPUs. A fake `nvidia-smi`, first on PATH, reports two of them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prefect_parallel.entry.gpus import Gpus, default_slots, devices_of_this_node
from prefect_parallel.output.part import Record
from tests.entry.conftest import NVIDIA_SMI, Node, NodeFactory
from tests.waiting import wait_until

# Waits for the first mini-batches of as many processes as its variable says.
SHOW = """
    import os, time
    from pathlib import Path
    def init(): pass
    def run(mini_batch):
        Path(f"runs-{os.getpid()}").touch()
        while len(list(Path().glob("runs-*"))) < int(os.environ.get("PROCESSES", 1)):
            time.sleep(0.05)
        assert os.environ["AZ_BATCHAI_GPU_COUNT_FOUND"] == os.environ.get("FOUND", "2")
        return [os.environ.get("CUDA_VISIBLE_DEVICES", "not set")] * len(mini_batch)
"""


def run_side_by_side(node: Node) -> list[Record]:
    with ThreadPoolExecutor(len(node.mini_batches)) as threads:
        return list(threads.map(lambda each: node.pool.run(each, 1), node.mini_batches))


def shown(node: Node) -> list[str]:
    """The devices that were visible to each mini-batch."""
    found = []
    for mini_batch in node.mini_batches:
        _, _, payload = node.directory.part(mini_batch.index).read_bytes().partition(b"\n")
        found.append(payload.decode().splitlines()[0])
    return found


@pytest.mark.usefixtures("two_gpus")
def test_two_gpus_and_four_slots(node: NodeFactory) -> None:
    started = node(SHOW, mini_batches=4, slots=4, environment_variables={"PROCESSES": "4"})
    run_side_by_side(started)
    assert sorted(shown(started)) == ["", "", "0", "1"]


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_goes_from_a_process_that_ended_to_the_next(node: NodeFactory) -> None:
    started = node(
        """
        import os, time
        def init(): pass
        def run(mini_batch):
            print(os.environ["CUDA_VISIBLE_DEVICES"])
            if "000" in mini_batch[0]: os._exit(3)
            if "002" in mini_batch[0]: time.sleep(600)
            if "004" in mini_batch[0]: raise SystemExit
            return mini_batch
        """,
        mini_batches=5,
        timeout=3,
    )
    for mini_batch in started.mini_batches:
        started.pool.run(mini_batch, 1)
    said = [
        path.read_text().split()
        for path in sorted((started.directory.user / "stdout" / "node-0").iterdir())
    ]
    # The third process outlives the exit that its script asked for.
    assert said == [["0"], ["1"], ["0", "0", "0"]]


@pytest.mark.usefixtures("two_gpus")
def test_the_step_has_the_last_word(node: NodeFactory) -> None:
    started = node(SHOW, mini_batches=1, environment_variables={"CUDA_VISIBLE_DEVICES": "all mine"})
    started.pool.run(started.mini_batches[0], 1)
    assert shown(started) == ["all mine"]


def test_without_gpus_nothing_is_set(
    node: NodeFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert default_slots() == len(os.sched_getaffinity(0))
    started = node(SHOW, mini_batches=1, environment_variables={"FOUND": "0"})
    started.pool.run(started.mini_batches[0], 1)
    assert shown(started) == ["not set"]


def test_one_slot_on_a_node_with_gpus(two_gpus: Path) -> None:
    assert default_slots() == 1
    assert devices_of_this_node() == ["0", "1"]


@pytest.mark.parametrize(
    ("given", "devices"),
    [("1", ["1"]), ("GPU-5, 0", ["GPU-5", "0"]), ("", []), ("-1", [])],
)
def test_only_gpus_that_the_node_was_given(
    two_gpus: Path, monkeypatch: pytest.MonkeyPatch, given: str, devices: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert devices_of_this_node() == devices


def test_without_an_answer_of_the_driver_there_are_no_gpus(two_gpus: Path) -> None:
    (two_gpus / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: it says'\nexit 9\n")
    assert devices_of_this_node() == []


@pytest.mark.parametrize(
    ("hangs", "asked"), [("-L", ["-L"]), ("--query-gpu", ["-L", "--query-gpu", "--query-gpu"])]
)
def test_a_driver_that_hangs_is_asked_once(
    two_gpus: Path,
    node: NodeFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hangs: str,
    asked: list[str],
) -> None:
    monkeypatch.setattr("prefect_parallel.entry.gpus.NVIDIA_SMI_SECONDS", 8)
    calls, program = two_gpus / "calls", two_gpus / "nvidia-smi"
    program.write_text(
        f"""#!/bin/sh
echo "${{1%%=*}}" >> '{calls}'
# It answers the first time that it is asked for samples.
case "$1 $(grep -c query '{calls}')" in {hangs}*[02]) exec sleep 600;; esac
{NVIDIA_SMI}"""
    )
    started = node(SHOW, mini_batches=1, slots=2, resource_monitor_interval=0.1)
    started.pool.run(started.mini_batches[0], 1)
    wait_until(lambda: calls.read_text().split() == asked)
    wait_until(lambda: caplog.messages)
    started.pool.close()
    assert calls.read_text().split() == asked
    assert caplog.messages == [
        "nvidia-smi did not answer within 8 s: GPUs of this machine are ignored"
    ]


def test_devices_are_assigned_and_released_in_turn() -> None:
    gpus = Gpus(["0", "1"])
    assert gpus.assign("process000") == {"CUDA_VISIBLE_DEVICES": "0"}
    assert gpus.assign("process001") == {"CUDA_VISIBLE_DEVICES": "1"}
    assert gpus.assign("process002") == {"CUDA_VISIBLE_DEVICES": ""}
    gpus.release("process002")
    gpus.release("process001")
    gpus.release("process001")
    assert gpus.assign("process003") == {"CUDA_VISIBLE_DEVICES": "1"}
    assert gpus.assign("process004") == {"CUDA_VISIBLE_DEVICES": ""}
