"""The nodes of a parallel step, on Dask. Nothing here knows of pipelines.

`nodes` is the driver's view of them, `node` the worker's (`node_folder`: its files; `group_packs`:
those that the mini-batches of a task run share), which runs a `mini_batch_task`. A node reports its
attempts in batches (`event_batcher`). From these and the other `events` of a step, `step_monitor`
derives how far it is (`progress`) and whether it has failed (`thresholds`), while `task_runs`
submits what is still to be done, in `groups` of mini-batches. Retries wait outside of the `slots`
of a node, for `retry_delays`.

`task_runner` runs Prefect tasks on a `node_group`; `prefect_compat` checks the parts of Prefect
that it relies on. The nodes are either all workers of a `dedicated_cluster`, e.g. `local_nodes`,
each a `node_process`, or some workers of a `shared_cluster`, each with a `node_lease`.
`cluster` chooses between them by the step's compute.
"""
