"""The pool of a node with scripts that work, fail, crash or hang."""

from __future__ import annotations

import ctypes
import os
import pstats
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from prefect_parallel.data import BySize, plan
from prefect_parallel.entry import entry_process, spawner
from prefect_parallel.entry.node_faults import UnusableNode
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.part import Record, read_record
from tests.entry.conftest import Node, NodeFactory
from tests.waiting import wait_until


def run_all(node: Node) -> list[Record]:
    return [node.pool.run(mini_batch, 1) for mini_batch in node.mini_batches]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def text_of(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.rglob("*.txt")))


def test_one_process_runs_init_once_then_every_mini_batch_then_shutdown(node: NodeFactory) -> None:
    started = node("""
        import os
        def init(): print("init", os.getpid())
        def run(mini_batch):
            print("run", os.getpid())
            return mini_batch
        def shutdown(): print("shutdown", os.getpid())
    """)
    records = run_all(started)
    started.pool.close()
    said = text_of(started.directory.user / "stdout").split()
    assert said[::2] == ["init", "run", "run", "run", "shutdown"]
    assert len(set(said[1::2])) == 1
    assert [(record.items, record.succeeded, record.error) for record in records] == [
        (2, 2, None)
    ] * 3


def test_what_files_buffer_is_written_and_exit_functions_are_called(
    node: NodeFactory, tmp_path: Path
) -> None:
    seen = tmp_path / "seen.txt"
    started = node(f"""
        import atexit, os
        def init():
            global seen
            seen = open({str(seen)!r}, "w")
            os.system("sleep 600 &")
        def run(mini_batch):
            atexit.register(print, "exited", flush=True)
            seen.write("a mini-batch ")
            return mini_batch
    """)
    run_all(started)
    started.pool.close()
    assert seen.read_text() == "a mini-batch " * 3
    assert text_of(started.directory.user / "stdout") == "exited\n" * 3


def test_capitalised_functions_and_the_context(node: NodeFactory) -> None:
    started = node("""
        def Init(): pass
        def Run(mini_batch, context):
            print(context.mini_batch_index, context.minibatch_index, context.dataset_name)
            return mini_batch
        def Shutdown(): print("bye")
    """)
    run_all(started)
    started.pool.close()
    assert text_of(started.directory.user / "stdout") == "0 0 items\n1 1 items\n2 2 items\nbye\n"


def test_only_run_is_required_and_the_context_has_the_data(node: NodeFactory) -> None:
    started = node("""
        def run(mini_batch, context):
            assert context.dataset is mini_batch
            return mini_batch
    """)
    assert [record.error for record in run_all(started)] == [None] * 3


def test_what_a_generator_yields_is_what_run_returns(node: NodeFactory) -> None:
    started = node(
        """
        import time
        import pandas as pd
        def run(mini_batch, context):
            for number, path in enumerate(mini_batch):
                frame = pd.DataFrame({"index": [context.mini_batch_index]})
                yield frame if context.mini_batch_index < 1 or number else 7
                if context.mini_batch_index == 2:
                    time.sleep(600)
    """,
        timeout=3,
    )
    records = run_all(started)
    assert (records[0].kind, records[0].columns, records[0].succeeded) == (
        "DataFrame", ("index",), 2,
    )  # fmt: skip
    assert "yielded 1 DataFrames and 1 other values" in str(records[1].error)
    assert "run() took longer than retry_settings.timeout: 3 s" in str(records[2].error)
    assert started.pool.run(started.mini_batches[0], 2).error is None


def test_a_script_in_a_folder_imports_from_there_and_from_the_code_folder(
    node: NodeFactory,
) -> None:
    started = node(
        """
        import beside, shared
        def run(mini_batch):
            return [beside.NAME + shared.NAME] * len(mini_batch)
        """,
        entry_script="scoring/script.py",
        files={
            "scoring/beside.py": "NAME = 'beside'",
            "scoring/shared.py": "NAME = 'not this one'",
            "shared.py": "NAME = 'shared'",
        },
    )
    assert [record.error for record in run_all(started)] == [None] * 3


def test_a_script_has_the_environment_that_azure_documents(node: NodeFactory) -> None:
    started = node(
        """
        import os, sys, logging
        from azureml_user.parallel_run import EntryScript
        EntryScript(logging_level="WARNING").config_log()
        EntryScript(logging_level=logging.INFO)
        def init():
            print(sys.argv, os.environ["COLOUR"])
            print(os.path.basename(os.getcwd()), sys.path[0] == os.getcwd() == EntryScript().dir)
            print(EntryScript().output_dir, os.environ["AZ_BATCHAI_GPU_COUNT_FOUND"])
            print(EntryScript() is EntryScript(), EntryScript().agent_name, EntryScript().node_id)
            EntryScript().logger.info("said by EntryScript")
            open(os.path.join(EntryScript().log_dir, EntryScript().agent_name), "x").close()
            logging.getLogger("mine").debug("not at this level")
        def run(mini_batch): return mini_batch
        """,
        arguments=("--model", "a b"),
        environment_variables={"COLOUR": "red", "AZUREML_BI_OUTPUT_PATH": "/out"},
    )
    run_all(started)
    assert text_of(started.directory.user / "stdout").splitlines() == [
        "['script.py', '--model', 'a b'] red",
        "code True",
        "/out 0",
        "True process000 node-0",
    ]
    log = text_of(started.directory.user / "entry_script_log")
    assert "said by EntryScript" in log
    assert "not at this level" not in log
    # Other nodes have processes of the same name.
    assert (started.directory.user / "entry_script_log" / "node-0" / "process000").exists()


def test_a_timeout_ends_the_process_and_all_that_it_started(node: NodeFactory) -> None:
    started = node(
        """
        import os, subprocess, time
        def init(): pass
        def run(mini_batch):
            if "000" not in mini_batch[0]:
                return mini_batch
            hidden = subprocess.Popen(["setsid", "sleep", "600"])
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    print(os.getpid(), hidden.pid, os.getppid())
                    time.sleep(600)
                os._exit(0)
            time.sleep(600)
        """,
        timeout=2,
    )
    first, second, _ = run_all(started)
    assert first.error == "run() took longer than retry_settings.timeout: 2 s"
    assert first.failed_items == 2
    assert second.error is None
    assert second.process == "process001"
    daemon, hidden, _ = map(int, text_of(started.directory.user / "stdout").split())
    assert not is_running(daemon)
    assert not is_running(hidden)


@pytest.mark.parametrize(
    ("death", "said"),
    [
        ("os._exit(3)", "the process ended during run(): exit code 3"),
        ("os.kill(os.getpid(), 9)", "the process ended during run(): signal SIGKILL, peak memory "),
        ("ctypes.string_at(0)", "the process ended during run(): signal SIGSEGV, peak memory "),
        ("sys.exit(4)", "SystemExit: 4"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_crash_fails_the_attempt_only(node: NodeFactory, death: str, said: str) -> None:
    started = node(f"""
        import ctypes, os, sys
        def init(): pass
        def run(mini_batch):
            if "002" in mini_batch[0]:
                {death}
            return mini_batch
    """)
    before, crashed, after = run_all(started)
    assert (before.error, after.error) == (None, None)
    assert (crashed.error or "").startswith(said)
    assert said in started.directory.error_summary.read_text()


def test_a_child_that_outlives_a_crashed_process_is_ended(node: NodeFactory) -> None:
    started = node("""
        import os, subprocess
        def init(): pass
        def run(mini_batch):
            print(subprocess.Popen(["setsid", "sleep", "600"]).pid)
            os._exit(3)
    """)
    run_all(started)
    children = [int(pid) for pid in text_of(started.directory.user / "stdout").split()]
    assert len(children) == 3
    assert not any(is_running(child) for child in children)


def test_a_forked_copy_that_returns_from_run_does_not_answer(node: NodeFactory) -> None:
    started = node("""
        import os
        def init(): pass
        def run(mini_batch):
            return mini_batch if os.fork() else mini_batch[:1]
    """)
    assert [record.succeeded for record in run_all(started)] == [2, 2, 2]


def test_five_megabytes_of_output_arrive_and_block_nothing(node: NodeFactory) -> None:
    started = node("""
        def init(): pass
        def run(mini_batch):
            print("x" * 5_000_000)
            return mini_batch
    """)
    assert [record.error for record in run_all(started)] == [None] * 3
    assert len(text_of(started.directory.user / "stdout")) == 3 * 5_000_001


@pytest.mark.parametrize(
    ("returned", "error", "succeeded"),
    [
        ("mini_batch[:1]", "run() returned 1 of 2 items", 1),
        ("[]", "run() returned 0 of 2 items", 0),
        ("mini_batch + ['more']", None, 2),
        ("tuple(mini_batch)", None, 2),
        ("pandas.DataFrame({'a': [1, 2]})", None, 2),
        ("{'a': 1}", "run() returned dict; it must return a DataFrame, a list or a tuple,"
         " with one row or element for each item that succeeded", 0),
        ("None", "run() returned NoneType; it must return a DataFrame, a list or a tuple,"
         " with one row or element for each item that succeeded", 0),
    ],
)  # fmt: skip
def test_what_run_may_return(
    node: NodeFactory, returned: str, error: str | None, succeeded: int
) -> None:
    started = node(
        f"""
        import pandas
        def init(): pass
        def run(mini_batch): return {returned}
        """,
        mini_batches=1,
    )
    (record,) = run_all(started)
    assert (record.error, record.succeeded) == (error, succeeded)


def test_a_script_that_stores_its_own_output_is_not_held_to_the_count(node: NodeFactory) -> None:
    started = node(
        """
        def init(): pass
        def run(mini_batch): return []
        """,
        checks_item_count=False,
        output_file=None,
    )
    assert [(each.error, each.succeeded) for each in run_all(started)] == [(None, 2)] * 3


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def init(): raise OSError('no model')\ndef run(x): return x", "OSError: no model"),
        ("import os\ndef init(): os._exit(7)\ndef run(x): return x", "exit code 7"),
        ("def init(): pass", "defines no function run()"),
    ],
)
def test_init_that_keeps_failing_ends_the_step_with_the_root_cause(
    node: NodeFactory, script: str, cause: str
) -> None:
    started = node(script, slots=2)
    with pytest.raises(UnusableNode) as caught:
        run_all(started)
    assert cause in str(caught.value)
    assert "6 times on node-0" in str(caught.value)
    traceback = started.directory.root / caught.value.traceback_file
    assert cause in traceback.read_text()


def test_init_that_fails_at_first_is_tried_again(node: NodeFactory) -> None:
    started = node("""
        import pathlib
        def init():
            if not pathlib.Path("second").exists():
                pathlib.Path("second").touch()
                raise OSError("not yet")
        def run(mini_batch): return mini_batch
    """)
    assert [record.error for record in run_all(started)] == [None] * 3


def test_closing_the_pool_ends_what_runs(node: NodeFactory) -> None:
    started = node("""
        import os, subprocess, time
        def init(): print(os.getpid(), subprocess.Popen(["setsid", "sleep", "600"]).pid)
        def run(mini_batch): return mini_batch
        def shutdown(): time.sleep(0.1)
    """)
    run_all(started)
    pids = [int(pid) for pid in text_of(started.directory.user / "stdout").split()]
    assert all(is_running(pid) for pid in pids)
    started.pool.close()
    assert not any(is_running(pid) for pid in pids)


def test_ending_the_pool_cuts_shutdown_short_which_is_no_error(
    node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_process, "SHUTDOWN_SECONDS", 240)
    started = node("""
        import os, subprocess, time
        def run(mini_batch): return mini_batch
        def shutdown():
            print(os.getpid(), subprocess.Popen(["setsid", "sleep", "600"]).pid)
            time.sleep(600)
    """)
    run_all(started)
    closing = threading.Thread(target=started.pool.close)
    closing.start()
    stdout = started.directory.user / "stdout"
    pids = wait_until(lambda: [int(pid) for pid in text_of(stdout).split()])
    started.pool.end()
    closing.join()
    assert not any(is_running(pid) for pid in pids)
    assert not started.directory.error_summary.exists()


def test_a_process_that_dies_in_shutdown_is_logged(node: NodeFactory) -> None:
    started = node("""
        import os
        def init(): pass
        def run(mini_batch): return mini_batch
        def shutdown(): os._exit(5)
    """)
    run_all(started)
    started.pool.close()
    said = "outside any mini-batch: the process ended during shutdown(): exit code 5"
    assert said in started.directory.error_summary.read_text()


def test_a_mini_batch_that_has_succeeded_is_not_run_again(node: NodeFactory) -> None:
    started = node("""
        def init(): pass
        def run(mini_batch):
            print("run")
            return mini_batch
    """)
    assert run_all(started) == run_all(started)
    assert text_of(started.directory.user / "stdout") == "run\n" * 3


def test_run_is_not_called_for_a_mini_batch_whose_rows_are_all_filtered_out(
    tmp_path: Path, node: NodeFactory
) -> None:
    table = tmp_path / "table"
    table.mkdir()
    (table / "a.csv").write_text("n\n1\n2\n")
    (table / "b.csv").write_text("n\n3\n4\n")
    (table / "MLTable").write_text(
        "paths: [{pattern: ./*.csv}]\n"
        "transformations: [{read_delimited: {infer_column_types: true}}, {filter: 'n > 2'}]\n"
    )
    planned = plan(str(table), type="mltable", mode="direct", split=BySize(None))
    started = node(
        """
        def init(): pass
        def run(frame):
            print(len(frame))
            return frame
        """,
        reader=planned.reader,
    )
    records = [started.pool.run(mini_batch, 1) for mini_batch in planned.mini_batches]
    assert [(record.items, record.error) for record in records] == [(0, None), (2, None)]
    assert text_of(started.directory.user / "stdout") == "2\n"


def test_an_error_about_a_file_whose_name_is_no_text(node: NodeFactory) -> None:
    started = node("""
        import os
        def init(): pass
        def run(mini_batch): raise ValueError("bad file " + os.fsdecode(b"caf\\xe9"))
    """)
    record = started.pool.run(started.mini_batches[0], 1)
    assert record.error == r"ValueError: bad file caf\udce9"
    assert record.error in started.directory.error_summary.read_text()


def test_a_profile_shows_where_the_time_goes_even_of_a_process_that_dies(
    node: NodeFactory,
) -> None:
    started = node(
        """
        import os
        def init(): pass
        def slow_part(): sum(range(100_000))
        def run(mini_batch):
            slow_part()
            if "004" in mini_batch[0]:
                os._exit(1)
            return mini_batch
        """,
        profiles=True,
    )
    run_all(started)
    profile = started.directory.process("node-0", "process000").profile
    functions = {name: calls for (_, _, name), calls in stats_of(profile).items()}
    assert functions["slow_part"] == 2
    assert functions["init"] == 1


def stats_of(profile: Path) -> dict[tuple[str, int, str], int]:
    stats = pstats.Stats(str(profile)).stats  # type: ignore[attr-defined]
    return {function: calls for function, (_, calls, *_) in stats.items()}


PTRACE_SEIZE = 0x4206


@pytest.mark.skipif(sys.platform != "linux", reason="ptrace")
def test_a_process_that_cannot_be_killed_is_left_behind(node: NodeFactory) -> None:
    started = node(
        """
        import os, pathlib, time
        def init(): pass
        def run(mini_batch):
            pid = pathlib.Path(__file__).with_name("pid")
            if not pid.exists():
                pid.write_text(str(os.getpid()))
                time.sleep(600)
            return mini_batch
        """,
        timeout=5,
    )
    traced: list[int] = []
    released = threading.Event()

    def trace() -> None:
        # Its parent cannot reap a process whose tracer has not: as in uninterruptible sleep.
        file = Path(started.directory.root.parent, "code", "pid")
        traced.append(int(wait_until(lambda: file.exists() and file.read_text())))
        assert ctypes.CDLL(None).ptrace(PTRACE_SEIZE, traced[0], None, None) == 0
        released.wait()
        os.waitpid(traced[0], 0)

    tracer = threading.Thread(target=trace)
    tracer.start()
    try:
        first, *others = run_all(started)
        started.pool.close()
    finally:
        released.set()
        tracer.join()
    assert first.error == (
        "run() took longer than retry_settings.timeout: 5 s;"
        f" SIGKILL did not end process {traced[0]}, which is left behind"
    )
    assert [record.error for record in others] == [None, None]


def test_a_node_whose_starter_of_processes_hangs_is_given_up(
    node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = node(
        """
        import os, signal, time
        def run(mini_batch):
            os.kill(os.getppid(), signal.SIGSTOP)
            time.sleep(600)
        """,
        timeout=1,
    )
    monkeypatch.setattr(spawner, "ANSWER_SECONDS", 10)
    said = "the process that starts entry processes on node-0 did not answer within 10 s"
    with pytest.raises(UnusableNode, match=said):
        started.pool.run(started.mini_batches[0], 1)
    started.pool.close()


def test_a_starter_of_processes_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spawner, "ANSWER_SECONDS", 1)
    launched = spawner.launch_here()
    os.kill(launched.process.pid, signal.SIGSTOP)
    spawner.Spawner(lambda: launched).close()
    assert launched.process.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize("isolates", [False, True])
def test_a_success_of_another_node_meanwhile_counts(node: NodeFactory, isolates: bool) -> None:
    started = node(
        """
        import os, shutil, sys
        def run(mini_batch):
            if os.path.exists("theirs") and len(mini_batch) == int(sys.argv[1]):
                shutil.copy("theirs", sys.argv[2])
            if os.path.exists("theirs"):
                raise ValueError("ours")
            return mini_batch
        """,
        isolates_failed_items=isolates,
        arguments=("1" if isolates else "2", str(StepDirectory(Path("../step")).part(0))),
    )
    part, mini_batch = started.directory.part(0), started.mini_batches[0]
    theirs = started.pool.run(mini_batch, 1)
    part.rename(started.directory.root.parent / "code" / "theirs")
    record = started.pool.run(mini_batch, 2)
    assert started.pool.isolate(mini_batch, record) == theirs
    assert read_record(part) == theirs
