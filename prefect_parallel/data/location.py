"""Where data lies, as people write it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from prefect_parallel.errors import InvalidInput

# The name of the file that describes a table.
MLTABLE = "MLTable"

# One letter before the colon is a drive of Windows.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


@dataclass(frozen=True, slots=True)
class Location:
    """A file or folder on this machine.

    Attributes:
        path: Absolute; nothing in it is percent-decoded.
    """

    path: str

    @classmethod
    def parse(cls, text: str, base: str | None = None) -> Location:
        """Reads a path or URL.

        Args:
            text: As the user wrote it.
            base: The folder that a relative path starts from; None: the working directory.

        Raises:
            InvalidInput: The location is of a kind that cannot be read.
        """
        scheme = _SCHEME.match(text)
        if scheme and scheme[1].lower() == "file":
            text = re.sub(r"^[^:]+:(//(localhost)?(?=/))?", "", text)
        elif scheme:
            raise InvalidInput(
                f"{text}: a location that starts with {scheme[0]} cannot be read\n"
                "    allowed: a local path, or file:///..."
            )
        return cls(os.path.abspath(os.path.join(base or "", text)))  # noqa: PTH100, PTH118

    def exists(self) -> bool:
        return os.path.exists(self.path)  # noqa: PTH110

    def holds_mltable(self) -> bool:
        """Whether a file named MLTable lies in it."""
        return os.path.isfile(os.path.join(self.path, MLTABLE))  # noqa: PTH113, PTH118

    def is_folder(self) -> bool:
        return os.path.isdir(self.path)  # noqa: PTH112
