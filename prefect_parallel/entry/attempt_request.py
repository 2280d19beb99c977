"""What a node asks an entry process to do: an attempt at a mini-batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect_parallel.data import MiniBatch


@dataclass(frozen=True)
class AttemptRequest:
    """An attempt at a mini-batch, or at some of its items.

    Attributes:
        number: Of the attempt, from 1.
        items: Some items of the mini-batch, whose part is a piece; None: all.
        following: The mini-batch that the process loads meanwhile.
        group: Name of the group whose pack gets the part, if it is small; empty: none.
        output_dir: Name of the folder for files of the script.
    """

    mini_batch: MiniBatch
    number: int
    items: range | None = None
    following: MiniBatch | None = None
    group: str = ""
    output_dir: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "mini_batch": self.mini_batch.to_json(),
            "number": self.number,
            "items": self.items and [self.items.start, self.items.stop],
            "following": self.following and self.following.to_json(),
            "group": self.group,
            "output_dir": self.output_dir,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> AttemptRequest:
        following, items = value["following"], value["items"]
        return cls(
            MiniBatch.from_json(value["mini_batch"]),
            value["number"],
            items and range(*items),
            following and MiniBatch.from_json(following),
            value["group"],
            value["output_dir"],
        )
