"""The Prefect server: `server` finds one or starts a `server_process`, the others ask it.

`flow_run` reads and tags the run's own flow run, `placeholders` looks up secrets and variables of a
pipeline, `block_datastores` its datastores and data assets, `concurrency_limits` those of tags;
`delivery` sends what is still queued, `heartbeats` that the run goes on. `settings` changes
Prefect's for a while.
"""
