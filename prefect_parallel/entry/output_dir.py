"""The folder of an attempt for files that the script writes: `mini_batch_context.output_dir`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prefect_parallel.data.mini_batch_context import NoOutputDir
from prefect_parallel.output.output_files import files_fingerprint
from prefect_parallel.output.part import Record


@dataclass(frozen=True)
class OutputDir:
    """The folder of one attempt, which is made when the script asks for it.

    Attributes:
        path: The folder.
        outputs: The outputs of the step that its files may belong to.
    """

    path: Path
    outputs: Sequence[str]

    def make(self) -> Path:
        """Make the folder.

        Raises:
            NoOutputDir: The step has no output that is a folder, or several.
        """
        the_only_output(self.outputs)
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path

    def noted_in(self, record: Record) -> Record:
        """The record, which names the folder if the script has written files to it.

        Raises:
            UnusableFiles: It has something that is neither a file nor a folder.
        """
        files = files_fingerprint(self.path)
        if not files and not record.output_dir:
            return record
        return replace(record, output_dir=self.path.name if files else "", output_files=files)


def the_only_output(outputs: Sequence[str]) -> str:
    """The output that gets the files.

    Raises:
        NoOutputDir: The step has no output that is a folder, or several.
    """
    if len(outputs) == 1:
        return outputs[0]
    found = f"several outputs that are folders ({', '.join(outputs)})" if outputs else "none"
    raise NoOutputDir(
        f"output_dir needs an output of the step that is a folder; found {found}",
        allowed="one output of type uri_folder, besides that of append_row_to",
    )
