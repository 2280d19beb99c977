"""The nodes of a parallel step, on Dask; they know nothing of pipelines.

`nodes` is the driver's view of them, `node` the worker's (`node_folder`: its files). A node sends
`news` of its attempts, and `watch` tells from them how far the step is (`progress`) and when it has
failed (`thresholds`).

`task_runner` (`foundations`) runs Prefect tasks on `members`: processes of this machine
(`local_nodes`, forked from the `node_template`), or workers of a `cluster` (`chosen_workers`, which
`membership` makes nodes of).
"""
