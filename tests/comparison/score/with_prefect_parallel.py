from prefect_parallel import parallel


@parallel(mini_batch_size="4mb")
def score(rows):
    return rows.assign(total=rows.price * rows.quantity)


score("sales.csv", output="scores.parquet")
