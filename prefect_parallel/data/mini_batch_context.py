"""What an entry script gets besides the data of a mini-batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefect_parallel.data.mini_batch import MiniBatch

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class MiniBatchContext:
    """The second argument of `run`, for scripts that take one.

    Attributes:
        partition_key_value: Value of each partition key.
        mini_batch_index: From 0, in the order of the input.
        dataset_name: Name of the major input.
        dataset: Data of the mini-batch, the same that `run` gets as its first argument.
    """

    partition_key_value: Mapping[str, str] = field(default_factory=dict)
    mini_batch_index: int = 0
    dataset_name: str = ""
    dataset: Any = None

    @classmethod
    def of(cls, mini_batch: MiniBatch, dataset_name: str = "", dataset: Any = None) -> Self:
        """The context of a mini-batch of the input `dataset_name`."""
        keys = dict(mini_batch.partition_key_value or {})
        return cls(keys, mini_batch.index, dataset_name, dataset)

    @property
    def minibatch_index(self) -> int:
        """The same under its other name in Azure ML."""
        return self.mini_batch_index


class WatchedContext(MiniBatchContext):
    """A context that notices whether its index is read: then a result depends on it."""

    index_was_read = False

    def __getattribute__(self, name: str) -> Any:
        if name in ("mini_batch_index", "__dict__"):
            object.__setattr__(self, "index_was_read", True)
        return super().__getattribute__(name)
