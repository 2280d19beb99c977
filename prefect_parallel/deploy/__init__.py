"""Pipelines as Prefect deployments: snapshot, schedule, and what the server is told."""

from prefect_parallel.deploy.snapshots import pull_snapshot

__all__ = ["pull_snapshot"]
