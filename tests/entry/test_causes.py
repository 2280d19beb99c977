"""The cause of a failure is the whole cause, in one line of bounded length."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from prefect_parallel.entry import entry_process, stacks
from prefect_parallel.entry.memory_limit import memory_limit
from prefect_parallel.entry.messages import MAX_ERROR_CHARACTERS
from prefect_parallel.entry.node_faults import UnusableNode
from prefect_parallel.output.root_cause import root_cause
from tests.entry.conftest import NodeFactory


def error_of(node: NodeFactory, script: str, **settings: object) -> str:
    """The error of the first attempt at one mini-batch."""
    started = node(script, mini_batches=1, **settings)
    return started.pool.run(started.mini_batches[0], 1).error or ""


@pytest.mark.parametrize("characters", [600, 200_000, 20_000_000])
def test_a_long_message_is_cut_in_messages_and_whole_in_the_log(
    node: NodeFactory, characters: int
) -> None:
    started = node(
        f"""
        def run(mini_batch): raise ValueError("cannot parse: " + "日本語文書" * {characters // 5})
        """,
        mini_batches=1,
    )
    error = started.pool.run(started.mini_batches[0], 1).error or ""
    assert error.startswith("ValueError: cannot parse: 日本語文書")
    assert len(error) == MAX_ERROR_CHARACTERS
    log = (started.directory.user / "error" / "node-0" / "process000.txt").read_text()
    assert log.count("日本語文書") >= min(characters, 900_000) // 5


@pytest.mark.parametrize(
    "text", ["日" * 200_000, "'" + "x" * 200_000, "'" * 200_000, "'a " * 100_000, "a/" * 100_000]
)
def test_root_causes_of_long_texts_take_linear_time(text: str) -> None:
    def seconds(part: str) -> float:
        before = time.process_time()
        root_cause(part)
        return time.process_time() - before

    part = text[: len(text) // 4]
    # Quadratic: 16 times as long, and minutes. The garbage collector takes time now and then.
    assert min(seconds(text) for _ in range(2)) < 8 * min(seconds(part) for _ in range(2)) + 0.1


def test_what_a_process_wrote_to_stderr_before_it_died(node: NodeFactory) -> None:
    script = """
        import os
        def run(mini_batch):
            os.write(2, b"libfoo: device lost\\n\\n")
            os._exit(3)
    """
    assert error_of(node, script) == (
        "the process ended during run(): exit code 3; stderr: libfoo: device lost"
    )


def test_a_process_that_closes_its_connection_may_exit_by_itself(
    node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
        import os, time
        def run(mini_batch):
            os.closerange(3, 100)
            time.sleep(0.3)
            os._exit(3)
    """
    monkeypatch.setattr(entry_process, "EXIT_SECONDS", 60)
    assert error_of(node, script) == "the process ended during run(): exit code 3"


def test_what_an_earlier_mini_batch_wrote_to_stderr_is_not_the_cause(node: NodeFactory) -> None:
    started = node("""
        import os, sys
        def run(mini_batch):
            if "000" not in mini_batch[0]:
                os._exit(3)
            print("all is well", file=sys.stderr)
            return mini_batch
    """)
    first, second, _ = [started.pool.run(mini_batch, 1) for mini_batch in started.mini_batches]
    assert first.error is None
    assert second.error == "the process ended during run(): exit code 3"


def test_what_a_mini_batch_wrote_to_stderr_is_not_why_shutdown_dies(node: NodeFactory) -> None:
    started = node("""
        import os, sys
        def run(mini_batch):
            print("all is well", file=sys.stderr)
            return mini_batch
        def shutdown(): os._exit(3)
    """)
    assert started.pool.run(started.mini_batches[0], 1).error is None
    started.pool.close()
    told = started.directory.error_summary.read_text()
    assert told.endswith(
        "outside any mini-batch: the process ended during shutdown(): exit code 3\n"
    )


@pytest.mark.parametrize(
    ("call", "frames"),
    [
        ("time.sleep(60)", ['script.py", line 5 in run\n    time.sleep(60)']),
        # The interpreter's lock is never released.
        ("ctypes.PyDLL(None).sleep(60)", ["ctypes.PyDLL(None).sleep(60)"]),
        ("helper.join()", ["in wait\n", "in helper_waits\n    def helper_waits(): thr"]),
    ],
)
def test_a_timeout_is_logged_with_the_stacks_of_all_threads(
    node: NodeFactory, call: str, frames: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "STACKS_SECONDS", 60)
    started = node(
        f"""
        import ctypes, threading, time
        def run(mini_batch):
            helper.start()
            {call}
        def helper_waits(): threading.Event().wait()
        helper = threading.Thread(target=helper_waits, daemon=True)
        """,
        mini_batches=1,
        timeout=0.5,
    )
    record = started.pool.run(started.mini_batches[0], 1)
    assert record.error == "run() took longer than retry_settings.timeout: 0.5 s"
    assert record.traceback_file is not None
    log = (started.directory.root / record.traceback_file).read_text()
    assert "stacks at that moment:\nThread 0x" in log or "moment:\nCurrent thread 0x" in log
    assert [frame for frame in frames if frame not in log] == []
    assert log.partition("stacks")[2] in f"stacks{started.pool.take_traceback(record)}\n"


def test_stacks_are_read_to_the_end_though_their_process_waits_for_a_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stacks, "STACKS_SECONDS", 60)
    found = iter(["", "", *["Thread 1"] * 9, *["Thread 1\nThread 2"] * 99])
    assert stacks.written_stacks(lambda: next(found), os.getpid()) == "Thread 1\nThread 2"


def test_a_process_that_the_kernel_killed_is_told_with_its_memory_and_the_limit(
    node: NodeFactory,
) -> None:
    error = error_of(node, "import os\ndef run(mini_batch): os.kill(os.getpid(), 9)")
    limit = f"{memory_limit() / 1024**2:,.0f} MB"
    assert re.fullmatch(
        r"the process ended during run\(\): signal SIGKILL, peak memory \d+ MB;"
        rf" the memory limit of this node is {limit}",
        error,
    )


@pytest.mark.parametrize(
    ("groups", "file"),
    [
        ("0::/pod/app", "pod/app/memory.max"),
        ("0::/pod/app", "memory.max"),
        ("2:cpu:/pod\n3:memory:/pod", "memory/pod/memory.limit_in_bytes"),
        ("2:cpu,memory:/seen/from/outside", "memory/memory.limit_in_bytes"),
    ],
)
def test_the_memory_limit_is_that_of_the_control_groups(
    tmp_path: Path, groups: str, file: str
) -> None:
    for name, text in {
        "proc/self/cgroup": groups,
        "sys/fs/cgroup/pod/memory.max": "max",
        f"sys/fs/cgroup/{file}": "123456",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert memory_limit(tmp_path) == 123456


def test_a_crash_in_native_code_is_told_with_its_cause(node: NodeFactory) -> None:
    script = "import ctypes\ndef run(mini_batch): ctypes.string_at(0)"
    error = error_of(node, script)
    assert error.startswith("the process ended during run(): signal SIGSEGV, peak memory ")
    assert error.endswith("stderr: Fatal Python error: Segmentation fault")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("parser.parse_args()", "the following arguments are required: --model"),
        ("raise SystemExit(5)", "SystemExit: 5"),
        ("raise SystemExit('no model')", "SystemExit: no model"),
    ],
)
def test_a_script_that_exits_is_told_with_its_cause(
    node: NodeFactory, code: str, cause: str
) -> None:
    started = node(f"""
        import argparse
        def init():
            parser = argparse.ArgumentParser()
            parser.add_argument("--model", required=True)
            {code}
        def run(mini_batch): return mini_batch
    """)
    with pytest.raises(UnusableNode) as caught:
        started.pool.run(started.mini_batches[0], 1)
    assert cause in str(caught.value)


def test_an_interpreter_that_cannot_start_is_told_with_its_cause(node: NodeFactory) -> None:
    started = node(
        "def run(mini_batch): return mini_batch", files={"logging.py": "raise ImportError('mine')"}
    )
    with pytest.raises(UnusableNode) as caught:
        started.pool.run(started.mini_batches[0], 1)
    assert "exit code 1; stderr: ImportError: mine" in str(caught.value)


@pytest.mark.parametrize("short", [False, True])
def test_the_first_attempt_is_the_cause_when_the_second_fails_of_what_it_left(
    node: NodeFactory, short: bool
) -> None:
    end = "return mini_batch[:1]" if short else "raise FileExistsError('folder exists')"
    started = node(
        f"""
        import os, time
        def run(mini_batch):
            if os.path.exists("left"):
                {end}
            os.mkdir("left")
            time.sleep(600)
        """,
        timeout=2,
        mini_batches=1,
    )
    (mini_batch,) = started.mini_batches
    first, second, third = [started.pool.run(mini_batch, attempt) for attempt in (1, 2, 3)]
    timeout = "run() took longer than retry_settings.timeout: 2 s"
    last = "run() returned 1 of 2 items" if short else "FileExistsError: folder exists"
    assert first.error == timeout
    assert second.error == f"{timeout} (attempt 1), then {last} (attempt 2)"
    assert third.error == f"{timeout} (attempt 1), then {last} (attempt 3)"
    assert root_cause(third.error) == timeout
    assert third.traceback_file == first.traceback_file == "logs/user/error/node-0/process000.txt"


def test_attempts_that_fail_alike_have_one_cause(node: NodeFactory) -> None:
    started = node("def run(mini_batch): raise OSError(f'no file {id(object())}')", mini_batches=1)
    (mini_batch,) = started.mini_batches
    errors = [started.pool.run(mini_batch, attempt).error or "" for attempt in (1, 2)]
    assert all(error.startswith("OSError: no file ") for error in errors)
    assert "attempt" not in errors[1]
