"""The formats of the aggregated output, chosen by its file name.

An entry process encodes what `run` returned, so that parts are joined by copying bytes where the
format allows it. A new format is a class here and a line in `_FORMATS`.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from prefect_parallel.output.csv_lines import csv_lines

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Payloads = Iterable[BinaryIO]
"""Open files, each standing at its payload's first byte, in the order of the mini-batches.

Each iteration opens them anew.
"""


class OutputFormat(ABC):
    """How rows and elements stand in the aggregated output."""

    @abstractmethod
    def encode_frame(self, frame: pd.DataFrame) -> bytes:
        """The payload of a part for a DataFrame."""

    @abstractmethod
    def encode_elements(self, elements: Sequence[Any]) -> bytes:
        """The payload of a part for a list or tuple."""

    def header(self, columns: Sequence[str]) -> bytes:
        """What stands before the first row, if the user asks for a header."""
        return b""

    def join(self, payloads: Payloads, target: BinaryIO) -> None:
        """Write all payloads to the aggregated output."""
        for payload in payloads:
            shutil.copyfileobj(payload, target)


class Text(OutputFormat):
    r"""A DataFrame as RFC 4180 CSV with LF line ends, a list's elements one a line.

    A line break inside an element is written as `\n` or `\r`, so that a line is an element.
    """

    def header(self, columns: Sequence[str]) -> bytes:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(columns)
        return line.getvalue().encode()

    def encode_frame(self, frame: pd.DataFrame) -> bytes:
        lines = csv_lines(frame)
        if lines is not None:
            return lines
        return frame.to_csv(index=False, header=False, lineterminator="\n").encode()

    def encode_elements(self, elements: Sequence[Any]) -> bytes:
        lines = (str(element).replace("\n", r"\n").replace("\r", r"\r") for element in elements)
        # File names may hold bytes that are no text; they come out as they were.
        return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


class JsonLines(OutputFormat):
    """A JSON object for each row, a JSON value for each element."""

    def encode_frame(self, frame: pd.DataFrame) -> bytes:
        text = frame.to_json(orient="records", lines=True, date_format="iso", force_ascii=False)
        return text.rstrip("\n").encode() + b"\n" if len(frame) else b""

    def encode_elements(self, elements: Sequence[Any]) -> bytes:
        lines = (
            json.dumps(element, ensure_ascii=False, default=_plain, separators=(",", ":"))
            for element in elements
        )
        return "".join(f"{line}\n" for line in lines).encode()


class Parquet(OutputFormat):
    """One table; a list of dicts gives a column for each key, another list the column `value`."""

    ROW_GROUP_BYTES = 64 * 1024 * 1024

    def encode_frame(self, frame: pd.DataFrame) -> bytes:
        import pyarrow as pa

        return self._encode(pa.Table.from_pandas(frame, preserve_index=False))

    def encode_elements(self, elements: Sequence[Any]) -> bytes:
        import pyarrow as pa

        if elements and all(isinstance(element, dict) for element in elements):
            return self._encode(pa.Table.from_pylist(list(elements)))
        return self._encode(pa.table({"value": pa.array(elements)}))

    def _encode(self, table: pa.Table) -> bytes:
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(None), buffer)
        return buffer.getvalue()

    def join(self, payloads: Payloads, target: BinaryIO) -> None:
        """Write one table; a column's type is the narrowest that holds it in every part.

        Row groups are filled up, since a row group for each mini-batch would make a poor file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schemas = [pq.read_schema(_blob(payload)) for payload in payloads]
        schema = (
            pa.unify_schemas(schemas, promote_options="permissive") if schemas else pa.schema([])
        )
        with pq.ParquetWriter(target, schema) as writer:
            waiting: list[pa.Table] = []
            for payload in payloads:
                waiting.append(pq.read_table(_blob(payload)).cast(schema))
                if sum(table.nbytes for table in waiting) >= self.ROW_GROUP_BYTES:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting = []
            if waiting:
                writer.write_table(pa.concat_tables(waiting))


_FORMATS: dict[str, Callable[[], OutputFormat]] = {".parquet": Parquet, ".jsonl": JsonLines}


def format_for(name: str) -> OutputFormat:
    """The format that a file's name asks for: `.parquet`, `.jsonl`, else text."""
    return _FORMATS.get(PurePath(name).suffix.lower(), Text)()


def _plain(value: Any) -> Any:
    """What JSON has no form for: numbers and arrays of NumPy, dates; else its text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _blob(payload: BinaryIO) -> pa.BufferReader:
    import pyarrow as pa

    return pa.BufferReader(payload.read())
