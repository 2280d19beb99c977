"""Split one sales file into many: one for each brand in each store."""

import argparse
from pathlib import Path

import pandas as pd

MLTABLE = """\
type: mltable
paths:
  - pattern: ./partitions/*/*.csv
transformations:
  - extract_columns_from_partition_format:
      partition_format: /partitions/{store}/{brand}.csv
  - read_delimited:
      delimiter: ','
      encoding: utf8
      header: all_files_same_headers
"""
"""Store and brand are only in the paths, so planning the next step does not read any data."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sales", type=Path, required=True, help="CSV file with all sales")
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    args = parser.parse_args()

    # Read as text, so that values are written unchanged.
    pairs = pd.read_csv(args.sales, dtype=str, keep_default_na=False).groupby(["store", "brand"])
    for (store, brand), rows in pairs:
        folder = args.output / "partitions" / store
        folder.mkdir(parents=True, exist_ok=True)
        rows.drop(columns=["store", "brand"]).to_csv(folder / f"{brand}.csv", index=False)
    (args.output / "MLTable").write_text(MLTABLE, encoding="utf-8")
    print(f"{len(pairs)} partitions in {args.output}")


if __name__ == "__main__":
    main()
