"""Choose whom to call: the customers who are most likely to leave, most likely first."""

import argparse
from pathlib import Path

import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="folder of scores.csv")
    parser.add_argument("--calls", type=int, required=True, help="number of customers to call")
    parser.add_argument("--output", type=Path, required=True, help="folder for call_list.csv")
    args = parser.parse_args()

    scores = pd.read_csv(args.scores / "scores.csv")
    chosen = scores.sort_values(["leaves", "customer"], ascending=[False, True]).head(args.calls)
    chosen.to_csv(args.output / "call_list.csv", index=False)
    print(f"{len(chosen)} of {len(scores)} customers are to be called")


if __name__ == "__main__":
    main()
