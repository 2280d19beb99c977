from glob import glob

import joblib
import pandas as pd

model = joblib.load("model.joblib")


def predict(path):
    rows = pd.read_parquet(path)
    return rows.assign(price=model.predict(rows[["area"]]))


paths = sorted(glob("houses/*.parquet"))
parts = joblib.Parallel(n_jobs=2)(joblib.delayed(predict)(path) for path in paths)
pd.concat(parts).to_parquet("prices.parquet", index=False)
