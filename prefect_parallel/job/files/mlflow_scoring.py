"""The scoring script of a batch deployment whose model is in MLflow's format.

It reads CSV, Parquet and images, as Azure ML does, and returns a row for each prediction: its
number in the file, the prediction and the name of the file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TABLES = (".csv", ".parquet", ".pqt")
IMAGES = (".png", ".jpg", ".jpeg", ".tiff", ".bmp", ".gif")

model: Any = None


def init() -> None:
    """Load the model."""
    global model
    try:
        from mlflow import pyfunc
    except ImportError as error:
        hint = "pip install 'prefect-parallel[mlflow]', or run with --environment build"
        raise ImportError(f"a model in MLflow's format needs mlflow: {hint}") from error
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    model = pyfunc.load_model(parser.parse_known_args()[0].model)


def run(mini_batch: list[str]) -> pd.DataFrame:
    """Predict each file."""
    predicted = [_predict(Path(each)) for each in mini_batch]
    return pd.concat(predicted, ignore_index=True)


def _predict(file: Path) -> pd.DataFrame:
    found = [_as_cell(each) for each in _rows(model.predict(_read(file)))]
    columns = {"row": range(len(found)), "prediction": found, "file_name": file.name}
    rows: pd.DataFrame = pd.DataFrame(columns)
    return rows


def _read(file: Path) -> Any:
    schema, kind = model.metadata.get_input_schema(), file.suffix.lower()
    if kind in IMAGES:
        return _image(file, schema)
    if kind not in TABLES:
        allowed = ", ".join((*TABLES, *IMAGES))
        raise ValueError(f"{file.name}: files of type {kind!r} are not supported, only {allowed}")
    table: pd.DataFrame = _csv(file, schema) if kind == ".csv" else pd.read_parquet(file)
    return table.to_numpy() if schema is not None and schema.is_tensor_spec() else table


def _csv(file: Path, schema: Any) -> pd.DataFrame:
    """A table whose columns have the types of the signature, if there is one."""
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return pd.read_csv(file)
    wanted = dict(zip(schema.input_names(), schema.pandas_types(), strict=True))
    columns = pd.read_csv(file, nrows=0).columns
    types = {name: wanted[name] for name in columns if name in wanted}
    dates = [name for name, each in types.items() if np.dtype(each).kind == "M"]
    plain = {name: each for name, each in types.items() if name not in dates}
    return pd.read_csv(file, dtype=plain, parse_dates=dates)


def _image(file: Path, schema: Any) -> Any:
    """An image as a batch of one, of the shape in the signature, if there is one."""
    from PIL import Image

    pixels = np.asarray(Image.open(file))[np.newaxis]
    if schema is None or not schema.is_tensor_spec():
        return pixels
    (tensor,) = schema.inputs
    shaped = pixels.reshape([1, *tensor.shape[1:]]).astype(tensor.type)
    return {tensor.name: shaped} if tensor.name else shaped


def _rows(predicted: Any) -> list[Any]:
    """The predictions, one for each row."""
    if isinstance(predicted, pd.DataFrame):
        if len(predicted.columns) > 1:
            return predicted.to_dict("records")
        predicted = predicted.iloc[:, 0]
    return list(np.asarray(predicted).tolist() if hasattr(predicted, "dtype") else predicted)


def _as_cell(value: Any) -> Any:
    """A prediction of several values as JSON."""
    return json.dumps(value, default=str) if isinstance(value, (list, dict)) else value
