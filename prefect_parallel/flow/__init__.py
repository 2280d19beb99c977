"""From a pipeline job to runs of it: the part that knows Prefect and Dask.

A pipeline: `compile` makes its flow (`pipeline_flow`, `parameters`, `prefect_names`);
`pipeline_run` is the life of a run, `run` what its steps share, `observer` is told of it. What
can be wrong is found first, by `preflight`, `placeholders`, `computes`, `known_names` and
`environments` (`unmet`).

A step: `parallel_step` and `command_step` are its life. `step_data` (`major_input`) is what it
reads and writes, `step_plan` (`snapshot`, `groups`) what there is to do, `watch` (`progress`,
`thresholds`) how far it is and when it has failed, `step_reporter` (`artifacts`, `result_page`,
`metrics`) what is told of it, `step_end` what came of it.

The nodes of a step, on Dask: `nodes` is its driver's view, `node` the worker's (`node_folder`,
`news`). `task_runner` (`foundations`) runs tasks on `members`: processes of this machine
(`local_nodes`, `node_template`), or workers of a `cluster` (`chosen_workers`, `membership`).

Run directories: `runs` (`run_store`), `lock`; where nodes do not see them, `elsewhere` (`archive`).

The Prefect server: `server` (`background_server`), `flow_run`, `delivery`.
"""
