import dask.dataframe as dd


def score(rows):
    return rows.assign(total=rows.price * rows.quantity)


rows = dd.read_csv("sales.csv", blocksize="4MB").map_partitions(score)
rows.to_parquet("scores.parquet", write_index=False)
