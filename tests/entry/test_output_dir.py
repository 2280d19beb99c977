"""`mini_batch_context.output_dir` on a node: which files of which attempts its parts name."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_parallel.output.output_files import files_in
from prefect_parallel.output.part import Record
from tests.entry.conftest import Node, NodeFactory

SCRIPT = """
    import os
    from pathlib import Path

    def run(mini_batch, context):
        for item in mini_batch:
            name = "model" if "same" in item else Path(item).stem
            (context.output_dir / name).write_text("")
        if any("003" in item for item in mini_batch):
            raise ValueError("three")
        return mini_batch[:RETURNED]
"""


def run(node: Node, index: int = 0) -> Record:
    mini_batch = node.mini_batches[index]
    return node.pool.isolate(mini_batch, node.pool.run(mini_batch, 1))


def kept(node: Node, record: Record) -> list[str]:
    """The files that a part names. No attempt may have left others."""
    folders = {path.name for path in node.directory.output_dirs.glob("*")}
    assert folders == ({record.output_dir} if record.output_dir else set())
    return files_in(node.directory.output_dirs / record.output_dir) if folders else []


@pytest.mark.parametrize(
    "fails",
    ["raise ValueError", "os._exit(1)", "import time; time.sleep(60)", "return {}"],
)
def test_an_attempt_that_fails_leaves_no_files(node: NodeFactory, fails: str) -> None:
    script = "import os\ndef run(items, context):\n    (context.output_dir / 'model').touch()\n"
    started = node(f"{script}    {fails}", timeout=1, folder_outputs=("models",))
    record = run(started)
    assert record.error is not None
    assert kept(started, record) == []


def test_files_belong_to_a_part_as_rows_do(node: NodeFactory) -> None:
    # The second item is missing; what was returned stays in the output, and what was written.
    started = node(SCRIPT.replace("RETURNED", "1"), folder_outputs=("models",))
    record = run(started)
    assert "returned 1 of 2 items" in str(record.error)
    assert kept(started, record) == ["item 000", "item 001"]


def test_files_of_isolated_items(node: NodeFactory) -> None:
    script = SCRIPT.replace("RETURNED", "None")
    options: Any = {"isolates_failed_items": True, "folder_outputs": ("models",)}
    started = node(script, mini_batches=1, size=6, **options)
    record = run(started)
    assert (record.succeeded, record.items) == (5, 6)
    assert kept(started, record) == [f"item 00{number}" for number in (0, 1, 2, 4, 5)]


def test_isolated_items_that_write_the_same_file_fail(node: NodeFactory) -> None:
    script = SCRIPT.replace("RETURNED", "None").replace('"same" in item', "True")
    options: Any = {"isolates_failed_items": True, "folder_outputs": ("models",)}
    started = node(script, mini_batches=1, size=6, **options)
    record = run(started)
    assert record.isolated is not None
    errors = [each.error for each in record.isolated.failed]
    assert record.succeeded == 3
    said = "file model of items 4-4 in output_dir clashes with a file of items 0-2"
    assert said in str(errors)
    assert kept(started, record) == ["model"]


@pytest.mark.parametrize(
    ("outputs", "does", "error"),
    [
        ((), "", "output_dir needs an output of the step that is a folder; found none"),
        (("a", "b"), "", "found several outputs that are folders (a, b)"),
        (
            ("a",),
            ".joinpath('x').symlink_to('y')",
            "output_dir contains x, which is not a regular file",
        ),
    ],
)
def test_what_is_refused(
    node: NodeFactory, outputs: tuple[str, ...], does: str, error: str
) -> None:
    script = f"def run(items, context):\n    context.output_dir{does}\n    return items"
    started = node(script, folder_outputs=outputs)
    record = run(started)
    assert error in str(record.error)
    assert kept(started, record) == []


def test_a_folder_that_is_not_asked_for_or_empty_is_not_there(node: NodeFactory) -> None:
    script = """
        def run(items, context):
            if context.minibatch_index == 1:
                context.output_dir.joinpath("empty").mkdir()
            return items
    """
    started = node(script, folder_outputs=("models",))
    assert kept(started, run(started, 0)) == []
    assert not started.directory.output_dirs.exists()
    assert kept(started, run(started, 1)) == []
