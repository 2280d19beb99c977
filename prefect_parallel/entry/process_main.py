"""An entry process: loads the script once, then runs the mini-batches that its node sends.

It is started with `python -m` in the snapshot of the code folder, which is thus the first entry of
`sys.path`.

It sends these messages: `ready` when `init` has returned; for each mini-batch `loaded` before `run`
is called, `returned` when it has returned and `done` with the part's record, or `failed` instead of
any of them; `ended` after `shutdown`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from prefect_parallel.data import (
    Datastores,
    FileCache,
    Location,
    MiniBatchContext,
    WatchedContext,
    open_reader,
)
from prefect_parallel.entry.attempt_request import AttemptRequest
from prefect_parallel.entry.config import EntryConfig, ProcessName
from prefect_parallel.entry.function_file import EntryNames, load_entry
from prefect_parallel.entry.loader import Loader
from prefect_parallel.entry.messages import (
    MAX_ERROR_CHARACTERS,
    MAX_TRACEBACK_CHARACTERS,
    one_line,
)
from prefect_parallel.entry.node_faults import fault_of
from prefect_parallel.entry.output_dir import OutputDir
from prefect_parallel.entry.prctl import become_subreaper, die_with_parent
from prefect_parallel.entry.profiling import profiled
from prefect_parallel.entry.protocol import Channel
from prefect_parallel.entry.retry_after import asked_seconds
from prefect_parallel.entry.script import (
    Script,
    install_azureml_user,
    script_traceback,
)
from prefect_parallel.entry.stacks import write_stacks_on_signal
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.output.formats import Encoded, OutputFormat, format_for
from prefect_parallel.output.packs import MAX_PAYLOAD_BYTES, append_part
from prefect_parallel.output.part import Record, part_header, write_part


class WrongReturn(PrefectParallelError):
    """`run` returned something other than a DataFrame, a list or a tuple."""


def main(descriptor: int) -> None:
    """Serve the node that is connected to a socket."""
    die_with_parent(os.getppid())
    become_subreaper()
    write_stacks_on_signal()
    connection = socket.socket(fileno=descriptor)
    # The node sees it closed when this process has ended: not before, and no later, although a
    # program that the script has started goes on.
    os.dup(descriptor)
    connection.set_inheritable(False)
    channel = Channel(connection)
    start = channel.receive()
    if start is None:
        return
    config = EntryConfig.from_json(start["config"])
    name = ProcessName(**start["name"])
    try:
        script = _prepare(config, name)
        if config.profiles:
            script = profiled(script, name.logs(config.directory).profile)
        worker = _Worker(config, name, script, channel)
        script.init()
    except BaseException as error:
        channel.send({"event": "failed", **_describe(error)})
        raise SystemExit(1) from None
    channel.send({"event": "ready"})
    while (request := channel.receive()) is not None:
        if request["do"] == "shutdown":
            worker.shut_down()
            return
        worker.attempt(AttemptRequest.from_json(request))


def _prepare(config: EntryConfig, name: ProcessName) -> Script:
    """Set up logging, arguments and inputs of the script, and import it."""
    # Flush each line, so that output is not lost if the process is killed.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logs = name.logs(config.directory)
    logging.basicConfig(
        filename=logs.entry_script_log,
        level=config.logging_level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    install_azureml_user(name, config.directory, Path(config.code), config.entry_script)
    sys.argv = [config.entry_script, *config.arguments]
    datastores = Datastores.from_json(config.datastores)
    for url in config.fetch:
        FileCache(config.directory.fetched).input(Location(url, datastores))
    return load_entry(Path(config.code), config.entry_script)


class _Worker:
    def __init__(
        self, config: EntryConfig, name: ProcessName, script: Script, channel: Channel
    ) -> None:
        self._config = config
        self._name = name
        self._script = script
        self._called = EntryNames.of(Path(config.code), config.entry_script).run
        self._channel = channel
        self._pid = os.getpid()
        # A name that no other process has, on whichever machine.
        self._packs = os.urandom(4).hex()
        datastores = Datastores.from_json(config.datastores)
        file_cache = FileCache(config.directory.fetched)
        self._loader = Loader(lambda: open_reader(config.reader, datastores, file_cache))
        self._format = (
            None if config.output_file is None else format_for(config.output_file, config.delimiter)
        )

    def attempt(self, request: AttemptRequest) -> None:
        """Run a mini-batch, or some items of it, and write the part."""
        try:
            record = self._run(request, self._config.new_record(self._name, request))
        except BaseException as error:
            self._leave_forked_copy()
            self._channel.send({"event": "failed", **_describe(error)})
        else:
            self._channel.send({"event": "done", "record": record.to_json()})

    def shut_down(self) -> None:
        """Call `shutdown` of the script. An exception is only logged, since all work is done."""
        try:
            self._script.shutdown()
        except BaseException as error:
            self._channel.send({"event": "failed", **_describe(error)})
        else:
            self._channel.send({"event": "ended"})

    def _run(self, request: AttemptRequest, started: Record) -> Record:
        cpu = time.process_time()
        mini_batch, some, directory = request.mini_batch, request.items, self._config.directory
        output_dir = OutputDir(
            directory.output_dirs / request.output_dir, self._config.folder_outputs
        )
        loaded = self._loader.load(mini_batch, some)
        if request.following is not None:
            self._loader.load_ahead(request.following)
        data, items = loaded.data, len(loaded.data)
        # A filter may have removed all rows. Scripts need not handle empty mini-batches.
        run_from = time.monotonic()
        context = WatchedContext.of(mini_batch, self._config.input_name, data, output_dir.make)
        returned: Any = self._call_run(data, context) if items else []
        run_seconds = time.monotonic() - run_from
        kind = self._kind(returned)
        count = len(returned)
        checks_count = self._config.checks_item_count
        error = None
        if checks_count and count < items:
            error = f"{self._called} returned {count} of {items} items"
        seconds, process_seconds = time.time() - started.started_at, time.process_time() - cpu
        encoded, columns = Encoded(b""), None
        is_kept = count > 0 and (error is None or some is None)
        if is_kept and self._format is not None:
            encoded, columns = _encode(self._format, returned, kind)
        record = dataclasses.replace(
            started,
            items=items,
            index_was_read=context.index_was_read,
            succeeded=min(count, items) if checks_count else items,
            values_set_to_null=loaded.values_set_to_null,
            uneven_rows=loaded.uneven_rows,
            first_uneven_row=loaded.first_uneven_row,
            seconds=seconds,
            run_seconds=run_seconds if items else None,
            process_seconds=process_seconds if items else None,
            kind=kind if is_kept and self._format is not None else None,
            columns=columns,
            schema=encoded.schema,
            written_as_null=dict(encoded.set_to_null),
        )
        if error is not None:
            if some is not None:
                return dataclasses.replace(record, error=error)
            record = self._config.failed(record, error)
        if self._config.folder_outputs:
            record = output_dir.noted_in(record)
        self._commit(request, record, encoded.payload)
        return record

    def _commit(self, request: AttemptRequest, record: Record, payload: bytes) -> None:
        directory, group, some = self._config.directory, request.group, request.items
        if some is not None:
            write_part(directory.piece(self._name.node, record.index, some), record, payload)
            return
        if group and record.error is None and len(payload) <= MAX_PAYLOAD_BYTES:
            pack = directory.pack(self._config.packs, group, self._packs)
            try:
                append_part(pack, record.index, part_header(record, payload) + payload)
                return
            except FileNotFoundError:
                pass  # Another driver has resumed the run: a file of its own still counts.
            except OSError:
                # A part behind an incomplete one could not be found.
                self._packs = os.urandom(4).hex()
                raise
        write_part(directory.part(record.index), record, payload)

    def _call_run(self, data: Any, context: MiniBatchContext) -> object:
        self._channel.send({"event": "loaded", "items": len(data)})
        returned = self._script.run(data, context)
        self._leave_forked_copy()
        self._channel.send({"event": "returned"})
        return returned

    def _kind(self, returned: object) -> str:
        if type(returned).__name__ == "DataFrame":
            return "DataFrame"
        if isinstance(returned, (list, tuple)):
            return "list"
        raise WrongReturn(
            f"{self._called} returned {type(returned).__name__}; it must return a DataFrame, a list"
            " or a tuple, with one row or element for each item that succeeded"
        )

    def _leave_forked_copy(self) -> None:
        """Exit if this is a child that the script forked and that returned from `run`."""
        if os.getpid() != self._pid:
            os._exit(0)


def _encode(
    format_: OutputFormat, returned: Any, kind: str
) -> tuple[Encoded, tuple[str, ...] | None]:
    if kind == "list":
        return format_.encode_elements(returned), None
    return format_.encode_frame(returned), tuple(str(column) for column in returned.columns)


def _describe(error: BaseException) -> dict[str, Any]:
    """The error in one line, and the traceback from the script's first frame on."""
    message = str(error).strip().splitlines()
    if isinstance(error, PrefectParallelError):
        line = message[0]
        traceback = "\n".join(message[1:]) if len(line) <= MAX_ERROR_CHARACTERS else str(error)
    else:
        line = ": ".join([type(error).__name__, *message[:1]])
        traceback = script_traceback(error)
    return {
        "error": one_line(line),
        "traceback": traceback[:MAX_TRACEBACK_CHARACTERS],
        "retry_after": asked_seconds(error),
        "node_fault": fault_of(error),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))
