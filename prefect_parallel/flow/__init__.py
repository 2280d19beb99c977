"""From a pipeline job to a Prefect flow: the only part that knows Prefect and Dask."""
