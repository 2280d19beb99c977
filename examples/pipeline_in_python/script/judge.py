"""Classify messages by their words: rows with a text in, rows with a verdict out."""

import argparse
import json
import logging
import re
from pathlib import Path

import pandas as pd

logger = logging.getLogger("judge")

weights: dict[str, float]
threshold: float


def init() -> None:
    """Load the filter, once in each process."""
    global weights, threshold
    parser = argparse.ArgumentParser()
    parser.add_argument("--filter", type=Path, required=True, help="JSON file: word -> weight")
    parser.add_argument("--threshold", type=float, default=1.0, help="minimum score of spam")
    args, _ = parser.parse_known_args()
    weights = json.loads(args.filter.read_text(encoding="utf-8"))
    threshold = args.threshold
    logger.info("%d words from %s", len(weights), args.filter.name)


def run(mini_batch: pd.DataFrame) -> pd.DataFrame:
    """Classify one mini-batch."""
    judged = mini_batch["text"].map(score) >= threshold
    return mini_batch[["id", "is_spam"]].assign(judged=judged)


def score(text: str) -> float:
    """Return the sum of the weights of a text's words, each counted once."""
    return sum(weights.get(word, 0.0) for word in set(re.findall(r"\w+", text.lower())))
