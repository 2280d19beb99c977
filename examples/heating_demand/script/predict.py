"""Predict the heating of buildings: rows with the weather in, rows with kWh out."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd

logger = logging.getLogger("predict")

model: dict[str, Any]


def init() -> None:
    """Load the model, once in each process."""
    global model
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="folder of heating.json")
    args, _ = parser.parse_known_args()
    model = json.loads((args.model / "heating.json").read_text(encoding="utf-8"))
    logger.info("Model for %s loaded", ", ".join(model["lines"]))


def run(mini_batch: pd.DataFrame) -> pd.DataFrame:
    """Predict one mini-batch. Its columns have the types of the Parquet file."""
    lines = pd.DataFrame(model["lines"]).T.loc[mini_batch["kind"]].set_axis(mini_batch.index)
    cold = (model["warm_enough"] - mini_batch["outside"]).clip(lower=0)
    kwh = mini_batch["floor_area"] * (lines["at_rest"] + lines["by_degree"] * cold)
    return mini_batch[["building", "day"]].assign(kwh=kwh.round(1))
