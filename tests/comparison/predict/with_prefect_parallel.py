import joblib

from prefect_parallel import parallel


@parallel
class Predictor:
    def __init__(self, file):
        self.model = joblib.load(file)

    def __call__(self, rows):
        return rows.assign(price=self.model.predict(rows[["area"]]))


Predictor("model.joblib")("houses/*.parquet", output="prices.parquet")
