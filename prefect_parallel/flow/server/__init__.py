"""The Prefect server: one that answers (`server`, `background_server`), and what it is asked.

`flow_run` asks for the run's own state, `placeholders` for secrets and variables of a pipeline,
`block_datastores` for its datastores and data assets; `delivery` waits until it has heard all.
"""
