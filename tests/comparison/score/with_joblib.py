import pandas as pd
from joblib import Parallel, delayed


def score(rows):
    return rows.assign(total=rows.price * rows.quantity)


chunks = pd.read_csv("sales.csv", chunksize=100_000)
parts = Parallel(n_jobs=2)(delayed(score)(chunk) for chunk in chunks)
pd.concat(parts).to_parquet("scores.parquet", index=False)
