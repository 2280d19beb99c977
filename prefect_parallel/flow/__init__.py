"""From a pipeline job to runs of it: the part that knows Prefect and Dask.

`compile` makes a pipeline's flow (`deployable_flow`, `parameters`, `prefect_names`), which runs as
`run_options` say. `pipeline_run` is the life of a run, `graph_run` runs the steps of it or of a
nested pipeline, `observer` is told how it goes, `preflight` finds what cannot go well, and
`reuse_preview` what a run would reuse of earlier ones. `log_frames` keeps tracebacks that tell
nothing out of Prefect's logs.

Below are packages, each of which imports only those after it: `steps`, `run`, `workers`, `nodes`,
and `run_directories` and `server`, which know nothing of each other. `fork_server` starts the
processes of nodes and of a server.
"""
