"""What an entry process might send, and what might stand in a part."""

from __future__ import annotations

import dataclasses
import json
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from prefect_parallel.entry.messages import validate_message
from prefect_parallel.entry.protocol import Channel, ProtocolError
from prefect_parallel.output.part import BrokenPart, Record, read_record
from tests.entry.conftest import NodeFactory, node  # noqa: F401 - a fixture
from tests.fuzz.conftest import CHARACTERS, Fuzz

EVENTS = ["ready", "loaded", "returned", "done", "failed", "ended"]

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(EVENTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)

GOOD = dict(vars(Record(0, 1, 2, 2, node="node-0", process="process000")))

RECORDS = st.builds(
    lambda changed, removed: {**{k: v for k, v in GOOD.items() if k not in removed}, **changed},
    st.dictionaries(st.sampled_from([*GOOD, "more"]), JSON, max_size=2),
    st.sets(st.sampled_from(list(GOOD)), max_size=1),
)

MESSAGES = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"event": st.sampled_from(EVENTS)},
        optional={
            "items": JSON,
            "error": JSON | st.text(CHARACTERS),
            "traceback": JSON | st.text(st.characters()),
            "record": RECORDS | JSON,
        },
    ),
)


def framed(message: Any) -> bytes:
    text = json.dumps(message).encode()
    return struct.pack(">I", len(text)) + text


def receive_all(content: bytes) -> None:
    """Take in what came, until it is no message or there is no more."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(content)
        theirs.shutdown(socket.SHUT_WR)
        channel = Channel(ours)
        try:
            while (message := channel.receive(time.monotonic() + 5)) is not None:
                fine = validate_message(message, EVENTS)
                assert fine["event"] in EVENTS
                if fine["event"] == "failed":
                    assert len(fine["error"].splitlines()) <= 1
                    fine["traceback"].encode()
                if fine["event"] == "done":
                    Record.from_json(fine["record"])
        except (ProtocolError, BrokenPart):
            return


def test_any_bytes(fuzz: Fuzz[bytes]) -> None:
    receive_all(b"\xff\xff\xff\xff")
    receive_all(struct.pack(">I", 100_000) + b"[" * 100_000)
    fuzz(st.binary(max_size=100), receive_all)


def test_any_json(fuzz: Fuzz[list[Any]]) -> None:
    fuzz(
        st.lists(MESSAGES, max_size=3),
        lambda messages: receive_all(b"".join(map(framed, messages))),
    )


def test_any_part(fuzz: Fuzz[bytes], tmp_path: Path) -> None:
    path = tmp_path / "000000.part"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            record = read_record(path)
        except BrokenPart:
            return
        assert record is not None
        assert record.failed_items >= 0

    parts = RECORDS.map(lambda record: {"payload_bytes": 0, **record})
    lines = parts.map(lambda record: json.dumps(record).encode() + b"\n")
    fuzz(st.binary(max_size=50) | lines | JSON.map(lambda it: json.dumps(it).encode()), read)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"garbage that is far longer than its length says", "invalid message"),
        (framed([]), "not a JSON object"),
        (framed({}), "not one of returned, failed"),
        (framed({"event": "timeout"}), "not one of returned, failed"),
        # It would begin another run(), with another limit, time and again.
        (framed({"event": "loaded", "items": 1}), "not one of returned, failed"),
        (framed({"event": "failed"}), "failed without error"),
        (
            framed({"event": "failed", "error": "a\n\ud800\tb", "traceback": "\udfff"}),
            "a \\ud800 b",
        ),
        (framed({"event": "returned"}) + framed({"event": "done", "record": {}}), "not a record"),
        (
            framed({"event": "returned"}) + framed({"event": "done", "record": GOOD}),
            "the record of another attempt",
        ),
        (struct.pack(">I", 100_000) + b"[" * 100_000, "a message is not JSON"),
    ],
)
def test_a_script_that_writes_to_the_socket(
    node: NodeFactory,  # noqa: F811
    sent: bytes,
    said: str,
) -> None:
    it = node(
        f"""
        import os, signal
        def init(): pass
        def run(mini_batch):
            if "000" in mini_batch[0]:
                socket = int(open("/proc/self/cmdline").read().split("\\0")[-2])
                os.write(socket, {sent!r})
                # Until it is ended: a part that it committed would count.
                signal.pause()
            return mini_batch
        """,
        # After `failed`, the process is taken for idle; it is paused, and ended after this time.
        task_overhead_timeout=15,
    )
    record = it.pool.run(it.mini_batches[0], 1)
    assert record.error is not None
    assert said in record.error
    assert len(record.error.splitlines()) == 1
    # What comes too late, too, ends the process; the next one is as good as new.
    assert None in [it.pool.run(it.mini_batches[1], attempt).error for attempt in (1, 2)]
    (it.directory.error_summary).read_text(encoding="utf-8")


def test_the_record_of_an_earlier_attempt_is_no_answer(
    node: NodeFactory,  # noqa: F811
    tmp_path: Path,
) -> None:
    sent = tmp_path / "sent"
    it = node(
        f"""
        import os
        def init(): pass
        def run(mini_batch):
            if not os.path.exists({str(sent)!r}):
                raise ValueError("fails at first")
            socket = int(open("/proc/self/cmdline").read().split("\\0")[-2])
            os.write(socket, open({str(sent)!r}, "rb").read())
            return mini_batch
        """
    )
    first = it.pool.run(it.mini_batches[0], 1)
    again = dataclasses.replace(first, error=None, items=2, succeeded=2).to_json()
    messages = framed({"event": "returned"}) + framed({"event": "done", "record": again})
    sent.write_bytes(messages)
    second = it.pool.run(it.mini_batches[0], 2)
    assert "the record of another attempt" in str(second.error)
