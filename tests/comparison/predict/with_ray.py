import joblib
import ray

ray.data.DataContext.get_current().execution_options.preserve_order = True


class Predictor:
    def __init__(self, file):
        self.model = joblib.load(file)

    def __call__(self, rows):
        return rows.assign(price=self.model.predict(rows[["area"]]))


rows = ray.data.read_parquet("houses").map_batches(
    Predictor, fn_constructor_args=["model.joblib"], batch_format="pandas", concurrency=2
)
rows.write_parquet("prices.parquet")
