"""Workers without a network: `prefect-parallel work` runs what `run --workers 0` has prepared.

They share nothing with the driver but the run directory, and need neither Prefect nor Dask.
`leases` says which mini-batch is whose, `prepared_step` what there is to do, `worker` does it.
"""
