"""Describe documents: text files of one language in, a JSON object for each of them out."""

import argparse
import logging
import re
from collections import Counter
from pathlib import Path
from typing import Any

logger = logging.getLogger("describe")

args: argparse.Namespace
stop_words: dict[str, set[str]]


def init() -> None:
    """Read the stop words of all languages, once in each process."""
    global args, stop_words
    parser = argparse.ArgumentParser()
    parser.add_argument("--stop_words", type=Path, required=True, help="folder of <language>.txt")
    parser.add_argument("--keywords", type=int, default=5, help="number of keywords per document")
    # sys.argv also contains predefined arguments, such as --error_threshold.
    args, _ = parser.parse_known_args()
    files = args.stop_words.glob("*.txt")
    stop_words = {file.stem: set(file.read_text(encoding="utf-8").split()) for file in files}


def run(mini_batch: list[str], mini_batch_context: Any) -> list[dict[str, Any]]:
    """Describe each document. Those that are not UTF-8 are left out and count as failed."""
    keys = mini_batch_context.partition_key_value
    described = []
    for path in map(Path, mini_batch):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            logger.exception("Cannot read %s", path)
            continue
        described.append({"document": path.name, **keys, **describe(text, keys["language"])})
    return described


def describe(text: str, language: str) -> dict[str, Any]:
    """Count the words, and select the most frequent ones that are not stop words."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = Counter(word for word in words if word not in stop_words[language])
    keywords = [word for word, _ in counts.most_common(args.keywords)]
    return {"words": len(words), "keywords": keywords}
