"""How data is compared with that of earlier runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prefect_parallel.data import MiniBatch
from prefect_parallel.data.mini_batch import File
from prefect_parallel.output.fingerprint import of_content, of_text

RUN = "<run>/"
"""Replaces the path of the run directory in fingerprints."""


@dataclass(frozen=True)
class Comparison:
    """How the data of a run is compared.

    Attributes:
        root: The run directory. Runs that differ in nothing else have equal fingerprints.
        by_content: Whether local files are compared by their bytes, not by size and time.
        outputs_by_content: Likewise, for what earlier steps have written to the run directory:
            a run that writes the same bytes again gives them another time.
    """

    root: Path
    by_content: bool = False
    outputs_by_content: bool = False
    _known: dict[File, File] = field(default_factory=dict, repr=False)

    def reads(self, path: str) -> bool:
        """Whether a local file or folder is compared by its bytes."""
        is_output = self.outputs_by_content and path.startswith(f"{self.root}/")
        return self.by_content or is_output

    def normalized(self, value: Any) -> Any:
        """A JSON value in which paths of this run are those of any run."""
        return json.loads(self._normalized(json.dumps(value)))

    def fingerprint(self, mini_batch: MiniBatch, descriptor: str) -> str:
        """The fingerprint of a mini-batch's data, which does not depend on its index.

        Args:
            mini_batch: The mini-batch.
            descriptor: Its `to_text()`.
        """
        if any(self.reads(piece.file.path) for piece in mini_batch.pieces):
            pieces = (replace(piece, file=self.read(piece.file)) for piece in mini_batch.pieces)
            descriptor = replace(mini_batch, pieces=tuple(pieces)).to_text()
        # The index is the first field.
        _, _, data = descriptor.partition(",")
        return of_text(self._normalized(data))

    def read(self, file: File) -> File:
        """A file with the digest of its bytes as its version, if it is compared by these."""
        if file.version is None or "://" in file.path or not self.reads(file.path):
            return file
        known = self._known.get(file)
        if known is None:
            # Those of one file follow each other.
            self._known.clear()
            known = self._known[file] = _with_digest(file)
        return known

    def _normalized(self, text: str) -> str:
        return text.replace(json.dumps(f"{self.root}/")[1:-1], RUN)


def _with_digest(file: File) -> File:
    try:
        return replace(file, version=of_content(file.path))
    except OSError:
        # Its mini-batch fails, and is not compared any more.
        return file
