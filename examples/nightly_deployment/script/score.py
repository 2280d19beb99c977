"""Predict how likely each customer is to leave: rows in, rows with a probability out."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

logger = logging.getLogger("score")

model: dict[str, Any]


def init() -> None:
    """Load the model, once in each process."""
    global model
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="folder of churn_model.json")
    # sys.argv also contains predefined arguments, such as --append_row_dataframe_header.
    args, _ = parser.parse_known_args()
    model = json.loads((args.model / "churn_model.json").read_text(encoding="utf-8"))
    logger.info("Model of %s loaded", ", ".join(model["weights"]))


def run(mini_batch: pd.DataFrame) -> pd.DataFrame:
    """Score one mini-batch, by logistic regression."""
    weights = pd.Series(model["weights"])
    logit = mini_batch[weights.index] @ weights + model["intercept"]
    return mini_batch[["customer"]].assign(leaves=(1 / (1 + np.exp(-logit))).round(4))
