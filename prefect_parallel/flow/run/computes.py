"""The computes that the steps of a job name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prefect_parallel.blocks import Compute
from prefect_parallel.blocks.lookup import find_compute, saved_block_names
from prefect_parallel.blocks.names import block_name
from prefect_parallel.errors import UnknownCompute, did_you_mean
from prefect_parallel.job import ParallelStep, ResolvedJob

THIS_MACHINE = Compute()

NO_BLOCKS = {"local", "serverless"}
"""Azure ML's names for computes that need not be created: this machine."""


@dataclass(frozen=True)
class Computes:
    """Where the parallel steps of a pipeline run; command steps run on the driver's machine.

    Attributes:
        found: The computes, by the names that steps give.
        blocks: Names of the blocks of those that were looked up, by the names that steps give.
        missing: Names without a block.
    """

    found: Mapping[str, Compute] = field(default_factory=dict)
    blocks: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: ResolvedJob, known: Mapping[str, Compute]) -> Computes:
        """Look up the computes of a pipeline. No server is asked for those that are known.

        Raises:
            ServerUnreachable: The server with the blocks does not answer.
        """
        names = [
            step.compute
            for step in job.steps.values()
            if isinstance(step, ParallelStep) and step.compute is not None
        ]
        looked_up = {
            name: known.get(name) or find_compute(_last_part(name))
            for name in dict.fromkeys(names)
            if name not in NO_BLOCKS
        }
        found = {name: compute for name, compute in looked_up.items() if compute is not None}
        return cls(
            found,
            {name: block_name(_last_part(name)) for name in found if name not in known},
            tuple(name for name in looked_up if name not in found),
        )

    def place_of(self, step: ParallelStep) -> Compute:
        return self.found.get(step.compute or "", THIS_MACHINE)

    def block_of(self, step: ParallelStep) -> str | None:
        """The name of the step's Compute block, if it has one."""
        return self.blocks.get(step.compute or "")

    @property
    def warning(self) -> str | None:
        """A warning about names without a block; None: all have one."""
        if not self.missing:
            return None
        return (
            f"no Compute block is named {', '.join(self.missing)}: this machine is used"
            " (--strict makes that an error)"
        )

    def refuse_missing(self) -> None:
        """Raise UnknownCompute if a name has no block."""
        if not self.missing:
            return
        known = saved_block_names(Compute)
        hint = did_you_mean(self.missing[0], known) or (
            "save one: prefect-parallel blocks apply FILE"
        )
        raise UnknownCompute(
            f"no Compute block is named {', '.join(self.missing)}",
            allowed=", ".join(known) or "there are none",
            hint=hint,
        )


def _last_part(name: str) -> str:
    """The name of a compute; Azure ML also accepts `/subscriptions/.../computes/<name>`."""
    return name.rpartition("/")[2]
