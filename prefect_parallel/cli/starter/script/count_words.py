import argparse
from pathlib import Path


def init():
    """Called once in each process: load a model here, for example."""
    global ignored
    parser = argparse.ArgumentParser()
    parser.add_argument("--ignored")
    ignored = parser.parse_known_args()[0].ignored


def run(mini_batch):
    """Called for each mini-batch, a list of paths: return one row for each."""
    return [{"text": Path(path).name, "words": count(Path(path))} for path in mini_batch]


def count(path):
    return sum(word.lower() != ignored for word in path.read_text().split())
