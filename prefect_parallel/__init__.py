"""Azure Machine Learning's parallel job, on Prefect and Dask, without Azure."""
