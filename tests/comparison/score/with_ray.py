import ray

ray.data.DataContext.get_current().execution_options.preserve_order = True


def score(rows):
    return rows.assign(total=rows.price * rows.quantity)


rows = ray.data.read_csv("sales.csv").map_batches(score, batch_format="pandas")
rows.write_parquet("scores.parquet")
