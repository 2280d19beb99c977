"""What an entry script is told about a mini-batch besides its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prefect_parallel.data.mini_batch import MiniBatch


@dataclass(frozen=True)
class MiniBatchContext:
    """The second argument of `run`, for scripts that take one.

    Attributes:
        partition_key_value: The mini-batch's value of each partition key.
        mini_batch_index: From 0, in the input's order.
        dataset_name: The major input's name.
    """

    partition_key_value: Mapping[str, str] = field(default_factory=dict)
    mini_batch_index: int = 0
    dataset_name: str = ""

    @classmethod
    def of(cls, mini_batch: MiniBatch, dataset_name: str = "") -> MiniBatchContext:
        """The context of a mini-batch of an input."""
        return cls(dict(mini_batch.partition_key_value or {}), mini_batch.index, dataset_name)

    @property
    def minibatch_index(self) -> int:
        """The other spelling that Azure's scripts use."""
        return self.mini_batch_index
