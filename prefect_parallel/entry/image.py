"""The image of a step's environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Image:
    """An image, and how a step runs in it.

    Attributes:
        name: Of the image. That of one that is built contains a hash of its context.
        id: That of the driver, by which nodes notice that theirs is another one.
        context: The folder that it is built from; None: it is pulled.
        dockerfile: Path of the Dockerfile below that folder; None for the engine's default.
        options: Options of `podman run` or `docker run`.
        readable: Local paths that the step reads.
    """

    name: str
    id: str | None = None
    context: str | None = None
    dockerfile: str | None = None
    options: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What tells it from others, also on another machine."""
        return self.name if self.id is None else self.id

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Image:
        lists = {name: tuple(fields[name]) for name in ("options", "readable")}
        return cls(**{**fields, **lists})
