"""Pipelines as Prefect deployments: snapshot, schedule, and the request to the server."""

from prefect_parallel.deploy.snapshots import pull_snapshot

__all__ = ["pull_snapshot"]
