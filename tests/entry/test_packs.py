"""Where entry processes write parts."""

from __future__ import annotations

from prefect_parallel.output.packs import MAX_PAYLOAD_BYTES
from prefect_parallel.output.step_parts import StepParts
from tests.entry.conftest import Node, NodeFactory

SCRIPT = f"""
    def run(mini_batch, context):
        if context.mini_batch_index == 1:
            return ["x" * {MAX_PAYLOAD_BYTES}]
        if context.mini_batch_index == 2:
            return []
        return ["small"]
"""
START = "start"
GROUP = "000000"


def started(node: NodeFactory, *, folder: bool) -> Node:
    it = node(SCRIPT, size=1, mini_batches=4, packs=START)
    if folder:
        (it.directory.packs / START).mkdir(parents=True)
    return it


def payloads(it: Node) -> list[bytes | None]:
    with StepParts(it.directory) as parts:
        opened = [parts.open(each.index) for each in it.mini_batches]
        return [part and part[1].read() for part in opened]


def test_small_results_are_packed_and_others_have_files(node: NodeFactory) -> None:
    it = started(node, folder=True)
    records = [it.pool.run(each, 1, group=GROUP) for each in it.mini_batches]
    assert [record.error is None for record in records] == [True, True, False, True]
    (pack,) = it.directory.packs_of(START, GROUP)
    assert pack.stat().st_size < MAX_PAYLOAD_BYTES
    assert sorted(path.name for path in it.directory.parts.iterdir()) == [
        "000001.part",
        "000002.part",
    ]
    assert payloads(it) == [b"small\n", b"x" * MAX_PAYLOAD_BYTES + b"\n", b"", b"small\n"]


def test_a_node_whose_run_was_resumed_by_another_driver_writes_files(node: NodeFactory) -> None:
    it = started(node, folder=False)
    assert it.pool.run(it.mini_batches[0], 1, group=GROUP).error is None
    assert payloads(it)[0] == b"small\n"
    assert (it.directory.parts / "000000.part").exists()
