"""`--prefetch`: a process loads the next mini-batch while `run` works on this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prefect_parallel.data import BySize, plan
from prefect_parallel.output.part import Record

from .conftest import Node, NodeFactory

# Returns the numbers of the files that were opened until `run` ended; the first call waits until
# two were, for as many seconds as its argument says.
SCRIPT = """
    import re, sys, threading

    opened, two = [], threading.Event()
    def note(event, args):
        found = event == "open" and re.search(r"(\\d)\\.jsonl$", str(args[0]))
        if found:
            opened.append(found[1])
            if len(opened) == 2:
                two.set()
    sys.addaudithook(note)

    def run(mini_batch):
        two.wait(float(sys.argv[1]))
        return ["".join([*map(str, mini_batch["number"]), " ", *opened])]
"""


def start(node: NodeFactory, folder: Path, lines: list[str], **settings: Any) -> Node:
    """A node whose mini-batches are files of JSON lines."""
    folder = folder / "table"
    folder.mkdir()
    for number, line in enumerate(lines):
        (folder / f"{number}.jsonl").write_text(line)
    (folder / "MLTable").write_text(
        "paths: [{pattern: ./*.jsonl}]\ntransformations: [{read_json_lines: {}}]\n"
    )
    planned = plan(str(folder), type="mltable", mode="direct", split=BySize.parse("1kb"))
    made = node(SCRIPT, reader=planned.reader, **{"arguments": ["200"], **settings})
    made.mini_batches = list(planned.mini_batches)
    return made


def lines(count: int) -> list[str]:
    return [f'{{"number": {number}}}\n' for number in range(count)]


def returned(node: Node, index: int) -> str:
    return node.directory.part(index).read_text().splitlines()[1]


def run(node: Node, *indexes: int, attempt: int = 1) -> list[Record]:
    """Run mini-batches; each is told the one after it."""
    following = [*(node.mini_batches[index] for index in indexes[1:]), None]
    return [
        node.pool.run(node.mini_batches[index], attempt, after)
        for index, after in zip(indexes, following, strict=True)
    ]


@pytest.mark.parametrize(("prefetch", "wait", "opened"), [(True, "200", "01"), (False, "0.2", "0")])
def test_the_next_mini_batch_is_loaded_while_run_works(
    node: NodeFactory, tmp_path: Path, prefetch: bool, wait: str, opened: str
) -> None:
    started = start(node, tmp_path, lines(2), prefetch=prefetch, arguments=[wait])
    run(started, 0, 1)
    assert returned(started, 0) == f"0 {opened}"
    assert returned(started, 1) == "1 01"


def test_a_mini_batch_that_cannot_be_loaded_ahead_fails_alone(
    node: NodeFactory, tmp_path: Path
) -> None:
    content = [lines(1)[0], '{"number"\n', *lines(4)[2:]]
    started = start(node, tmp_path, content, prefetch=True)
    records = run(started, 0, 1, 2, 3)
    assert [record.attempt for record in records if record.error is not None] == [1]
    assert "1.jsonl" in str(records[1].error)
    assert [record.succeeded for record in records] == [1, 0, 1, 1]
    (tmp_path / "table" / "1.jsonl").write_text(lines(2)[1].strip())
    assert "changed" in str(run(started, 1, attempt=2)[0].error)
    assert len({record.process for record in records}) == 1


def test_another_mini_batch_than_the_one_loaded_ahead(node: NodeFactory, tmp_path: Path) -> None:
    started = start(node, tmp_path, lines(4), prefetch=True)
    started.pool.run(started.mini_batches[0], 1, started.mini_batches[1])
    run(started, 3, 1, 2)
    assert [returned(started, index)[0] for index in range(4)] == list("0123")


def test_what_has_succeeded_is_not_loaded_ahead(node: NodeFactory, tmp_path: Path) -> None:
    started = start(node, tmp_path, lines(3), prefetch=True, arguments=["0.2"])
    run(started, 1)
    run(started, 0, 1, 2)
    assert returned(started, 2) == "2 102"
