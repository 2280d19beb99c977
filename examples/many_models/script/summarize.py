"""Collect all models in one table: a row for each brand in each store."""

import argparse
import json
from pathlib import Path

import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder of the models")
    parser.add_argument("--output", type=Path, required=True, help="folder for summary.csv")
    args = parser.parse_args()

    files = sorted(args.models.glob("*/*/model.json"))
    if not files:
        parser.error(f"no */*/model.json in {args.models}")
    models = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    summary = pd.json_normalize(models)
    summary.columns = summary.columns.str.removeprefix("weights.")
    summary.to_csv(args.output / "summary.csv", index=False)
    print(f"{len(summary)} models, off by {summary['error_percent'].mean():.1f} % on average")


if __name__ == "__main__":
    main()
