"""Whether a command step has completed, and has the outputs that it had then."""

from __future__ import annotations

from prefect_parallel.flow.steps.step_fingerprint import StepFingerprint
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.fingerprint import of_data


def note_completed(directory: StepDirectory, ours: StepFingerprint) -> None:
    """Note what the command ran with, and what it wrote."""
    digests = ours.settings_digest, ours.packages_digest, of_data(directory.outputs)
    directory.completed.write_text("\n".join(digests))


def has_completed(
    directory: StepDirectory, ours: StepFingerprint, *, packages: bool = True
) -> bool:
    """Whether the command has completed with these settings and, if asked, these packages."""
    try:
        settings, of_packages, outputs = directory.completed.read_text().split("\n")
    except (OSError, ValueError):
        return False
    return (
        settings == ours.settings_digest
        and (not packages or of_packages == ours.packages_digest)
        and outputs == of_data(directory.outputs)
    )
