"""Compare filters by their verdicts: one row for each filter."""

import argparse
from pathlib import Path

import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdicts", nargs=2, action="append", metavar=("FILTER", "FOLDER"))
    parser.add_argument("--output", type=Path, required=True, help="folder for comparison.csv")
    args = parser.parse_args()

    lines = []
    for name, folder in args.verdicts:
        verdicts = pd.read_json(Path(folder) / "verdicts.jsonl", lines=True)
        spam, judged = verdicts["is_spam"], verdicts["judged"]
        missed, wronged = (spam & ~judged).sum(), (judged & ~spam).sum()
        lines.append({"filter": name, "missed": missed, "wronged": wronged})
    comparison = pd.DataFrame(lines)
    comparison.to_csv(args.output / "comparison.csv", index=False)
    print(comparison.to_string(index=False))


if __name__ == "__main__":
    main()
