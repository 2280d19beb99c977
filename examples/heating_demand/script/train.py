"""Fit the heat demand per square metre for each kind of building: a straight line per kind."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

WARM_ENOUGH = 18.0
"""Outside temperature, in degrees Celsius, above which no building is heated."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, required=True, help="Parquet file of days and kwh")
    parser.add_argument("--model", type=Path, required=True, help="folder for heating.json")
    args = parser.parse_args()

    history = pd.read_parquet(args.history)
    cold = (WARM_ENOUGH - history["outside"]).clip(lower=0)
    history = history.assign(cold=cold, kwh_per_area=history["kwh"] / history["floor_area"])
    lines = {}
    for kind, rows in history.groupby("kind"):
        by_degree, at_rest = np.polyfit(rows["cold"], rows["kwh_per_area"], deg=1).round(5)
        lines[kind] = {"by_degree": by_degree, "at_rest": at_rest}
        print(f"{kind}: {at_rest} kWh a square metre and day, and {by_degree} for each degree")
    model = {"warm_enough": WARM_ENOUGH, "lines": lines}
    text = json.dumps(model, indent=1) + "\n"
    (args.model / "heating.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
